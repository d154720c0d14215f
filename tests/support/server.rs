//! A real server process of the built binary, on free ports and in folders of its own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything may take before the test says that it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
pub fn telestrata() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_telestrata"));
    command.env_remove("TELESTRATA_LAKE").env("TELESTRATA_LOG", "warn,deltalake_core=off,buoyant_kernel=off");
    command
}

/// Folders of one lake; servers on it may come and go.
#[derive(Debug)]
pub struct Home {
    folder: tempfile::TempDir,
    config: String,
    /// Where the lake is, if not in the folder.
    url: Option<String>,
    env: Vec<(String, String)>,
}

impl Home {
    /// Folders without anything in them, and a configuration in TOML.
    pub fn new(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("telestrata.toml"), config).unwrap();
        Self { folder, config: config.to_owned(), url: None, env: Vec::new() }
    }

    /// A write-ahead log and a configuration here, and the lake at a URL that is reached with an environment.
    pub fn with_lake_at(config: &str, url: &str, env: &[(String, String)]) -> Self {
        Self { url: Some(url.to_owned()), env: env.to_vec(), ..Self::new(config) }
    }

    pub fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    pub fn wal(&self) -> PathBuf {
        self.folder.path().join("wal")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes the configuration for servers started from now on.
    pub fn reconfigure(&mut self, config: &str) {
        config.clone_into(&mut self.config);
        std::fs::write(self.folder.path().join("telestrata.toml"), config).unwrap();
    }

    /// A verb of the program on this lake, without a server.
    pub fn verb(&self, verb: &str) -> Command {
        let mut command = telestrata();
        command.current_dir(self.path()).envs(self.env.iter().cloned()).arg(verb).arg("--lake");
        match &self.url {
            Some(url) => command.arg(url),
            None => command.arg(self.lake()),
        };
        if !self.config.contains("[maintenance]") {
            // A test that is not about it counts on the files that its flushes made; a verb has its server's configuration.
            command.env("TELESTRATA_MAINTENANCE_ENABLED", "false");
        }
        command
    }

    /// Starts a server and waits until it is ready.
    pub fn serve(&self) -> Server {
        self.serve_with("127.0.0.1:0", |_| {})
    }

    /// The same, each door at this address, and the command changed.
    pub fn serve_with(&self, address: &str, change: impl FnOnce(&mut Command)) -> Server {
        let ready_file = self.path().join("ready.json");
        let _ = std::fs::remove_file(&ready_file);
        let mut command = self.verb("serve");
        command.arg("--wal").arg(self.wal());
        for door in ["--otlp-grpc", "--otlp-http", "--http", "--flight", "--postgres"] {
            command.args([door, address]);
        }
        command.arg("--ready-file").arg(&ready_file).stdout(Stdio::null());
        change(&mut command);
        let child = command.spawn().unwrap();
        let mut server = Server { child, doors: Value::Null };
        server.doors = wait_for("the server to be ready", || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("the server ended before it was ready: {status}");
            }
            serde_json::from_str(&std::fs::read_to_string(&ready_file).ok()?).ok()
        });
        server
    }
}

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub struct Server {
    child: Child,
    doors: Value,
}

impl Server {
    /// Host and port of a door.
    pub fn address(&self, door: &str) -> String {
        self.doors[door].as_str().unwrap_or_else(|| panic!("no door {door}: {}", self.doors)).to_owned()
    }

    fn door(&self, name: &str) -> String {
        format!("http://{}", self.address(name))
    }

    pub fn http(&self) -> String {
        self.door("http")
    }

    pub fn otlp_http(&self) -> String {
        self.door("otlp_http")
    }

    pub fn otlp_grpc(&self) -> String {
        self.door("otlp_grpc")
    }

    /// Host and port of the Arrow Flight SQL door.
    pub fn flight(&self) -> String {
        self.address("flight")
    }

    /// Host and port of the PostgreSQL door.
    pub fn postgres(&self) -> String {
        self.address("postgres")
    }

    /// `kill -9`, and gone when this returns.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `SIGTERM`; the server drains, flushes and ends with 0.
    pub fn terminate(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = wait_for("the server to stop", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A query's rows as JSON objects.
    pub async fn sql(&self, query: &str) -> Vec<Value> {
        let response =
            reqwest::Client::new().post(format!("{}/v1/sql", self.http())).body(query.to_owned()).send().await;
        let response = response.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}\n{query}");
        serde_json::from_str(&text).unwrap()
    }

    /// The one number that a query answers.
    pub async fn number(&self, query: &str) -> i64 {
        let rows = self.sql(query).await;
        let value = rows.first().and_then(|row| row.as_object()?.values().next()?.as_i64());
        value.unwrap_or_else(|| panic!("not one number: {rows:?}\n{query}"))
    }

    /// A query's rows as Arrow batches.
    pub async fn arrow(&self, query: &str) -> Vec<arrow::array::RecordBatch> {
        let response = reqwest::Client::new()
            .post(format!("{}/v1/sql", self.http()))
            .header("accept", "application/vnd.apache.arrow.stream")
            .body(query.to_owned())
            .send()
            .await
            .unwrap();
        let (status, body) = (response.status(), response.bytes().await.unwrap());
        assert!(status.is_success(), "{status}: {}\n{query}", String::from_utf8_lossy(&body));
        let reader = arrow::ipc::reader::StreamReader::try_new(std::io::Cursor::new(body), None).unwrap();
        reader.collect::<Result<_, _>>().unwrap()
    }

    /// Commits everything that is visible.
    pub async fn flush(&self) {
        let response = reqwest::Client::new().post(format!("{}/v1/flush", self.http())).send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    /// The value of a metric, summed over its labels that contain `labels`.
    pub async fn metric(&self, name: &str, labels: &str) -> f64 {
        let text = reqwest::get(format!("{}/metrics", self.http())).await.unwrap().text().await.unwrap();
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains(labels))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

//! The senders: OpenTelemetry's SDKs of Python, Node and Rust, installed or built once, behind one command line.
//!
//! `SCENARIO PROTOCOL COMPRESSION ENDPOINT RUN`; what each scenario does is written in `tests/clients/`. Nothing is
//! written into the source tree: packages and builds go to `target/tmp`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use super::python::{python, run};

/// How long a sender may take for one thing before the test says that it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A language's SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    Python,
    Node,
    Rust,
}

impl Sdk {
    /// As in `tests/clients/everything.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Node => "node",
            Self::Rust => "rust",
        }
    }

    /// What its exporters can be told to compress with.
    pub fn compressions(self, protocol: &str) -> &'static [&'static str] {
        match (self, protocol) {
            (Self::Python, "grpc") | (Self::Node, _) => &["none", "gzip"],
            (Self::Python, _) => &["none", "gzip", "deflate"],
            (Self::Rust, _) => &["none", "gzip", "zstd"],
        }
    }

    fn command(self) -> Command {
        match self {
            Self::Python => {
                let mut command = python();
                command.arg("senders/send.py").env("PYTHONDONTWRITEBYTECODE", "1");
                command
            }
            Self::Node => node("send.js"),
            Self::Rust => Command::new(&*RUST_SENDER),
        }
    }

    /// Starts a scenario.
    pub fn start(self, scenario: &str, protocol: &str, compression: &str, endpoint: &str, run: &str) -> Sender {
        self.start_in(&[], scenario, protocol, compression, endpoint, run)
    }

    /// Starts a scenario with an environment.
    pub fn start_in(
        self,
        env: &[(&str, &str)],
        scenario: &str,
        protocol: &str,
        compression: &str,
        endpoint: &str,
        run: &str,
    ) -> Sender {
        // The first one may install or build for a while.
        let mut command = tokio::task::block_in_place(|| self.command());
        command.args([scenario, protocol, compression, endpoint, run]).envs(env.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let saying = tokio::spawn(collect(child.stderr.take().unwrap(), Arc::clone(&said)));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Sender { stdin: child.stdin.take().unwrap(), child, lines, said, saying }
    }
}

/// A running sender. Dropped, it is killed.
#[derive(Debug)]
pub struct Sender {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    said: Arc<Mutex<String>>,
    saying: JoinHandle<()>,
}

async fn collect(stderr: ChildStderr, said: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let mut said = said.lock().unwrap();
        said.push_str(&line);
        said.push('\n');
    }
}

impl Sender {
    /// Lets it begin its next round.
    pub async fn go(&mut self) {
        self.stdin.write_all(b"\n").await.unwrap();
    }

    /// Its next line.
    pub async fn line(&mut self) -> Option<String> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("the sender says nothing more").unwrap()
    }

    /// What its exporters have said so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it ends by itself: what it printed, and what its exporters said.
    pub async fn end(mut self) -> (Vec<String>, String) {
        drop(self.stdin);
        let mut lines = Vec::new();
        let ended = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                lines.push(line);
            }
            self.child.wait().await.unwrap()
        });
        let status = ended.await.expect("the sender does not end");
        self.saying.await.unwrap();
        let said = self.said.lock().unwrap().clone();
        assert!(status.success(), "{status}: {said}");
        (lines, said)
    }
}

/// A script of `tests/clients/node` with its packages.
pub fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(clients().join("node").join(script)).env("NODE_PATH", &*NODE_MODULES);
    command
}

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// The packages of `tests/clients/node/package-lock.json`.
static NODE_MODULES: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("node");
    let installed = folder.join("installed.json");
    let wanted = fs::read_to_string(clients().join("node/package-lock.json")).unwrap();
    fs::create_dir_all(&folder).unwrap();
    // Tests run as threads and as processes side by side: one installs, the others wait for it.
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    if fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        return folder.join("node_modules");
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(clients().join("node").join(file), folder.join(file)).unwrap();
    }
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&folder));
    fs::write(&installed, wanted).unwrap();
    folder.join("node_modules")
});

/// The binary of `tests/clients/rust`.
static RUST_SENDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rust-client");
    let manifest = clients().join("rust/Cargo.toml");
    // Cargo knows what has changed, and locks the folder itself.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .args(["build", "--locked", "--quiet", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target));
    target.join("debug/telestrata-rust-sender")
});

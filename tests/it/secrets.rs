//! No secret shows: not in a log, an error, the configuration as it is told, or what runs.

use std::process::{Command, Stdio};

use crate::support::people::{everyone, password, token};
use crate::support::server::Home;

/// Parts of passwords, tokens and hashes; whoever shows one of them shows a secret.
fn secrets(config: &str) -> Vec<String> {
    let mut secrets: Vec<String> = ["ingest", "query", "maintain", "admin", "nothing"].map(password).to_vec();
    secrets.extend(["ingest", "query", "maintain", "admin", "nothing"].map(token));
    for line in config.lines() {
        let Some((key, value)) = line.split_once(" = ") else { continue };
        if ["scram", "hash"].contains(&key) {
            let parts = value.trim_matches('"').split(['$', ':']);
            secrets.extend(parts.filter(|part| part.len() > 20).map(str::to_owned));
        }
    }
    use base64::Engine as _;
    let encoded = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    secrets.push(encoded(format!("query-user:{}", password("query"))));
    secrets
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_anywhere() {
    let config = everyone();
    let secrets = secrets(&config);
    assert!(secrets.len() > 20, "{secrets:?}");
    let home = Home::new(&config);
    let log = home.path().join("server.log");
    let server = home.serve_with("127.0.0.1:0", |command| {
        let file = std::fs::File::create(&log).unwrap();
        command.env("TELESTRATA_LOG", "trace").stderr(Stdio::from(file));
    });
    let mut shown: Vec<(String, String)> = Vec::new();
    let client = reqwest::Client::new();
    let (right, wrong) = (token("admin"), token("admin").replace("5e", "5f"));
    for (path, method) in [
        ("/", "GET"),
        ("/metrics", "GET"),
        ("/v1/config", "GET"),
        ("/v1/sql/running", "GET"),
        ("/v1/sql", "POST"),
        ("/v1/flush", "POST"),
        ("/v1/import?format=nothing", "POST"),
        ("/nowhere", "GET"),
    ] {
        for token in [&right, &wrong, &token("query")] {
            let request = client.request(method.parse().unwrap(), format!("{}{path}", server.http()));
            let response = request.bearer_auth(token).body("select nothing from nowhere").send().await.unwrap();
            let headers = format!("{:?}", response.headers());
            shown.push((format!("{method} {path}"), headers + &response.text().await.unwrap()));
        }
        for password in [password("query"), format!("{}x", password("query"))] {
            let request = client.request(method.parse().unwrap(), format!("{}{path}", server.http()));
            let response = request.basic_auth("query-user", Some(password)).body("select 1").send().await.unwrap();
            shown.push((format!("{method} {path}"), response.text().await.unwrap()));
        }
    }
    for token in [&right, &wrong] {
        let request = client.post(format!("{}/v1/logs", server.otlp_http())).bearer_auth(token);
        let response = request.header("content-type", "application/json").body("{\"").send().await.unwrap();
        shown.push(("OTLP".into(), response.text().await.unwrap()));
    }
    // The verbs, with what they were given in their environment.
    let url = server.http();
    for args in [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["check", "--wal", "wal", "--lake", "lake", "--connect", &url],
        &["sql", "--connect", &url, "select nothing"],
        &["sql", "--connect", "http://127.0.0.1:1", "select 1"],
        &["sql", "--lake", "nowhere", "select 1"],
    ] {
        for (name, value) in
            [("TELESTRATA_TOKEN", &right), ("TELESTRATA_TOKEN", &wrong), ("TELESTRATA_PASSWORD", &right)]
        {
            let mut command = crate::support::server::telestrata();
            let output = command.current_dir(home.path()).args(args).env(name, value).env("TELESTRATA_LOG", "trace");
            let output = output.output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            shown.push((args.join(" "), String::from_utf8_lossy(&text).into_owned()));
        }
    }
    // A configuration that is wrong in every entry, one at a time.
    for line in config.lines().filter(|line| line.contains(" = ")) {
        let (key, _) = line.split_once(" = ").unwrap();
        for broken in
            [line.replace(key, "other"), line.replacen('"', "", 1), line.replace("\"]", "x\"]"), line.replace('$', "")]
        {
            if broken == line {
                continue;
            }
            let file = home.path().join("broken.toml");
            std::fs::write(&file, config.replacen(line, &broken, 1)).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_telestrata"));
            let output =
                command.current_dir(home.path()).args(["config", "show", "--config"]).arg(&file).output().unwrap();
            assert!(!output.status.success(), "{key}: {broken}");
            let text = [output.stdout, output.stderr].concat();
            shown.push((format!("broken {key}"), String::from_utf8_lossy(&text).into_owned()));
        }
    }
    server.terminate();
    shown.push(("the log".into(), std::fs::read_to_string(&log).unwrap()));
    assert!(shown.iter().any(|(_, text)| text.contains("admin-token")), "names do show");
    for (place, text) in &shown {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{place} shows {secret}: {text}");
        }
        assert!(!text.contains(&wrong), "{place} shows a wrong token: {text}");
    }
    // Everything that stays, but the configuration that it was read from.
    let mut folders = vec![home.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|ending| ending != "toml") {
                let bytes = std::fs::read(&path).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!secrets.iter().any(|secret| text.contains(secret.as_str())), "{}", path.display());
            }
        }
    }
}

//! An S3 of our own: moto's server from PyPI, a process that keeps its objects in memory.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use super::python::python;
use super::server::wait_for;

const BUCKET: &str = "lakes";

/// A running S3 with one bucket. Dropped, it ends.
#[derive(Debug)]
pub struct S3 {
    child: Child,
    folder: tempfile::TempDir,
    endpoint: String,
}

impl S3 {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("requests.log")).unwrap();
        let child = python()
            .args(["-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut s3 = Self { child, folder, endpoint: String::new() };
        s3.endpoint = wait_for("moto to listen", || {
            if let Some(status) = s3.child.try_wait().unwrap() {
                panic!("moto ended: {status}: {}", s3.log());
            }
            let log = s3.log();
            Some(log.split_once("Running on ")?.1.split_whitespace().next()?.to_owned())
        });
        let made = reqwest::Client::new().put(format!("{}/{BUCKET}", s3.endpoint)).send().await.unwrap();
        assert!(made.status().is_success(), "{}", made.text().await.unwrap());
        s3
    }

    /// The URL of a lake in the bucket.
    pub fn lake(&self, name: &str) -> String {
        format!("s3://{BUCKET}/{name}")
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What a process needs to reach it.
    pub fn env(&self) -> Vec<(String, String)> {
        Self::env_at(&self.endpoint)
    }

    /// The same, by way of another address.
    pub fn env_at(endpoint: &str) -> Vec<(String, String)> {
        let pairs = [
            ("AWS_ENDPOINT_URL", endpoint),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-the-test"),
            ("AWS_REGION", "us-east-1"),
        ];
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// From now on, nobody is let in: keys are held against users that moto has none of.
    pub async fn refuse(&self) {
        let answer =
            reqwest::Client::new().post(format!("{}/moto-api/reset-auth", self.endpoint)).body("0").send().await;
        assert!(answer.unwrap().status().is_success());
    }

    /// Every request so far, as `METHOD /path?query STATUS`, in order.
    pub fn requests(&self) -> Vec<String> {
        let plain = |line: &str| -> Option<String> {
            let (_, rest) = line.split_once('"')?;
            let (request, status) = rest.split_once('"')?;
            let request = request.trim_start_matches(|c: char| !c.is_ascii_uppercase());
            let mut words = request.split_whitespace();
            Some(format!("{} {} {}", words.next()?, words.next()?, status.split_whitespace().next()?))
        };
        // The first made the bucket.
        self.log().lines().filter_map(plain).skip(1).collect()
    }

    fn log(&self) -> String {
        let path: PathBuf = self.folder.path().join("requests.log");
        std::fs::read_to_string(path).unwrap_or_default()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

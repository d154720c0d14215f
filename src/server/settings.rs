//! What an operator may turn about the doors.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::tls::TlsFiles;
use crate::auth::Users;
use crate::error::{Error, Result};
use crate::import::ImportSettings;
use crate::maintenance::EraseService;

/// Where the server listens and what it takes.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// OTLP over gRPC, `None` for off; port 0 is any free port.
    pub otlp_grpc: Option<SocketAddr>,
    /// OTLP over HTTP, `None` for off; port 0 is any free port.
    pub otlp_http: Option<SocketAddr>,
    /// The HTTP API, `None` for off; port 0 is any free port.
    pub http: Option<SocketAddr>,
    /// Arrow Flight SQL, `None` for off; port 0 is any free port.
    pub flight: Option<SocketAddr>,
    /// The PostgreSQL wire protocol, `None` for off; port 0 is any free port.
    pub postgres: Option<SocketAddr>,
    /// Who may come in; none for everyone.
    pub users: Arc<Users>,
    /// The certificate of every door; `None` for plaintext.
    pub tls: Option<TlsFiles>,
    /// Whether other machines may be spoken to in plaintext.
    pub insecure_plaintext: bool,
    /// How the HTTP API imports files.
    pub import: ImportSettings,
    /// Bytes of one OTLP request, before and after decompression. OTLP 1.11 recommends 64 MiB.
    pub max_request_bytes: usize,
    /// How the HTTP API erases; `None` where it does not.
    pub erase: Option<EraseService>,
    /// What `GET /v1/config` answers: an object without secrets.
    pub config: serde_json::Value,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            otlp_grpc: Some(local(4317)),
            otlp_http: Some(local(4318)),
            http: Some(local(8710)),
            flight: Some(local(8711)),
            postgres: Some(local(8712)),
            users: Arc::default(),
            tls: None,
            insecure_plaintext: false,
            import: ImportSettings::default(),
            max_request_bytes: 64 * 1024 * 1024,
            erase: None,
            config: serde_json::json!({}),
        }
    }
}

impl ServerSettings {
    /// Refuses what can't work, before anything is opened.
    pub(super) fn validate(&self) -> Result<()> {
        // gRPC tells a message's length in 32 bits.
        if self.max_request_bytes == 0 || u32::try_from(self.max_request_bytes).is_err() {
            return Err(Error::config(format!(
                "max_request_bytes is {}; set it between 1 byte and 4 GiB",
                self.max_request_bytes
            )));
        }
        let doors = [
            ("otlp_grpc", self.otlp_grpc),
            ("otlp_http", self.otlp_http),
            ("http", self.http),
            ("flight", self.flight),
            ("postgres", self.postgres),
        ];
        for (door, address) in doors.into_iter().filter_map(|(door, address)| Some((door, address?))) {
            self.allow(door, address)?;
        }
        Ok(())
    }

    /// Refuses an address that other machines reach, unless callers are known and nobody can read along.
    fn allow(&self, door: &str, address: SocketAddr) -> Result<()> {
        if address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let mut missing = Vec::new();
        if self.users.is_empty() {
            missing.push("nobody has credentials: make them with `telestrata config hash`, under [auth]");
        }
        if self.tls.is_none() && !self.insecure_plaintext {
            missing.push(
                "there is no TLS: set `certificate` and `key` under [tls], or say --insecure-plaintext where the \
                 network is private or something else encrypts",
            );
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::config(format!(
            "the door {door} is to listen on {address}, where other machines reach it, and {}; or listen on 127.0.0.1",
            missing.join("; and ")
        )))
    }
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{ScramVerifier, User};

    #[rstest::rstest]
    #[case::loopback("127.0.0.1:0", false, false, false, None)]
    #[case::all_of_loopback("127.9.9.9:1", false, false, false, None)]
    #[case::loopback_6("[::1]:0", false, false, false, None)]
    #[case::loopback_4_in_6("[::ffff:127.0.0.1]:0", false, false, false, None)]
    #[case::any("0.0.0.0:0", false, false, false, Some(&["[auth]", "[tls]", "http", "0.0.0.0:0"][..]))]
    #[case::any_6("[::]:0", false, false, false, Some(&["[auth]", "[tls]"][..]))]
    #[case::any_4_in_6("[::ffff:0.0.0.0]:0", false, false, false, Some(&["[auth]"][..]))]
    #[case::network("192.168.0.7:8710", true, false, false, Some(&["--insecure-plaintext"][..]))]
    #[case::only_tls("0.0.0.0:0", false, true, false, Some(&["[auth]"][..]))]
    #[case::only_plaintext("0.0.0.0:0", false, false, true, Some(&["[auth]"][..]))]
    #[case::both("0.0.0.0:0", true, true, false, None)]
    #[case::plaintext_that_was_asked_for("0.0.0.0:0", true, false, true, None)]
    fn other_machines_need_credentials_and_tls(
        #[case] address: &str,
        #[case] known: bool,
        #[case] tls: bool,
        #[case] insecure_plaintext: bool,
        #[case] missing: Option<&[&str]>,
    ) {
        let roles = crate::auth::Roles::default();
        let ann = || User { name: "ann".into(), scram: ScramVerifier::of("x").unwrap(), roles };
        let settings = ServerSettings {
            http: Some(address.parse().unwrap()),
            users: Arc::new(if known { Users::new(vec![ann()], Vec::new()).unwrap() } else { Users::none() }),
            tls: tls.then(|| TlsFiles { certificate: "a".into(), key: "b".into() }),
            insecure_plaintext,
            ..ServerSettings::default()
        };
        match (settings.validate(), missing) {
            (Ok(()), None) => {}
            (Err(error), Some(missing)) => {
                assert!(missing.iter().all(|part| error.message().contains(part)), "{error}");
            }
            (outcome, _) => panic!("{outcome:?}"),
        }
    }
}

//! What an operator may turn about the doors.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use crate::auth::Users;
use crate::error::{Error, Result};
use crate::import::ImportSettings;

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
    /// How the HTTP API imports files.
    pub import: ImportSettings,
    /// Bytes of one OTLP request, before and after decompression. OTLP 1.11 recommends 64 MiB.
    pub max_request_bytes: usize,
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
            import: ImportSettings::default(),
            max_request_bytes: 64 * 1024 * 1024,
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
        Ok(())
    }
}

const fn local(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

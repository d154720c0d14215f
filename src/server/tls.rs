//! TLS on every door: one certificate, and what each protocol says about itself in the handshake (ALPN, RFC 7301).
//!
//! Guarantee: with it, nothing but TLS 1.2 and 1.3 is spoken; a client that comes in plaintext gets an alert and no
//! answer.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::error::{Error, Result};

/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// Where the server's certificate and its key are.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate, and behind it those that lead to one that clients trust; PEM.
    pub certificate: PathBuf,
    /// Its private key, not encrypted; PEM.
    pub key: PathBuf,
}

/// The certificate and its key, read and checked.
pub(super) struct Tls {
    config: ServerConfig,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// `Config`, naming the file and what is wrong with it.
    pub(super) fn load(files: &TlsFiles) -> Result<Self> {
        let chain = certificates(&files.certificate)?;
        let key = private_key(&files.key)?;
        let unusable = |error| {
            let (certificate, key) = (files.certificate.display(), files.key.display());
            Error::config(format!(
                "TLS can't be spoken with the certificate in {certificate} and the key in {key}; is the key that \
                 certificate's?"
            ))
            .with_source(error)
        };
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(unusable)?;
        Ok(Self { config })
    }

    /// For a door that speaks `protocol`, by its name in ALPN.
    pub(super) fn speaking(&self, protocol: &[u8]) -> Arc<ServerConfig> {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    }
}

/// Agrees on TLS with a client that has just connected.
///
/// # Errors
/// The handshake's own, or that it took too long.
pub(super) async fn handshake<S>(config: Arc<ServerConfig>, stream: S) -> std::io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tokio::time::timeout(HANDSHAKE_TIME, TlsAcceptor::from(config).accept(stream)).await?
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let failed = |error| unreadable(path, "certificate", error);
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    if chain.is_empty() { Err(failed(pem::Error::NoItemsFound)) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, "private key", error))
}

/// What is in the file is not repeated: it may be a key.
fn unreadable(path: &Path, what: &str, error: pem::Error) -> Error {
    let path = path.display();
    match error {
        pem::Error::Io(error) => Error::config(format!("the {what} can't be read from {path}")).with_source(error),
        pem::Error::NoItemsFound => {
            Error::config(format!("there is no {what} in {path}; it must be PEM, and a key not encrypted"))
        }
        _ => Error::config(format!("the {what} in {path} is not valid PEM")),
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

//! One request over a connection of its own, HTTP/1.1, with TLS or without: for the collector of traces, and for the command line, which
//! asks the admin API. Not for applets: theirs is the core's http capability, with its rules.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Time to connect.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// A request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The URL has no host, or another scheme than http or https.
    #[error("{0} is no http or https URL")]
    Url(Uri),
    /// Nobody answers there.
    #[error("{host}:{port} cannot be reached: {source}")]
    Connect {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The roots are no certificates, or TLS cannot be set up.
    #[error("tls cannot be set up: {0}")]
    Tls(String),
    /// The other side broke off, or does not speak HTTP.
    #[error("the answer cannot be read: {0}")]
    Http(#[from] hyper::Error),
}

/// Sends requests.
#[derive(Clone)]
pub struct Client {
    tls: Arc<rustls::ClientConfig>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client that trusts Mozilla's roots, and those in `extra_roots_pem`.
    ///
    /// # Errors
    /// [`SendError::Tls`].
    pub fn new(extra_roots_pem: &[u8]) -> Result<Self, SendError> {
        let failed = |error: &dyn std::fmt::Display| SendError::Tls(error.to_string());
        let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in CertificateDer::pem_slice_iter(extra_roots_pem) {
            roots.add(certificate.map_err(|error| failed(&error))?).map_err(|error| failed(&error))?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?;
        Ok(Self { tls: Arc::new(builder.with_root_certificates(roots).with_no_client_auth()) })
    }

    /// Sends a request to its absolute URL. The answer's body comes as it is read; the connection ends with it.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, SendError> {
        let uri = request.uri().clone();
        let wrong = || SendError::Url(uri.clone());
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        // An address of IPv6 has brackets in a URL, and none elsewhere.
        let host = uri.host().ok_or_else(wrong)?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let failed = |source: io::Error| SendError::Connect { host: host.clone(), port, source };
        let connecting = async {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            // Failing to say so costs time only.
            let _ = stream.set_nodelay(true);
            Ok(stream)
        };
        let stream = tokio::time::timeout(CONNECT_MAX, connecting)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(failed)?;
        if !is_tls {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(host.clone()).map_err(|error| SendError::Tls(error.to_string()))?;
        let connector = tokio_rustls::TlsConnector::from(self.tls.clone());
        let stream = connector.connect(name, stream).await.map_err(failed)?;
        exchange(stream, request).await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, SendError> {
    let (mut parts, body) = request.into_parts();
    if let Some(value) = parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok()) {
        parts.headers.insert(http::header::HOST, value);
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    parts.uri = path.parse().map_err(|_| SendError::Url(parts.uri.clone()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends by itself, with the body or with whoever reads it.
    tokio::spawn(connection);
    Ok(sender.send_request(Request::from_parts(parts, body)).await?)
}

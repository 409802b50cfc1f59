//! Connections: from a scheme, host and port to a stream whose peer has been checked. Every connection of the capability is made
//! here. It knows nothing of rules; the zone of the host decides which addresses may be dialled.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::client::TlsStream;
use url::Host;

use super::proxy::Proxy;
use super::resolve::Resolver;
use super::zone::{TestHosts, Zone, is_localhost, literal, parse_host};

/// Addresses of one name that are tried; a name with more is cut.
const ADDRESSES_MAX: usize = 16;
/// Head start of one address over the next (RFC 8305, 8).
const STAGGER: Duration = Duration::from_millis(250);

/// What a connection is made with. One for all connections of a client.
pub(super) struct Dialler {
    pub(super) test_hosts: Arc<TestHosts>,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) tls: Arc<rustls::ClientConfig>,
    /// One permit per open connection, idle ones included.
    pub(super) connections: Arc<Semaphore>,
    /// All permits.
    pub(super) connections_max: usize,
    /// What connections to public hosts go through.
    pub(super) proxy: Option<Proxy>,
}

/// Why there is no connection. Texts go to the applet.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum DialError {
    #[error("{0}")]
    Denied(String),
    #[error("{0}")]
    Dns(String),
    #[error("{0}")]
    Connect(String),
    #[error("{0}")]
    Tls(String),
    #[error("connecting took longer than {allowed_ms} ms")]
    Timeout { allowed_ms: u64 },
}

/// Makes connections for hyper's pool, each within the same time.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) dialler: Arc<Dialler>,
    pub(super) connect_ms_max: u64,
}

impl tower_service::Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (dialler, allowed_ms) = (self.dialler.clone(), self.connect_ms_max);
        Box::pin(async move {
            match tokio::time::timeout(Duration::from_millis(allowed_ms), dialler.dial(&uri)).await {
                Ok(done) => done.map(TokioIo::new),
                Err(_) => Err(DialError::Timeout { allowed_ms }),
            }
        })
    }
}

impl Dialler {
    async fn dial(&self, uri: &Uri) -> Result<Wire, DialError> {
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let text = uri.host().unwrap_or_default();
        let host = parse_host(text).ok_or_else(|| DialError::Denied("the URL has no host".to_owned()))?;
        let zone = self.test_hosts.zone(&host, port);
        // Test hosts are on this machine: no proxy leads to them.
        let proxy = self.proxy.as_ref().filter(|_| zone == Zone::Public);
        let candidates = match (proxy, &host) {
            // `localhost` was refused before any dialling, and is none of the proxy's.
            (Some(proxy), Host::Domain(name)) if proxy.resolves_names && !is_localhost(name) => Vec::new(),
            _ => self.candidates(&host, zone).await?,
        };

        let ended = |_| DialError::Connect("the client has ended".to_owned());
        let permit = self.connections.clone().acquire_owned().await.map_err(ended)?;
        let stream = match proxy {
            Some(proxy) => self.tunnel(proxy, &candidates, &host, port).await?,
            None => {
                let stream = connect_any(&candidates, port).await.map_err(|error| {
                    DialError::Connect(format!("connecting to {host}:{port} failed: {}", kind_of(&error)))
                })?;
                check_peer(&stream, &candidates, zone, &host)?;
                stream
            }
        };
        // Requests are written in one piece; waiting for more only costs time. Failing to say so costs no more than that.
        let _ = stream.set_nodelay(true);
        let stream = if secure { self.secure(stream, &host).await? } else { Transport::Plain(stream) };
        Ok(Wire { stream, _permit: permit })
    }

    /// A connection through the proxy: to the first of the checked addresses that it reaches, or to the name.
    async fn tunnel(
        &self,
        proxy: &Proxy,
        checked: &[IpAddr],
        host: &Host<String>,
        port: u16,
    ) -> Result<TcpStream, DialError> {
        let reach = async || {
            // The operator's own host: its address may be any.
            let found = match (literal(&proxy.host), &proxy.host) {
                (Some(address), _) => vec![address],
                (None, Host::Domain(name)) if is_localhost(name) => {
                    vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
                }
                _ => self.resolver.resolve(&proxy.host.to_string()).await?,
            };
            connect_any(&found, proxy.port).await
        };
        let mut last = None;
        let targets = checked.iter().map(|&address| SocketAddr::new(address, port).to_string());
        let by_name = checked.is_empty().then(|| format!("{host}:{port}"));
        for target in targets.chain(by_name) {
            // The applet learns that there is a proxy, not where.
            let mut stream = reach()
                .await
                .map_err(|error| DialError::Connect(format!("the proxy was not reached: {}", kind_of(&error))))?;
            match proxy.connect(&mut stream, &target).await {
                Ok(()) => return Ok(stream),
                Err(error) => last = Some(error),
            }
        }
        let why = last.map(|error| error.to_string()).unwrap_or_default();
        Err(DialError::Connect(format!("connecting to {host}:{port} through the proxy failed: {why}")))
    }

    /// The addresses that may be dialled, in the order to try them; never none.
    async fn candidates(&self, host: &Host<String>, zone: Zone) -> Result<Vec<IpAddr>, DialError> {
        let found = match (literal(host), host) {
            (Some(address), _) => vec![address],
            // Never asked of a name server (RFC 6761, 6.3).
            (None, Host::Domain(name)) if is_localhost(name) => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            _ => self.resolve(&host.to_string()).await?,
        };
        let mut allowed: Vec<IpAddr> =
            found.iter().map(IpAddr::to_canonical).filter(|&address| zone.allows(address)).collect();
        allowed.truncate(ADDRESSES_MAX);
        if !allowed.is_empty() {
            return Ok(allowed);
        }
        // The addresses themselves are none of the applet's business.
        let which = if zone == Zone::Test { "loopback" } else { "public" };
        Err(DialError::Denied(format!("host {host} has no {which} address")))
    }

    async fn resolve(&self, name: &str) -> Result<Vec<IpAddr>, DialError> {
        match self.resolver.resolve(name).await {
            Ok(found) if !found.is_empty() => Ok(found),
            _ => Err(DialError::Dns(format!("host {name} was not found"))),
        }
    }

    async fn secure(&self, stream: TcpStream, host: &Host<String>) -> Result<Transport, DialError> {
        let failed = |error: &dyn std::fmt::Display| DialError::Tls(format!("no secure connection to {host}: {error}"));
        let name = match literal(host) {
            Some(address) => ServerName::IpAddress(address.into()),
            None => ServerName::try_from(host.to_string()).map_err(|error| failed(&error))?,
        };
        let connector = tokio_rustls::TlsConnector::from(self.tls.clone());
        let stream = connector.connect(name, stream).await.map_err(|error| match error.get_ref() {
            // rustls says what is wrong with the certificate; the operating system would say more than the applet may know.
            Some(cause) => failed(cause),
            None => failed(&kind_of(&error)),
        })?;
        Ok(Transport::Secure(Box::new(stream)))
    }
}

/// Connects to the first address that answers: each gets a head start over the next.
async fn connect_any(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(&address) = waiting.next() {
            attempts.push(TcpStream::connect(SocketAddr::new(address, port)));
        } else if attempts.is_empty() {
            return Err(last);
        }
        let pause = async {
            match waiting.len() {
                0 => std::future::pending().await,
                _ => tokio::time::sleep(STAGGER).await,
            }
        };
        tokio::select! {
            Some(done) = attempts.next() => match done {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            },
            () = pause => {}
        }
    }
}

/// The kernel's word on whom we are connected to must be one of the addresses that were checked.
fn check_peer(stream: &TcpStream, checked: &[IpAddr], zone: Zone, host: &Host<String>) -> Result<(), DialError> {
    let peer = stream
        .peer_addr()
        .map_err(|error| DialError::Connect(format!("connecting to {host} failed: {}", kind_of(&error))))?;
    let peer = peer.ip().to_canonical();
    if checked.contains(&peer) && zone.allows(peer) {
        return Ok(());
    }
    Err(DialError::Denied(format!("host {host} was not reached at an address that was checked")))
}

/// What happened, without paths, numbers or addresses.
fn kind_of(error: &io::Error) -> String {
    error.kind().to_string()
}

/// An open connection, and its place among all of them.
pub(super) struct Wire {
    stream: Transport,
    _permit: OwnedSemaphorePermit,
}

enum Transport {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        match &self.stream {
            Transport::Secure(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                Connected::new().negotiated_h2()
            }
            _ => Connected::new(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Transport::Secure(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Secure(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Secure(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Secure(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

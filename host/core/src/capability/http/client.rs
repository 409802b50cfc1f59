//! The client of a whole host: TLS, resolver, the operator's test hosts, and the pools of connections. It knows no rules and no
//! invocation.
//!
//! There is no proxy unless the operator names one (`proxy.rs`); the environment names none. There are no cookies and no cache. Certificates are checked against Mozilla's roots, which are compiled in, because reading the
//! machine's own store costs milliseconds at every start and gives a different answer on every machine; an operator adds their
//! own roots by [`HttpConfig::extra_roots_pem`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::sync::Semaphore;

use super::body::Outgoing;
use super::dial::{Connector, Dialler};
use super::policy::HttpRules;
use super::proxy::Proxy;
use super::resolve::{Resolver, SystemResolver};
use super::session::HttpSession;
use super::transport::HttpTransport;
use super::zone::{InvalidTestHost, TestHosts};
use crate::floor::deadline::Deadline;
use crate::floor::limits::HttpLimits;

/// Idle connections to one host.
const IDLE_PER_HOST_MAX: usize = 16;
/// How long a connection may be idle.
const IDLE_MAX: Duration = Duration::from_secs(15);
/// Pools, one for each set of limits that belong to connections. Hosts have one such set, as a rule.
const POOLS_MAX: usize = 8;
/// Bytes an HTTP/2 peer may send ahead on one stream. The pool holds no more than this past a body limit.
const STREAM_WINDOW_BYTES: u32 = 256 << 10;
/// Bytes an HTTP/2 peer may send ahead on one connection.
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Least size of hyper's read buffer.
const READ_BUFFER_BYTES_MIN: usize = 8 << 10;

/// Outgoing http of a whole host, as its operator configures it.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Named loopback hosts for tests, each `host` or `host:port`. For exactly these, `http:` and loopback addresses are
    /// allowed (and no others); the rules still have to name them, but need no port. Empty in production.
    pub test_hosts: Vec<String>,
    /// Certificates (PEM) of further roots to trust.
    pub extra_roots_pem: Vec<u8>,
    /// Open connections of all tenants together, idle ones included; at least 1. Further requests wait for one.
    pub connections_max: usize,
    /// A proxy that all requests go through, but for those to test hosts.
    pub proxy: Option<HttpProxy>,
}

/// An HTTP proxy: every connection is a tunnel (CONNECT, RFC 9110, 9.3.6) through it.
///
/// Names are looked up by the host, their addresses checked as ever, and the proxy is asked for the address that was checked, so that
/// its answer cannot differ. With `resolves_names` it is asked for the name instead: for networks whose name servers know no public
/// names, and for proxies that allow hosts by name. Then only addresses that stand in a URL are checked here, and the proxy has to
/// refuse those that are not public.
#[derive(Clone)]
pub struct HttpProxy {
    /// `http://[USER:PASSWORD@]HOST:PORT`. Its own address may be any.
    pub url: String,
    /// Whether names go to the proxy as they are.
    pub resolves_names: bool,
}

impl std::fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The URL may hold a password.
        f.debug_struct("HttpProxy").field("resolves_names", &self.resolves_names).finish_non_exhaustive()
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { test_hosts: Vec::new(), extra_roots_pem: Vec::new(), connections_max: 4_096, proxy: None }
    }
}

/// The operator's configuration of outgoing http is not usable.
#[derive(Debug, thiserror::Error)]
pub enum HttpConfigError {
    /// A test host is not one.
    #[error(transparent)]
    TestHost(#[from] InvalidTestHost),
    /// The further roots are no PEM certificates.
    #[error("the further root certificates cannot be read: {0}")]
    Roots(String),
    /// The proxy is none.
    #[error("the proxy for outgoing http {0}")]
    Proxy(&'static str),
    /// TLS cannot be set up.
    #[error("tls cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// Outgoing http for one host of applets; make one and share it. Clones are the same client.
///
/// Requests run on the tokio runtime that polls them, as do the connections kept for later.
#[derive(Clone)]
pub struct HttpClient {
    shared: Arc<Shared>,
    transport: Option<Arc<dyn HttpTransport>>,
}

pub(super) struct Shared {
    dialler: Arc<Dialler>,
    pools: Mutex<Vec<(PoolKey, Pool)>>,
}

/// hyper's client with its pool of connections.
pub(super) type Pool = Client<Connector, Outgoing>;

/// Limits that belong to a connection rather than to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PoolKey {
    connect_ms_max: u64,
    header_bytes_max: u64,
    headers_max: u32,
}

impl HttpClient {
    /// A client that asks the operating system for addresses.
    ///
    /// # Errors
    /// [`HttpConfigError`] when the configuration is not usable.
    pub fn new(config: &HttpConfig) -> Result<Self, HttpConfigError> {
        Self::with_resolver(config, Arc::new(SystemResolver::default()))
    }

    /// A client that asks `resolver` for addresses. What it answers is checked as any other answer is.
    ///
    /// # Errors
    /// [`HttpConfigError`] when the configuration is not usable.
    pub fn with_resolver(config: &HttpConfig, resolver: Arc<dyn Resolver>) -> Result<Self, HttpConfigError> {
        let connections_max = config.connections_max.clamp(1, Semaphore::MAX_PERMITS);
        let dialler = Dialler {
            test_hosts: Arc::new(TestHosts::parse(&config.test_hosts)?),
            resolver,
            tls: Arc::new(tls(&config.extra_roots_pem)?),
            connections: Arc::new(Semaphore::new(connections_max)),
            connections_max,
            proxy: config.proxy.as_ref().map(Proxy::parse).transpose()?,
        };
        Ok(Self { shared: Arc::new(Shared { dialler: Arc::new(dialler), pools: Mutex::default() }), transport: None })
    }

    /// Hands requests to `transport` instead of sending them.
    #[must_use]
    pub fn with_transport(self, transport: Arc<dyn HttpTransport>) -> Self {
        Self { transport: Some(transport), ..self }
    }

    /// Opens http for one invocation: what was granted, its limits, and the moment at which everything ends.
    ///
    /// `rules` is an `Arc<HttpRules>` read once, or the granted `Vec<HttpRule>`. The session may hold as many bytes for the
    /// guest as [`Limits`](crate::Limits) allow by default; see [`HttpSession::with_host_bytes`].
    pub fn session(&self, rules: impl IntoRules, limits: HttpLimits, deadline: impl Into<Deadline>) -> HttpSession {
        HttpSession::new(self.shared.clone(), self.transport.clone(), rules.into_rules(), limits, deadline.into())
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// Rules, read already or not.
pub trait IntoRules {
    /// The rules, read.
    fn into_rules(self) -> Arc<HttpRules>;
}

impl IntoRules for Arc<HttpRules> {
    fn into_rules(self) -> Arc<HttpRules> {
        self
    }
}

impl IntoRules for Vec<belljar_package::HttpRule> {
    fn into_rules(self) -> Arc<HttpRules> {
        Arc::new(HttpRules::new(&self))
    }
}

impl Shared {
    pub(super) fn test_hosts(&self) -> &TestHosts {
        &self.dialler.test_hosts
    }

    /// Whether so many connections are open that none should be kept for later. Idle connections of one tenant's many hosts
    /// must not use up what others need.
    pub(super) fn is_crowded(&self) -> bool {
        self.dialler.connections.available_permits() < self.dialler.connections_max / 2
    }

    /// The pool whose connections have these limits.
    pub(super) fn pool(&self, limits: &HttpLimits) -> Pool {
        let HttpLimits { connect_ms_max, header_bytes_max, headers_max, .. } = *limits;
        let key = PoolKey { connect_ms_max, header_bytes_max, headers_max };
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, pool)) = pools.iter().find(|(has, _)| *has == key) {
            return pool.clone();
        }
        if pools.len() >= POOLS_MAX {
            pools.remove(0);
        }
        let pool = new_pool(Connector { dialler: self.dialler.clone(), connect_ms_max }, &key);
        pools.push((key, pool.clone()));
        pool
    }
}

fn new_pool(connector: Connector, key: &PoolKey) -> Pool {
    // The status line and a chunk of the body share the buffer with the headers.
    let head_bytes_max =
        usize::try_from(key.header_bytes_max).unwrap_or(usize::MAX).saturating_add(READ_BUFFER_BYTES_MIN);
    let mut builder = Client::builder(TokioExecutor::new());
    builder
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
        .http1_max_buf_size(head_bytes_max)
        .http1_max_headers(key.headers_max.clamp(1, 10_000) as usize + 1)
        .http2_max_header_list_size(u32::try_from(key.header_bytes_max).unwrap_or(u32::MAX))
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder.build(connector)
}

/// TLS 1.2 and 1.3 with aws-lc-rs, whatever provider the process has as its default.
fn tls(extra_roots_pem: &[u8]) -> Result<rustls::ClientConfig, HttpConfigError> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in CertificateDer::pem_slice_iter(extra_roots_pem) {
        let certificate = certificate.map_err(|error| HttpConfigError::Roots(error.to_string()))?;
        roots.add(certificate).map_err(|error| HttpConfigError::Roots(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(HttpConfigError::Tls)?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

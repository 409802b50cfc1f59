//! The public HTTP front with a catalog in memory, on a free port of loopback; and a client that sends bytes as they are, because much of
//! what is tested no client library would send.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use belljar::{AppletId, Host, Release, TenantId};
use belljar_server::directory::{Active, Directory, HostMapping, Identity, Quotas, Tenant, Unavailable};
use belljar_server::dispatch::{Budgets, Dispatcher, StorageMeter};
use belljar_server::front::{Front, FrontConfig, Tls};
use belljar_server::record::{InvocationRecord, Recorder};
use belljar_server::schedule::{Scheduler, Settings};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::PATIENCE;

/// A catalog in memory.
#[derive(Default)]
pub struct Memory {
    actives: Mutex<HashMap<(TenantId, AppletId), Arc<Active>>>,
    hosts: Mutex<HashMap<String, HostMapping>>,
    identities: Mutex<HashMap<String, Arc<Identity>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Memory {
    /// What a tenant has of an applet's package, with these quotas.
    pub fn install(&self, host: &Host, tenant: &str, package: &[u8], quotas: Quotas) -> Arc<Active> {
        let tenant = TenantId::new(tenant).expect("a valid name");
        let release = Arc::new(Release::admit_all(tenant.clone(), package, host.limits()).expect("it is admitted"));
        let key = (tenant.clone(), release.applet().clone());
        let active = Arc::new(Active {
            release,
            release_number: 1,
            config: Arc::from(""),
            is_enabled: true,
            tenant: Arc::new(Tenant { id: tenant, is_enabled: true, quotas }),
        });
        locked(&self.actives).insert(key, active.clone());
        active
    }

    /// Replaces what is called.
    pub fn activate(&self, active: Active) {
        let key = (active.tenant.id.clone(), active.release.applet().clone());
        locked(&self.actives).insert(key, Arc::new(active));
    }

    /// Leads a host name to a tenant's applet, or to the tenant.
    pub fn map_host(&self, name: &str, tenant: &str, applet: Option<&str>) {
        let mapping = HostMapping {
            tenant: TenantId::new(tenant).expect("a valid name"),
            applet: applet.map(|applet| AppletId::new(applet).expect("a valid name")),
        };
        locked(&self.hosts).insert(name.to_owned(), mapping);
    }

    /// Gives a tenant's user an API key.
    pub fn give_key(&self, key: &str, tenant: &str, user: &str, permissions: &[&str]) {
        let identity = Identity {
            tenant: TenantId::new(tenant).expect("a valid name"),
            key: format!("key-of-{user}"),
            user: user.to_owned(),
            organisation: Some("org".into()),
            permissions: permissions.iter().map(|permission| (*permission).to_owned()).collect(),
            locale: None,
        };
        locked(&self.identities).insert(key.to_owned(), Arc::new(identity));
    }
}

impl Directory for Memory {
    fn active(&self, tenant: &TenantId, applet: &AppletId) -> Result<Option<Arc<Active>>, Unavailable> {
        Ok(locked(&self.actives).get(&(tenant.clone(), applet.clone())).cloned())
    }

    fn host(&self, name: &str) -> Result<Option<HostMapping>, Unavailable> {
        match name {
            "broken.example" => Err(Unavailable("the test has broken it".into())),
            name => Ok(locked(&self.hosts).get(name).cloned()),
        }
    }

    fn identity(&self, api_key: &str) -> Result<Option<Arc<Identity>>, Unavailable> {
        Ok(locked(&self.identities).get(api_key).cloned())
    }
}

/// Keeps records.
#[derive(Debug, Default)]
pub struct Records(Mutex<Vec<InvocationRecord>>);

impl Records {
    /// All so far.
    pub fn all(&self) -> Vec<InvocationRecord> {
        locked(&self.0).clone()
    }
}

impl Recorder for Records {
    fn record(&self, record: InvocationRecord) {
        locked(&self.0).push(record);
    }
}

/// What a front is made of.
pub struct Parts {
    /// Its bounds.
    pub config: FrontConfig,
    /// Those of its scheduler.
    pub settings: Settings,
    /// What runs the calls.
    pub host: Host,
    /// Certificate and key.
    pub tls: Option<Arc<Tls>>,
    /// What tenants have used today.
    pub budgets: Arc<Budgets>,
    /// What they store.
    pub storage: Option<Arc<dyn StorageMeter>>,
}

/// A front that serves.
pub struct Served {
    /// Where it listens.
    pub at: SocketAddr,
    /// It.
    pub front: Arc<Front>,
    /// Behind it.
    pub dispatcher: Arc<Dispatcher>,
    /// Its catalog.
    pub memory: Arc<Memory>,
    /// What it has recorded.
    pub records: Arc<Records>,
    /// What tenants have used today.
    pub budgets: Arc<Budgets>,
}

impl Served {
    /// Serves with the defaults.
    pub async fn start() -> Self {
        Self::with(FrontConfig::default(), Settings::default(), crate::host::shared().clone(), None).await
    }

    /// Serves.
    pub async fn with(config: FrontConfig, settings: Settings, host: Host, tls: Option<Arc<Tls>>) -> Self {
        Self::open(Parts { config, settings, host, tls, budgets: Arc::default(), storage: None }).await
    }

    /// Serves.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn open(parts: Parts) -> Self {
        let Parts { config, settings, host, tls, budgets, storage } = parts;
        let (memory, records) = (Arc::new(Memory::default()), Arc::new(Records::default()));
        let dispatcher = Dispatcher::new(host, Scheduler::new(settings), records.clone(), budgets.clone(), storage);
        let front = Front::new(config, memory.clone(), dispatcher.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let at = listener.local_addr().expect("it is bound");
        tokio::spawn(front.clone().serve(listener, tls));
        Self { at, front, dispatcher, memory, records, budgets }
    }

    /// Installs an applet with default quotas.
    pub fn install(&self, tenant: &str, package: &[u8]) -> Arc<Active> {
        self.memory.install(self.dispatcher.host(), tenant, package, Quotas::default())
    }

    /// A new connection.
    pub async fn connect(&self) -> Client<TcpStream> {
        Client::new(TcpStream::connect(self.at).await.expect("it listens"))
    }

    /// One request on a connection of its own: the lines of its head, and a body.
    pub async fn send(&self, head: &str, body: &[u8]) -> Reply {
        let mut client = self.connect().await;
        client.request(head, body).await
    }

    /// `GET` of a path.
    pub async fn get(&self, path: &str) -> Reply {
        self.send(&format!("GET {path} HTTP/1.1"), b"").await
    }
}

/// A response.
#[derive(Debug, Clone)]
pub struct Reply {
    /// 200 to 599.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub is_whole: bool,
}

impl Reply {
    /// A header's first value; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON was expected: {self:?}"))
    }

    /// The code of an error.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// A connection of a client.
pub struct Client<S> {
    /// For tests that do worse.
    pub stream: S,
    buffer: Vec<u8>,
    is_closed: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Over an open connection.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new(), is_closed: false }
    }

    /// Sends a request, with `host` and `content-length` added, and takes its response.
    pub async fn request(&mut self, head: &str, body: &[u8]) -> Reply {
        let host = if head.to_ascii_lowercase().contains("\nhost:") { "" } else { "\r\nhost: front.test" };
        let length = if body.is_empty() { String::new() } else { format!("\r\ncontent-length: {}", body.len()) };
        let head = head.replace('\n', "\r\n").replace("\r\r\n", "\r\n");
        self.write(format!("{head}{host}{length}\r\n\r\n").as_bytes()).await;
        self.write(body).await;
        self.response(head.starts_with("HEAD ")).await
    }

    /// Sends bytes. That the server has closed shows in what comes back.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await.expect("it takes them");
    }

    /// The next bytes; `false` at the end.
    async fn fill(&mut self) -> bool {
        if !self.is_closed {
            let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer))
                .await
                .expect("the server answers or closes");
            self.is_closed = !read.is_ok_and(|bytes| bytes > 0);
        }
        !self.is_closed
    }

    /// Whether the server closes the connection without sending more, within [`PATIENCE`].
    pub async fn is_closed(&mut self) -> bool {
        !self.fill().await && self.buffer.is_empty()
    }

    /// Whether the server has closed the connection, as far as has been seen.
    pub fn is_closed_now(&self) -> bool {
        self.is_closed
    }

    /// A response's head.
    ///
    /// # Panics
    /// When there is none.
    pub async fn head(&mut self) -> Reply {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                let head = String::from_utf8_lossy(&head[..end]).into_owned();
                let mut lines = head.split("\r\n");
                let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
                if status == 100 {
                    continue;
                }
                let pair = |line: &str| {
                    line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                };
                let headers = lines.filter_map(pair).collect();
                return Reply { status, headers, body: Vec::new(), is_whole: false };
            }
            assert!(self.fill().await, "closed before the head: {:?}", String::from_utf8_lossy(&self.buffer));
        }
    }

    /// A whole response.
    pub async fn response(&mut self, to_head: bool) -> Reply {
        let mut reply = self.head().await;
        if to_head || matches!(reply.status, 204 | 304) {
            reply.is_whole = true;
        } else if reply.header("transfer-encoding") == "chunked" {
            while let Some(chunk) = self.chunk().await {
                if chunk.is_empty() {
                    reply.is_whole = true;
                    break;
                }
                reply.body.extend(chunk);
            }
        } else {
            let length: usize = reply.header("content-length").parse().expect("a length");
            while self.buffer.len() < length && self.fill().await {}
            reply.is_whole = self.buffer.len() >= length;
            reply.body = self.buffer.drain(..length.min(self.buffer.len())).collect();
        }
        reply
    }

    /// The next chunk of a body in chunks; the last is empty, `None` a connection that closes before it.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(line) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let length = std::str::from_utf8(&self.buffer[..line])
                    .ok()
                    .and_then(|text| usize::from_str_radix(text, 16).ok());
                let length = length.expect("a length in hexadecimal");
                let end = line + 2 + length;
                while self.buffer.len() < end + 2 {
                    if !self.fill().await {
                        return None;
                    }
                }
                let chunk = self.buffer[line + 2..end].to_vec();
                self.buffer.drain(..end + 2);
                return Some(chunk);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// What comes in the next moment, as it is.
    pub async fn glance(&mut self, wait: Duration) -> Vec<u8> {
        let _ = tokio::time::timeout(wait, async { while self.fill().await {} }).await;
        std::mem::take(&mut self.buffer)
    }
}

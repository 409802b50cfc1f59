//! An HTTP/1.1 server on loopback that counts: what it was asked, how much of it at the same time, which connections are open. It has a
//! thread and a runtime of its own, so that what it does takes no thread of the test's runtime.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// For example `GET`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Seen {
    /// The port that the `host` header names: the server's own.
    ///
    /// # Panics
    /// When there is no such header.
    pub fn port(&self) -> u16 {
        let host = self.headers.iter().find(|(name, _)| name == "host").map(|(_, value)| value.as_str());
        host.and_then(|host| host.rsplit_once(':')?.1.parse().ok()).expect("a host with its port")
    }
}

/// What the server answers.
#[derive(Debug, Clone)]
pub struct Reply {
    status: u16,
    body: Vec<u8>,
    location: Option<String>,
    hold: Hold,
}

/// When it answers.
#[derive(Debug, Clone, Copy)]
enum Hold {
    Not,
    Together(usize),
    UntilReleased,
}

impl Reply {
    /// JSON, with status 200.
    pub fn json(body: &Value) -> Self {
        Self { status: 200, body: body.to_string().into_bytes(), location: None, hold: Hold::Not }
    }

    /// These bytes, with status 200.
    pub fn bytes(body: Vec<u8>) -> Self {
        Self { status: 200, body, location: None, hold: Hold::Not }
    }

    /// Nothing but a status.
    pub fn status(status: u16) -> Self {
        Self { status, body: Vec::new(), location: None, hold: Hold::Not }
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self { location: Some(location.to_owned()), ..Self::status(status) }
    }

    /// Answers only once `requests` of them have been under way at the same time. Against a client that sends one after the other, it
    /// gives in after [`crate::PATIENCE`], so that such a test fails by what it counts.
    #[must_use]
    pub fn together(mut self, requests: usize) -> Self {
        self.hold = Hold::Together(requests);
        self
    }

    /// Answers only after [`Server::release`].
    #[must_use]
    pub fn held(mut self) -> Self {
        self.hold = Hold::UntilReleased;
        self
    }
}

type Answer = dyn Fn(&Seen) -> Reply + Send + Sync;

struct Shared {
    answer: Box<Answer>,
    seen: Mutex<Vec<Seen>>,
    under_way: AtomicUsize,
    under_way_peak: AtomicUsize,
    open: AtomicUsize,
    released: AtomicBool,
}

/// The server. Dropping it closes everything.
pub struct Server {
    at: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server that answers each request as `answer` says.
    ///
    /// # Panics
    /// When there is no free port or thread.
    pub fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            seen: Mutex::default(),
            under_way: AtomicUsize::new(0),
            under_way_peak: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            released: AtomicBool::new(false),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let at = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let serving = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::select! {
                    () = accept(listener, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { at, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.at.port()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests that wait for their answer now.
    pub fn under_way(&self) -> usize {
        self.shared.under_way.load(Ordering::SeqCst)
    }

    /// The most requests that have waited for their answer at the same time.
    pub fn under_way_peak(&self) -> usize {
        self.shared.under_way_peak.load(Ordering::SeqCst)
    }

    /// Open connections.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Lets [`Reply::held`] answers go.
    pub fn release(&self) {
        self.shared.released.store(true, Ordering::SeqCst);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A server that panicked has told so on standard error; the test fails by what it misses.
            let _ = thread.join();
        }
    }
}

/// Counts as long as it lives.
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicUsize) -> (Self, usize) {
        let now = counter.fetch_add(1, Ordering::SeqCst) + 1;
        (Self(counter), now)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let (_open, _) = Counted::new(&shared.open);
            // The other side may go at any time: that is what some tests are about.
            let _ = serve(stream, &shared).await;
        });
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let request = loop {
            if let Some(request) = take(&mut bytes) {
                break request;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        shared.seen.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
        let (_under_way, now) = Counted::new(&shared.under_way);
        shared.under_way_peak.fetch_max(now, Ordering::SeqCst);
        let reply = (shared.answer)(&request);
        tokio::select! {
            () = hold(reply.hold, shared) => {}
            // Clients do not send the next request before the answer: what can be read here is the end.
            read = stream.read_buf(&mut bytes) => if read? == 0 { return Ok(()) },
        }
        let location = reply.location.map(|location| format!("location: {location}\r\n")).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {} Answer\r\ncontent-type: application/json\r\n{location}content-length: {}\r\n\r\n",
            reply.status,
            reply.body.len()
        );
        stream.write_all(&[head.as_bytes(), &reply.body].concat()).await?;
    }
}

async fn hold(hold: Hold, shared: &Shared) {
    let begun = Instant::now();
    let ready = || match hold {
        Hold::Not => true,
        Hold::Together(requests) => {
            shared.under_way_peak.load(Ordering::SeqCst) >= requests || begun.elapsed() > crate::PATIENCE
        }
        Hold::UntilReleased => shared.released.load(Ordering::SeqCst),
    };
    while !ready() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Takes one whole request from the front of what was read.
fn take(bytes: &mut Vec<u8>) -> Option<Seen> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let valued = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let (body, whole) = if valued("transfer-encoding") == Some("chunked") {
        let (body, length) = chunked(&bytes[end + 4..])?;
        (body, end + 4 + length)
    } else {
        let whole = end + 4 + valued("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        (bytes.get(end + 4..whole)?.to_vec(), whole)
    };
    bytes.drain(..whole);
    Some(Seen { method, path, headers, body })
}

/// A body in chunks (RFC 9112, 7.1), without trailers, and how many bytes it took; `None` before all of it is there.
fn chunked(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let line = at + bytes[at..].windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[at..line]).ok()?.trim(), 16).ok()?;
        at = line + 2;
        body.extend_from_slice(bytes.get(at..at + size)?);
        at += size + 2;
        if bytes.len() < at {
            return None;
        }
        if size == 0 {
            return Some((body, at));
        }
    }
}

//! A server on loopback that reads requests and answers with whatever bytes the test says.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What the server saw. Its tasks end with the test's runtime.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) at: SocketAddr,
    pub(super) connections: Arc<AtomicUsize>,
    /// Heads and bodies, as they came.
    pub(super) requests: Arc<Mutex<Vec<String>>>,
    /// Told when a client has closed its connection.
    pub(super) closed: Arc<Notify>,
}

impl Server {
    /// Answers each request with what `answer` makes of its text, and keeps the connection.
    pub(super) async fn answering(answer: impl Fn(&str) -> String + Send + Sync + Clone + 'static) -> Self {
        Self::new(move |mut stream, server| {
            let answer = answer.clone();
            async move {
                while let Some(request) = server.read(&mut stream).await {
                    if stream.write_all(answer(&request).as_bytes()).await.is_err() {
                        break;
                    }
                }
            }
        })
        .await
    }

    /// Hands each connection to `serve`.
    pub(super) async fn new<F>(serve: impl Fn(TcpStream, Self) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let at = listener.local_addr().expect("bound");
        let server = Self { at, connections: Arc::default(), requests: Arc::default(), closed: Arc::default() };
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        server
    }

    /// One request with its body; `None` when the client has gone.
    pub(super) async fn read(&self, stream: &mut TcpStream) -> Option<String> {
        let mut bytes = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length =
                    head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|n| n.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    self.requests.lock().expect("not poisoned").push(text.clone());
                    return Some(text);
                }
            }
            if stream.read_buf(&mut bytes).await.ok().filter(|&n| n > 0).is_none() {
                self.closed.notify_one();
                return None;
            }
        }
    }

    pub(super) fn port(&self) -> u16 {
        self.at.port()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }

    pub(super) fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(super) fn seen(&self) -> Vec<String> {
        self.requests.lock().expect("not poisoned").clone()
    }
}

/// A whole answer.
pub(super) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A redirect.
pub(super) fn redirect(status: u16, location: &str) -> String {
    format!("HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

/// The path a request asks for.
pub(super) fn path(request: &str) -> &str {
    request.split(' ').nth(1).unwrap_or_default()
}

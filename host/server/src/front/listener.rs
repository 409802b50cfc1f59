//! Connections: how many, from whom, with TLS or without, and for how long. What comes over them is `front.rs`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::body::{BrokenOff, FrontBody};
use super::io::PacedIo;
use super::proxy::counted_as;
use super::tls::Tls;
use super::{Front, FrontConfig};

/// How often a certificate's files are looked at.
const RELOAD: Duration = Duration::from_secs(30);
/// How often connections of HTTP/2 are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Bytes that an HTTP/1 connection buffers beside heads, and a stream of HTTP/2 each way.
const BUFFER_BYTES: usize = 64 << 10;

/// A connection as requests see it.
#[derive(Debug)]
pub(super) struct Connection {
    /// Who has opened it.
    pub(super) peer: IpAddr,
    pub(super) is_tls: bool,
    /// Whether `peer` is a proxy of the operator's.
    pub(super) is_from_proxy: bool,
    /// Requests so far.
    pub(super) requests: AtomicU64,
    under_way: AtomicUsize,
}

/// Connections that are open.
#[derive(Debug, Default)]
pub(super) struct Connections {
    open: AtomicU32,
    accepted: AtomicU64,
    refused: AtomicU64,
    by_address: Mutex<HashMap<IpAddr, u32>>,
}

/// How many connections there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Open now.
    pub open: u32,
    /// Taken so far.
    pub accepted: u64,
    /// Closed at once, because there were too many.
    pub refused: u64,
}

impl Connections {
    pub(super) fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            open: self.open.load(Ordering::Relaxed),
            accepted: self.accepted.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Counts a connection, unless there are too many. Those of proxies count in all only.
    fn open(self: &Arc<Self>, address: Option<IpAddr>, config: &FrontConfig) -> Option<Open> {
        let refuse = || {
            self.refused.fetch_add(1, Ordering::Relaxed);
            None
        };
        if self.open.fetch_add(1, Ordering::Relaxed) >= config.connections_max {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return refuse();
        }
        if let Some(address) = address {
            let mut all = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            let count = all.entry(address).or_insert(0);
            if *count >= config.connections_per_address_max {
                drop(all);
                self.open.fetch_sub(1, Ordering::Relaxed);
                return refuse();
            }
            *count += 1;
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        Some(Open { all: self.clone(), address })
    }
}

/// Counts as long as it lives.
struct Open {
    all: Arc<Connections>,
    address: Option<IpAddr>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.all.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = self.address {
            let mut all = self.all.by_address.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(count) = all.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    all.remove(&address);
                }
            }
        }
    }
}

impl Front {
    /// Takes connections until [`Front::stop`]. There may be several listeners.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, tls: Option<Arc<Tls>>) {
        let mut reload = tokio::time::interval_at(Instant::now() + RELOAD, RELOAD);
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.closing.cancelled() => return,
                accepted = listener.accept() => accepted,
                _ = reload.tick(), if tls.is_some() => {
                    if let Some(tls) = &tls {
                        self.reload(tls);
                    }
                    continue;
                }
            };
            match accepted {
                Ok((stream, from)) => self.take(stream, from.ip(), tls.clone()),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    // Out of file descriptors, most likely: others have to close first.
                    tracing::error!(%error, "connections cannot be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn reload(self: &Arc<Self>, tls: &Arc<Tls>) {
        let tls = tls.clone();
        tokio::task::spawn_blocking(move || match tls.reload_if_changed() {
            Ok(true) => tracing::info!("the certificate was read again"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the certificate has changed and cannot be used; the old one stays"),
        });
    }

    fn take(self: &Arc<Self>, stream: TcpStream, peer: IpAddr, tls: Option<Arc<Tls>>) {
        let is_from_proxy = self.config.trusted_proxies.iter().any(|range| range.contains(peer));
        let address = (!is_from_proxy).then(|| counted_as(peer));
        let Some(open) = self.connections.open(address, &self.config) else { return };
        let connection = Arc::new(Connection {
            peer,
            is_tls: tls.is_some(),
            is_from_proxy,
            requests: AtomicU64::new(0),
            under_way: AtomicUsize::new(0),
        });
        let front = self.clone();
        self.tasks.spawn(async move {
            let aborting = front.aborting.clone();
            tokio::select! {
                biased;
                () = aborting.cancelled() => {}
                () = front.connection(stream, connection, tls) => {}
            }
            drop(open);
        });
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, connection: Arc<Connection>, tls: Option<Arc<Tls>>) {
        // What is written is whole: waiting for more only delays it.
        let _ = stream.set_nodelay(true);
        let stream = PacedIo::new(stream, self.config.write_pace());
        match tls {
            None => self.http1(stream, connection).await,
            Some(tls) => {
                let patience = Duration::from_millis(self.config.tls_handshake_ms_max);
                let Ok(Ok(stream)) = tokio::time::timeout(patience, tls.acceptor().accept(stream)).await else {
                    return;
                };
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => self.http2(stream, connection).await,
                    _ => self.http1(stream, connection).await,
                }
            }
        }
    }

    async fn http1(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        connection: Arc<Connection>,
    ) {
        let config = &self.config;
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_millis(config.header_ms_max))
            .max_headers(config.headers_max as usize)
            .max_header_size(config.header_bytes_max as usize)
            .max_buf_size(BUFFER_BYTES.max(config.header_bytes_max as usize + 1_024));
        let service = service_fn(|request| answer(self.clone(), connection.clone(), request));
        let serving = builder.serve_connection(TokioIo::new(stream), service);
        self.until_closed(serving, http1::Connection::graceful_shutdown, None).await;
    }

    async fn http2(
        self: Arc<Self>,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        connection: Arc<Connection>,
    ) {
        let config = &self.config;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(config.http2_streams_max)
            .max_header_list_size(config.header_bytes_max)
            .initial_stream_window_size(BUFFER_BYTES as u32)
            .initial_connection_window_size(4 * BUFFER_BYTES as u32)
            .max_send_buf_size(BUFFER_BYTES)
            .keep_alive_interval(Duration::from_millis(config.header_ms_max))
            .keep_alive_timeout(Duration::from_millis(config.header_ms_max));
        let service = service_fn(|request| answer(self.clone(), connection.clone(), request));
        let serving = builder.serve_connection(TokioIo::new(stream), service);
        self.until_closed(serving, http2::Connection::graceful_shutdown, Some(&connection)).await;
    }

    /// Drives a connection to its end. `idle` is one that is closed here when nothing is asked for a while.
    async fn until_closed<C: Future>(&self, serving: C, shut_down: impl Fn(Pin<&mut C>), idle: Option<&Connection>) {
        let mut serving = pin!(serving);
        let mut is_closing = false;
        let mut look = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
        let mut idle_looks = 0;
        let looks_max = (self.config.header_ms_max / 1_000).div_ceil(LOOK.as_secs()).max(1);
        loop {
            tokio::select! {
                biased;
                _ = serving.as_mut() => return,
                () = self.closing.cancelled(), if !is_closing => is_closing = true,
                _ = look.tick(), if idle.is_some() && !is_closing => {
                    let is_idle = idle.is_some_and(|connection| connection.under_way.load(Ordering::Relaxed) == 0);
                    idle_looks = if is_idle { idle_looks + 1 } else { 0 };
                    is_closing = idle_looks > looks_max;
                }
            }
            if is_closing {
                shut_down(serving.as_mut());
            }
        }
    }
}

async fn answer(
    front: Arc<Front>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<Counted>, Infallible> {
    connection.under_way.fetch_add(1, Ordering::Relaxed);
    let under_way = RequestUnderWay(connection);
    let response = front.handle(&under_way.0, request).await;
    Ok(response.map(|body| Counted { body, _under_way: under_way }))
}

struct RequestUnderWay(Arc<Connection>);

impl Drop for RequestUnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A body whose request counts until it is sent.
struct Counted {
    body: FrontBody,
    _under_way: RequestUnderWay,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

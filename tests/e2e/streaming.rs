//! Bodies in pieces: in from the network and from the caller, out to both, and what ends them.

use std::future::Future;
use std::io::Read as _;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use belljar::{
    Body, Bytes, FaultCode, Host, HttpLimits, Invocation, Limits, LogRecord, LogSink, Outcome, Payload, Release,
    Request, Response, ResponseHead, ResponseSink, SinkClosed, StreamedReply, Taking,
};
use belljar_tests::{PATIENCE, applet, cli, eventually, host};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};

const MIB: usize = 1 << 20;
const MANIFEST: &str =
    "runtime: { entrypoint: src/main.ts, limits: { max_memory_mb: 16 } }\npermissions: { http: [127.0.0.1] }\n";
/// A body of `n` pieces of 64 KiB, made as it is asked for; `made` counts, `ended` says that it was closed or ran to its end.
const PIECES: &str = "let made = 0, ended = false;
async function* pieces(n: number) {
  try { for (; made < n; made++) { if (made % 16 === 0) console.log(made); yield new Uint8Array(65536).fill(made); } } finally { ended = true; }
}
";

/// What a server of a test has seen.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    closed: AtomicUsize,
    /// Body bytes that it has sent or received.
    bytes: AtomicUsize,
    go_on: Notify,
}

impl Seen {
    fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst) == self.connections.load(Ordering::SeqCst)
    }
}

/// Serves each connection, after the head of its first request, with `serve`. Small buffers: what is not taken blocks soon.
async fn server<F>(serve: impl Fn(TcpStream, Vec<u8>, Arc<Seen>) -> F + Send + Sync + 'static) -> (String, Arc<Seen>)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_send_buffer_size(64 << 10).expect("a size");
    socket.set_recv_buffer_size(64 << 10).expect("a size");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let listener: TcpListener = socket.listen(256).expect("a listener");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let seen = Arc::new(Seen::default());
    let serve = Arc::new(serve);
    let all = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            all.connections.fetch_add(1, Ordering::SeqCst);
            let (seen, serve) = (all.clone(), serve.clone());
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while !bytes.windows(4).any(|four| four == b"\r\n\r\n")
                    && stream.read_buf(&mut bytes).await.is_ok_and(|n| n > 0)
                {}
                let _ = serve(stream, bytes, seen.clone()).await;
                seen.closed.fetch_add(1, Ordering::SeqCst);
            });
        }
    });
    (url, seen)
}

/// A server that sends a body of `bytes` zeros, or without an end, as fast as it is taken.
async fn sending(bytes: Option<usize>) -> (String, Arc<Seen>) {
    server(move |mut stream, _, seen| async move {
        let framing = bytes.map_or("connection: close".to_owned(), |bytes| format!("content-length: {bytes}"));
        stream.write_all(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n").as_bytes()).await?;
        while bytes.is_none_or(|bytes| seen.bytes() < bytes) {
            let left = bytes.map_or(usize::MAX, |bytes| bytes - seen.bytes());
            let sent = stream.write(&[0; 16 << 10][..left.min(16 << 10)]).await?;
            seen.bytes.fetch_add(sent, Ordering::SeqCst);
        }
        Ok(())
    })
    .await
}

/// What a sink was given.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Head(ResponseHead),
    Chunk(Bytes),
    End,
}

/// A sink that gives on to the test, which takes event by event.
struct Sink(mpsc::Sender<Event>);

impl Sink {
    fn give(&mut self, event: Event) -> Taking<'_> {
        Box::pin(async { self.0.send(event).await.map_err(|_| SinkClosed) })
    }
}

impl ResponseSink for Sink {
    fn head(&mut self, head: ResponseHead) -> Taking<'_> {
        self.give(Event::Head(head))
    }
    fn chunk(&mut self, bytes: Bytes) -> Taking<'_> {
        self.give(Event::Chunk(bytes))
    }
    fn end(&mut self) -> Taking<'_> {
        self.give(Event::End)
    }
}

/// Starts a call whose response is taken event by event.
fn start(
    host: &Host,
    release: &Release,
    invocation: Invocation,
) -> (tokio::task::JoinHandle<Outcome>, mpsc::Receiver<Event>) {
    let (sender, events) = mpsc::channel(1);
    let (host, release) = (host.clone(), release.clone());
    let call = tokio::spawn(async move { host.invoke_streaming(&release, invocation, &mut Sink(sender)).await });
    (call, events)
}

async fn next(events: &mut mpsc::Receiver<Event>) -> Option<Event> {
    tokio::time::timeout(PATIENCE, events.recv()).await.expect("the next event")
}

/// What a chunk says.
async fn text(events: &mut mpsc::Receiver<Event>) -> String {
    match next(events).await {
        Some(Event::Chunk(bytes)) => String::from_utf8(bytes.into()).expect("text"),
        other => panic!("a chunk was expected, not {other:?}"),
    }
}

fn json_call(value: &serde_json::Value) -> Invocation {
    Invocation::new("default", Payload::Json(value.to_string()))
}

fn post(body: Body, headers: &[(&str, &str)]) -> Invocation {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let request = Request { method: "POST".into(), url: "https://acme.example/in".into(), headers, body };
    Invocation::new("default", Payload::Request(request))
}

fn large() -> Limits {
    let http = HttpLimits { request_bytes_max: 64 << 20, response_bytes_max: 64 << 20, ..HttpLimits::default() };
    Limits { response_bytes_max: 64 << 20, http, ..Limits::default() }
}

fn large_host() -> Host {
    host::build(host::builder().limits(large()))
}

fn release(host: &Host, id: &str, main: &str) -> Release {
    applet::admit(host, applet::tenant(), &applet::package_of(id, MANIFEST, main))
}

fn fault_of(outcome: &Outcome) -> (FaultCode, Option<&'static str>) {
    let fault = applet::fault(outcome);
    (fault.code, fault.limit.as_ref().map(|hit| hit.name))
}

const PROXY: &str = "export default async (context, url) => fetch(url);";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_memory_passes_through() {
    let (url, seen) = sending(Some(20 * MIB)).await;
    let host = large_host();
    let (call, mut events) = start(&host, &release(&host, "through", PROXY), json_call(&json!(url)));
    let Some(Event::Head(head)) = next(&mut events).await else { panic!("the head comes first") };
    assert_eq!(head.status, 200);
    assert!(!call.is_finished(), "the invocation goes on");
    let mut bytes = 0;
    while let Some(Event::Chunk(chunk)) = next(&mut events).await {
        bytes += chunk.len();
    }
    let outcome = call.await.unwrap();
    assert_eq!(
        outcome.result,
        Ok(Response::Streamed(StreamedReply { status: 200, body_bytes: 20 << 20, is_complete: true }))
    );
    assert_eq!((bytes, seen.bytes()), (20 * MIB, 20 * MIB));
    assert!(outcome.usage.memory_bytes_peak <= 16 << 20, "{:?}", outcome.usage);
    assert_eq!(outcome.usage.http.bytes_received, 20 << 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invoke_collects_what_streams() {
    let (url, _) = sending(Some(MIB)).await;
    let host = large_host();
    let outcome = applet::call(&host, &release(&host, "collected", PROXY), "default", &json!(url).to_string()).await;
    let Ok(Response::Http(reply)) = &outcome.result else { panic!("{:?}", outcome.result) };
    assert_eq!((reply.status, reply.body.len()), (200, MIB));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_blocks_the_server() {
    let (url, seen) = sending(Some(32 * MIB)).await;
    let host = large_host();
    let (call, mut events) = start(&host, &release(&host, "slow-reader", PROXY), json_call(&json!(url)));
    assert!(matches!(next(&mut events).await, Some(Event::Head(_))));
    assert!(matches!(next(&mut events).await, Some(Event::Chunk(_))));
    // Nothing more is taken: what is under way then are buffers of the system's, ours, and a few chunks.
    let mut before = usize::MAX;
    while before != seen.bytes() {
        before = seen.bytes();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before < 10 * MIB, "the server has sent {before} bytes to nobody");
    let mut bytes = 0;
    while let Some(event) = next(&mut events).await {
        bytes += if let Event::Chunk(chunk) = event { chunk.len() } else { 0 };
    }
    assert!(call.await.unwrap().result.is_ok());
    assert!(seen.bytes() == 32 * MIB && bytes > 31 * MIB, "then all of it comes: {bytes}");
}

/// Counts lines.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicUsize>);

impl LogSink for Lines {
    fn write(&self, _: &LogRecord) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Reads the rest of a chunked body; answers its length.
async fn take_chunked(stream: &mut TcpStream, mut bytes: Vec<u8>, seen: &Seen) -> std::io::Result<()> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    bytes.drain(..end);
    loop {
        let Some(line) = bytes.windows(2).position(|two| two == b"\r\n") else {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).expect("hex"), 16).expect("hex");
        while bytes.len() < line + 2 + length + 2 {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        seen.bytes.fetch_add(length, Ordering::SeqCst);
        bytes.drain(..line + 2 + length + 2);
        if length == 0 {
            return stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_blocks_an_upload() {
    let (url, seen) = server(|mut stream, bytes, seen| async move {
        seen.go_on.notified().await;
        take_chunked(&mut stream, bytes, &seen).await
    })
    .await;
    let main = format!(
        "{PIECES}export default async (c, url) => {{
          const response = await fetch(url, {{ method: 'POST', body: pieces(320) as never, duplex: 'half' }} as never);
          return [response.status, await response.text(), made, ended];
        }};"
    );
    let lines = Lines::default();
    let host = host::build(host::builder().limits(large()).log(Arc::new(lines.clone())));
    let release = release(&host, "upload", &main);
    let call = tokio::spawn(async move { applet::call(&host, &release, "default", &json!(url).to_string()).await });
    // A line for each MiB made: it stops short of twenty.
    let made = || lines.0.load(Ordering::SeqCst);
    eventually("it begins", || made() > 0).await;
    let mut before = usize::MAX;
    while before != made() {
        before = made();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before < 10, "{before} MiB were made for nobody");
    seen.go_on.notify_one();
    let outcome = call.await.unwrap();
    assert_eq!(applet::value(&outcome), json!([200, "ok", 320, true]));
    assert_eq!((seen.bytes(), outcome.usage.http.bytes_sent), (20 * MIB, 20 << 20));
    assert!(outcome.usage.memory_bytes_peak <= 16 << 20, "{:?}", outcome.usage);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_arrive_while_the_handler_works() {
    let (url, seen) = server(|mut stream, _, seen| async move {
        seen.go_on.notified().await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate").await
    })
    .await;
    let main = "export default (c, url) => {
      const say = (data: string) => new TextEncoder().encode(`data: ${data}\\n\\n`);
      async function* events() { yield say('first'); yield say(await (await fetch(url)).text()); }
      c.waitUntil((async () => { await fetch(url); })());
      return new Response(events() as never, { status: 201, headers: { 'content-type': 'text/event-stream', connection: 'x' } });
    };";
    let host = host::shared();
    let (call, mut events) = start(host, &release(host, "sse", main), json_call(&json!(url)));
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    assert_eq!(next(&mut events).await, Some(Event::Head(ResponseHead { status: 201, headers })));
    assert_eq!(text(&mut events).await, "data: first\n\n");
    eventually("it asks for more", || seen.connections.load(Ordering::SeqCst) == 2).await;
    // One of the two; which, the other side cannot tell. The second release is for the other.
    seen.go_on.notify_one();
    let second = tokio::time::timeout(Duration::from_millis(300), text(&mut events)).await;
    seen.go_on.notify_one();
    let second = match second {
        Ok(second) => second,
        Err(_) => text(&mut events).await,
    };
    assert_eq!(second, "data: late\n\n");
    assert_eq!(next(&mut events).await, Some(Event::End));
    assert_eq!(next(&mut events).await, None);
    let reply = StreamedReply { status: 201, body_bytes: 25, is_complete: true };
    assert_eq!(call.await.unwrap().result, Ok(Response::Streamed(reply)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_to_wait_until_outlasts_the_response() {
    let (url, seen) = server(|mut stream, _, seen| async move {
        seen.go_on.notified().await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
    })
    .await;
    let main = format!(
        "{PIECES}export default (c, url) => {{ c.waitUntil(fetch(url)); return new Response(pieces(1) as never); }};"
    );
    let host = host::shared();
    let (call, mut events) = start(host, &release(host, "outlasts", &main), json_call(&json!(url)));
    while next(&mut events).await != Some(Event::End) {}
    eventually("it is asked", || seen.connections.load(Ordering::SeqCst) == 1).await;
    assert!(!call.is_finished());
    seen.go_on.notify_one();
    assert!(call.await.unwrap().result.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_a_request_does_not_wait_for_wait_until() {
    let wait = "const wait = (ms: number) => new Promise((r) => setTimeout(r, ms));\n";
    let json = ("content-type".to_owned(), "application/json".to_owned());
    type Headers = Vec<(String, String)>;
    let answers: [(&str, u16, Headers, &str); 3] = [
        ("({ a: 1 })", 200, vec![json], "{\"a\":1}"),
        (
            "new Response('made', { status: 201, headers: { 'x-a': 'b' } })",
            201,
            vec![("x-a".into(), "b".into()), ("content-type".into(), "text/plain;charset=UTF-8".into())],
            "made",
        ),
        ("undefined", 204, vec![], ""),
    ];
    // Less time for the answer than for what comes after it.
    let host = host::build(host::builder().limits(Limits { deadline_ms: 2_000, wait_until_ms: 60_000, ..large() }));
    for (index, (answer, status, headers, body)) in answers.into_iter().enumerate() {
        let main = format!(
            "{wait}export default (c) => {{ c.waitUntil(wait(2_500).then(() => console.log('done'))); return {answer}; }};"
        );
        let begun = std::time::Instant::now();
        let (call, mut events) =
            start(&host, &release(&host, &format!("early-{index}"), &main), post(Body::Bytes(Bytes::new()), &[]));
        assert_eq!(next(&mut events).await, Some(Event::Head(ResponseHead { status, headers })));
        if !body.is_empty() {
            assert_eq!(text(&mut events).await, body);
        }
        assert_eq!(next(&mut events).await, Some(Event::End));
        assert!(!call.is_finished());
        let outcome = call.await.unwrap();
        assert!(outcome.result.is_ok() && begun.elapsed() >= Duration::from_millis(2_500), "{:?}", outcome.result);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_left_over_of_wait_until_is_told() {
    let limits = Limits { wait_until_ms: 300, wait_until_fuel_max: 30_000_000, ..large() };
    let host = host::build(host::builder().limits(limits.clone()));
    for (id, work, code, limit) in [
        ("idle", "new Promise(() => setTimeout(() => {}, 60_000))", FaultCode::Deadline, "wait_until_ms"),
        (
            "busy",
            "new Promise((r) => setTimeout(r, 20)).then(() => { for (;;); })",
            FaultCode::Fuel,
            "wait_until_fuel_max",
        ),
    ] {
        let main = format!("export default (c) => {{ c.waitUntil({work}); return 'x'; }};");
        let (call, mut events) = start(&host, &release(&host, id, &main), post(Body::Bytes(Bytes::new()), &[]));
        let begun = std::time::Instant::now();
        while next(&mut events).await != Some(Event::End) {}
        let outcome = call.await.unwrap();
        assert_eq!(fault_of(&outcome), (code, Some(limit)), "{id}");
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "sooner than the deadline of the call: {:?}",
            begun.elapsed()
        );
        if id == "busy" {
            let fuel = outcome.usage.fuel;
            assert!((30_000_000..60_000_000).contains(&fuel), "what was burnt before counts, too: {fuel}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_goes_cancels_the_body_and_not_the_invocation() {
    let main = format!(
        "{PIECES}export default (c) => {{
          c.waitUntil((async () => {{ while (!ended) await new Promise((r) => setTimeout(r, 5)); console.log('done'); }})());
          return new Response(pieces(9999) as never);
        }};"
    );
    let host = host::shared();
    let (call, mut events) = start(host, &release(host, "gone", &main), json_call(&json!(null)));
    next(&mut events).await;
    next(&mut events).await;
    drop(events);
    let outcome = call.await.unwrap();
    let Ok(Response::Streamed(reply)) = outcome.result else { panic!("{:?}", outcome.result) };
    assert!(!reply.is_complete && reply.body_bytes < 10 << 20, "{reply:?}");
    let lines: Vec<_> = host::log().of(&outcome.id).into_iter().map(|line| line.message).collect();
    assert_eq!(lines.last().map(String::as_str), Some("done"), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_throws_is_a_fault() {
    let main = "export default () => {\n  async function* body() {\n    yield new Uint8Array(3);\n    throw new RangeError('no more');\n  }\n  return new Response(body() as never);\n};";
    let host = host::shared();
    let (call, mut events) = start(host, &release(host, "throws", main), json_call(&json!(null)));
    assert!(matches!(next(&mut events).await, Some(Event::Head(_))));
    assert!(matches!(next(&mut events).await, Some(Event::Chunk(_))));
    assert_eq!(next(&mut events).await, None, "there is no end");
    let outcome = call.await.unwrap();
    let fault = applet::fault(&outcome);
    assert_eq!((fault.code, fault.message.as_str()), (FaultCode::Threw, "RangeError: no more"));
    assert_eq!(fault.position().map(|at| at.line), Some(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_too_large_ends_with_the_fault() {
    let main = format!("{PIECES}export default () => new Response(pieces(9999) as never);");
    let host = host::build(host::builder().limits(Limits { response_bytes_max: 200_000, ..Limits::default() }));
    let (call, mut events) = start(&host, &release(&host, "too-large", &main), json_call(&json!(null)));
    let mut bytes = 0;
    while let Some(event) = next(&mut events).await {
        assert_ne!(event, Event::End);
        bytes += if let Event::Chunk(chunk) = event { chunk.len() } else { 0 };
    }
    assert_eq!(bytes, 3 * 65_536, "what was within the limit");
    let outcome = call.await.unwrap();
    assert_eq!(fault_of(&outcome), (FaultCode::Output, Some("response_bytes_max")));
    assert_eq!(applet::fault(&outcome).limit.as_ref().map(|hit| hit.used), Some(4 * 65_536));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_ends_a_body_in_the_middle() {
    let (url, seen) = sending(None).await;
    let host = host::build(host::builder().limits(Limits { deadline_ms: 1_000, ..large() }));
    let (call, mut events) = start(&host, &release(&host, "deadline", PROXY), json_call(&json!(url)));
    assert!(matches!(next(&mut events).await, Some(Event::Head(_))));
    assert!(matches!(next(&mut events).await, Some(Event::Chunk(_))));
    // A caller who takes no more does not hold the invocation up.
    let outcome = call.await.unwrap();
    assert_eq!(fault_of(&outcome), (FaultCode::Deadline, Some("deadline_ms")));
    while let Some(event) = next(&mut events).await {
        assert_ne!(event, Event::End);
    }
    eventually("its connection is closed", || seen.is_closed()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_in_the_middle_closes_the_connection() {
    let (url, seen) = server(|mut stream, _, seen| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\nbegin").await?;
        seen.bytes.fetch_add(5, Ordering::SeqCst);
        while stream.read(&mut [0; 64]).await? > 0 {}
        Ok(())
    })
    .await;
    let main = "export default async (c, url) => {
      const controller = new AbortController();
      const response = await fetch(url, { signal: controller.signal });
      const read = response.text();
      await new Promise((r) => setTimeout(r, 30));
      controller.abort();
      try { await read; } catch (error) { await new Promise((r) => setTimeout(r, 10_000)); return error.name; }
    };";
    let host = host::build(host::builder().limits(large()));
    let release = release(&host, "aborted", main);
    let call = tokio::spawn(async move { applet::call(&host, &release, "default", &json!(url).to_string()).await });
    eventually("it begins", || seen.bytes() > 0).await;
    eventually("the connection is closed while the invocation goes on", || seen.is_closed()).await;
    assert!(!call.is_finished());
    call.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_nobody_reads_is_dropped_at_the_end() {
    let (url, seen) = sending(None).await;
    let host = large_host();
    let main = "export default async (c, url) => (await fetch(url)).status;";
    let outcome = applet::call(&host, &release(&host, "unread", main), "default", &json!(url).to_string()).await;
    assert_eq!(applet::value(&outcome), json!(200));
    eventually("its connection is closed", || seen.is_closed()).await;
    assert!(seen.bytes() < 10 * MIB, "{}", seen.bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caps_hold_over_the_whole_body() {
    let main = format!(
        "{PIECES}export default async (c, [url, upload]) => {{
          try {{
            const response = await fetch(url, upload ? {{ method: 'POST', body: pieces(9999) as never, duplex: 'half' }} as never : {{}});
            await response.arrayBuffer();
          }} catch (error) {{ return [error.name, error.cause.code, error.cause.limit, error.cause.allowed, error.cause.used]; }}
        }};"
    );
    let http = HttpLimits {
        request_bytes_max: 200_000,
        response_bytes_max: 300_000,
        request_ms_max: 500,
        ..HttpLimits::default()
    };
    let host = host::build(host::builder().limits(Limits { http, ..large() }));
    let release = release(&host, "caps", &main);
    let call = async |url: &str, upload: bool| {
        applet::value(&applet::call(&host, &release, "default", &json!([url, upload]).to_string()).await)
    };

    let (url, seen) = sending(None).await;
    let told = call(&url, false).await;
    assert_eq!(
        (&told[0], &told[1], &told[2], &told[3]),
        (&json!("TypeError"), &json!("limit"), &json!("http.response_bytes_max"), &json!(300_000))
    );
    eventually("its connection is closed", || seen.is_closed()).await;

    let (url, seen) =
        server(|mut stream, bytes, seen| async move { take_chunked(&mut stream, bytes, &seen).await }).await;
    let told = call(&url, true).await;
    assert_eq!(told, json!(["TypeError", "limit", "http.request_bytes_max", 200_000, 4 * 65_536]));
    eventually("its connection is closed", || seen.is_closed()).await;

    let (url, _) = server(|mut stream, _, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nbegin").await?;
        std::future::pending().await
    })
    .await;
    let told = call(&url, false).await;
    assert_eq!((&told[1], &told[2]), (&json!("timeout"), &json!("http.request_ms_max")));
}

/// A request's body that the test gives piece by piece.
fn given() -> (mpsc::Sender<Result<Bytes, &'static str>>, Body) {
    let (sender, receiver) = mpsc::channel(1);
    let pieces = futures_util::stream::unfold(receiver, |mut receiver| async {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    (sender, Body::stream(pieces))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_streams_in() {
    let main = "export default { async fetch(request: Request) { return new Response(`${request.bodyUsed} ${await request.text()} ${request.bodyUsed}`); } };";
    let host = host::shared();
    let release = release(host, "request-in", main);
    let (pieces, body) = given();
    let (call, _events) = start(host, &release, post(body, &[]));
    for piece in ["one", ", ", "two"] {
        pieces.send(Ok(piece.into())).await.unwrap();
    }
    drop(pieces);
    let outcome = call.await.unwrap();
    let Ok(Response::Http(reply)) = &outcome.result else { panic!("a whole body comes in the outcome: {outcome:?}") };
    assert_eq!(&reply.body[..], b"false one, two true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_with_a_payload_gets_all_of_a_streamed_request() {
    let host = host::shared();
    let release = release(
        host,
        "payload-in",
        "export default async (context, payload) => [payload, await context.request.json()];",
    );
    let (pieces, body) = given();
    let (call, _events) = start(host, &release, post(body, &[("content-type", "application/json")]));
    pieces.send(Ok("{\"a\":".into())).await.unwrap();
    pieces.send(Ok("1}".into())).await.unwrap();
    drop(pieces);
    assert_eq!(applet::value(&call.await.unwrap()), json!([{ "a": 1 }, { "a": 1 }]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_breaks_off_rejects_and_one_that_is_not_read_is_dropped() {
    let host = host::shared();
    let main = "export default { fetch: async (request: Request) => { try { return new Response(await request.text()); } catch (error) { return new Response(error.message, { status: 400 }); } } };";
    let breaks = release(host, "breaks-off", main);
    let (pieces, body) = given();
    let (call, _events) = start(host, &breaks, post(body, &[]));
    pieces.send(Ok("one".into())).await.unwrap();
    pieces.send(Err("the client has gone")).await.unwrap();
    let outcome = call.await.unwrap();
    let Ok(Response::Http(reply)) = &outcome.result else { panic!("{outcome:?}") };
    assert_eq!((reply.status, &reply.body[..]), (400, &b"the client has gone"[..]));

    let unread = release(host, "unread-in", "export default { fetch: () => new Response('short') };");
    let (pieces, body) = given();
    let (call, _events) = start(host, &unread, post(body, &[]));
    assert!(call.await.unwrap().result.is_ok());
    tokio::time::timeout(PATIENCE, pieces.closed()).await.expect("the body is dropped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_streamed_body_is_not_sent_twice() {
    let (url, _) = server(|mut stream, bytes, _| async move {
        let path = String::from_utf8_lossy(&bytes).split(' ').nth(1).unwrap_or_default().to_owned();
        let status = path.trim_start_matches('/');
        stream
            .write_all(
                format!("HTTP/1.1 {status} X\r\nlocation: /200\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .as_bytes(),
            )
            .await
    })
    .await;
    let main = "export default async ({ sdk }, url) => {
      const send = async (status: number) => {
        async function* body() { yield new Uint8Array(3); }
        try { return (await sdk.http.post(`${url}/${status}`, body())).status; } catch (error) { return error.code; }
      };
      return [await send(303), await send(307)];
    };";
    let host = host::shared();
    let outcome = applet::call(host, &release(host, "not-twice", main), "default", &json!(url).to_string()).await;
    assert_eq!(applet::value(&outcome), json!([200, "redirected"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_answers_take_one_step() {
    let host = host::shared();
    let release = release(
        host,
        "one-step",
        "export default async (c, url) => (await (await fetch(url)).arrayBuffer()).byteLength;",
    );
    for (bytes, operations) in [(64 << 10, 1..=1), ((64 << 10) + 1, 3..=70)] {
        let (url, _) = sending(Some(bytes)).await;
        let outcome = applet::call(host, &release, "default", &json!(url).to_string()).await;
        assert_eq!(applet::value(&outcome), json!(bytes));
        assert!(operations.contains(&outcome.usage.operations), "{:?}", outcome.usage);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_answers_that_nobody_has_read_do_not_keep_others_waiting() {
    // They are small, but do not say so: they are read ahead, and their turn is over.
    let (url, _) = sending_small().await;
    let main = "export default async (c, url) => {
      const all = await Promise.all(Array.from({ length: 100 }, () => fetch(url)));
      return (await Promise.all(all.map((one) => one.text()))).join('').length;
    };";
    let host = host::shared();
    let call = applet::call(host, &release(host, "many", main), "default", &json!(url).to_string()).await;
    assert_eq!(applet::value(&call), json!(300));
}

async fn sending_small() -> (String, Arc<Seen>) {
    server(|mut stream, _, _| async move { stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc").await })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_prints_a_body_as_it_arrives() {
    let (url, seen) = server(|mut stream, _, seen| async move {
        seen.go_on.notified().await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate").await
    })
    .await;
    let main = format!(
        "export default {{ fetch() {{
          async function* body() {{ yield new TextEncoder().encode('first\\n'); yield new Uint8Array(await (await fetch('{url}')).arrayBuffer()); }}
          return new Response(body() as never);
        }} }};"
    );
    let manifest = format!("id: prints\nversion: 1.0.0\nname: Test\n{MANIFEST}");
    let folder = applet::folder(&[
        ("manifest.yaml", &manifest),
        ("src/main.ts", &main),
        ("get.http", "GET / HTTP/1.1\nhost: acme.example\n\n"),
    ]);
    let mut child = std::process::Command::new(cli::binary())
        .args(["run", "--test-host", "127.0.0.1", "--request"])
        .args([folder.path().join("get.http").as_os_str(), folder.path().as_os_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdout = child.stdout.take().unwrap();
    let first = tokio::task::spawn_blocking(move || {
        let mut first = [0; 6];
        stdout.read_exact(&mut first).map(|()| (first, stdout))
    });
    // Were it printed at the end only, it would not come: the end waits for what comes next here.
    let (first, mut stdout) =
        tokio::time::timeout(PATIENCE, first).await.expect("it comes before the end").unwrap().unwrap();
    assert_eq!(&first, b"first\n");
    seen.go_on.notify_one();
    let (rest, output) = tokio::task::spawn_blocking(move || {
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).unwrap();
        (rest, child.wait_with_output().unwrap())
    })
    .await
    .unwrap();
    assert_eq!(
        (&rest[..], output.status.code()),
        (&b"late"[..], Some(0)),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.stderr.starts_with(b"HTTP 200\n"));
}

//! Bodies of requests and responses, whole and in pieces, and clients who go.

use std::time::Duration;

use belljar::FaultCode;
use belljar_server::front::FrontConfig;
use belljar_server::record::Ended;
use belljar_server::schedule::Settings;
use belljar_tests::front::{Client, Served};
use belljar_tests::{eventually, host};
use serde_json::json;
use tokio::net::{TcpSocket, TcpStream};

use super::package;

const MAIN: &str = "
const text = (s) => new TextEncoder().encode(s);
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export async function count(c) { let n = 0, pieces = 0; for await (const piece of c.request.body) { n += piece.length; pieces++; } return { n, pieces }; }
export const echo = (c) => new Response(c.request.body, { headers: { 'content-type': 'application/octet-stream' } });
export const raw = async (c) => { const bytes = new Uint8Array(await c.request.arrayBuffer()); return [...bytes]; };
export const deaf = () => 'heard nothing';
export const large = () => new Response(new Uint8Array(6_000_000).fill(7));
export const events = () => new Response((async function* () { for (let i = 0; ; i++) { yield text(`data: ${i}\\n\\n`); await sleep(20); } })() as never,
  { headers: { 'content-type': 'text/event-stream' } });
export const broken = () => new Response((async function* () { yield text('some'); await sleep(5); throw new Error('no more'); })() as never);
export const hang = async () => { await sleep(60_000); };
export const after = (c) => { c.waitUntil((async () => { await sleep(300); console.log('done'); })()); return new Response((async function* () { yield text('x'); })() as never); };
";

fn bodies() -> Vec<u8> {
    let names = ["count", "echo", "raw", "deaf", "large", "events", "broken", "hang", "after"];
    let routes: Vec<String> = names.iter().map(|name| format!("{name} * /{name}, auth: none")).collect();
    package("bodies", &routes.iter().map(String::as_str).collect::<Vec<_>>(), "", MAIN)
}

async fn served(config: FrontConfig) -> Served {
    let served = Served::with(config, Settings::default(), host::shared().clone(), None).await;
    served.install("acme", &bodies());
    served
}

fn chunked(pieces: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend(*piece);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_arrive_as_they_were_sent() {
    let served = served(FrontConfig::default()).await;
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(served.send("POST /acme/bodies/raw HTTP/1.1", &bytes).await.json(), json!(bytes));
    let large = vec![9; 1 << 20];
    let reply = served.send("POST /acme/bodies/echo HTTP/1.1", &large).await;
    assert!(reply.status == 200 && reply.is_whole && reply.body == large, "{} {}", reply.status, reply.body.len());
    let mut client = served.connect().await;
    client.write(b"POST /acme/bodies/count HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n").await;
    client.write(&chunked(&[b"one", b"two"])).await;
    let reply = client.response(false).await;
    assert_eq!((reply.json()["n"].as_u64(), reply.header("connection")), (Some(6), "close"));
    assert!(client.is_closed().await);
    // Waits for the client's permission before it sends.
    let mut client = served.connect().await;
    client
        .write(b"POST /acme/bodies/raw HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(
        String::from_utf8_lossy(&client.glance(Duration::from_millis(300)).await),
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    client.write(b"ok").await;
    assert_eq!(client.response(false).await.json(), json!([111, 107]));
    let reply = served.get("/acme/bodies/large").await;
    assert!(reply.is_whole && reply.body == vec![7; 6_000_000]);
    eventually("nothing is held any more", || served.front.response_bytes_held() == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_read_while_it_is_sent() {
    let served = served(FrontConfig::default()).await;
    let mut client = served.connect().await;
    client
        .write(b"POST /acme/bodies/echo HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n4\r\nping\r\n")
        .await;
    assert_eq!(client.head().await.status, 200);
    assert_eq!(client.chunk().await.as_deref(), Some(&b"ping"[..]), "before the request has ended");
    client.write(b"4\r\npong\r\n0\r\n\r\n").await;
    assert_eq!(client.chunk().await.as_deref(), Some(&b"pong"[..]));
    assert_eq!(client.chunk().await.as_deref(), Some(&b""[..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_past_the_limit_are_refused() {
    let served = served(FrontConfig { body_bytes_max: 100_000, ..FrontConfig::default() }).await;
    let mut client = served.connect().await;
    client.write(b"POST /acme/bodies/raw HTTP/1.1\r\nhost: h\r\ncontent-length: 100001\r\n\r\n").await;
    let reply = client.response(false).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "body-too-large"), "at once, whatever is sent");
    assert!(served.records.all().is_empty());
    // Without a length it shows on the way.
    for name in ["count", "raw"] {
        let mut client = served.connect().await;
        client
            .write(
                format!("POST /acme/bodies/{name} HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n")
                    .as_bytes(),
            )
            .await;
        client.write(&chunked(&[&[1; 60_000], &[1; 60_000]])).await;
        let reply = client.response(false).await;
        assert_eq!((reply.status, reply.code().as_str()), (413, "body-too-large"), "{name}");
    }
    assert_eq!(served.send("POST /acme/bodies/count HTTP/1.1", &vec![1; 100_000]).await.json()["n"], 100_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_nobody_reads_is_no_obstacle() {
    let served = served(FrontConfig::default()).await;
    let reply = served.send("POST /acme/bodies/deaf HTTP/1.1", &vec![1; 1 << 20]).await;
    assert_eq!((reply.status, reply.text().as_str()), (200, "\"heard nothing\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_come_as_they_are_made_until_the_client_goes() {
    let served = served(FrontConfig::default()).await;
    let mut client = served.connect().await;
    client.write(b"GET /acme/bodies/events HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!((head.status, head.header("content-type")), (200, "text/event-stream"));
    assert!(head.header("x-belljar-invocation").starts_with("inv_"));
    for number in 0..3 {
        assert_eq!(client.chunk().await, Some(format!("data: {number}\n\n").into_bytes()));
    }
    assert_eq!((served.dispatcher.in_flight(), served.records.all().len()), (1, 0));
    drop(client);
    eventually("the invocation has ended with its client", || served.dispatcher.in_flight() == 0).await;
    let record = served.records.all().remove(0);
    assert!(matches!(record.ended, Ended::Faulted { code: FaultCode::Cancelled, .. }), "{record:?}");
    assert_eq!((record.id.as_str(), record.usage.fuel > 0), (head.header("x-belljar-invocation"), true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_who_goes_before_the_answer_ends_the_call() {
    let served = served(FrontConfig::default()).await;
    let mut client = served.connect().await;
    client.write(b"GET /acme/bodies/hang HTTP/1.1\r\nhost: h\r\n\r\n").await;
    // It has had a turn, and waits.
    let load = || served.dispatcher.scheduler().load();
    eventually("it is under way", || load().turns > 0 && load().slots_busy == 0).await;
    drop(client);
    eventually("it has ended", || served.dispatcher.in_flight() == 0).await;
    assert_eq!(served.dispatcher.scheduler().load().admitted, 0);
    let record = served.records.all().remove(0);
    assert!(matches!(record.ended, Ended::Faulted { code: FaultCode::Cancelled, .. }), "{record:?}");
    assert!(record.usage.fuel > 0 && record.usage.memory_bytes_peak > 0, "what it used is known: {record:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_breaks_off_is_not_whole() {
    let served = served(FrontConfig::default()).await;
    let reply = served.get("/acme/bodies/broken").await;
    assert_eq!((reply.status, reply.text().as_str(), reply.is_whole), (200, "some", false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_to_wait_until_outlasts_the_response() {
    let served = served(FrontConfig::default()).await;
    let reply = served.get("/acme/bodies/after").await;
    assert!(reply.is_whole && reply.text() == "x", "{reply:?}");
    assert!(served.records.all().is_empty(), "the response does not wait for it");
    eventually("it is recorded when all is done", || served.records.all().len() == 1).await;
    assert_eq!(served.records.all()[0].ended, Ended::Answered { status: Some(200) });
}

/// A connection with a small window: what is not taken blocks soon.
async fn small_window(served: &Served) -> Client<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    Client::new(socket.connect(served.at).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_who_takes_nothing_is_cut_off() {
    let config = FrontConfig { write_idle_ms_max: 300, ..FrontConfig::default() };
    let served = served(config).await;
    let mut client = small_window(&served).await;
    for _ in 0..8 {
        client.write(b"GET /acme/bodies/large HTTP/1.1\r\nhost: h\r\n\r\n").await;
    }
    eventually("the connection is closed", || served.front.connections().open == 0).await;
    assert_eq!(served.front.response_bytes_held(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn responses_that_nobody_takes_are_bounded() {
    let config = FrontConfig { response_bytes_held_max: 2_000_000, ..FrontConfig::default() };
    let served = served(config).await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = small_window(&served).await;
        client.write(b"GET /acme/bodies/large HTTP/1.1\r\nhost: h\r\n\r\n").await;
        clients.push(client);
    }
    // What the kernel does not take is held, until the clients take or go.
    let mut reply = served.get("/acme/bodies/deaf").await;
    for _ in 0..100 {
        if reply.status == 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        reply = served.get("/acme/bodies/deaf").await;
    }
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (503, "queue", "1"));
    drop(clients);
    eventually("nothing is held any more", || served.front.response_bytes_held() == 0).await;
    assert_eq!(served.get("/acme/bodies/deaf").await.status, 200);
}

//! The end of a server: calls in flight finish, or are ended and told so; new ones are refused.

use std::time::{Duration, Instant};

use belljar::FaultCode;
use belljar_server::record::Ended;
use belljar_tests::eventually;
use belljar_tests::front::Served;

use super::package;

const MAIN: &str = "
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
export const half = async () => { await sleep(600); return 'done'; };
export const hang = () => sleep(25_000);
export const loop = () => { while (true); };
export const quick = () => 'quick';
export const events = () => new Response((async function* () { while (true) { yield new TextEncoder().encode('x'); await sleep(10); } })() as never);
";

async fn served() -> Served {
    let served = Served::start().await;
    let routes = ["half", "hang", "loop", "quick", "events"].map(|name| format!("{name} GET /{name}, auth: none"));
    served.install("acme", &package("ends", &routes.each_ref().map(String::as_str), "", MAIN));
    served
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_in_time_is_answered() {
    let served = served().await;
    let (mut half, mut idle) = (served.connect().await, served.connect().await);
    assert_eq!(idle.request("GET /acme/ends/quick HTTP/1.1", b"").await.status, 200);
    half.write(b"GET /acme/ends/half HTTP/1.1\r\nhost: h\r\n\r\n").await;
    eventually("it is in flight", || served.dispatcher.in_flight() == 1).await;
    let front = served.front.clone();
    let stopping = tokio::spawn(async move { front.stop(Duration::from_secs(20)).await });
    eventually("it stops", || served.dispatcher.is_stopping()).await;
    let reply = idle.request("GET /acme/ends/quick HTTP/1.1", b"").await;
    assert_eq!((reply.status, reply.code().as_str(), reply.header("connection")), (503, "stopping", "close"));
    let reply = half.response(false).await;
    assert_eq!((reply.status, reply.text().as_str(), reply.header("connection")), (200, "\"done\"", "close"));
    assert!(stopping.await.unwrap(), "all ended by themselves");
    assert!(tokio::net::TcpStream::connect(served.at).await.is_err(), "nobody listens any more");
    assert_eq!(served.front.connections().open, 0);
    assert!(served.records.all().iter().any(|record| record.ended == Ended::Refused { why: "stopping" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_end_in_time_is_ended_and_told_so() {
    let served = served().await;
    let mut clients = Vec::new();
    for name in ["hang", "loop", "events"] {
        let mut client = served.connect().await;
        client.write(format!("GET /acme/ends/{name} HTTP/1.1\r\nhost: h\r\n\r\n").as_bytes()).await;
        clients.push(client);
    }
    assert_eq!(clients[2].head().await.status, 200);
    eventually("they are in flight", || served.dispatcher.in_flight() == 3).await;
    let begun = Instant::now();
    assert!(!served.front.stop(Duration::from_millis(300)).await);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    for client in &mut clients[..2] {
        let reply = client.response(false).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "stopping"));
    }
    while let Some(chunk) = clients[2].chunk().await {
        assert_eq!(chunk, b"x", "a stream that is cut off does not look whole");
    }
    let records = served.records.all();
    assert_eq!(records.len(), 3);
    for record in records {
        assert!(matches!(record.ended, Ended::Faulted { code: FaultCode::Cancelled, .. }), "{record:?}");
        assert!(record.usage.fuel > 0, "{record:?}");
    }
}

//! Clients who mean ill: slow ones, large heads, bad framing, many connections, and requests that a proxy would read differently.

use std::time::{Duration, Instant};

use belljar_server::front::FrontConfig;
use belljar_server::schedule::Settings;
use belljar_tests::front::Served;
use belljar_tests::{eventually, host};

use super::package;

async fn served(config: FrontConfig) -> Served {
    let served = Served::with(config, Settings::default(), host::shared().clone(), None).await;
    let main = "export const one = (c, payload) => ({ path: c.request.url, payload: payload ?? null });";
    served.install("acme", &package("one", &["one * /*, auth: none"], "", main));
    served
}

/// What comes back, and whether the connection is closed then.
async fn answers(served: &Served, bytes: &[u8]) -> (Vec<u16>, bool) {
    let mut client = served.connect().await;
    client.write(bytes).await;
    let text = String::from_utf8_lossy(&client.glance(Duration::from_millis(500)).await).into_owned();
    let statuses = text.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)?.parse().ok()).collect();
    (statuses, client.is_closed_now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn framing_that_can_be_read_twice_ends_the_connection() {
    let served = served(FrontConfig::default()).await;
    let smuggled = "GET /acme/one/smuggled HTTP/1.1\r\nhost: h\r\n\r\n";
    // Length and chunks: by the chunks the body has ended, by the length the rest is its own. Nobody gets to read the rest.
    for framing in
        ["content-length: 100\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 4"]
    {
        let request = format!("POST /acme/one/first HTTP/1.1\r\nhost: h\r\n{framing}\r\n\r\n0\r\n\r\n{smuggled}");
        let (statuses, closed) = answers(&served, request.as_bytes()).await;
        assert!(statuses.len() == 1 && closed, "{framing}: {statuses:?} {closed}");
    }
    for (what, head) in [
        ("two lengths", "content-length: 4\r\ncontent-length: 5"),
        ("no number", "content-length: 4x"),
        ("a sign", "content-length: +4"),
        ("negative", "content-length: -1"),
        ("unknown coding", "transfer-encoding: xchunked"),
        ("chunked is not last", "transfer-encoding: chunked, identity"),
        ("a space before the colon", "transfer-encoding : chunked"),
        ("a folded line", "x-a: b\r\n transfer-encoding: chunked"),
        ("a name with a null", "x-a\0: b"),
        ("a value with a null", "x-a: b\0c"),
    ] {
        let request = format!("POST /acme/one/first HTTP/1.1\r\nhost: h\r\n{head}\r\n\r\nabcd{smuggled}");
        let (statuses, closed) = answers(&served, request.as_bytes()).await;
        assert!(
            statuses.iter().all(|status| *status == 400) && statuses.len() <= 1 && closed,
            "{what}: {statuses:?} {closed}"
        );
    }
    let request =
        format!("POST /acme/one/first HTTP/1.0\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}");
    let (statuses, closed) = answers(&served, request.as_bytes()).await;
    assert!(statuses.iter().all(|status| *status == 400) && closed, "chunks in HTTP/1.0: {statuses:?}");
    // Chunk sizes that overflow or are none.
    for size in ["ffffffffffffffffff", "-1", "0x4", "4;\n", ""] {
        let request = format!(
            "POST /acme/one/first HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n{size}\r\nabcd\r\n0\r\n\r\n{smuggled}"
        );
        let (statuses, closed) = answers(&served, request.as_bytes()).await;
        assert!(statuses.len() <= 1 && !statuses.contains(&200) && closed, "{size:?}: {statuses:?} {closed}");
    }
    let paths: Vec<String> = served.records.all().iter().map(|record| record.handler.clone()).collect();
    assert!(paths.len() <= 2 + 5, "nothing smuggled was called: {paths:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_is_refused() {
    let served = served(FrontConfig::default()).await;
    for (what, bytes) in [
        ("not HTTP", &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..]),
        ("HTTP/2 without TLS", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("an unknown version", b"GET / HTTP/9.9\r\nhost: h\r\n\r\n"),
        ("no method", b" / HTTP/1.1\r\nhost: h\r\n\r\n"),
    ] {
        let (statuses, closed) = answers(&served, bytes).await;
        assert!(statuses.iter().all(|status| *status >= 400) && closed, "{what}: {statuses:?} {closed}");
    }
    for (what, bytes) in [
        ("no host", "GET /acme/one/ HTTP/1.1\r\n\r\n"),
        ("two hosts", "GET /acme/one/ HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
        ("a host that is none", "GET /acme/one/ HTTP/1.1\r\nhost: a/b\r\n\r\n"),
    ] {
        assert_eq!(answers(&served, bytes.as_bytes()).await.0, [400], "{what}");
    }
    assert_eq!(answers(&served, b"CONNECT a.b:443 HTTP/1.1\r\nhost: a.b:443\r\n\r\n").await.0, [405]);
    // The absolute form names the host, whatever the header says.
    let mut client = served.connect().await;
    client.write(b"GET http://shop.example/acme/one/x HTTP/1.1\r\nhost: other\r\n\r\n").await;
    assert_eq!(client.response(false).await.json()["path"], "http://shop.example/acme/one/x");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_are_bounded() {
    let served = served(FrontConfig {
        header_bytes_max: 16 << 10,
        headers_max: 50,
        uri_bytes_max: 4 << 10,
        ..FrontConfig::default()
    })
    .await;
    let get = |target: &str, headers: &str| format!("GET /acme/one/{target} HTTP/1.1\r\nhost: h\r\n{headers}\r\n");
    for (what, request, expected) in [
        ("a header that fits", get("", &format!("x-a: {}\r\n", "a".repeat(8 << 10))), 200),
        ("a large header", get("", &format!("x-a: {}\r\n", "a".repeat(17 << 10))), 431),
        (
            "a head without an end",
            format!("GET /acme/one/ HTTP/1.1\r\nhost: h\r\n{}", "x-a: b\r\n".repeat(100_000)),
            431,
        ),
        ("headers that fit", get("", &"x-a: b\r\n".repeat(48)), 200),
        ("many headers", get("", &"x-a: b\r\n".repeat(51)), 431),
        ("a target that fits", get(&"a".repeat(4_000), ""), 200),
        ("a long target", get(&"a".repeat(5_000), ""), 414),
    ] {
        let (statuses, closed) = answers(&served, request.as_bytes()).await;
        assert_eq!(statuses, [expected], "{what}");
        assert_eq!(closed, expected == 431, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_cut_off() {
    let config =
        FrontConfig { header_ms_max: 400, body_idle_ms_max: 400, tls_handshake_ms_max: 400, ..FrontConfig::default() };
    let served = served(config).await;
    let mut cut = Vec::new();
    for (what, first) in
        [("says nothing", ""), ("a head byte by byte", "GET /acme/one/ HTTP/1.1\r\nhost: h\r\nx-slow: ")]
    {
        let mut client = served.connect().await;
        client.write(first.as_bytes()).await;
        let begun = Instant::now();
        cut.push(tokio::spawn(async move {
            while begun.elapsed() < Duration::from_secs(10) {
                if !first.is_empty() {
                    client.write(b"a").await;
                }
                let text = client.glance(Duration::from_millis(50)).await;
                if client.is_closed_now() {
                    assert!(!text.starts_with(b"HTTP/1.1 200"), "{what}");
                    return begun.elapsed();
                }
            }
            panic!("{what}: it is still open");
        }));
    }
    for cut in cut {
        assert!(cut.await.unwrap() < Duration::from_secs(5));
    }
    // A body that stops: small, which is read before the call, and in pieces, which the applet reads.
    for framing in ["content-length: 10", "transfer-encoding: chunked"] {
        let mut client = served.connect().await;
        client.write(format!("POST /acme/one/ HTTP/1.1\r\nhost: h\r\n{framing}\r\n\r\n").as_bytes()).await;
        let reply = client.response(false).await;
        assert_eq!(
            (reply.status, reply.code().as_str(), reply.header("connection")),
            (408, "body-too-slow", "close"),
            "{framing}"
        );
    }
    eventually("no connection is left", || served.front.connections().open == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trickle_is_cut_off() {
    let config = FrontConfig { bytes_per_second_min: 1_000, pace_grace_ms: 500, ..FrontConfig::default() };
    let served = served(config).await;
    let mut client = served.connect().await;
    client.write(b"POST /acme/one/ HTTP/1.1\r\nhost: h\r\ncontent-length: 1000\r\n\r\n").await;
    let begun = Instant::now();
    let mut text = Vec::new();
    while text.is_empty() && begun.elapsed() < Duration::from_secs(10) {
        client.write(b"a").await;
        text = client.glance(Duration::from_millis(50)).await;
    }
    assert!(text.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&text));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_bounded() {
    let served = served(FrontConfig { connections_per_address_max: 3, ..FrontConfig::default() }).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(served.connect().await);
    }
    eventually("they are open", || served.front.connections().open == 3).await;
    assert!(served.connect().await.is_closed().await);
    assert_eq!(served.front.connections().refused, 1);
    clients.pop();
    eventually("one is closed", || served.front.connections().open == 2).await;
    assert_eq!(served.get("/acme/one/").await.status, 200);

    let config = FrontConfig { requests_per_connection_max: Some(2), ..FrontConfig::default() };
    let served = self::served(config).await;
    let mut client = served.connect().await;
    assert_eq!(client.request("GET /acme/one/ HTTP/1.1", b"").await.header("connection"), "");
    assert_eq!(client.request("GET /acme/one/ HTTP/1.1", b"").await.header("connection"), "close");
    assert!(client.is_closed().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pipelined_requests_are_answered_in_order() {
    let served = served(FrontConfig::default()).await;
    let mut client = served.connect().await;
    let requests: String =
        (0..20).map(|number| format!("GET /acme/one/{number} HTTP/1.1\r\nhost: h\r\n\r\n")).collect();
    client.write(requests.as_bytes()).await;
    for number in 0..20 {
        assert_eq!(client.response(false).await.json()["path"], format!("http://h/acme/one/{number}"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_is_no_body() {
    let served = served(FrontConfig::default()).await;
    // Small enough to be read first: nothing is called.
    let mut client = served.connect().await;
    client.write(b"POST /acme/one/ HTTP/1.1\r\nhost: h\r\ncontent-length: 10\r\n\r\nhalf").await;
    drop(client);
    eventually("the connection is closed", || served.front.connections().open == 0).await;
    assert!(served.records.all().is_empty());
    // In pieces: the applet is told, and does not take it for a whole one.
    let mut client = served.connect().await;
    client.write(b"POST /acme/one/ HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n").await;
    eventually("it is called", || served.dispatcher.in_flight() == 1).await;
    drop(client);
    eventually("it has ended", || served.dispatcher.in_flight() == 0).await;
    let record = served.records.all().remove(0);
    assert!(matches!(record.ended, belljar_server::record::Ended::Faulted { .. }), "{record:?}");
}

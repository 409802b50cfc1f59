//! Servers that mean harm: too much, too slow, or no HTTP at all.

use tokio::io::AsyncWriteExt;

use super::server::{Server, ok, path};
use super::*;

/// A server whose answer depends on the path, as in `attacks/http`.
async fn evil() -> Server {
    Server::new(|mut stream, server| async move {
        while let Some(request) = server.read(&mut stream).await {
            if serve(&mut stream, path(&request)).await.is_err() {
                server.closed.notify_one();
                return;
            }
            if path(&request) != "/fine" {
                return;
            }
        }
    })
    .await
}

async fn serve(stream: &mut tokio::net::TcpStream, path: &str) -> io::Result<()> {
    let pause = || tokio::time::sleep(Duration::from_millis(20));
    match path {
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            loop {
                stream.write_all(format!("4000\r\n{}\r\n", "x".repeat(0x4000)).as_bytes()).await?;
            }
        }
        "/announced" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx").await,
        "/slow-body" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await?;
            loop {
                stream.write_all(b"x").await?;
                pause().await;
            }
        }
        "/slow-headers" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
            loop {
                stream.write_all(b"a: b\r\n").await?;
                pause().await;
            }
        }
        "/never" => std::future::pending().await,
        "/hdr-many" => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(50_000)).as_bytes()).await
        }
        "/hdr-201" => stream.write_all(format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(201)).as_bytes()).await,
        "/hdr-big" => {
            stream.write_all(format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "x".repeat(10 << 20)).as_bytes()).await
        }
        "/status-big" => stream.write_all(format!("HTTP/1.1 200 {}\r\n\r\n", "x".repeat(1 << 20)).as_bytes()).await,
        "/bad-status" => stream.write_all(b"HTTP/1.1 9x9 What\r\n\r\n").await,
        "/bad-chunk" => stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n").await,
        "/cl-mismatch" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort").await,
        "/dup-cl" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx").await,
        "/http09" => stream.write_all(b"hello").await,
        "/upgrade" => {
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n").await
        }
        "/close" => Ok(()),
        _ => stream.write_all(ok("x").as_bytes()).await,
    }
}

/// `expected`: the error's code, or the limit's name.
async fn check(limits: HttpLimits, path: &str, expected: &str) {
    let server = evil().await;
    let session = session(&[server.port()], limits);
    let error = session.send_whole(get(server.url(path)), HttpOptions::default()).await.expect_err(path);
    assert_eq!(error.limit().map_or(error.code(), |hit| hit.name), expected, "{path}: {error}");
    assert!(error.limit().is_none_or(|hit| hit.used >= hit.allowed), "{path}: {error}");
    let fine = session.send_whole(get(server.url("/fine")), HttpOptions::default()).await;
    assert_eq!(fine.map(|response| response.status), Ok(200), "after {path}");
}

#[tokio::test]
async fn bodies_and_heads_are_bounded() {
    let limits = HttpLimits { response_bytes_max: 100_000, ..HttpLimits::default() };
    check(limits.clone(), "/endless", "http.response_bytes_max").await;
    check(limits.clone(), "/announced", "http.response_bytes_max").await;
    check(limits.clone(), "/hdr-many", "http.header_bytes_max").await;
    check(limits.clone(), "/hdr-201", "http.headers_max").await;
    check(limits.clone(), "/hdr-big", "http.header_bytes_max").await;
    check(limits, "/status-big", "http.header_bytes_max").await;
}

#[tokio::test]
async fn an_endless_body_is_cut_off_at_the_limit() {
    let server = evil().await;
    let limits = HttpLimits { response_bytes_max: 100_000, ..HttpLimits::default() };
    let max = limits.response_bytes_max;
    let gauge = HostBytes::new(50_000);
    let session = session(&[server.port()], limits);
    let error = session.send_whole(get(server.url("/endless")), HttpOptions::default()).await.expect_err("a limit");
    assert_eq!(error.code(), "limit");
    // One read buffer past it, at most.
    assert!(session.usage().bytes_received <= max + (128 << 10), "{:?}", session.usage());
    assert!(
        tokio::time::timeout(Duration::from_secs(20), server.closed.notified()).await.is_ok(),
        "the server still sends"
    );

    let session = session.with_host_bytes(gauge.clone());
    let error = session.send_whole(get(server.url("/endless")), HttpOptions::default()).await.expect_err("a limit");
    assert_eq!((error.limit().map(|hit| hit.name), gauge.held()), (Some("host_bytes_max"), 0));
    let big = || {
        let body = Bytes::from(vec![0; 30_000]).into();
        HttpRequest { method: "POST".to_owned(), body, ..get(server.url("/fine")) }
    };
    let first = session.send_whole(big(), HttpOptions::default());
    assert_eq!(gauge.held(), 30_000);
    let error = session.send_whole(big(), HttpOptions::default()).await.expect_err("60,000 are too many");
    assert_eq!(error.limit().map(|hit| (hit.name, hit.used)), Some(("host_bytes_max", 60_000)));
    drop(first);
    assert_eq!(gauge.held(), 0);
}

#[tokio::test]
async fn slow_servers_run_into_the_time_limit() {
    let limits = HttpLimits { request_ms_max: 150, ..HttpLimits::default() };
    for path in ["/slow-body", "/slow-headers", "/never"] {
        check(limits.clone(), path, "http.request_ms_max").await;
    }
}

#[tokio::test]
async fn the_shortest_time_counts_and_is_named() {
    let server = evil().await;
    let client = client(&[server.port()]);
    let soon = Instant::now() + Duration::from_millis(100);
    for (deadline, timeout_ms, expected) in
        [(soon, None, "deadline_ms"), (in_a_minute(), Some(50), "timeout_ms"), (soon, Some(60_000), "deadline_ms")]
    {
        let session = client.session(everything(), HttpLimits::default(), deadline);
        let options = HttpOptions { timeout_ms, ..HttpOptions::default() };
        let error = session.send_whole(get(server.url("/never")), options).await.expect_err("time is up");
        assert_eq!((error.code(), error.limit().map(|hit| hit.name)), ("timeout", Some(expected)));
    }
}

#[tokio::test]
async fn what_is_no_http_is_an_error() {
    for path in ["/bad-status", "/bad-chunk", "/cl-mismatch", "/dup-cl", "/http09", "/upgrade", "/close"] {
        check(HttpLimits::default(), path, "protocol").await;
    }
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_is() {
    let server = evil().await;
    let limits = HttpLimits { request_bytes_max: 4, ..HttpLimits::default() };
    let session = session(&[server.port()], limits);
    let (body, too_much) = (Bytes::from_static(b"x").into(), Bytes::from_static(b"xxxxx").into());
    let header = |name: &str, value: &str| vec![Header { name: name.to_owned(), value: value.to_owned() }];
    for (request, code) in [
        (HttpRequest { body, ..get(server.url("/")) }, "invalid"),
        (HttpRequest { method: "POST".to_owned(), body: too_much, ..get(server.url("/")) }, "limit"),
        (HttpRequest { method: "GET / HTTP/1.1\r\nX: y\r\n\r\nGET".to_owned(), ..get(server.url("/")) }, "invalid"),
        (HttpRequest { method: "CONNECT".to_owned(), ..get(server.url("/")) }, "denied"),
        (HttpRequest { headers: header("x", "a\r\ny: z"), ..get(server.url("/")) }, "invalid"),
        (HttpRequest { headers: header("x\r\ny", "z"), ..get(server.url("/")) }, "invalid"),
        (get("http://127.0.0.1:1/"), "denied"),
    ] {
        let what = format!("{request:?}");
        let error = session.send_whole(request, HttpOptions::default()).await.expect_err("refused");
        assert_eq!(error.code(), code, "{what}: {error}");
    }
    assert_eq!((server.count(), session.usage().requests), (0, 0));
    // Line breaks in a URL are taken away by the URL standard: nothing is injected.
    session
        .send_whole(get(format!("{}\r\nX-Evil: 1", server.url("/fine b"))), HttpOptions::default())
        .await
        .expect("an answer");
    assert!(!server.seen()[0].to_lowercase().contains("\r\nx-evil"), "{:?}", server.seen());
}

#[tokio::test]
async fn a_refused_connection_names_no_more_than_the_applet_did() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound").port();
    let closed = session(&[free], HttpLimits::default());
    let error = closed
        .send_whole(get(format!("http://localhost:{free}/")), HttpOptions::default())
        .await
        .expect_err("nobody listens");
    assert_eq!(error, HttpError::Connect(format!("connecting to localhost:{free} failed: connection refused")));
    // A server that speaks no TLS.
    let server = Server::new(|mut stream, _| async move {
        let _ = stream.write_all(ok("plain").as_bytes()).await;
        let _ = stream.shutdown().await;
    })
    .await;
    let plain = session(&[server.port()], HttpLimits::default());
    let error = plain
        .send_whole(get(format!("https://{}/", server.at)), HttpOptions::default())
        .await
        .expect_err("no TLS there");
    assert_eq!(error.code(), "tls", "{error}");
    assert!(error.to_string().starts_with("no secure connection to 127.0.0.1: "), "{error}");
}

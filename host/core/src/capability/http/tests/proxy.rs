//! Through a proxy: what it is asked for, and what never reaches it.

use std::net::Ipv4Addr;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::server::{Server, ok};
use super::*;

const PUBLIC: &[IpAddr] = &[IpAddr::V4(Ipv4Addr::new(93, 184, 216, 34)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))];
const PRIVATE: &[IpAddr] = &[IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))];

/// A proxy that leads to `upstream`, whatever it is asked for.
async fn proxy(upstream: &Server) -> Server {
    let at = upstream.at;
    Server::new(move |mut stream, server| async move {
        if server.read(&mut stream).await.is_none() {
            return;
        }
        let Ok(mut far) = TcpStream::connect(at).await else { return };
        if stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n").await.is_ok() {
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut far).await;
        }
    })
    .await
}

fn through(url: String, resolves_names: bool, found: &'static [IpAddr], test_hosts: Vec<String>) -> HttpSession {
    let proxy = Some(HttpProxy { url, resolves_names });
    let config = HttpConfig { proxy, test_hosts, ..HttpConfig::default() };
    let client = HttpClient::with_resolver(&config, Arc::new(Answer(found))).expect("a client");
    client.session(everything(), HttpLimits::default(), in_a_minute())
}

async fn send(session: &HttpSession, url: &str) -> Result<Bytes, HttpError> {
    session.send_whole(get(url), HttpOptions::default()).await.map(|whole| whole.body)
}

#[tokio::test]
async fn the_proxy_is_asked_for_the_address_that_was_checked() {
    let upstream = Server::answering(|_| ok("far")).await;
    let proxy = proxy(&upstream).await;
    let session = through(format!("http://user:pass@{}", proxy.at), false, PUBLIC, Vec::new());
    assert_eq!(send(&session, "http://api.example.com/x").await.expect("an answer"), "far");
    let asked = proxy.seen();
    assert_eq!(
        asked,
        [
            "CONNECT 93.184.216.34:80 HTTP/1.1\r\nHost: 93.184.216.34:80\r\nProxy-Authorization: Basic dXNlcjpwYXNz\r\n\r\n"
        ]
    );
    let request = &upstream.seen()[0];
    assert!(request.starts_with("GET /x HTTP/1.1\r\n") && request.contains("host: api.example.com"), "{request}");
    assert!(!request.to_lowercase().contains("proxy-"), "{request}");
}

#[tokio::test]
async fn addresses_that_are_not_public_never_reach_it() {
    let upstream = Server::answering(|_| ok("far")).await;
    let proxy = proxy(&upstream).await;
    for resolves_names in [false, true] {
        let session = through(proxy.url(""), resolves_names, PRIVATE, Vec::new());
        for url in [
            "http://10.0.0.1/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://169.254.169.254/",
            "http://localhost/",
            "http://a.localhost/",
        ] {
            let error = send(&session, url).await.expect_err("it is refused");
            assert_eq!(error.code(), "denied", "{url}: {error}");
        }
    }
    let session = through(proxy.url(""), false, PRIVATE, Vec::new());
    assert_eq!(send(&session, "http://rebind.example.com/").await.expect_err("refused").code(), "denied");
    assert_eq!(proxy.count(), 0);
}

#[tokio::test]
async fn names_go_to_a_proxy_that_looks_them_up() {
    let upstream = Server::answering(|_| ok("far")).await;
    let proxy = proxy(&upstream).await;
    let session = through(proxy.url(""), true, &[], Vec::new());
    assert_eq!(
        send(&session, "http://api.example.com:8080/").await.map_err(|error| error.code()),
        Err("denied"),
        "its port is no rule's"
    );
    assert_eq!(send(&session, "http://api.example.com/").await.expect("an answer"), "far");
    assert!(proxy.seen()[0].starts_with("CONNECT api.example.com:80 HTTP/1.1\r\n"), "{:?}", proxy.seen());
}

#[tokio::test]
async fn test_hosts_are_reached_directly() {
    let upstream = Server::answering(|_| ok("near")).await;
    let session = through("http://127.0.0.1:1".to_owned(), false, &[], vec![upstream.at.to_string()]);
    assert_eq!(send(&session, &upstream.url("/")).await.expect("an answer"), "near");
}

#[tokio::test]
async fn a_proxy_that_refuses_or_talks_nonsense_is_an_error() {
    for (answer, expected) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n".to_owned(), "status 403"),
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), "else than HTTP"),
        ("x".repeat(20_000), "else than HTTP"),
        ("HTTP/1.1 200".to_owned(), "end of file"),
    ] {
        let proxy = Server::new(move |mut stream, server| {
            let answer = answer.clone();
            async move {
                if server.read(&mut stream).await.is_some() {
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                }
            }
        })
        .await;
        let error = send(&through(proxy.url(""), false, PUBLIC, Vec::new()), "http://api.example.com/")
            .await
            .expect_err("no tunnel");
        assert_eq!(error.code(), "connect", "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    let nowhere =
        send(&through("http://127.0.0.1:1".into(), false, PUBLIC, Vec::new()), "http://api.example.com/").await;
    let error = nowhere.expect_err("nobody listens");
    assert!(error.to_string().contains("proxy was not reached"), "{error}");
}

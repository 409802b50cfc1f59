//! Requests that go well, and what is refused before anything is sent.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::sync::Barrier;

use super::server::{Server, ok, path, redirect};
use super::*;
use crate::floor::usage::HttpUsage;

#[tokio::test]
async fn a_request_and_its_answer_arrive_as_they_were_written() {
    let server = Server::answering(|_| {
        "HTTP/1.1 299 So So\r\nX-A: 1\r\nx-b: \u{e9}\r\nX-A: 2\r\nContent-Length: 2\r\n\r\nhi".to_owned()
    })
    .await;
    let session = session(&[server.port()], HttpLimits::default());
    let headers = vec![
        Header { name: "X-Key".to_owned(), value: "v".to_owned() },
        Header { name: "host".to_owned(), value: "evil".to_owned() },
    ];
    let body = Bytes::from_static(b"body").into();
    let request = HttpRequest { method: "post".to_owned(), url: server.url("/a|b?c={d}#frag"), headers, body };
    let response = session.send_whole(request, HttpOptions::default()).await.expect("an answer");
    assert_eq!((response.status, response.status_text.as_str(), &response.body[..]), (299, "So So", &b"hi"[..]));
    assert_eq!(response.url, server.url("/a|b?c={d}"));
    assert!(!response.redirected);
    let pairs: Vec<_> = response.headers.iter().map(|header| (header.name.as_str(), header.value.as_str())).collect();
    // é came as the two bytes of its UTF-8 form: each is a character.
    assert_eq!(pairs, [("x-a", "1"), ("x-a", "2"), ("x-b", "\u{c3}\u{a9}"), ("content-length", "2")]);
    let seen = &server.seen()[0];
    assert!(seen.starts_with("POST /a"), "{seen}");
    assert!(seen.ends_with("\r\n\r\nbody"), "{seen}");
    assert!(
        seen.contains("x-key: v\r\n") && seen.contains(&format!("host: {}\r\n", server.at)) && !seen.contains("evil"),
        "{seen}"
    );
    assert_eq!(session.usage(), HttpUsage { requests: 1, bytes_sent: 4, bytes_received: 2 });
}

#[tokio::test]
async fn connections_are_kept_and_shared_by_sessions_but_rules_are_not() {
    let server = Server::answering(|_| ok("x")).await;
    let client = client(&[server.port()]);
    for _ in 0..3 {
        let session = client.session(everything(), HttpLimits::default(), in_a_minute());
        session.send_whole(get(server.url("/")), HttpOptions::default()).await.expect("an answer");
        // hyper gives a connection back on a task of its own.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((server.count(), server.seen().len()), (1, 3));

    // The open connection serves nobody to whom the host was not granted, nor under a name that is no test host.
    let other =
        vec![HttpRule { host: "api.example.com".to_owned(), ports: Vec::new(), methods: Vec::new(), allow_http: true }];
    let session = client.session(other, HttpLimits::default(), in_a_minute());
    let error = session.send_whole(get(server.url("/")), HttpOptions::default()).await.expect_err("not granted");
    assert_eq!(error.to_string(), "host 127.0.0.1 is not in permissions.http of the manifest, or not granted");
    let none = client.session(Vec::new(), HttpLimits::default(), in_a_minute());
    assert_eq!(none.send_whole(get(server.url("/")), HttpOptions::default()).await, Err(HttpError::NotGranted));
    assert_eq!((server.seen().len(), none.usage()), (3, HttpUsage::default()));
}

#[tokio::test]
async fn a_name_with_loopback_addresses_is_refused() {
    const LOOPBACK: &[IpAddr] = &[IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))];
    let server = Server::answering(|_| ok("x")).await;
    let rules = vec![HttpRule {
        host: "api.example.com".to_owned(),
        ports: vec![server.port()],
        methods: Vec::new(),
        allow_http: true,
    }];
    let url = format!("http://api.example.com:{}/", server.port());
    let config = HttpConfig { test_hosts: vec![server.at.to_string()], ..HttpConfig::default() };
    let rebinding = HttpClient::with_resolver(&config, Arc::new(Answer(LOOPBACK))).expect("a client");
    let send = async |client: &HttpClient| {
        client
            .session(rules.clone(), HttpLimits::default(), in_a_minute())
            .send_whole(get(&url), HttpOptions::default())
            .await
    };
    // A connection to the same port is open in the pool, under the test host's name.
    let warm =
        vec![HttpRule { host: "127.0.0.1".to_owned(), ports: Vec::new(), methods: Vec::new(), allow_http: false }];
    let warm = rebinding.session(warm, HttpLimits::default(), in_a_minute());
    warm.send_whole(get(server.url("/")), HttpOptions::default()).await.expect("a test host");
    assert_eq!(send(&rebinding).await, Err(HttpError::Denied("host api.example.com has no public address".to_owned())));
    assert_eq!(server.count(), 1);

    // The same name, when the operator says that it is a test host; and then only at loopback.
    let config = HttpConfig { test_hosts: vec![format!("api.example.com:{}", server.port())], ..HttpConfig::default() };
    let named = HttpClient::with_resolver(&config, Arc::new(Answer(LOOPBACK))).expect("a client");
    assert_eq!(send(&named).await.expect("a test host").status, 200);
    const PUBLIC: &[IpAddr] = &[IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8))];
    let elsewhere = HttpClient::with_resolver(&config, Arc::new(Answer(PUBLIC))).expect("a client");
    assert_eq!(
        send(&elsewhere).await,
        Err(HttpError::Denied("host api.example.com has no loopback address".to_owned()))
    );
    let nowhere = HttpClient::with_resolver(&HttpConfig::default(), Arc::new(Answer(&[]))).expect("a client");
    assert_eq!(send(&nowhere).await, Err(HttpError::Dns("host api.example.com was not found".to_owned())));
}

#[tokio::test]
async fn redirects_are_followed_and_each_hop_is_checked() {
    let other = Server::answering(ok).await;
    let to_other = other.url("/end");
    let server = Server::answering(move |request| match path(request) {
        "/relative" => redirect(307, "end#x"),
        "/other" => redirect(302, &to_other),
        "/meta" => redirect(302, "http://169.254.169.254/latest"),
        "/v6" => redirect(302, "http://[::1]:80/"),
        "/loopback" => redirect(307, "//127.0.0.1:9/"),
        "/file" => redirect(302, "file:///etc/passwd"),
        "/user" => redirect(302, "http://a:b@example.com/"),
        "/bad" => redirect(302, "http://[/"),
        "/two" => "HTTP/1.1 302 F\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "/none" => "HTTP/1.1 302 F\r\nContent-Length: 1\r\n\r\nx".to_owned(),
        "/loop" => redirect(302, "/loop"),
        _ => ok(request),
    })
    .await;
    let client = client(&[server.port(), other.port()]);
    let session = client.session(everything(), HttpLimits::default(), in_a_minute());
    let post = |path: &str| HttpRequest {
        method: "POST".to_owned(),
        url: server.url(path),
        headers: vec![Header { name: "authorization".to_owned(), value: "secret".to_owned() }],
        body: Bytes::from_static(b"payload").into(),
    };
    let response = session.send_whole(post("/relative"), HttpOptions::default()).await.expect("an answer");
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert!(text.starts_with("POST /end ") && text.contains("secret") && text.ends_with("payload"), "{text}");
    assert_eq!((response.url, response.redirected), (server.url("/end"), true));

    let response = session.send_whole(post("/other"), HttpOptions::default()).await.expect("an answer");
    let text = String::from_utf8_lossy(&response.body).into_owned();
    assert!(text.starts_with("GET /end ") && !text.contains("secret") && !text.contains("payload"), "{text}");

    for (path, code) in [
        ("/meta", "denied"),
        ("/v6", "denied"),
        ("/loopback", "denied"),
        ("/file", "denied"),
        ("/user", "denied"),
        ("/bad", "protocol"),
        ("/two", "protocol"),
        ("/loop", "too-many-redirects"),
    ] {
        let error = session.send_whole(get(server.url(path)), HttpOptions::default()).await.expect_err(path);
        assert_eq!(error.code(), code, "{path}: {error}");
    }
    let response = session.send_whole(get(server.url("/none")), HttpOptions::default()).await.expect("an answer");
    assert_eq!((response.status, &response.body[..]), (302, &b"x"[..]));
    let manual = HttpOptions { redirect: Redirect::Manual, timeout_ms: None };
    let response = session.send_whole(get(server.url("/meta")), manual).await.expect("an answer");
    assert_eq!((response.status, header(&response, "location")), (302, Some("http://169.254.169.254/latest")));
    let error = HttpOptions { redirect: Redirect::Error, timeout_ms: None };
    assert_eq!(session.send_whole(get(server.url("/loop")), error).await.expect_err("a redirect").code(), "redirected");

    // A hop to a host that was not granted.
    let only =
        vec![HttpRule { host: "localhost".to_owned(), ports: Vec::new(), methods: Vec::new(), allow_http: false }];
    let session = client.session(only, HttpLimits::default(), in_a_minute());
    let url = format!("http://localhost:{}/other", server.port());
    let error = session.send_whole(get(url), HttpOptions::default()).await.expect_err("not granted");
    assert_eq!(error.to_string(), "host 127.0.0.1 is not in permissions.http of the manifest, or not granted");
}

#[tokio::test]
async fn hops_count_as_requests() {
    let server = Server::answering(|_| redirect(302, "/again")).await;
    let limits = HttpLimits { subrequests_max: 3, ..HttpLimits::default() };
    let session = session(&[server.port()], limits);
    let error = session.send_whole(get(server.url("/")), HttpOptions::default()).await.expect_err("a limit");
    let hit = error.limit().expect("a limit");
    assert_eq!((error.code(), hit.name, hit.allowed, hit.used), ("limit", "http.subrequests_max", 3, 4));
    assert_eq!((server.seen().len(), session.usage().requests), (3, 3));
}

#[tokio::test]
async fn fifty_requests_overlap() {
    let all = Arc::new(Barrier::new(50));
    let server = Server::new(move |mut stream, server| {
        let all = all.clone();
        async move {
            while server.read(&mut stream).await.is_some() {
                // Nobody is answered before all fifty have asked.
                all.wait().await;
                let _ = stream.write_all(ok("x").as_bytes()).await;
            }
        }
    })
    .await;
    let session = session(&[server.port()], HttpLimits::default());
    let all = join_all((0..50).map(|_| session.send_whole(get(server.url("/")), HttpOptions::default()))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(session.usage().requests, 50);
}

#[tokio::test]
async fn no_more_requests_run_at_once_than_allowed() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let server = Server::new(move |mut stream, server| {
        let (now, most) = (now.clone(), most.clone());
        async move {
            while server.read(&mut stream).await.is_some() {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(20)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                let _ = stream.write_all(ok("x").as_bytes()).await;
            }
        }
    })
    .await;
    let limits = HttpLimits { concurrent_max: 3, ..HttpLimits::default() };
    let session = session(&[server.port()], limits);
    let all = join_all((0..20).map(|_| session.send_whole(get(server.url("/")), HttpOptions::default()))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(seen.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn idle_connections_to_many_hosts_leave_room_for_more() {
    let mut servers = Vec::new();
    for _ in 0..12 {
        servers.push(Server::answering(|_| ok("x")).await);
    }
    let test_hosts = servers.iter().map(|server| server.at.to_string()).collect();
    let config = HttpConfig { test_hosts, connections_max: 4, ..HttpConfig::default() };
    let client = HttpClient::new(&config).expect("a client");
    let session =
        client.session(everything(), HttpLimits { connect_ms_max: 5_000, ..HttpLimits::default() }, in_a_minute());
    for server in &servers {
        let done = session.send_whole(get(server.url("/")), HttpOptions::default()).await;
        assert_eq!(done.map(|response| response.status), Ok(200));
    }
}

#[tokio::test]
async fn dropping_the_future_closes_the_connection() {
    let server =
        Server::new(|mut stream, server| async move { while server.read(&mut stream).await.is_some() {} }).await;
    let session = session(&[server.port()], HttpLimits::default());
    let request = tokio::spawn(session.send_whole(get(server.url("/never")), HttpOptions::default()));
    while server.seen().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    request.abort();
    let closed = tokio::time::timeout(Duration::from_secs(20), server.closed.notified()).await;
    assert!(closed.is_ok(), "the server still waits");
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

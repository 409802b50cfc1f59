//! TLS and HTTP/2, with certificates made for the test.

use futures_util::future::join_all;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::server::Server;
use super::*;

/// A TLS server with a certificate for `localhost` that speaks what it negotiates, and the certificate.
async fn secure(alpn: &'static [u8]) -> (Server, Vec<u8>) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let mut config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).expect("a server");
    config.alpn_protocols = vec![alpn.to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let server = Server::new(move |stream, server| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, server).await;
            }
        }
    })
    .await;
    (server, cert.pem().into_bytes())
}

async fn serve(stream: TlsStream<TcpStream>, server: Server) {
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let server = server.clone();
        async move {
            server.requests.lock().expect("not poisoned").push(format!("{:?}", request.headers()));
            let (path, mut response) =
                (request.uri().path(), http::Response::new(http_body_util::Full::new(Bytes::new())));
            match path {
                "/never" => {
                    // Told when hyper drops the request: the client has reset the stream.
                    let _told = Told(server.closed.clone());
                    std::future::pending::<()>().await;
                }
                "/hdr-big" => {
                    let value = http::HeaderValue::from_str(&"x".repeat(10_000)).expect("a value");
                    for _ in 0..20 {
                        response.headers_mut().append("a", value.clone());
                    }
                }
                "/big" => *response.body_mut() = Bytes::from(vec![0; 1 << 20]).into(),
                _ => *response.body_mut() = Bytes::from(format!("{:?}", request.version())).into(),
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let _ = if is_h2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await
    } else {
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    };
}

struct Told(Arc<tokio::sync::Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

fn trusting(server: &Server, extra_roots_pem: Vec<u8>) -> HttpClient {
    let test_hosts = vec![format!("localhost:{}", server.port()), format!("127.0.0.1:{}", server.port())];
    HttpClient::new(&HttpConfig { test_hosts, extra_roots_pem, ..HttpConfig::default() }).expect("a client")
}

#[tokio::test]
async fn certificates_are_checked() {
    let (server, pem) = secure(b"http/1.1").await;
    for (roots, host, expected) in [
        (pem.clone(), "localhost", Ok(&b"HTTP/1.1"[..])),
        (pem, "127.0.0.1", Err("tls")),
        (Vec::new(), "localhost", Err("tls")),
    ] {
        let session = trusting(&server, roots).session(everything(), HttpLimits::default(), in_a_minute());
        let done = session.send_whole(get(format!("https://{host}:{}/", server.port())), HttpOptions::default()).await;
        let done = done.as_ref().map(|response| &response.body[..]).map_err(HttpError::code);
        assert_eq!(done, expected, "{host}");
    }
}

#[test]
fn roots_that_are_none_are_refused() {
    let extra_roots_pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    assert!(matches!(
        HttpClient::new(&HttpConfig { extra_roots_pem, ..HttpConfig::default() }),
        Err(HttpConfigError::Roots(_))
    ));
}

#[tokio::test]
async fn http_2_shares_a_connection_and_keeps_the_same_bounds() {
    let (server, pem) = secure(b"h2").await;
    let client = trusting(&server, pem);
    let limits = HttpLimits { response_bytes_max: 100_000, ..HttpLimits::default() };
    let session = client.session(everything(), limits, in_a_minute());
    let url = |path: &str| format!("https://localhost:{}{path}", server.port());
    let first = session.send_whole(get(url("/")), HttpOptions::default()).await.expect("an answer");
    assert_eq!((&first.body[..], first.status_text.as_str()), (&b"HTTP/2.0"[..], ""));
    let all = join_all((0..30).map(|_| session.send_whole(get(url("/")), HttpOptions::default()))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(server.count(), 1);

    let error = session.send_whole(get(url("/big")), HttpOptions::default()).await.expect_err("a limit");
    assert_eq!(error.limit().map(|hit| hit.name), Some("http.response_bytes_max"));
    // h2 resets the stream without saying why.
    let error = session.send_whole(get(url("/hdr-big")), HttpOptions::default()).await.expect_err("200 KB of headers");
    assert!(matches!(error, HttpError::Protocol(_) | HttpError::Limit(_)), "{error}");

    let request = tokio::spawn(session.send_whole(get(url("/never")), HttpOptions::default()));
    while server.seen().len() < 34 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    request.abort();
    assert!(
        tokio::time::timeout(Duration::from_secs(20), server.closed.notified()).await.is_ok(),
        "the stream is still open"
    );
    assert_eq!(
        session.send_whole(get(url("/")), HttpOptions::default()).await.map(|response| response.status),
        Ok(200)
    );
}

//! TLS from files, HTTP/2 by ALPN.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use belljar_server::front::{FrontConfig, Tls, TlsError};
use belljar_server::schedule::Settings;
use belljar_tests::front::{Client, Served};
use belljar_tests::host;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::package;

/// Writes a new certificate for `front.test` and its key; answers the certificate.
fn write_pair(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["front.test".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn connector(trusted: &CertificateDer<'static>, alpn: &[&[u8]]) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

async fn connect(served: &Served, trusted: &CertificateDer<'static>, alpn: &[&[u8]]) -> std::io::Result<Stream> {
    let stream = TcpStream::connect(served.at).await?;
    connector(trusted, alpn).connect(ServerName::try_from("front.test").unwrap(), stream).await
}

async fn served(tls: Arc<Tls>) -> Served {
    let config = FrontConfig { tls_handshake_ms_max: 3_000, ..FrontConfig::default() };
    let served = Served::with(config, Settings::default(), host::shared().clone(), Some(tls)).await;
    let main = "export default async (c) => c.json({ url: c.request.url, body: await c.request.text() });";
    served.install("acme", &package("echo", &["default * /*, auth: none"], "", main));
    served
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_of_http_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = write_pair(folder.path());
    let tls = Arc::new(Tls::open(folder.path().join("cert.pem"), folder.path().join("key.pem")).unwrap());
    let served = served(tls.clone()).await;

    let stream = connect(&served, &certificate, &[b"http/1.1"]).await.unwrap();
    let reply = Client::new(stream).request("POST /acme/echo/a HTTP/1.1", b"one").await;
    assert_eq!(
        (reply.status, reply.json()["url"].as_str()),
        (200, Some("https://front.test/acme/echo/a")),
        "{}",
        reply.text()
    );

    let stream = connect(&served, &certificate, &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut calls = Vec::new();
    for number in 0..20 {
        let mut sender = sender.clone();
        calls.push(tokio::spawn(async move {
            let request = http::Request::post(format!("https://shop.example/acme/echo/{number}"))
                .body(Full::new(Bytes::from(vec![b'x'; number * 10_000])))
                .unwrap();
            let response = sender.send_request(request).await.unwrap();
            let status = response.status().as_u16();
            let body: serde_json::Value =
                serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
            assert_eq!(
                (status, body["url"].as_str()),
                (200, Some(format!("https://shop.example/acme/echo/{number}").as_str()))
            );
            assert_eq!(body["body"].as_str().map(str::len), Some(number * 10_000));
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    // Heads are bounded here too, and one that is too large costs its stream, not the connection.
    let large = http::Request::get("https://front.test/acme/echo/")
        .header("x-large", "a".repeat(40 << 10))
        .body(Full::default())
        .unwrap();
    match sender.clone().send_request(large).await {
        Ok(response) => assert_eq!(response.status(), 431),
        Err(error) => assert!(!sender.is_closed(), "{error:?}"),
    }
    let head = http::Request::head("https://front.test/acme/echo/a").body(Full::<Bytes>::default()).unwrap();
    let response = sender.clone().send_request(head).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers().contains_key("connection")), (200, false));

    // A new certificate, while the server runs.
    let renewed = write_pair(folder.path());
    assert!(connect(&served, &renewed, &[]).await.is_err(), "it is not read so far");
    tls.reload().unwrap();
    connect(&served, &renewed, &[]).await.unwrap();
    assert!(!tls.reload_if_changed().unwrap());
    std::fs::write(folder.path().join("key.pem"), "no key").unwrap();
    assert!(matches!(tls.reload(), Err(TlsError::File { what: "key", .. })));
    connect(&served, &renewed, &[]).await.expect("the old one stays");

    // Who does not speak TLS, or nothing at all, does not stay.
    let mut plain = served.connect().await;
    plain.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n").await;
    let answer = plain.glance(Duration::from_secs(5)).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(served.connect().await.is_closed().await);
}

#[test]
fn files_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let error = Tls::open(&certificate, &key).unwrap_err();
    assert!(error.to_string().contains("certificate") && error.to_string().contains("cert.pem"), "{error}");
    write_pair(folder.path());
    std::fs::write(&certificate, "nothing").unwrap();
    assert!(matches!(Tls::open(&certificate, &key), Err(TlsError::File { what: "certificate", .. })));
    write_pair(folder.path());
    let other = rcgen::generate_simple_self_signed(vec!["front.test".to_owned()]).unwrap();
    std::fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    assert!(matches!(Tls::open(&certificate, &key), Err(TlsError::Pair { .. })));
}

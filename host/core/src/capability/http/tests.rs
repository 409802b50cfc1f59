//! The capability against real servers on loopback, written by hand so that they can misbehave.

mod exchange;
mod hostile;
mod proxy;
mod server;
mod tls;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use belljar_package::HttpRule;
use bytes::{Bytes, BytesMut};

use super::*;
use crate::capability::bodies::BodyError;
use crate::floor::limits::HttpLimits;

/// Grants everything: what is refused then is refused by the address rules.
pub(super) fn everything() -> Vec<HttpRule> {
    vec![HttpRule { host: "*".to_owned(), ports: Vec::new(), methods: Vec::new(), allow_http: true }]
}

/// A client for which the servers at these ports of 127.0.0.1 and `localhost` are test hosts.
pub(super) fn client(ports: &[u16]) -> HttpClient {
    let test_hosts = ports.iter().flat_map(|port| [format!("127.0.0.1:{port}"), format!("localhost:{port}")]).collect();
    HttpClient::with_resolver(&HttpConfig { test_hosts, ..HttpConfig::default() }, Arc::new(Answer(&[])))
        .expect("a client")
}

pub(super) fn session(ports: &[u16], limits: HttpLimits) -> HttpSession {
    client(ports).session(everything(), limits, in_a_minute())
}

pub(super) fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(super) fn get(url: impl Into<String>) -> HttpRequest {
    HttpRequest { method: "GET".to_owned(), url: url.into(), ..HttpRequest::default() }
}

/// A response with all of its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) status_text: String,
    pub(super) url: String,
    pub(super) redirected: bool,
    pub(super) headers: Vec<Header>,
    pub(super) body: Bytes,
}

impl HttpSession {
    /// Sends a request and reads the answer to its end, as an applet does.
    pub(super) fn send_whole(
        &self,
        request: HttpRequest,
        options: HttpOptions,
    ) -> impl Future<Output = Result<Whole, HttpError>> + Send + use<> {
        let sent = self.send(request, options);
        async {
            let HttpResponse { status, status_text, url, redirected, headers, body } = sent.await?;
            let body = match body {
                ResponseBody::Bytes(bytes) => bytes,
                ResponseBody::Stream(mut reader) => {
                    let mut body = BytesMut::new();
                    while let Some(chunk) = reader.read(64 << 10).await.map_err(|error| match error {
                        BodyError::Limit(hit) => HttpError::Limit(hit),
                        BodyError::Timeout(hit) => HttpError::Timeout(hit),
                        other => HttpError::Protocol(other.to_string()),
                    })? {
                        body.extend_from_slice(&chunk);
                    }
                    body.freeze()
                }
            };
            Ok(Whole { status, status_text, url, redirected, headers, body })
        }
    }
}

pub(super) fn header<'a>(response: &'a Whole, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|header| header.name == name).map(|header| header.value.as_str())
}

/// A resolver that gives the same answer to every question.
pub(super) struct Answer(pub(super) &'static [IpAddr]);

impl Resolver for Answer {
    fn resolve(&self, _: &str) -> Resolving {
        let found: io::Result<Vec<IpAddr>> = Ok(self.0.to_vec());
        Box::pin(async { found })
    }
}

//! What carries requests in place of the network, for tests and simulations. Everything else stays as it is: the rules of the manifest,
//! secrets, counts, sizes, times and redirects. It opens no connection and asks no resolver.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::body::Outgoing;
use super::error::HttpError;
use super::headers::isomorphic;

/// A request as it would go out: it has passed the rules, and its secrets are in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedRequest {
    /// Upper case, unless the applet made its own.
    pub method: String,
    /// Absolute, without fragment.
    pub url: String,
    /// Lower-case names; each character of a value is a byte.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Bytes,
}

/// What it is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedResponse {
    /// 200 to 999.
    pub status: u16,
    /// Each character of a value is a byte.
    pub headers: Vec<(String, String)>,
    /// All of it.
    pub body: Bytes,
}

/// Resolves to the answer, or to the text of a failure, which the applet sees as one of the connection.
pub type Carrying<'a> = Pin<Box<dyn Future<Output = Result<CarriedResponse, String>> + Send + 'a>>;

/// Carries requests in place of the network: see [`HostBuilder::http_transport`](crate::HostBuilder::http_transport). Each hop of a redirect is
/// a request of its own. Names are not looked up, so that only an address that stands in a URL is held to be public.
pub trait HttpTransport: Send + Sync + 'static {
    /// Carries one request. It ends with the invocation, or when its time is over: its future is dropped then.
    fn carry(&self, request: CarriedRequest) -> Carrying<'_>;
}

/// The body of an answer: from the network, or from a transport.
pub(super) enum Arrived {
    Network(Incoming),
    Carried(Option<Bytes>),
}

impl Body for Arrived {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Network(incoming) => Pin::new(incoming).poll_frame(cx),
            Self::Carried(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Network(incoming) => incoming.is_end_stream(),
            Self::Carried(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Network(incoming) => incoming.size_hint(),
            Self::Carried(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}

/// Hands one hop to a transport. `failed` tells what went wrong with the body on its way out.
pub(super) async fn carry(
    transport: &dyn HttpTransport,
    request: http::Request<Outgoing>,
    failed: impl Fn(&(dyn std::error::Error + 'static)) -> HttpError,
) -> Result<http::Response<Arrived>, HttpError> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|error| failed(&error))?.to_bytes();
    let headers =
        head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), isomorphic(value.as_bytes()))).collect();
    let request = CarriedRequest { method: head.method.to_string(), url: head.uri.to_string(), headers, body };
    let CarriedResponse { status, headers, body } = transport.carry(request).await.map_err(HttpError::Protocol)?;
    let mut response = http::Response::builder().status(status);
    for (name, value) in headers {
        // One character is one byte; what is beyond is no header, and told below.
        let bytes: Vec<u8> = value.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(0)).collect();
        response = response.header(name, bytes);
    }
    response.body(Arrived::Carried((!body.is_empty()).then_some(body))).map_err(|error| {
        HttpError::Protocol(format!("what answers in place of the network did not speak HTTP: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::{Duration, Instant};

    use belljar_package::HttpRule;

    use super::*;
    use crate::capability::http::{Header, HttpClient, HttpConfig, HttpOptions, HttpRequest};
    use crate::floor::limits::HttpLimits;

    #[derive(Default)]
    struct Carrier(Mutex<Vec<CarriedRequest>>);

    impl HttpTransport for Carrier {
        fn carry(&self, request: CarriedRequest) -> Carrying<'_> {
            let is_first = !request.url.ends_with("/end");
            self.0.lock().expect("no test has panicked with it").push(request);
            let moved =
                CarriedResponse { status: 302, headers: vec![("location".into(), "/end".into())], body: Bytes::new() };
            let end = CarriedResponse { status: 200, headers: Vec::new(), body: Bytes::from_static(b"done") };
            Box::pin(async move { Ok(if is_first { moved } else { end }) })
        }
    }

    fn ask(carrier: &Arc<Carrier>, url: &str, limits: HttpLimits) -> Result<(u16, Bytes), HttpError> {
        let client = HttpClient::new(&HttpConfig::default()).expect("a client").with_transport(carrier.clone());
        let rule =
            HttpRule { host: "api.example.com".into(), ports: Vec::new(), methods: Vec::new(), allow_http: false };
        let session = client.session(vec![rule], limits, Instant::now() + Duration::from_secs(60));
        let headers = vec![Header { name: "X-One".into(), value: "\u{e9}".into() }];
        let request = HttpRequest { method: "GET".into(), url: url.into(), headers, ..HttpRequest::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let response = runtime.block_on(session.send_whole(request, HttpOptions::default()))?;
        Ok((response.status, response.body))
    }

    #[test]
    fn a_transport_sees_what_the_rules_allow() {
        let carrier = Arc::new(Carrier::default());
        let answer = ask(&carrier, "https://api.example.com/start", HttpLimits::default());
        assert_eq!(answer, Ok((200, Bytes::from_static(b"done"))));
        let seen = carrier.0.lock().expect("no test has panicked with it").clone();
        assert_eq!(
            seen.iter().map(|request| request.url.as_str()).collect::<Vec<_>>(),
            ["https://api.example.com/start", "https://api.example.com/end"]
        );
        assert!(seen[0].headers.contains(&("x-one".into(), "\u{e9}".into())), "{seen:?}");

        assert!(matches!(
            ask(&carrier, "https://other.example.com/", HttpLimits::default()),
            Err(HttpError::Denied(_))
        ));
        let limits = HttpLimits { response_bytes_max: 3, ..HttpLimits::default() };
        assert!(matches!(ask(&carrier, "https://api.example.com/end", limits), Err(HttpError::Limit(_))));
        assert_eq!(carrier.0.lock().expect("no test has panicked with it").len(), 3, "what is refused is not carried");
    }
}

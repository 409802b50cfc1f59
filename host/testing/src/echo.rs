//! Http without a network: every request that the host lets pass is answered with itself. What the test has for it is decided inside
//! (guest-js/test/src/http.ts), where functions can answer.

use belljar::{Bytes, CarriedRequest, CarriedResponse, Carrying, HttpTransport};
use serde_json::json;

/// Marks an echo; the library inside has the name too.
const HEADER: &str = "belljar-echo";

/// Answers each request with itself: a line of JSON (method, URL, headers), then the body.
pub(crate) struct Echo;

impl HttpTransport for Echo {
    fn carry(&self, request: CarriedRequest) -> Carrying<'_> {
        let CarriedRequest { method, url, headers, body } = request;
        let mut echo = json!({ "method": method, "url": url, "headers": headers }).to_string().into_bytes();
        echo.push(b'\n');
        echo.extend_from_slice(&body);
        let response = CarriedResponse {
            status: 200,
            headers: vec![(HEADER.to_owned(), "1".to_owned())],
            body: Bytes::from(echo),
        };
        Box::pin(async { Ok(response) })
    }
}

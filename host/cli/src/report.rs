//! An outcome as one JSON object: `{invocation, ok, value | response | fault, usage, log}`. The applet's own JSON goes in as text, so
//! that its numbers keep every digit.

use belljar::{Fault, FaultCode, HttpReply, LogRecord, Outcome, Response};
use serde::de::IgnoredAny;
use serde_json::json;

use crate::terminal;

/// The object, with its line end. `applet` names what ran, if it is a package.
pub(crate) fn of(outcome: &Outcome, log: &[LogRecord], applet: Option<&serde_json::Value>) -> String {
    let answer = match &outcome.result {
        Ok(Response::Value(value)) => format!("\"value\":{}", value.as_deref().unwrap_or("null")),
        Ok(Response::Http(reply)) => format!("\"response\":{}", response(reply)),
        // Only without --json does a response stream.
        Ok(Response::Streamed(_)) => "\"response\":null".to_owned(),
        // Serialising our own plain data cannot fail.
        Err(fault) => format!("\"fault\":{}", serde_json::to_string(fault).unwrap_or_else(|_| "null".into())),
    };
    let usage = serde_json::to_string(&outcome.usage).unwrap_or_else(|_| "null".into());
    let log: Vec<String> = log.iter().map(LogRecord::to_json_line).collect();
    let applet = applet.map(|applet| format!("\"applet\":{applet},")).unwrap_or_default();
    let text = format!(
        "{{\"invocation\":{},{applet}\"ok\":{},{answer},\"usage\":{usage},\"log\":[{}]}}\n",
        json!(outcome.id.as_str()),
        outcome.result.is_ok(),
        log.join(",")
    );
    terminal::json(&text)
}

/// Checks that a value is JSON, as it should be: it comes out of the sandbox, and goes into our own JSON.
pub(crate) fn checked(mut outcome: Outcome) -> Outcome {
    if let Ok(Response::Value(Some(value))) = &outcome.result
        && let Err(error) = serde_json::from_str::<IgnoredAny>(value)
    {
        let message = format!("the answer is not JSON: {error}");
        outcome.result =
            Err(Fault { code: FaultCode::InvalidResult, message, limit: None, errors: Vec::new(), frames: Vec::new() });
    }
    outcome
}

/// `{status, headers, body}`; a body that is not text is `body_base64`.
fn response(reply: &HttpReply) -> serde_json::Value {
    let mut object = json!({ "status": reply.status, "headers": reply.headers });
    match std::str::from_utf8(&reply.body) {
        Ok(text) => object["body"] = text.into(),
        Err(_) => object["body_base64"] = base64(&reply.body).into(),
    }
    object
}

/// RFC 4648, 4.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().chain(&[0, 0]).take(3).fold(0_usize, |group, &byte| group << 8 | usize::from(byte));
        for digit in 0..4 {
            let padding = digit > chunk.len();
            text.push(if padding { '=' } else { char::from(DIGITS[group >> (18 - 6 * digit) & 63]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_text_or_base64() {
        let reply =
            |body: &'static [u8]| HttpReply { status: 201, headers: vec![("a".into(), "b".into())], body: body.into() };
        assert_eq!(response(&reply("ö".as_bytes())), json!({ "status": 201, "headers": [["a", "b"]], "body": "ö" }));
        assert_eq!(response(&reply(b"\xff\xfe"))["body_base64"], "//4=");
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
    }
}

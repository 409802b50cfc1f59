//! Methods and headers, both ways: what an applet may set, what the host sets, what it hands back. It opens no connection.
//!
//! Headers that frame the message or belong to the connection are the host's. An applet that sets one is not refused: as the
//! Fetch standard does with forbidden request-headers, the header is left out, so that passing on the headers of an incoming
//! request simply works. `cookie` and `authorization` are the applet's own affair. Nothing is decompressed: unless the applet
//! asks for an encoding itself, the host asks for `identity`, and what arrives is handed over as it is.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::error::{HttpError, quoted};
use super::{Header, Redirect};
use crate::floor::limits::{HttpLimits, LimitHit};

/// What a request says of its sender when the applet says nothing.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("Belljar/", env!("CARGO_PKG_VERSION")));

/// Reads a method, in upper case where the Fetch standard writes it so.
pub(super) fn method(text: &str) -> Result<Method, HttpError> {
    let upper = text.to_ascii_uppercase();
    let text = match upper.as_str() {
        "CONNECT" | "TRACE" | "TRACK" => return Err(HttpError::Denied(format!("method {upper} is not allowed"))),
        "DELETE" | "GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" => &upper,
        _ => text,
    };
    // PRI is the preface of HTTP/2 (RFC 9113, 11.6) and no method.
    if text == "PRI" || text.len() > 64 {
        return Err(HttpError::Invalid(format!("{} is not a method", quoted(text))));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| HttpError::Invalid(format!("{} is not a method", quoted(text))))
}

/// Reads an applet's request headers, leaves out what is the host's, and adds what is missing.
pub(super) fn request(headers: &[Header], limits: &HttpLimits) -> Result<HeaderMap, HttpError> {
    check_size(headers.len(), headers.iter().map(|header| header.name.len() + header.value.len()), limits)?;
    let mut map = HeaderMap::with_capacity(headers.len() + 3);
    for Header { name, value } in headers {
        let invalid = |what: &str| HttpError::Invalid(format!("the header {} {what}", quoted(name)));
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid("has a name that is not a token"))?;
        let bytes: Option<Vec<u8>> = value.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let bytes = bytes.ok_or_else(|| invalid("has a value with characters above U+00FF"))?;
        let parsed_value = value_of(&bytes).ok_or_else(|| invalid("has a value with control characters"))?;
        if !is_hosts(&parsed) {
            map.try_append(parsed, parsed_value).map_err(|_| invalid("is one too many"))?;
        }
    }
    for (name, value) in [
        (header::ACCEPT, HeaderValue::from_static("*/*")),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (header::USER_AGENT, USER_AGENT),
    ] {
        map.entry(name).or_insert(value);
    }
    Ok(map)
}

/// A header value without surrounding white space (Fetch, "normalize a byte sequence"); `None` with a control character in it.
fn value_of(bytes: &[u8]) -> Option<HeaderValue> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    // The standard would strip line breaks at either end too. Here they are refused wherever they stand.
    HeaderValue::from_bytes(&bytes[start..end]).ok()
}

/// Whether a request header is the host's to set.
fn is_hosts(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "content-length"
            | "expect"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    ) || name.as_str().starts_with("proxy-")
}

/// Hands over a response's headers: names in lower case, every byte of a value as one character.
pub(super) fn response(map: &HeaderMap, limits: &HttpLimits) -> Result<Vec<Header>, HttpError> {
    check_size(map.len(), map.iter().map(|(name, value)| name.as_str().len() + value.len()), limits)?;
    Ok(map
        .iter()
        .map(|(name, value)| Header { name: name.as_str().to_owned(), value: isomorphic(value.as_bytes()) })
        .collect())
}

/// Every byte as the character of that number.
pub(super) fn isomorphic(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

fn check_size(count: usize, bytes: impl Iterator<Item = usize>, limits: &HttpLimits) -> Result<(), HttpError> {
    let (count, allowed) = (count as u64, u64::from(limits.headers_max));
    if count > allowed {
        return Err(HttpError::Limit(LimitHit { name: "http.headers_max", allowed, used: count }));
    }
    // As HTTP/1.1 writes them, with a colon, a space and a line end each.
    let (used, allowed) = (bytes.sum::<usize>() as u64 + 4 * count, limits.header_bytes_max);
    if used > allowed {
        return Err(HttpError::Limit(LimitHit { name: "http.header_bytes_max", allowed, used }));
    }
    Ok(())
}

/// Changes method and headers for the next hop of a redirect (Fetch, "HTTP-redirect fetch"). `true`: the body goes too.
pub(super) fn redirect(status: StatusCode, method: &mut Method, headers: &mut HeaderMap, same_origin: bool) -> bool {
    if !same_origin {
        for name in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
            headers.remove(name);
        }
    }
    let becomes_get = match status {
        StatusCode::SEE_OTHER => *method != Method::GET && *method != Method::HEAD,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => *method == Method::POST,
        _ => false,
    };
    if becomes_get {
        *method = Method::GET;
        for name in [header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION, header::CONTENT_TYPE]
        {
            headers.remove(name);
        }
    }
    !becomes_get
}

/// Where a response redirects to, if it is a redirect and is to be followed: the text of its `Location`.
pub(super) fn location(
    status: StatusCode,
    headers: &HeaderMap,
    redirect: Redirect,
) -> Result<Option<String>, HttpError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) || redirect == Redirect::Manual {
        return Ok(None);
    }
    if redirect == Redirect::Error {
        return Err(HttpError::Redirected(format!(
            "the answer is a redirect ({status}), and redirects are errors for this request"
        )));
    }
    let mut values = headers.get_all(header::LOCATION).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|other| other != first) {
        return Err(HttpError::Protocol("the redirect names more than one location".to_owned()));
    }
    Ok(Some(String::from_utf8(first.as_bytes().to_vec()).unwrap_or_else(|_| isomorphic(first.as_bytes()))))
}

#[cfg(test)]
#[path = "tests/headers.rs"]
mod tests;

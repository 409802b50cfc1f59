//! The operator's proxy: reads its URL, and asks it for a tunnel. It knows nothing of rules; what may be asked for is decided before.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::{Host, Url};

use super::client::{HttpConfigError, HttpProxy};
use super::zone::parse_host;

/// Bytes of the head of a proxy's answer.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// A proxy, read.
pub(super) struct Proxy {
    pub(super) host: Host<String>,
    pub(super) port: u16,
    pub(super) resolves_names: bool,
    /// Value of `proxy-authorization`.
    authorization: Option<String>,
}

/// Why there is no tunnel. Texts go to the applet.
#[derive(Debug, thiserror::Error)]
pub(super) enum TunnelError {
    #[error("it refused (status {0})")]
    Refused(u16),
    #[error("it answered something else than HTTP")]
    NotHttp,
    #[error("{}", .0.kind())]
    Io(#[from] io::Error),
}

impl Proxy {
    /// Reads the operator's configuration.
    pub(super) fn parse(config: &HttpProxy) -> Result<Self, HttpConfigError> {
        let wrong = HttpConfigError::Proxy;
        let url = Url::parse(&config.url).map_err(|_| wrong("is not a URL: http://HOST:PORT"))?;
        if url.scheme() != "http" {
            return Err(wrong("is not reached over http: http://HOST:PORT (the tunnels inside are TLS all the same)"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(wrong("has a path: http://HOST:PORT is all of it"));
        }
        let host = url.host_str().and_then(parse_host).ok_or(wrong("has no host: http://HOST:PORT"))?;
        let is_named = !url.username().is_empty() || url.password().is_some();
        let decoded = |text: &str| {
            percent_decoded(text).ok_or(wrong("has a user name or password that is not percent-encoded UTF-8"))
        };
        let authorization = match is_named {
            true => Some(basic(&decoded(url.username())?, &decoded(url.password().unwrap_or_default())?)),
            false => None,
        };
        Ok(Self { host, port: url.port().unwrap_or(80), resolves_names: config.resolves_names, authorization })
    }

    /// Asks for a tunnel to `target`, `HOST:PORT`. What is sent and read afterwards is between the two ends.
    pub(super) async fn connect(&self, stream: &mut TcpStream, target: &str) -> Result<(), TunnelError> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some(authorization) = &self.authorization {
            request.push_str(&format!("Proxy-Authorization: {authorization}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::with_capacity(256);
        // Both ends of a tunnel wait for us to begin, so whatever comes is of the head: nothing is read past it.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= HEAD_BYTES_MAX {
                return Err(TunnelError::NotHttp);
            }
            head.push(stream.read_u8().await?);
        }
        match status(&head) {
            Some(200..=299) => Ok(()),
            Some(status) => Err(TunnelError::Refused(status)),
            None => Err(TunnelError::NotHttp),
        }
    }
}

/// The status of `HTTP/1.1 200 …`.
fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head.split(|&byte| byte == b'\r').next()?).ok()?;
    let (version, rest) = line.split_once(' ')?;
    let status = rest.split(' ').next()?;
    (version.starts_with("HTTP/1.") && status.len() == 3).then(|| status.parse().ok()).flatten()
}

fn percent_decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// `Basic …` of RFC 7617.
fn basic(user: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let credentials = format!("{user}:{password}");
    let mut text = String::from("Basic ");
    for chunk in credentials.as_bytes().chunks(3) {
        let group = chunk.iter().chain(&[0, 0]).take(3).fold(0_usize, |group, &byte| group << 8 | usize::from(byte));
        for digit in 0..4 {
            text.push(if digit > chunk.len() { '=' } else { char::from(DIGITS[group >> (18 - 6 * digit) & 63]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, expected: Option<(&str, u16, Option<&str>)>) {
        let read = Proxy::parse(&HttpProxy { url: url.to_owned(), resolves_names: false }).ok();
        let read = read.as_ref().map(|proxy| (proxy.host.to_string(), proxy.port, proxy.authorization.as_deref()));
        let expected = expected.map(|(host, port, authorization)| (host.to_owned(), port, authorization));
        assert_eq!(read, expected, "{url}");
    }

    #[test]
    fn proxies_are_urls() {
        check("http://proxy.internal:3128", Some(("proxy.internal", 3128, None)));
        check("http://10.0.0.1/", Some(("10.0.0.1", 80, None)));
        check("http://[fd00::1]:8080", Some(("[fd00::1]", 8080, None)));
        check("http://Aladdin:open%20sesame@p:1", Some(("p", 1, Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="))));
        for url in ["proxy:3128", "https://p:1", "socks5://p:1", "http://p/path", "http://p?x", "http://u%zz@p", ""] {
            check(url, None);
        }
    }

    #[test]
    fn statuses_are_read_strictly() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Some(200)),
            ("HTTP/1.0 407 Proxy Authentication Required\r\nA: b\r\n\r\n", Some(407)),
            ("HTTP/1.1 200\r\n\r\n", Some(200)),
            ("HTTP/2 200\r\n\r\n", None),
            ("200 OK\r\n\r\n", None),
            ("HTTP/1.1 20 OK\r\n\r\n", None),
        ] {
            assert_eq!(status(head.as_bytes()), expected, "{head:?}");
        }
    }
}

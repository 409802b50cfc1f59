//! Files in the shape of an HTTP/1.1 request (RFC 9112): a request line, header lines, an empty line, and the body, raw, to the end of
//! the file. Line ends are CR LF or LF, so that a text editor's file will do; the body is never touched, because signatures are over
//! its bytes.

use belljar::Request;

/// Headers of one request.
const HEADERS_MAX: usize = 200;
/// Bytes of one line.
const LINE_BYTES_MAX: usize = 64 << 10;

/// Reads a request. A target without scheme and host is completed by the `host` header, or by `localhost`.
///
/// # Errors
/// What is wrong, with its line, for the person who wrote the file.
pub(crate) fn parse(file: &[u8]) -> Result<Request, String> {
    let mut rest = file;
    let mut number = 0;
    let mut next = || -> Result<Option<&[u8]>, String> {
        number += 1;
        if rest.is_empty() {
            return Ok(None);
        }
        let end = rest.iter().position(|&byte| byte == b'\n');
        let (line, after) = end.map_or((rest, &[][..]), |end| (&rest[..end], &rest[end + 1..]));
        if line.len() > LINE_BYTES_MAX {
            return Err(format!(
                "line {number} is longer than {LINE_BYTES_MAX} bytes: is the empty line after the headers missing?"
            ));
        }
        rest = after;
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    };

    let start = next()?
        .filter(|line| !line.is_empty())
        .ok_or("line 1 is empty: begin with a line such as `POST /hook HTTP/1.1`")?;
    let (method, target) = request_line(start)?;
    let mut headers: Vec<(String, String)> = Vec::new();
    let mut line_number = 1;
    while let Some(line) = next()? {
        line_number += 1;
        if line.is_empty() {
            break;
        }
        if headers.len() >= HEADERS_MAX {
            return Err(format!("line {line_number}: more than {HEADERS_MAX} headers"));
        }
        headers.push(header(line).map_err(|what| format!("line {line_number}: {what}"))?);
    }
    let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    if value("transfer-encoding").is_some() {
        return Err("transfer-encoding is not supported: write the body as it is, without chunks".into());
    }
    if let Some(length) = value("content-length")
        && length.parse() != Ok(rest.len())
    {
        let hint = "editors like to add a line end to the last line";
        return Err(format!(
            "content-length says {length:?}, but {} bytes follow the headers ({hint}); correct it or leave it out",
            rest.len()
        ));
    }
    let url = if target.starts_with('/') {
        format!("http://{}{target}", host(value("host").unwrap_or("localhost"))?)
    } else {
        target
    };
    Ok(Request { method, url, headers, body: rest.to_vec().into() })
}

fn request_line(line: &[u8]) -> Result<(String, String), String> {
    let text = std::str::from_utf8(line).ok().filter(|text| text.is_ascii());
    let text = text.ok_or("line 1 has characters other than ASCII: percent-encode them in the target")?;
    let mut parts = text.split(' ').filter(|part| !part.is_empty());
    let (Some(method), Some(target)) = (parts.next(), parts.next()) else {
        return Err(format!(
            "line 1 is {text:?}: expected a method, a target and a version, such as `POST /hook HTTP/1.1`"
        ));
    };
    if !method.bytes().all(is_token) {
        return Err(format!("line 1: {method:?} is no HTTP method"));
    }
    match (parts.next(), parts.next()) {
        (None, _) | (Some("HTTP/1.1" | "HTTP/1.0" | "HTTP/2" | "HTTP/3"), None) => {}
        (Some(version), _) => return Err(format!("line 1: {version:?} should be HTTP/1.1, and the last word")),
    }
    let absolute = ["http://", "https://"].iter().any(|scheme| target.to_ascii_lowercase().starts_with(scheme));
    if !target.starts_with('/') && !absolute || target.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return Err(format!("line 1: target {target:?} is neither a path that starts with '/' nor an http(s) URL"));
    }
    Ok((method.to_owned(), target.to_owned()))
}

fn header(line: &[u8]) -> Result<(String, String), String> {
    if line.starts_with(b" ") || line.starts_with(b"\t") {
        return Err("a header's value cannot go on in a second line".into());
    }
    let colon = line.iter().position(|&byte| byte == b':');
    let colon = colon.ok_or("expected `name: value`, or an empty line before the body")?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.is_empty() || !name.iter().copied().all(is_token) {
        return Err(format!("{:?} is no header name", String::from_utf8_lossy(name)));
    }
    if value.iter().any(|&byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
        return Err("the value has control characters".into());
    }
    let name = name.iter().map(|&byte| char::from(byte.to_ascii_lowercase())).collect();
    // Every byte is the character of that number: the shape in which applets see header values.
    Ok((name, value.iter().copied().map(char::from).collect()))
}

fn host(value: &str) -> Result<&str, String> {
    let ok = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    if ok { Ok(value) } else { Err(format!("host {value:?} is not a host, or host:port")) }
}

/// RFC 9110, 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_kept_byte_for_byte() {
        let file =
            b"POST /hook?a=1 HTTP/1.1\r\nHost: example.com:8080\r\nX-Sig:  sha256=\xe9 \r\n\r\n{\"a\":1}\r\n\xff\0\n";
        let request = parse(file).expect("it is a request");
        assert_eq!((request.method.as_str(), request.url.as_str()), ("POST", "http://example.com:8080/hook?a=1"));
        assert_eq!(request.headers[1], ("x-sig".to_owned(), "sha256=\u{e9}".to_owned()));
        assert_eq!(&request.body.as_bytes().expect("bytes")[..], b"{\"a\":1}\r\n\xff\0\n");
    }

    #[test]
    fn little_is_enough() {
        for (file, url, body) in [
            ("GET /", "http://localhost/", ""),
            ("GET / HTTP/1.1\n", "http://localhost/", ""),
            ("GET https://a.example/b HTTP/1.1\nhost: other\n\n", "https://a.example/b", ""),
            ("PUT /x\ncontent-length: 2\n\n\n\n", "http://localhost/x", "\n\n"),
        ] {
            let request = parse(file.as_bytes()).unwrap_or_else(|error| panic!("{file:?}: {error}"));
            assert_eq!(
                (request.url.as_str(), &request.body.as_bytes().expect("bytes")[..]),
                (url, body.as_bytes()),
                "{file:?}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (file, expected) in [
            (&b""[..], "line 1 is empty"),
            (b"\nGET /", "line 1 is empty"),
            (b"GET", "line 1 is \"GET\""),
            (b"GET x HTTP/1.1", "target \"x\""),
            (b"G@T / HTTP/1.1", "no HTTP method"),
            (b"GET / HTTP/9", "\"HTTP/9\""),
            (b"GET / HTTP/1.1 x", "\"HTTP/1.1\""),
            (b"GET /\xc3\xa4", "percent-encode"),
            (b"GET /\na: b\nnothing\n", "line 3: expected `name: value`"),
            (b"GET /\na b: c\n", "line 2: \"a b\" is no header name"),
            (b"GET /\na: b\n c\n", "line 3: a header's value"),
            (b"GET /\na: b\rc\n", "line 2: the value has control"),
            (b"GET /\nhost: a/b\n\n", "host \"a/b\""),
            (b"GET /\ncontent-length: 1\n\nab", "says \"1\", but 2 bytes"),
            (b"GET /\ntransfer-encoding: chunked\n\n", "transfer-encoding"),
        ] {
            let error = parse(file).expect_err("it is wrong");
            assert!(error.contains(expected), "{:?}: {error}", String::from_utf8_lossy(file));
        }
        assert!(parse(&[b'x'; 70 << 10]).expect_err("too long").contains("longer"));
        let many = format!("GET /\n{}", "a: b\n".repeat(201));
        assert!(parse(many.as_bytes()).expect_err("too many").contains("line 202: more than 200"));
    }
}

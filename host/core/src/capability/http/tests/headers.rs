use super::*;

fn headers_of(pairs: &[(&str, &str)]) -> Vec<Header> {
    pairs.iter().map(|&(name, value)| Header { name: name.to_owned(), value: value.to_owned() }).collect()
}

/// `expected`: what `name` has in the end, or the code of the error.
fn check(pairs: &[(&str, &str)], name: &str, expected: Result<&[&[u8]], &str>) {
    let done = request(&headers_of(pairs), &HttpLimits::default());
    match (done, expected) {
        (Ok(map), Ok(values)) => {
            let has: Vec<&[u8]> = map.get_all(name).iter().map(HeaderValue::as_bytes).collect();
            assert_eq!(has, values, "{pairs:?}");
        }
        (Err(error), Err(code)) => assert_eq!(error.code(), code, "{pairs:?}: {error}"),
        (done, _) => panic!("{pairs:?}: {done:?}"),
    }
}

#[test]
fn values_are_bytes_without_control_characters() {
    check(&[("X-A", "b")], "x-a", Ok(&[b"b"]));
    check(&[("x-a", " \tb c\t ")], "x-a", Ok(&[b"b c"]));
    check(&[("x-a", "")], "x-a", Ok(&[b""]));
    check(&[("x-a", "é\u{ff}")], "x-a", Ok(&[&[0xe9, 0xff]]));
    check(&[("x-a", "1"), ("X-A", "2")], "x-a", Ok(&[b"1", b"2"]));
    for value in [
        "a\r\nX-Evil: 1",
        "a\nX-Evil: 1",
        "a\rb",
        "a\0b",
        "a\u{7f}",
        "a\u{10d}\u{10a}X-Evil: 1",
        "\u{fffd}",
        "a\n",
        "\u{1b}[0m",
    ] {
        check(&[("x-a", value)], "x-a", Err("invalid"));
    }
    for name in ["", "X A", "X-A\r\nX-Evil", ":path", "x:", "é", "x\0"] {
        check(&[(name, "1")], "x-a", Err("invalid"));
    }
}

#[test]
fn the_hosts_own_headers_are_left_out() {
    for name in [
        "Host",
        "connection",
        "Content-Length",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "keep-alive",
        "proxy-authorization",
        "expect",
    ] {
        check(&[(name, "1")], name, Ok(&[]));
    }
    check(&[], "user-agent", Ok(&[concat!("Belljar/", env!("CARGO_PKG_VERSION")).as_bytes()]));
    check(&[("User-Agent", "mine")], "user-agent", Ok(&[b"mine"]));
    check(&[], "accept-encoding", Ok(&[b"identity"]));
    check(&[("accept-encoding", "gzip")], "accept-encoding", Ok(&[b"gzip"]));
    check(&[("cookie", "a=b")], "cookie", Ok(&[b"a=b"]));
}

#[test]
fn count_and_bytes_are_bounded() {
    let limits = HttpLimits { headers_max: 3, header_bytes_max: 40, ..HttpLimits::default() };
    let code = |pairs: &[(&str, &str)]| {
        request(&headers_of(pairs), &limits).err().and_then(|error| error.limit().map(|hit| (hit.name, hit.used)))
    };
    assert_eq!(code(&[("a", "1"); 3]), None);
    assert_eq!(code(&[("a", "1"); 4]), Some(("http.headers_max", 4)));
    assert_eq!(code(&[("a", &"1".repeat(35))]), None);
    assert_eq!(code(&[("a", &"1".repeat(36))]), Some(("http.header_bytes_max", 41)));
}

#[test]
fn methods_are_tokens() {
    for (text, expected) in [
        ("get", Ok("GET")),
        ("pOsT", Ok("POST")),
        ("patch", Ok("patch")),
        ("PROPFIND", Ok("PROPFIND")),
        ("CONNECT", Err("denied")),
        ("connect", Err("denied")),
        ("TRACE", Err("denied")),
        ("Track", Err("denied")),
        ("PRI", Err("invalid")),
        ("", Err("invalid")),
        ("G\0T", Err("invalid")),
        ("GET /x HTTP/1.1\r\nA:", Err("invalid")),
    ] {
        let done = method(text);
        assert_eq!(done.as_ref().map(Method::as_str).map_err(HttpError::code), expected, "{text:?}");
    }
}

#[test]
fn redirects_change_the_request_as_fetch_says() {
    for (status, before, after, body_stays) in [
        (301, "POST", "GET", false),
        (302, "POST", "GET", false),
        (302, "PUT", "PUT", true),
        (301, "GET", "GET", true),
        (303, "PUT", "GET", false),
        (303, "POST", "GET", false),
        (303, "HEAD", "HEAD", true),
        (307, "POST", "POST", true),
        (308, "PUT", "PUT", true),
    ] {
        for same_origin in [true, false] {
            let pairs = [("authorization", "a"), ("cookie", "c"), ("content-type", "t"), ("x-a", "x")];
            let mut map = request(&headers_of(&pairs), &HttpLimits::default()).expect("valid");
            let mut method = method(before).expect("a method");
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(redirect(status, &mut method, &mut map, same_origin), body_stays, "{status} {before}");
            assert_eq!(method.as_str(), after, "{status} {before}");
            assert_eq!(map.contains_key("content-type"), body_stays, "{status} {before}");
            assert_eq!((map.contains_key("authorization"), map.contains_key("cookie")), (same_origin, same_origin));
            assert!(map.contains_key("x-a"));
        }
    }
}

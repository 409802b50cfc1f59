//! Which headers of a request an applet sees: not those that are about the connection, that only the host may say, or that hold a key of
//! ours.

use http::header::{self, HeaderMap, HeaderName};

use super::auth;

/// About one connection (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];
/// What proxies say about a client: true only when a proxy of ours says it.
const OF_PROXIES: [&str; 7] = [
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-url",
    "x-rewrite-url",
    "true-client-ip",
    "cf-connecting-ip",
];

/// The headers for the applet: lower-case names; each character of a value is a byte.
pub(crate) fn for_applet(headers: &HeaderMap, authority: &str, is_from_proxy: bool) -> Vec<(String, String)> {
    let named = named_by_connection(headers);
    let mut kept = Vec::with_capacity(headers.len() + 1);
    kept.push(("host".to_owned(), authority.to_owned()));
    let mut cookies: Option<String> = None;
    for (name, value) in headers {
        if is_dropped(name, is_from_proxy)
            || auth::is_key(name, value.as_bytes())
            || named.iter().any(|other| other == name.as_str())
        {
            continue;
        }
        let value: String = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
        if *name == header::COOKIE {
            // HTTP/2 may send them one by one (RFC 9113 section 8.2.3).
            match &mut cookies {
                Some(all) => {
                    all.push_str("; ");
                    all.push_str(&value);
                }
                None => cookies = Some(value),
            }
            continue;
        }
        kept.push((name.as_str().to_owned(), value));
    }
    if let Some(cookies) = cookies {
        kept.push(("cookie".to_owned(), cookies));
    }
    kept
}

fn is_dropped(name: &HeaderName, is_from_proxy: bool) -> bool {
    let text = name.as_str();
    *name == header::HOST
        || HOP_BY_HOP.contains(name)
        || text.starts_with("x-belljar-")
        || *name == header::FORWARDED
        || (!is_from_proxy && (text.starts_with("x-forwarded-") || OF_PROXIES.contains(&text)))
}

/// Names of further headers that are about the connection.
fn named_by_connection(headers: &HeaderMap) -> Vec<String> {
    let lists = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let names = lists.flat_map(|list| list.split(',')).map(|name| name.trim().to_ascii_lowercase());
    names.filter(|name| !matches!(name.as_str(), "" | "close" | "keep-alive" | "upgrade")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(is_from_proxy: bool, pairs: &[(&str, &str)], expected: &[(&str, &str)]) {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"));
        }
        let expected: Vec<_> = std::iter::once(&("host", "h"))
            .chain(expected)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(for_applet(&headers, "h", is_from_proxy), expected);
    }

    #[test]
    fn what_only_the_host_may_say_is_dropped() {
        let sent = [
            ("host", "other"),
            ("x-belljar-user", "root"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("forwarded", "for=1.2.3.4"),
            ("accept", "*/*"),
        ];
        check(false, &sent, &[("accept", "*/*")]);
        check(true, &sent, &[("x-forwarded-for", "1.2.3.4"), ("x-real-ip", "1.2.3.4"), ("accept", "*/*")]);
    }

    #[test]
    fn keys_of_ours_are_dropped_and_other_tokens_kept() {
        check(false, &[("authorization", "Bearer bj_x"), ("x-api-key", "bj_x")], &[]);
        let other = [("authorization", "Bearer eyJ"), ("x-api-key", "k")];
        check(false, &other, &other);
    }

    #[test]
    fn the_connection_is_not_the_applets() {
        check(
            false,
            &[
                ("connection", "close, X-Hop"),
                ("x-hop", "1"),
                ("te", "trailers"),
                ("upgrade", "h2c"),
                ("transfer-encoding", "chunked"),
            ],
            &[],
        );
    }

    #[test]
    fn cookies_are_one_header() {
        check(false, &[("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2")], &[("x-a", "1"), ("cookie", "a=1; b=2")]);
    }
}

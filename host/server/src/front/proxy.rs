//! Where a request comes from, and which URL its sender used. A proxy is believed if its address is on the operator's list, and nobody
//! else: `X-Forwarded-*` of other senders are theirs to invent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::{HOST, HeaderMap, HeaderName};
use http::uri::{Authority, Uri};

use crate::network::Network;

/// An address as limits are counted by: IPv4 as it is, of IPv6 the network of one customer (/64).
pub(crate) fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !0 << 64)),
    }
}

/// A request as its sender sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct External {
    /// Whose request it is.
    pub(crate) client: IpAddr,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// Host and port, lower case.
    pub(crate) authority: String,
}

impl External {
    /// The host name, without port.
    pub(crate) fn host(&self) -> &str {
        match self.authority.rfind(':') {
            Some(colon) if !self.authority[colon..].contains(']') => &self.authority[..colon],
            _ => &self.authority,
        }
    }
}

/// Reads where the request comes from. `None` when it does not say, or says twice, which host it is for.
pub(crate) fn external(
    peer: IpAddr,
    is_tls: bool,
    trusted: &[Network],
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<External> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let mut authority = match uri.authority() {
        // The absolute form, and `:authority` of HTTP/2, come before the header.
        Some(authority) => authority.as_str().to_owned(),
        None => {
            let mut hosts = headers.get_all(HOST).iter();
            match (hosts.next(), hosts.next()) {
                (Some(host), None) => host.to_str().ok()?.to_owned(),
                _ => return None,
            }
        }
    };
    let mut scheme = if is_tls { "https" } else { "http" };
    let mut client = peer.to_canonical();
    if is_trusted(peer) {
        client = forwarded_for(headers, client, is_trusted);
        match last(headers, "x-forwarded-proto") {
            Some(proto) if proto.eq_ignore_ascii_case("https") => scheme = "https",
            Some(proto) if proto.eq_ignore_ascii_case("http") => scheme = "http",
            _ => {}
        }
        if let Some(host) = last(headers, "x-forwarded-host") {
            authority = host.to_owned();
        }
    }
    authority.make_ascii_lowercase();
    // Neither a user name nor what is no host at all.
    let parsed: Authority = authority.parse().ok()?;
    (!parsed.host().is_empty() && !authority.contains('@')).then_some(External { client, scheme, authority })
}

/// From the proxy nearest to us outwards: the first that is none of ours is the client.
fn forwarded_for(headers: &HeaderMap, peer: IpAddr, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let lists = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let all: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
    let mut client = peer;
    for text in all.into_iter().rev() {
        // Beyond what cannot be read, nothing can be believed.
        let Some(address) = address(text) else { break };
        client = address.to_canonical();
        if !is_trusted(client) {
            break;
        }
    }
    client
}

/// An address, perhaps in brackets, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').and_then(|(address, _)| address.parse::<Ipv6Addr>().ok()).map(IpAddr::V6);
    }
    let (address, port) = text.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    address.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

/// The last item of a list header: the one that our own proxy has set.
fn last<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a str> {
    let value = headers.get_all(HeaderName::from_static(name)).iter().next_back()?;
    value.to_str().ok()?.rsplit(',').next().map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    fn check(peer: &str, trusted: &[&str], pairs: &[(&str, &str)], expected: Option<(&str, &str, &str)>) {
        let trusted: Vec<Network> = trusted.iter().map(|range| range.parse().expect("a range")).collect();
        let found =
            external(peer.parse().expect("an address"), false, &trusted, &Uri::from_static("/x"), &headers(pairs));
        let found = found.as_ref().map(|found| (found.client.to_string(), found.scheme, found.authority.as_str()));
        let found = found.as_ref().map(|(client, scheme, authority)| (client.as_str(), *scheme, *authority));
        assert_eq!(found, expected, "{peer} {pairs:?}");
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let forwarded = [
            ("host", "Internal:8080"),
            ("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example, Shop.Example"),
        ];
        check("203.0.113.1", &["10.0.0.0/8"], &forwarded, Some(("203.0.113.1", "http", "internal:8080")));
        check("10.0.0.1", &["10.0.0.0/8"], &forwarded, Some(("203.0.113.9", "https", "shop.example")));
        check("::ffff:10.0.0.1", &["10.0.0.0/8"], &forwarded, Some(("203.0.113.9", "https", "shop.example")));
        check("10.0.0.1", &["10.0.0.1"], &forwarded, Some(("10.0.0.2", "https", "shop.example")));
    }

    #[test]
    fn what_cannot_be_read_is_not_believed() {
        let own = ("host", "h");
        check(
            "10.0.0.1",
            &["10.0.0.0/8"],
            &[own, ("x-forwarded-for", "1.2.3.4, garbage")],
            Some(("10.0.0.1", "http", "h")),
        );
        check("10.0.0.1", &["10.0.0.0/8"], &[own, ("x-forwarded-for", "1.2.3.4:99")], Some(("1.2.3.4", "http", "h")));
        check(
            "10.0.0.1",
            &["10.0.0.0/8"],
            &[own, ("x-forwarded-for", "[2001:db8::1]:99")],
            Some(("2001:db8::1", "http", "h")),
        );
        check("10.0.0.1", &["10.0.0.0/8"], &[own, ("x-forwarded-proto", "gopher")], Some(("10.0.0.1", "http", "h")));
    }

    #[test]
    fn a_request_is_for_one_host() {
        check("1.1.1.1", &[], &[], None);
        check("1.1.1.1", &[], &[("host", "a"), ("host", "b")], None);
        check("1.1.1.1", &[], &[("host", "a/b")], None);
        check("1.1.1.1", &[], &[("host", "u@a")], None);
        check("1.1.1.1", &[], &[("host", "")], None);
    }

    #[test]
    fn ports_are_no_part_of_the_name() {
        for (authority, host) in [("a.b:80", "a.b"), ("a.b", "a.b"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")] {
            let external =
                External { client: IpAddr::from([127, 0, 0, 1]), scheme: "http", authority: authority.into() };
            assert_eq!(external.host(), host);
        }
    }

    #[test]
    fn neighbours_count_as_one() {
        let counted = |text: &str| counted_as(text.parse().expect("an address")).to_string();
        assert_eq!(counted("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counted("::ffff:1.2.3.4"), "1.2.3.4");
    }
}

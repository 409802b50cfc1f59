//! Which addresses a host and port may have: public ones, or, for the operator's named test hosts, loopback ones. The answer
//! depends on nothing but the host, the port and the operator's configuration.
//!
//! That is what makes one pool of connections safe for all tenants. A pooled connection is found by scheme, host and port; the
//! zone of that host and port is fixed for the life of the pool, so a connection made in the test zone can only ever serve a
//! request for the same named test host. What differs between tenants is the rules, and those are checked for every request and
//! every redirect hop before the pool is asked. Nothing of a tenant's (no client certificate, no connection-bound
//! authentication) lives on a connection.

use std::net::IpAddr;

use url::Host;

use super::address;

/// The operator's named loopback hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TestHosts(Vec<(Host<String>, Option<u16>)>);

/// Which addresses may be dialled for one host and port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// Public addresses only.
    Public,
    /// Loopback addresses only: a host the operator named.
    Test,
}

/// A test host could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("test host {text:?} {problem}")]
pub struct InvalidTestHost {
    text: String,
    problem: &'static str,
}

impl TestHosts {
    /// Reads `host` or `host:port` for each; an IPv6 address with a port needs brackets.
    pub(super) fn parse(texts: &[String]) -> Result<Self, InvalidTestHost> {
        texts.iter().map(|text| parse_one(text)).collect::<Result<_, _>>().map(Self)
    }

    /// The zone of `host` at `port`.
    pub(super) fn zone(&self, host: &Host<String>, port: u16) -> Zone {
        let named = self.0.iter().any(|(name, only)| name == host && only.is_none_or(|only| only == port));
        if named { Zone::Test } else { Zone::Public }
    }
}

impl Zone {
    /// Whether `address` may be dialled.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        match self {
            Self::Public => address::not_public(address).is_none(),
            Self::Test => address::is_loopback(address),
        }
    }
}

/// Reads a host by the URL standard (every spelling of an address becomes that address) and takes a trailing dot away.
/// An IPv6 address may come without brackets.
pub(super) fn parse_host(text: &str) -> Option<Host<String>> {
    if let Ok(v6) = text.parse() {
        return Some(Host::Ipv6(v6));
    }
    match Host::parse(text).ok()? {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            is_name(name).then(|| Host::Domain(name.to_owned()))
        }
        address => Some(address),
    }
}

/// Whether `name`, already through the URL standard, is one a resolver should see: no empty label, lengths of RFC 1035.
pub(super) fn is_name(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

/// The address in `host`, if it is one.
pub(super) fn literal(host: &Host<String>) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => None,
        Host::Ipv4(v4) => Some(IpAddr::V4(*v4)),
        Host::Ipv6(v6) => Some(IpAddr::V6(*v6)),
    }
}

/// Whether `name` is `localhost` or below it (RFC 6761, 6.3).
pub(super) fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

fn parse_one(text: &str) -> Result<(Host<String>, Option<u16>), InvalidTestHost> {
    let invalid = |problem| InvalidTestHost { text: text.to_owned(), problem };
    let (host, port) = match text.rsplit_once(':') {
        // Either a port or the last group of an address without brackets.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let port = port.parse().ok().filter(|&port| port != 0);
            (host, Some(port.ok_or_else(|| invalid("has no valid port"))?))
        }
        _ => (text, None),
    };
    let host = parse_host(host).ok_or_else(|| invalid("is neither a host name nor an address"))?;
    if literal(&host).is_some_and(|address| !address::is_loopback(address)) {
        return Err(invalid("is not a loopback address"));
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(test_host: &str, host: &str, port: u16, expected: Zone) {
        let hosts = TestHosts::parse(&[test_host.to_owned()]).expect("the test host is valid");
        let host = parse_host(host).expect("the test names a host");
        assert_eq!(hosts.zone(&host, port), expected, "{test_host} {host}:{port}");
    }

    #[test]
    fn a_test_host_names_exactly_itself() {
        check("localhost:8080", "localhost", 8080, Zone::Test);
        check("localhost:8080", "LOCALHOST.", 8080, Zone::Test);
        check("localhost:8080", "localhost", 8081, Zone::Public);
        check("localhost:8080", "127.0.0.1", 8080, Zone::Public);
        check("localhost", "localhost", 1, Zone::Test);
        check("localhost", "a.localhost", 1, Zone::Public);
        check("127.0.0.1:80", "0x7f.1", 80, Zone::Test);
        check("[::1]:80", "::1", 80, Zone::Test);
        check("::1", "[::1]", 9, Zone::Test);
        check("::1", "127.0.0.1", 9, Zone::Public);
    }

    #[test]
    fn a_test_host_must_be_loopback() {
        for text in ["10.0.0.1", "0.0.0.0:80", "[::]:80", "8.8.8.8", "", "a b", "a:0", "a:x", "a..b", "[fe80::1]"] {
            assert!(TestHosts::parse(&[text.to_owned()]).is_err(), "{text:?}");
        }
    }
}

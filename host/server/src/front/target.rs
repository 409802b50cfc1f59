//! Which applet a request is for, and what is left of its path: `/{tenant}/{applet}/…`, or a host name that leads to a tenant or an
//! applet.

use belljar::{AppletId, TenantId};

use super::proxy::External;
use crate::directory::{Directory, HostMapping, Unavailable};

/// The applet, and the path that is its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) applet: AppletId,
    /// Starts with `/`, or is empty, which means the same.
    pub(crate) path: &'a str,
}

/// Finds the applet. `None` when the path names none.
///
/// # Errors
/// When the catalog cannot be read.
pub(crate) fn target<'a>(
    directory: &dyn Directory,
    external: &External,
    path: &'a str,
) -> Result<Option<Target<'a>>, Unavailable> {
    let mapping = match external.host() {
        // Addresses are mapped to nothing.
        host if is_address(host) => None,
        host => directory.host(host.trim_end_matches('.'))?,
    };
    Ok(match mapping {
        Some(HostMapping { tenant, applet: Some(applet) }) => Some(Target { tenant, applet, path }),
        Some(HostMapping { tenant, applet: None }) => {
            segment(path).and_then(|(applet, path)| Some(Target { tenant, applet: AppletId::new(applet).ok()?, path }))
        }
        None => segment(path).and_then(|(tenant, rest)| {
            let (applet, path) = segment(rest)?;
            Some(Target { tenant: TenantId::new(tenant).ok()?, applet: AppletId::new(applet).ok()?, path })
        }),
    })
}

/// IPv6 is in brackets; a name whose last label is a number is taken for IPv4 (URL standard, section 3.5).
fn is_address(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    host.starts_with('[') || (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The first segment of a path, and what follows it.
fn segment(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix('/')?;
    Some(rest.split_at(rest.find('/').unwrap_or(rest.len())))
}

/// Text with its `%XX` decoded; `None` when they are malformed or give no UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let (high, low) = (digit()?, digit()?);
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use super::*;
    use crate::directory::{Active, Identity};

    struct Hosts;

    impl Directory for Hosts {
        fn active(&self, _: &TenantId, _: &AppletId) -> Result<Option<Arc<Active>>, Unavailable> {
            Ok(None)
        }
        fn host(&self, name: &str) -> Result<Option<HostMapping>, Unavailable> {
            let tenant = TenantId::new("acme").expect("a name");
            Ok(match name {
                "shop.example" => Some(HostMapping { tenant, applet: Some(AppletId::new("shop").expect("a name")) }),
                "acme.example" | "acme1" => Some(HostMapping { tenant, applet: None }),
                _ => None,
            })
        }
        fn identity(&self, _: &str) -> Result<Option<Arc<Identity>>, Unavailable> {
            Ok(None)
        }
    }

    fn check(authority: &str, path: &str, expected: Option<(&str, &str, &str)>) {
        let external =
            External { client: IpAddr::V4(Ipv4Addr::LOCALHOST), scheme: "http", authority: authority.into() };
        let found = target(&Hosts, &external, path).expect("it can be read");
        let found = found.as_ref().map(|found| (found.tenant.as_str(), found.applet.as_str(), found.path));
        assert_eq!(found, expected, "{authority}{path}");
    }

    #[test]
    fn paths_and_host_names_lead_to_applets() {
        check("h", "/acme/shop/a/b", Some(("acme", "shop", "/a/b")));
        check("h:80", "/acme/shop", Some(("acme", "shop", "")));
        check("127.0.0.1:80", "/acme/shop/", Some(("acme", "shop", "/")));
        check("h", "/acme", None);
        check("h", "/", None);
        check("h", "//shop/", None);
        check("h", "/ACME/shop/", None);
        check("h", "/acme/..%2f/", None);
        check("shop.example", "/a", Some(("acme", "shop", "/a")));
        check("shop.example.:443", "/", Some(("acme", "shop", "/")));
        check("acme.example", "/other/a", Some(("acme", "other", "/a")));
        check("acme.example", "/", None);
        check("acme1:80", "/other", Some(("acme", "other", "")));
        check("[::1]:80", "/acme/shop", Some(("acme", "shop", "")));
    }

    #[test]
    fn percent_encoding() {
        for (text, expected) in [
            ("a", Some("a")),
            ("%41%2fb", Some("A/b")),
            ("%c3%A9", Some("é")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%ff", None),
            ("%+1", None),
        ] {
            assert_eq!(percent_decoded(text).as_deref(), expected, "{text:?}");
        }
    }
}

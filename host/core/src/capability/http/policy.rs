//! Whether a request may be sent at all: the URL's shape, then the granted rules, then an address in the URL itself. It asks no
//! resolver and opens no connection; names are checked again, as addresses, when they are dialled.

use belljar_package::HttpRule;
use url::{Host, Url};

use super::address::not_public;
use super::error::{HttpError, quoted};
use super::zone::{TestHosts, Zone, is_localhost, is_name, literal, parse_host};
use crate::floor::limits::LimitHit;

/// The granted rules, read once. Make it when a release is admitted and share it between invocations.
#[derive(Debug, Clone, Default)]
pub struct HttpRules(Vec<Rule>);

#[derive(Debug, Clone)]
struct Rule {
    host: Pattern,
    ports: Vec<u16>,
    methods: Vec<String>,
    allow_http: bool,
}

/// Which hosts a rule is about.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Any,
    /// Exactly one label before this name.
    OneLabelBefore(String),
    Exactly(Host<String>),
    /// A rule nobody can read allows nothing.
    Nothing,
}

impl HttpRules {
    /// Reads the rules. One that cannot be read allows nothing.
    pub fn new(rules: &[HttpRule]) -> Self {
        let read = |rule: &HttpRule| Rule {
            host: Pattern::new(&rule.host),
            ports: rule.ports.clone(),
            methods: rule.methods.iter().map(|method| method.to_ascii_uppercase()).collect(),
            allow_http: rule.allow_http,
        };
        Self(rules.iter().map(read).collect())
    }

    /// Whether there is no rule: http is not granted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Checks one request, or one hop of it, by the rules and by the address in its URL, if there is one.
    pub(super) fn check(&self, target: &Target, method: &str, test_hosts: &TestHosts) -> Result<(), HttpError> {
        let zone = test_hosts.zone(&target.host, target.port);
        self.allow(target, method, zone)?;
        let refuse = |why: &str| Err(HttpError::Denied(format!("{} is not a public address ({why})", target.host)));
        match literal(&target.host) {
            Some(address) if !zone.allows(address) => refuse(not_public(address).unwrap_or("not loopback")),
            None if zone == Zone::Public && is_localhost(&target.host.to_string()) => refuse("loopback"),
            _ => Ok(()),
        }
    }

    /// One rule must allow all of it. The message tells how far the best rule goes.
    fn allow(&self, target: &Target, method: &str, zone: Zone) -> Result<(), HttpError> {
        let host = &target.host;
        let plain = target.url.scheme() == "http";
        let (mut any_host, mut any_scheme, mut any_port) = (false, false, false);
        for rule in self.0.iter().filter(|rule| rule.host.matches(host)) {
            any_host = true;
            if plain && !rule.allow_http && zone == Zone::Public {
                continue;
            }
            any_scheme = true;
            let port_allowed = match rule.ports.as_slice() {
                // The operator named the port of a test host.
                [] => zone == Zone::Test || Some(target.port) == default_port(&target.url),
                ports => ports.contains(&target.port),
            };
            if !port_allowed {
                continue;
            }
            any_port = true;
            if rule.methods.is_empty() || rule.methods.iter().any(|allowed| allowed == method) {
                return Ok(());
            }
        }
        Err(HttpError::Denied(if !any_host {
            format!("host {host} is not in permissions.http of the manifest, or not granted")
        } else if !any_scheme {
            format!(
                "http: is not allowed for host {host}, only https:; the rule in permissions.http would have to allow it"
            )
        } else if !any_port {
            format!("port {} of host {host} is not in permissions.http of the manifest, or not granted", target.port)
        } else {
            format!(
                "method {method} is not allowed for host {host} by permissions.http of the manifest, or not granted"
            )
        }))
    }
}

impl From<Vec<HttpRule>> for HttpRules {
    fn from(rules: Vec<HttpRule>) -> Self {
        Self::new(&rules)
    }
}

impl Pattern {
    /// Reads a host, `*.host` or `*`. What cannot be read matches nothing.
    pub(super) fn new(text: &str) -> Self {
        if text == "*" {
            return Self::Any;
        }
        let host = |text: &str| if text.contains('*') { None } else { parse_host(text) };
        match text.strip_prefix("*.") {
            Some(rest) => match host(rest) {
                Some(Host::Domain(name)) => Self::OneLabelBefore(name),
                _ => Self::Nothing,
            },
            None => host(text).map_or(Self::Nothing, Self::Exactly),
        }
    }

    pub(super) fn matches(&self, host: &Host<String>) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Exactly(exactly), host) => exactly == host,
            (Self::OneLabelBefore(name), Host::Domain(host)) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == name)
            }
            _ => false,
        }
    }
}

/// Where a request goes: a URL with a scheme we speak, a host, a port and no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Without fragment, and without the dot that may end a host name.
    pub(super) url: Url,
    /// The URL's.
    pub(super) host: Host<String>,
    /// The URL's or its scheme's; never 0.
    pub(super) port: u16,
}

impl Target {
    /// Reads an absolute URL of at most `url_bytes_max` bytes.
    pub(super) fn parse(text: &str, url_bytes_max: u64) -> Result<Self, HttpError> {
        check_length(text.len(), url_bytes_max)?;
        let url = Url::parse(text)
            .map_err(|error| HttpError::Invalid(format!("the URL {} is not valid: {error}", quoted(text))))?;
        Self::new(url, url_bytes_max)
    }

    /// Where a redirect with this `Location` leads.
    pub(super) fn join(&self, location: &str, url_bytes_max: u64) -> Result<Self, HttpError> {
        check_length(location.len(), url_bytes_max)?;
        let malformed =
            |error| HttpError::Protocol(format!("the redirect to {} is not valid: {error}", quoted(location)));
        Self::new(self.url.join(location).map_err(malformed)?, url_bytes_max)
    }

    fn new(mut url: Url, url_bytes_max: u64) -> Result<Self, HttpError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(HttpError::Denied(format!("scheme {}: is not allowed, only https:", quoted(url.scheme()))));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let why = "a URL with a user name or password is not allowed; use the authorization header";
            return Err(HttpError::Denied(why.to_owned()));
        }
        url.set_fragment(None);
        if let Some(Host::Domain(name)) = url.host() {
            let bare = name.strip_suffix('.').unwrap_or(name).to_owned();
            if !is_name(&bare) {
                return Err(HttpError::Invalid(format!("{} is not a host name", quoted(name))));
            }
            if bare.len() < name.len() && url.set_host(Some(&bare)).is_err() {
                return Err(HttpError::Invalid(format!("{} is not a host name", quoted(&bare))));
            }
        }
        check_length(url.as_str().len(), url_bytes_max)?;
        let host = url
            .host()
            .map(|host| host.to_owned())
            .ok_or_else(|| HttpError::Invalid("the URL has no host".to_owned()))?;
        match url.port_or_known_default() {
            Some(port) if port != 0 => Ok(Self { url, host, port }),
            _ => Err(HttpError::Invalid("port 0 cannot be connected to".to_owned())),
        }
    }

    /// Whether the two have the same scheme, host and port.
    pub(super) fn same_origin(&self, other: &Self) -> bool {
        self.url.scheme() == other.url.scheme() && self.host == other.host && self.port == other.port
    }
}

fn default_port(url: &Url) -> Option<u16> {
    match url.scheme() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

fn check_length(used: usize, allowed: u64) -> Result<(), HttpError> {
    let used = used as u64;
    if used <= allowed { Ok(()) } else { Err(HttpError::Limit(LimitHit { name: "http.url_bytes_max", allowed, used })) }
}

#[cfg(test)]
#[path = "tests/policy.rs"]
mod tests;

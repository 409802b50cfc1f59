//! Hosts of `--allow-host` and `--test-host`, as http rules.

use belljar::package::{HttpRule, rules};

use crate::failure::Failure;

/// The rule of `HOST[:PORT]`. Named test hosts may be asked over http: as well.
///
/// # Errors
/// When it is no host, with the rule it breaks.
pub(crate) fn rule(text: &str, test_hosts: &[String]) -> Result<HttpRule, Failure> {
    let invalid = |what: &str| Failure::usage(format!("--allow-host {text:?}: {what}"));
    let (host, port) = split(text).ok_or_else(|| invalid("the port is a number from 1 to 65535"))?;
    let host = host.to_ascii_lowercase();
    rules::host(&host).map_err(invalid)?;
    let is_test = test_hosts.iter().filter_map(|test| split(test)).any(|(test, _)| test.eq_ignore_ascii_case(&host));
    Ok(HttpRule { host, ports: port.into_iter().collect(), methods: Vec::new(), allow_http: is_test })
}

/// Host and port; `None` when what follows the host is no port.
fn split(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        // Else it is the inside of an IPv6 address.
        Some((host, port)) if !text.ends_with(']') => {
            let port = port.parse().ok().filter(|&port| port != 0)?;
            Some((host, Some(port)))
        }
        _ => Some((text, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_become_rules() {
        let tests = ["localhost:8080".to_owned(), "[::1]".to_owned()];
        for (text, expected) in [
            ("api.example.com", Some(("api.example.com", None, false))),
            ("API.example.com:8443", Some(("api.example.com", Some(8443), false))),
            ("*", Some(("*", None, false))),
            ("*.example.com", Some(("*.example.com", None, false))),
            ("localhost:9", Some(("localhost", Some(9), true))),
            ("[::1]:80", Some(("[::1]", Some(80), true))),
            ("[::1]", Some(("[::1]", None, true))),
            ("a:0", None),
            ("a:70000", None),
            ("https://a", None),
            ("a/b", None),
            ("", None),
        ] {
            let found = rule(text, &tests).ok();
            let found = found.as_ref().map(|rule| (rule.host.as_str(), rule.ports.first().copied(), rule.allow_http));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}

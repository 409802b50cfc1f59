//! What an applet asks for, against what was decided: which rights are new, which of those decided are left, and which are a risk.

use belljar::package::{HttpRule, Permissions, SecretRule};
use serde::Serialize;

/// A right that an operator should think about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// It may call every public host.
    AnyHost,
    /// It may call hosts over http, which anybody on the way can read.
    PlainHttp {
        /// Which host.
        host: String,
    },
    /// It reads a secret's text, rather than having it sent to given hosts.
    ReadsSecret {
        /// Which one.
        name: String,
    },
}

/// The rights in `asked` that `known` does not have.
pub(super) fn beyond(asked: &Permissions, known: &Permissions) -> Permissions {
    Permissions {
        db: asked.db && !known.db,
        http: asked.http.iter().filter(|rule| !known.http.iter().any(|other| covers(other, rule))).cloned().collect(),
        events_publish: missing(&asked.events_publish, &known.events_publish),
        events_subscribe: missing(&asked.events_subscribe, &known.events_subscribe),
        secrets: asked
            .secrets
            .iter()
            .filter(|rule| !known.secrets.iter().any(|other| secret_covers(other, rule)))
            .cloned()
            .collect(),
        kv: asked.kv && !known.kv,
        jobs: asked.jobs && !known.jobs,
        custom: asked.custom.iter().filter(|name| !known.custom.contains(name)).cloned().collect(),
    }
}

/// The rights in `asked` that `granted` covers.
pub(super) fn within(asked: &Permissions, granted: &Permissions) -> Permissions {
    let kept = |asked: &[String], granted: &[String]| {
        asked.iter().filter(|name| event_covers(granted, name)).cloned().collect()
    };
    Permissions {
        db: asked.db && granted.db,
        http: asked.http.iter().filter(|rule| granted.http.iter().any(|other| covers(other, rule))).cloned().collect(),
        events_publish: kept(&asked.events_publish, &granted.events_publish),
        events_subscribe: kept(&asked.events_subscribe, &granted.events_subscribe),
        secrets: asked
            .secrets
            .iter()
            .filter(|rule| granted.secrets.iter().any(|other| secret_covers(other, rule)))
            .cloned()
            .collect(),
        kv: asked.kv && granted.kv,
        jobs: asked.jobs && granted.jobs,
        custom: asked.custom.iter().filter(|name| granted.custom.contains(name)).cloned().collect(),
    }
}

/// Whether nothing is asked for.
pub(super) fn is_nothing(permissions: &Permissions) -> bool {
    *permissions == Permissions::default()
}

/// What an operator should think about.
pub(super) fn risks(permissions: &Permissions) -> Vec<Risk> {
    let any = permissions.http.iter().any(|rule| rule.host == "*").then_some(Risk::AnyHost);
    let plain =
        permissions.http.iter().filter(|rule| rule.allow_http).map(|rule| Risk::PlainHttp { host: rule.host.clone() });
    let read = permissions
        .secrets
        .iter()
        .filter(|rule| rule.hosts.is_empty())
        .map(|rule| Risk::ReadsSecret { name: rule.name.clone() });
    any.into_iter().chain(plain).chain(read).collect()
}

/// Whether all that `narrow` allows, `wide` allows too.
fn covers(wide: &HttpRule, narrow: &HttpRule) -> bool {
    let list = |wide: &[String], narrow: &[String]| {
        wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|one| wide.contains(one)))
    };
    // No ports means the scheme's own, not all.
    let ports = if narrow.ports.is_empty() {
        wide.ports.is_empty()
    } else {
        narrow.ports.iter().all(|port| wide.ports.contains(port))
    };
    host_covers(&wide.host, &narrow.host)
        && ports
        && list(&wide.methods, &narrow.methods)
        && (wide.allow_http || !narrow.allow_http)
}

fn host_covers(wide: &str, narrow: &str) -> bool {
    if wide == "*" || wide == narrow {
        return true;
    }
    // One label, which the narrow one may have spelt out.
    let Some(parent) = wide.strip_prefix('*') else { return false };
    narrow.strip_suffix(parent).is_some_and(|label| !label.is_empty() && !label.contains(['.', '*']))
}

/// A secret for fewer hosts is less; one without hosts can be read, which is something else.
fn secret_covers(wide: &SecretRule, narrow: &SecretRule) -> bool {
    let hosts = if wide.hosts.is_empty() || narrow.hosts.is_empty() {
        wide.hosts.is_empty() && narrow.hosts.is_empty()
    } else {
        narrow.hosts.iter().all(|host| wide.hosts.iter().any(|other| host_covers(other, host)))
    };
    wide.name == narrow.name && hosts
}

fn event_covers(known: &[String], name: &str) -> bool {
    known.iter().any(|pattern| pattern == name || pattern.strip_suffix('*').is_some_and(|stem| name.starts_with(stem)))
}

fn missing(asked: &[String], known: &[String]) -> Vec<String> {
    asked.iter().filter(|name| !event_covers(known, name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(host: &str, ports: &[u16], methods: &[&str], allow_http: bool) -> HttpRule {
        HttpRule {
            host: host.into(),
            ports: ports.to_vec(),
            methods: methods.iter().map(|method| (*method).into()).collect(),
            allow_http,
        }
    }

    fn check(wide: &HttpRule, narrow: &HttpRule, expected: bool) {
        assert_eq!(covers(wide, narrow), expected, "{wide:?} {narrow:?}");
    }

    #[test]
    fn a_narrower_rule_asks_for_no_more() {
        let a = http("a.example.com", &[], &[], false);
        check(&a, &a, true);
        check(&http("*", &[], &[], false), &a, true);
        check(&http("*.example.com", &[], &[], false), &a, true);
        check(&http("*.example.com", &[], &[], false), &http("b.a.example.com", &[], &[], false), false);
        check(&http("*.example.com", &[], &[], false), &http("example.com", &[], &[], false), false);
        check(&a, &http("*.example.com", &[], &[], false), false);
        check(&http("*.example.com", &[], &[], false), &http("*.a.example.com", &[], &[], false), false);
        check(&a, &http("a.example.com", &[8443], &[], false), false);
        check(&http("a.example.com", &[443, 8443], &[], false), &http("a.example.com", &[8443], &[], false), true);
        check(&http("a.example.com", &[8443], &[], false), &a, false);
        check(&a, &http("a.example.com", &[], &["GET"], false), true);
        check(&http("a.example.com", &[], &["GET"], false), &a, false);
        check(&a, &http("a.example.com", &[], &[], true), false);
    }

    fn secret(name: &str, hosts: &[&str]) -> SecretRule {
        SecretRule { name: name.into(), required: true, hosts: hosts.iter().map(|host| (*host).into()).collect() }
    }

    #[test]
    fn a_secret_for_other_hosts_is_another_right() {
        let bound = secret("KEY", &["a.example", "*.b.example"]);
        assert!(secret_covers(&bound, &secret("KEY", &["x.b.example"])));
        assert!(!secret_covers(&bound, &secret("KEY", &["c.example"])));
        assert!(!secret_covers(&bound, &secret("KEY", &[])));
        assert!(!secret_covers(&secret("KEY", &[]), &bound));
        assert!(!secret_covers(&bound, &secret("OTHER", &["a.example"])));
    }

    #[test]
    fn what_is_new_and_what_is_kept_are_all_that_is_asked() {
        let known = Permissions {
            db: true,
            http: vec![http("*.a.example", &[], &[], false)],
            events_publish: vec!["order.*".into()],
            secrets: vec![secret("KEY", &["a.example"])],
            custom: vec!["mail".into()],
            ..Permissions::default()
        };
        let asked = Permissions {
            db: true,
            kv: true,
            http: vec![http("x.a.example", &[], &[], false), http("*", &[], &[], false)],
            events_publish: vec!["order.paid".into(), "refund".into()],
            secrets: vec![secret("KEY", &["a.example"]), secret("OTHER", &[])],
            custom: vec!["greet".into(), "mail".into()],
            ..Permissions::default()
        };
        let (new, kept) = (beyond(&asked, &known), within(&asked, &known));
        assert_eq!(
            (new.db, new.kv, new.http.len(), new.events_publish, new.secrets.len()),
            (false, true, 1, vec!["refund".to_owned()], 1)
        );
        assert_eq!(
            (kept.db, kept.kv, kept.http.len(), kept.events_publish, kept.secrets.len()),
            (true, false, 1, vec!["order.paid".to_owned()], 1)
        );
        assert_eq!((new.custom, kept.custom), (vec!["greet".to_owned()], vec!["mail".to_owned()]));
        assert!(is_nothing(&beyond(&known, &known)));
        assert_eq!(risks(&asked), [Risk::AnyHost, Risk::ReadsSecret { name: "OTHER".into() }]);
    }
}

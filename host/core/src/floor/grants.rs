//! What a tenant lets an applet do: never more than the package asks for.

use belljar_package::{HttpRule, Permissions, SecretRule};

/// Rights in force for one applet at one tenant. The default grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// The applet's own database.
    pub db: bool,
    /// Hosts it may call.
    pub http: Vec<HttpRule>,
    /// The applet's own key-value store.
    pub kv: bool,
    /// Secrets it may use, and where they may go.
    pub secrets: Vec<SecretRule>,
    /// Names of the events it may publish.
    pub events_publish: Vec<String>,
    /// Names of the events it may handle, as its manifest has them.
    pub events_subscribe: Vec<String>,
    /// Enqueueing jobs.
    pub jobs: bool,
    /// Names of the capabilities of the embedder's own that it may call.
    pub custom: Vec<String>,
    /// `sdk.log` and `console`. Always granted to packages; `belljar eval` grants it on request.
    pub log: bool,
}

impl Grants {
    /// Everything the package asks for, as an operator grants who trusts it.
    pub fn all_asked(asked: &Permissions) -> Self {
        Self {
            db: asked.db,
            http: asked.http.clone(),
            kv: asked.kv,
            secrets: asked.secrets.clone(),
            events_publish: asked.events_publish.clone(),
            events_subscribe: asked.events_subscribe.clone(),
            jobs: asked.jobs,
            custom: asked.custom.clone(),
            log: true,
        }
    }

    /// Names of the capabilities of which something is granted, as in the manifest's `permissions`.
    pub(crate) fn names(&self) -> Vec<String> {
        let events = !self.events_publish.is_empty() || !self.events_subscribe.is_empty();
        let all = [
            ("db", self.db),
            ("http", !self.http.is_empty()),
            ("kv", self.kv),
            ("secrets", !self.secrets.is_empty()),
            ("events", events),
            ("jobs", self.jobs),
            ("custom", !self.custom.is_empty()),
            ("log", self.log),
        ];
        all.iter().filter(|(_, granted)| *granted).map(|(name, _)| (*name).to_owned()).collect()
    }

    /// What is both granted here and asked for. A rule counts as granted when it is granted as it is asked for: a secret for other
    /// hosts is another one.
    #[must_use]
    pub fn cut_to(&self, asked: &Permissions) -> Self {
        let same = |a: &SecretRule, b: &SecretRule| a.name == b.name && a.hosts == b.hosts;
        Self {
            db: self.db && asked.db,
            http: asked.http.iter().filter(|rule| self.http.contains(rule)).cloned().collect(),
            kv: self.kv && asked.kv,
            secrets: asked
                .secrets
                .iter()
                .filter(|rule| self.secrets.iter().any(|granted| same(rule, granted)))
                .cloned()
                .collect(),
            events_publish: asked
                .events_publish
                .iter()
                .filter(|name| self.events_publish.contains(name))
                .cloned()
                .collect(),
            events_subscribe: asked
                .events_subscribe
                .iter()
                .filter(|name| self.events_subscribe.contains(name))
                .cloned()
                .collect(),
            jobs: self.jobs && asked.jobs,
            custom: asked.custom.iter().filter(|name| self.custom.contains(name)).cloned().collect(),
            log: self.log,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_granted_that_is_not_asked_for() {
        let secret = |hosts: &[&str]| SecretRule {
            name: "KEY".into(),
            required: false,
            hosts: hosts.iter().map(|host| (*host).into()).collect(),
        };
        let everything = Grants {
            db: true,
            http: Vec::new(),
            kv: true,
            secrets: vec![secret(&["a.example"])],
            events_publish: vec!["a".into(), "b".into()],
            events_subscribe: vec!["c".into()],
            jobs: true,
            custom: vec!["mail".into(), "greet".into()],
            log: true,
        };
        assert_eq!(everything.cut_to(&Permissions::default()), Grants { log: true, ..Grants::default() });
        let asked = Permissions {
            kv: true,
            secrets: vec![secret(&[]), secret(&["a.example"])],
            events_publish: vec!["b".into(), "c".into()],
            events_subscribe: vec!["c".into(), "d".into()],
            jobs: true,
            custom: vec!["greet".into(), "other".into()],
            ..Permissions::default()
        };
        let cut = everything.cut_to(&asked);
        assert_eq!((cut.kv, cut.jobs, cut.db, cut.custom), (true, true, false, vec!["greet".to_owned()]));
        assert_eq!(
            (cut.secrets, cut.events_publish, cut.events_subscribe),
            (vec![secret(&["a.example"])], vec!["b".to_owned()], vec!["c".to_owned()])
        );
    }
}

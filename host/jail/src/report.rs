//! What of a jail is active: each layer, yes or no, with a note. The launcher says it before it becomes the program, so the first line on
//! standard error is its own whatever the program writes later.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::Policy;

/// A part of the jail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layer {
    /// Users and capabilities of its own.
    UserNamespace,
    /// A root of its own: nothing of the host's files but what the policy names.
    MountNamespace,
    /// Processes of its own: no others can be seen, and all end with the first.
    PidNamespace,
    /// System V and POSIX objects of its own.
    IpcNamespace,
    /// A host name of its own.
    UtsNamespace,
    /// A network of its own, with nothing in it.
    NetNamespace,
    /// It is not the root of the host.
    OwnUser,
    /// Files, TCP, signals and abstract sockets, refused by the kernel's Landlock.
    Landlock,
    /// System calls that are refused.
    Seccomp,
    /// No program that it executes has more rights than it has.
    NoNewPrivileges,
    /// No capability, nor a way to one.
    Capabilities,
    /// Core files, open files, size of files, threads.
    ResourceLimits,
    /// A control group with limits for memory, processors and processes.
    ControlGroup,
}

impl Layer {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 13] = [
        Self::UserNamespace,
        Self::MountNamespace,
        Self::PidNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::NetNamespace,
        Self::OwnUser,
        Self::Landlock,
        Self::Seccomp,
        Self::NoNewPrivileges,
        Self::Capabilities,
        Self::ResourceLimits,
        Self::ControlGroup,
    ];

    /// Its name in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UserNamespace => "user-namespace",
            Self::MountNamespace => "mount-namespace",
            Self::PidNamespace => "pid-namespace",
            Self::IpcNamespace => "ipc-namespace",
            Self::UtsNamespace => "uts-namespace",
            Self::NetNamespace => "net-namespace",
            Self::OwnUser => "own-user",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::Capabilities => "capabilities",
            Self::ResourceLimits => "resource-limits",
            Self::ControlGroup => "control-group",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One layer of one jail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReport {
    /// Which.
    pub layer: Layer,
    /// Whether it holds.
    pub active: bool,
    /// What there is to say of it; when it does not hold, why not.
    pub note: String,
}

/// What of a jail is active.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Each layer once, in the order of [`Layer::ALL`].
    pub layers: Vec<LayerReport>,
    /// The user that the process runs as, as the host sees it.
    pub user: u32,
    /// Processes of the jail itself, which stand beside the program.
    pub helpers: u32,
}

impl Report {
    pub(crate) fn set(&mut self, layer: Layer, active: bool, note: impl Into<String>) {
        let told = LayerReport { layer, active, note: note.into() };
        match self.layers.binary_search_by_key(&layer, |one| one.layer) {
            Ok(place) => self.layers[place] = told,
            Err(place) => self.layers.insert(place, told),
        }
    }

    /// Notes what came of trying a layer.
    pub(crate) fn tried(&mut self, layer: Layer, result: Result<impl Into<String>, impl fmt::Display>) {
        match result {
            Ok(note) => self.set(layer, true, note),
            Err(error) => self.set(layer, false, error.to_string()),
        }
    }

    /// Whether a layer holds.
    #[must_use]
    pub fn has(&self, layer: Layer) -> bool {
        self.layers.iter().any(|one| one.layer == layer && one.active)
    }

    /// Layers that do not hold.
    pub fn missing(&self) -> impl Iterator<Item = &LayerReport> {
        self.layers.iter().filter(|one| !one.active)
    }

    /// What a strict policy misses. A layer that nobody has reported is missing.
    pub(crate) fn missing_for(&self, policy: &Policy) -> Vec<LayerReport> {
        Layer::ALL
            .into_iter()
            .filter(|&layer| layer != Layer::ControlGroup || policy.control_group.is_some())
            .filter(|&layer| !self.has(layer))
            .map(|layer| {
                let told = self.layers.iter().find(|one| one.layer == layer).cloned();
                told.unwrap_or(LayerReport { layer, active: false, note: "it was not tried".into() })
            })
            .collect()
    }
}

/// A launcher that does not start the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Why.
    pub message: String,
    /// Layers that the policy requires and that cannot be had.
    #[serde(default)]
    pub missing: Vec<LayerReport>,
}

impl Refusal {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), missing: Vec::new() }
    }

    pub(crate) fn missing(missing: Vec<LayerReport>) -> Self {
        let names: Vec<_> = missing.iter().map(|one| format!("{} ({})", one.layer, one.note)).collect();
        Self { message: format!("the jail is required, and lacks {}", names.join(", ")), missing }
    }
}

/// What a launcher says, once, in its first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// It is about to become the program.
    Started(Report),
    /// It does not.
    Refused(Refusal),
}

const PREFIX: &str = "belljar-jail: ";

impl Told {
    /// As a line, without its end.
    #[must_use]
    pub fn line(&self) -> String {
        // Both are made of text and numbers: there is nothing in them that JSON could not have.
        format!("{PREFIX}{}", serde_json::to_string(self).unwrap_or_default())
    }

    /// From a line.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line.trim_end().strip_prefix(PREFIX)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_in_order_and_replaced() {
        let mut report = Report::default();
        report.set(Layer::Seccomp, false, "not yet");
        report.set(Layer::UserNamespace, true, "");
        report.set(Layer::Seccomp, true, "91 calls");
        let names: Vec<_> = report.layers.iter().map(|one| one.layer.name()).collect();
        assert_eq!(names, ["user-namespace", "seccomp"]);
        assert!(report.has(Layer::Seccomp));
        assert!(Layer::ALL.is_sorted());
    }

    #[test]
    fn what_was_not_tried_is_missing() {
        let mut report = Report::default();
        for layer in Layer::ALL {
            report.set(layer, true, "");
        }
        assert_eq!(report.missing_for(&Policy::default()), []);
        report.layers.retain(|one| one.layer != Layer::Landlock && one.layer != Layer::ControlGroup);
        let names =
            |policy: &Policy| -> Vec<Layer> { report.missing_for(policy).into_iter().map(|one| one.layer).collect() };
        assert_eq!(names(&Policy::default()), [Layer::Landlock]);
        let policy = Policy { control_group: Some("/x".into()), ..Policy::default() };
        assert_eq!(names(&policy), [Layer::Landlock, Layer::ControlGroup]);
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let mut report = Report { user: 7, helpers: 2, ..Report::default() };
        report.set(Layer::Landlock, true, "ABI 7\nand \"more\"");
        for told in [Told::Started(report.clone()), Told::Refused(Refusal::missing(report.layers.clone()))] {
            let line = told.line();
            assert!(!line.contains('\n'));
            assert_eq!(Told::parse(&line), Some(told));
        }
        assert_eq!(Told::parse("belljar-jail: {}"), None);
        assert_eq!(Told::parse("anything"), None);
    }
}

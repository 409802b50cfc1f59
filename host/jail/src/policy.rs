//! What a jail lets its process see and use: plain data, which goes from the host to the launcher as JSON in one argument.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const MIB: u64 = 1 << 20;

/// What one process may see and use. Paths are the host's, and the same inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// What happens when a layer cannot be had.
    pub require: Require,
    /// The user that the process runs as, when the launcher is root; otherwise it stays the launcher's own.
    pub user: Option<u32>,
    /// Files and folders that are seen, read-only, and may be executed: programs and libraries. Those that are not there are left out.
    pub programs: Vec<PathBuf>,
    /// Files and folders that are seen, read-only. They are the applet's: all must be there and readable.
    pub package: Vec<PathBuf>,
    /// The one folder of the host in which the process may make sockets, and nothing else.
    pub sockets: Option<PathBuf>,
    /// Files that the private `/tmp` begins with: copies of the first, under the path of the second, which is relative to `/tmp`. Where
    /// there is no private `/tmp`, the process is not started.
    pub tmp_files: Vec<(PathBuf, PathBuf)>,
    /// A control group (version 2) that the process is put into: a folder with a `cgroup.procs`.
    pub control_group: Option<PathBuf>,
    /// Size of the private `/tmp`, bytes. It is memory.
    pub tmp_bytes_max: u64,
    /// Size of one file that is written, bytes (`RLIMIT_FSIZE`).
    pub file_bytes_max: u64,
    /// Open files of a process (`RLIMIT_NOFILE`).
    pub files_open_max: u64,
    /// Threads of all its processes together (`RLIMIT_NPROC`). Only where it has a user namespace: elsewhere the kernel would count those
    /// of the whole user.
    pub threads_max: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            require: Require::BestEffort,
            user: None,
            programs: Vec::new(),
            package: Vec::new(),
            sockets: None,
            tmp_files: Vec::new(),
            control_group: None,
            tmp_bytes_max: 64 * MIB,
            file_bytes_max: 256 * MIB,
            files_open_max: 4_096,
            threads_max: 512,
        }
    }
}

/// Why a policy cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("the policy of a jail is no JSON of that kind")]
pub struct PolicyError(#[source] serde_json::Error);

impl Policy {
    /// As the launcher's argument.
    ///
    /// # Errors
    /// A path that is not UTF-8.
    pub fn to_argument(&self) -> Result<String, PolicyError> {
        serde_json::to_string(self).map_err(PolicyError)
    }

    /// From the launcher's argument.
    ///
    /// # Errors
    /// It is none.
    pub fn from_argument(text: &str) -> Result<Self, PolicyError> {
        serde_json::from_str(text).map_err(PolicyError)
    }
}

/// What happens when a layer of the jail cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Require {
    /// The process is not started. A control group is required only when the policy names one.
    Strict,
    /// It is started with what there is, and the report says what there is not.
    BestEffort,
}

impl fmt::Display for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Strict => "strict",
            Self::BestEffort => "best-effort",
        })
    }
}

impl FromStr for Require {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "strict" => Ok(Self::Strict),
            "best-effort" => Ok(Self::BestEffort),
            _ => Err(format!("{text:?} is neither `strict` nor `best-effort`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_survives_the_way_to_the_launcher() {
        let policy = Policy {
            require: Require::Strict,
            user: Some(7),
            programs: vec!["/usr/lib".into()],
            package: vec!["/srv/a b\"c".into()],
            sockets: Some("/run/x".into()),
            tmp_files: vec![("/srv/c".into(), "d/c".into())],
            ..Policy::default()
        };
        let text = policy.to_argument().expect("written");
        assert_eq!(Policy::from_argument(&text).expect("read"), policy);
        assert!(Policy::from_argument(&text.replacen("{", "{\"more\":1,", 1)).is_err(), "unknown fields are refused");
    }

    #[test]
    fn requirements_are_read_as_they_are_shown() {
        for require in [Require::Strict, Require::BestEffort] {
            assert_eq!(require.to_string().parse(), Ok(require));
        }
        assert!("none".parse::<Require>().is_err());
    }
}

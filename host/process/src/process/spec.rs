//! How a process is started: program, arguments, environment, directories, limits. The host's own environment is never part of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;

use super::directory::Directory;
use crate::limits::{ProcessLimits, Supervision};
use crate::logs::LogSink;
use crate::runtime::{Runtime, RuntimeKind};

/// How the process of an applet is started and kept.
#[derive(Clone)]
pub struct Spec {
    /// What log lines and reports call it: tenant and applet, say.
    pub label: String,
    /// What runs.
    pub program: Program,
    /// A program, with arguments, that starts the process in a sandbox of its own: it gets the program and its arguments appended. It must
    /// become the process (exec) and stay in its process group.
    pub wrapper: Vec<OsString>,
    /// Variables that the process sees beside `NODE_ENV` and those of the protocol.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it runs; its private directory when there is none.
    pub directory: Option<PathBuf>,
    /// Where private directories are made. A short path: see [`crate::StartError::PathTooLong`].
    pub sockets: PathBuf,
    /// Bounds.
    pub limits: ProcessLimits,
    /// When it is started, checked and stopped.
    pub supervision: Supervision,
    /// Takes its lines.
    pub logs: Arc<dyn LogSink>,
}

/// What runs in a process.
#[derive(Clone, Debug)]
pub enum Program {
    /// A bundle, in a JavaScript runtime with our script.
    Bundle {
        /// The runtime.
        runtime: Runtime,
        /// The file with the applet's code: an ES module, or CommonJS when its name ends in `.cjs`.
        bundle: PathBuf,
        /// Arguments for the runtime itself, as `--max-old-space-size=256`.
        arguments: Vec<OsString>,
    },
    /// A server that the applet brings along: it listens on `SOCKET_PATH`.
    Server {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
}

impl Spec {
    /// A bundle, with default limits and no logs.
    #[must_use]
    pub fn bundle(
        label: impl Into<String>,
        runtime: Runtime,
        bundle: impl Into<PathBuf>,
        sockets: impl Into<PathBuf>,
    ) -> Self {
        Self::new(label, Program::Bundle { runtime, bundle: bundle.into(), arguments: Vec::new() }, sockets)
    }

    /// Any program, with default limits and no logs.
    #[must_use]
    pub fn new(label: impl Into<String>, program: Program, sockets: impl Into<PathBuf>) -> Self {
        Self {
            label: label.into(),
            program,
            wrapper: Vec::new(),
            environment: Vec::new(),
            directory: None,
            sockets: sockets.into(),
            limits: ProcessLimits::default(),
            supervision: Supervision::default(),
            logs: Arc::new(crate::logs::NoLogs),
        }
    }

    /// The command that starts it.
    pub(crate) fn command(&self, directory: &Directory) -> Command {
        let mut words = self.wrapper.clone();
        match &self.program {
            Program::Bundle { runtime, arguments, .. } => {
                words.push(runtime.program.clone().into());
                words.extend(runtime_arguments(runtime.kind).iter().map(OsString::from));
                words.extend(arguments.iter().cloned());
                words.push(directory.script().into());
            }
            Program::Server { program, arguments } => {
                words.push(program.clone().into());
                words.extend(arguments.iter().cloned());
            }
        }
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).env_clear().env("NODE_ENV", "production").env("TZ", "UTC");
        command.env("SOCKET_PATH", directory.theirs()).env("HOST_SOCKET_PATH", directory.ours());
        if let Program::Bundle { bundle, .. } = &self.program {
            command.env("BUNDLE_PATH", bundle);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.directory.as_deref().unwrap_or(directory.path()));
        // The other end of stdin is the host's: it is closed when the host is gone, however it went.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        command
    }

    pub(crate) fn program_name(&self) -> String {
        let path: &Path = match (&self.program, self.wrapper.first()) {
            (_, Some(wrapper)) => Path::new(wrapper),
            (Program::Bundle { runtime, .. }, None) => &runtime.program,
            (Program::Server { program, .. }, None) => program,
        };
        path.display().to_string()
    }
}

fn runtime_arguments(kind: RuntimeKind) -> &'static [&'static str] {
    match kind {
        // `bun run` reads no bunfig.toml and no .env of where it stands, and installs nothing.
        RuntimeKind::Bun => &["--no-install", "--env-file=", "run"],
        RuntimeKind::Node => &["--no-warnings"],
        // Packages are found in `node_modules` beside the bundle, as the others find them; nothing is installed.
        RuntimeKind::Deno => {
            &["run", "--no-prompt", "--no-remote", "--no-config", "--node-modules-dir=manual", "--quiet", "--allow-all"]
        }
    }
}

/// What is known of cgroup v2 on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlGroups {
    /// There is none.
    Absent,
    /// It is there, but this user may not make groups in it.
    ReadOnly {
        /// The group of the host.
        path: PathBuf,
    },
    /// Groups with these controllers could be made. Belljar does not yet do so: watchdogs keep the limits.
    Usable {
        /// The group of the host.
        path: PathBuf,
        /// `memory`, `cpu`, `pids`, …
        controllers: Vec<String>,
    },
}

/// Looks for cgroup v2, for reports.
#[must_use]
pub fn control_groups() -> ControlGroups {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::/")) else { return ControlGroups::Absent };
    let path = Path::new("/sys/fs/cgroup").join(own);
    let Ok(controllers) = std::fs::read_to_string(path.join("cgroup.controllers")) else {
        return ControlGroups::Absent;
    };
    let writable = rustix::fs::access(path.join("cgroup.procs"), rustix::fs::Access::WRITE_OK).is_ok()
        && rustix::fs::access(&path, rustix::fs::Access::WRITE_OK).is_ok();
    if writable {
        ControlGroups::Usable { path, controllers: controllers.split_whitespace().map(str::to_owned).collect() }
    } else {
        ControlGroups::ReadOnly { path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_ours_alone() {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = Directory::make(parent.path()).expect("made");
        let program = Program::Server { program: "/bin/server".into(), arguments: vec!["-v".into()] };
        let spec = Spec {
            wrapper: vec!["/bin/wrap".into(), "--".into()],
            environment: vec![("A".into(), "1".into())],
            ..Spec::new("shop", program, parent.path())
        };
        let command = spec.command(&directory);
        let command = command.as_std();
        assert_eq!(command.get_program(), "/bin/wrap");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["--", "/bin/server", "-v"]);
        let mut names: Vec<_> = command.get_envs().filter_map(|(name, value)| value.and(name.to_str())).collect();
        names.sort_unstable();
        assert_eq!(names, ["A", "HOST_SOCKET_PATH", "NODE_ENV", "SOCKET_PATH", "TZ"]);
        assert_eq!(spec.program_name(), "/bin/wrap");
    }

    #[test]
    fn control_groups_are_looked_for() {
        // What there is depends on the machine; what is told must be there.
        match control_groups() {
            ControlGroups::Absent => {}
            ControlGroups::ReadOnly { path } | ControlGroups::Usable { path, .. } => assert!(path.is_dir()),
        }
    }
}

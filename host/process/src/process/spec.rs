//! How a process is started: program, arguments, environment, directories, limits. The host's own environment is never part of it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;

use super::directory::Directory;
use super::jail::{Cell, Jail};
use super::runtime_flags;
use crate::limits::{ProcessLimits, Supervision};
use crate::logs::LogSink;
use crate::runtime::Runtime;

/// How the process of an applet is started and kept.
#[derive(Clone)]
pub struct Spec {
    /// What log lines and reports call it: tenant and applet, say.
    pub label: String,
    /// What runs.
    pub program: Program,
    /// The jail it is started in; without one it can do what the host's user can.
    pub jail: Option<Jail>,
    /// A program, with arguments, that starts the process in a sandbox of the operator's own: it gets the program and its arguments
    /// appended. It must become the process (exec) and stay in its process group. With a jail it starts the jail's launcher.
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
        /// Whether the bundle listens on `SOCKET_PATH` itself: it is started in place of our script, and asked as a [`Self::Server`] is.
        is_server: bool,
    },
    /// A server that the applet brings along: it listens on `SOCKET_PATH`.
    Server {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<OsString>,
    },
}

impl Program {
    /// Whether it answers in plain HTTP, and knows nothing of our protocol.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Server { .. } | Self::Bundle { is_server: true, .. })
    }
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
        Self::new(
            label,
            Program::Bundle { runtime, bundle: bundle.into(), arguments: Vec::new(), is_server: false },
            sockets,
        )
    }

    /// Any program, with default limits and no logs.
    #[must_use]
    pub fn new(label: impl Into<String>, program: Program, sockets: impl Into<PathBuf>) -> Self {
        Self {
            label: label.into(),
            program,
            jail: None,
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
    pub(crate) fn command(&self, directory: &Directory, cell: Option<&Cell>) -> Command {
        let mut words = self.wrapper.clone();
        words.extend(cell.iter().flat_map(|cell| cell.words.iter().cloned()));
        match &self.program {
            Program::Bundle { runtime, arguments, bundle, is_server } => {
                words.push(runtime.program.clone().into());
                words.extend(match cell {
                    Some(cell) => runtime_flags::jailed(runtime, directory, &cell.package, &cell.code),
                    None => runtime_flags::free(runtime.kind),
                });
                words.extend(arguments.iter().cloned());
                words.push(if *is_server { bundle.clone().into() } else { directory.script().into() });
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
        if let Program::Bundle { bundle, runtime, .. } = &self.program {
            command.env("BUNDLE_PATH", bundle);
            command.envs(cell.and_then(|_| runtime_flags::variable(runtime.kind)));
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.directory.as_deref().unwrap_or(directory.path()));
        // The other end of stdin is the host's: it is closed when the host is gone, however it went.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        crate::system::lead_group(&mut command);
        command.kill_on_drop(true);
        command
    }

    /// What is started, for errors.
    pub(crate) fn program_name(&self) -> String {
        let launcher = self.jail.as_ref().and_then(|jail| jail.launcher.first());
        let path: &Path = match (&self.program, self.wrapper.first().or(launcher)) {
            (_, Some(wrapper)) => Path::new(wrapper),
            (Program::Bundle { runtime, .. }, None) => &runtime.program,
            (Program::Server { program, .. }, None) => program,
        };
        path.display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_ours_alone() {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = Directory::make(parent.path(), None).expect("made");
        let program = Program::Server { program: "/bin/server".into(), arguments: vec!["-v".into()] };
        let spec = Spec {
            wrapper: vec!["/bin/wrap".into(), "--".into()],
            environment: vec![("A".into(), "1".into())],
            ..Spec::new("shop", program, parent.path())
        };
        let command = spec.command(&directory, None);
        let command = command.as_std();
        assert_eq!(command.get_program(), "/bin/wrap");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["--", "/bin/server", "-v"]);
        let mut names: Vec<_> = command.get_envs().filter_map(|(name, value)| value.and(name.to_str())).collect();
        names.sort_unstable();
        assert_eq!(names, ["A", "HOST_SOCKET_PATH", "NODE_ENV", "SOCKET_PATH", "TZ"]);
        assert_eq!(spec.program_name(), "/bin/wrap");
    }
}

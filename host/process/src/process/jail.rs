//! The jail as far as the host has a part in it: what a process may see, the user that it is, its control group, and what its launcher
//! says. The jail itself is the crate `belljar-jail`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use belljar_jail::{ControlGroup, GroupLimits, Policy, ProbeError, Refusal, Report, Require, Told};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::code_cache::{Code, CodeCache};
use super::directory::Directory;
use super::spec::{Program, Spec};
use crate::error::StartError;
use crate::limits::Bound;

/// Folders with the libraries of programs; those that are not there are left out.
const LIBRARIES: [&str; 5] = ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib"];
/// Bytes of the line that a launcher says.
const LINE_BYTES_MAX: usize = 64 << 10;

/// The jail that processes are started in.
///
/// ```
/// use belljar_process::{Jail, Require};
///
/// let mut jail = Jail::new(vec!["/usr/bin/belljar".into(), "jail".into()], Require::Strict);
/// // The folder of the bundle, with the modules beside it.
/// jail.policy.package.push("/var/lib/belljar/process/bundles/shop".into());
/// jail.policy.tmp_bytes_max = 16 << 20;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jail {
    /// The program that makes it, with the arguments before `run`: `/usr/bin/belljar`, `jail`.
    pub launcher: Vec<OsString>,
    /// What every process gets. Its own program, script, bundle, folder of sockets, user and control group are added to it. What the
    /// bundle reads beside itself belongs into `package`.
    pub policy: Policy,
    /// Users to choose from, one for each process, when the host is root and may change users. Without them the process is root, which a
    /// strict policy refuses.
    pub users: Option<Users>,
    /// The control group in which each process gets one of its own, as [`crate::prepare_control_groups`] returns it.
    pub control_groups: Option<PathBuf>,
    /// Processors in thousandths of one, where there is a control group.
    pub cpu_thousandths_max: Option<u64>,
    /// Compiled code of the runtimes themselves, so that they start sooner; shared by all jails of a host.
    pub code_cache: Option<CodeCache>,
}

/// Users that nobody else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Users {
    /// The first one.
    pub first: u32,
    /// How many there are; at least 1. A process draws one of them, so that two are seldom the same.
    pub count: u32,
}

impl Default for Users {
    /// 16 million of them, above those that systems, containers and directories give out.
    fn default() -> Self {
        Self { first: 0x7000_0000, count: 1 << 24 }
    }
}

impl Users {
    fn draw(self) -> u32 {
        // Without randomness they are all the same one, which is no worse than a user for all of them.
        let drawn = getrandom::u32().unwrap_or_default();
        self.first.saturating_add(drawn % self.count.max(1))
    }
}

impl Jail {
    /// A jail with the default limits, without a control group.
    #[must_use]
    pub fn new(launcher: Vec<OsString>, require: Require) -> Self {
        let policy = Policy { require, programs: LIBRARIES.map(PathBuf::from).to_vec(), ..Policy::default() };
        Self {
            launcher,
            policy,
            users: Some(Users::default()),
            control_groups: None,
            cpu_thousandths_max: None,
            code_cache: None,
        }
    }

    /// What of this jail works on this machine, by making one around nothing. It takes some milliseconds, and blocks.
    ///
    /// # Errors
    /// [`ProbeError`]: the launcher did not say.
    pub fn probe(&self) -> Result<Report, ProbeError> {
        let report = belljar_jail::probe(&self.launcher, self.draw_user())?;
        self.told(&report);
        Ok(report)
    }

    /// Notes what a launcher of it has said.
    pub(crate) fn told(&self, report: &Report) {
        if let Some(cache) = &self.code_cache {
            cache.told(report);
        }
    }

    /// The user that a process of this jail will be, when it is not the host's.
    pub(crate) fn draw_user(&self) -> Option<u32> {
        self.users.filter(|_| belljar_jail::can_change_user()).map(Users::draw)
    }
}

/// The jail of one process.
pub(crate) struct Cell {
    /// What comes before the program.
    pub(crate) words: Vec<OsString>,
    /// What the process may read beside its folder of sockets.
    pub(crate) package: Vec<PathBuf>,
    /// Compiled code of the runtime.
    pub(crate) code: Code,
    /// Removed with it.
    pub(crate) group: Option<ControlGroup>,
}

impl Cell {
    /// Makes one for a process in this directory, which belongs to `user` if there is one.
    pub(crate) fn make(jail: &Jail, spec: &Spec, directory: &Directory, user: Option<u32>) -> Result<Self, StartError> {
        let mut policy = Policy { user, sockets: Some(directory.path().to_owned()), ..jail.policy.clone() };
        let mut code = Code::Nothing;
        let program = match &spec.program {
            Program::Bundle { runtime, bundle, .. } => {
                if !policy.package.iter().any(|path| bundle.starts_with(path)) {
                    policy.package.push(bundle.clone());
                }
                if let Some(cache) = &jail.code_cache {
                    code = cache.code(runtime);
                }
                &runtime.program
            }
            Program::Server { program, .. } => program,
        };
        policy.programs.push(program.clone());
        policy.package.extend(spec.directory.clone().filter(|path| !policy.package.contains(path)));
        if let Code::Sealed { file, within_tmp } = &code {
            policy.tmp_files.push((file.clone(), within_tmp.clone()));
        }
        let group = jail.group(spec, directory.path())?;
        policy.control_group = group.as_ref().map(|group| group.path().to_owned());
        let argument = policy.to_argument().map_err(|error| {
            let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, error);
            StartError::System { what: "a path of the jail's policy is not UTF-8", source }
        })?;
        let mut words = jail.launcher.clone();
        words.extend(["run".into(), argument.into()]);
        Ok(Self { words, package: policy.package, code, group })
    }
}

impl Jail {
    fn group(&self, spec: &Spec, directory: &Path) -> Result<Option<ControlGroup>, StartError> {
        let Some(parent) = &self.control_groups else { return Ok(None) };
        let memory_bytes_max = match spec.limits.memory_bytes_max {
            Bound::At(bytes) => Some(bytes),
            Bound::Unlimited => None,
        };
        let limits = GroupLimits {
            memory_bytes_max,
            cpu_thousandths_max: self.cpu_thousandths_max,
            threads_max: Some(self.policy.threads_max),
        };
        // As unguessable and as much its own as the directory.
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        ControlGroup::create(parent, &name, &limits)
            .map(Some)
            .map_err(|source| StartError::System { what: "the control group of the process could not be made", source })
    }
}

/// What a launcher has said, and the bytes that were read after it.
pub(super) async fn told(from: &mut (impl AsyncRead + Unpin)) -> (Result<Report, Refusal>, Vec<u8>) {
    let mut held = Vec::new();
    let mut chunk = [0; 4 << 10];
    let end = loop {
        if let Some(end) = held.iter().position(|&byte| byte == b'\n') {
            break end;
        }
        match from.read(&mut chunk).await {
            Ok(count) if count > 0 && held.len() < LINE_BYTES_MAX => held.extend_from_slice(&chunk[..count]),
            _ => break held.len(),
        }
    };
    let line = String::from_utf8_lossy(&held[..end]).into_owned();
    match Told::parse(&line) {
        Some(said) => {
            let rest = held.get(end + 1..).unwrap_or_default().to_vec();
            (
                match said {
                    Told::Started(report) => Ok(report),
                    Told::Refused(refusal) => Err(refusal),
                },
                rest,
            )
        }
        None => {
            let said: String = line.chars().take(200).collect();
            let message = format!("the launcher does not say what is active, but {said:?}");
            (Err(Refusal { message, missing: Vec::new() }), held)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_line_is_the_launchers_and_the_rest_is_not() {
        let report = Report { user: 9, helpers: 2, ..Report::default() };
        let line = Told::Started(report.clone()).line();
        let (said, rest) = told(&mut format!("{line}\nhello\nthere").as_bytes()).await;
        assert_eq!((said, rest.as_slice()), (Ok(report), b"hello\nthere".as_slice()));
        let (said, rest) = told(&mut format!("oops\n{line}\n").as_bytes()).await;
        assert!(said.expect_err("forged").message.contains("\"oops\""));
        assert!(rest.starts_with(b"oops\n"), "it is a line like any other");
        let (said, _) = told(&mut "".as_bytes()).await;
        said.expect_err("nothing was said");
    }

    #[test]
    fn users_are_drawn_from_their_range() {
        let users = Users { first: 100, count: 3 };
        assert!((0..100).map(|_| users.draw()).all(|user| (100..103).contains(&user)));
        assert_eq!(Users { first: 7, count: 0 }.draw(), 7);
    }

    #[test]
    fn a_cell_shows_what_its_process_needs() {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = Directory::make(parent.path(), None).expect("made");
        let program = Program::Server { program: "/opt/server".into(), arguments: Vec::new() };
        let spec = Spec { directory: Some("/srv/app".into()), ..Spec::new("shop", program, parent.path()) };
        let jail = Jail::new(vec!["/bin/belljar".into(), "jail".into()], Require::Strict);
        let cell = Cell::make(&jail, &spec, &directory, Some(5)).expect("made");
        assert_eq!(&cell.words[..3], ["/bin/belljar", "jail", "run"].map(OsString::from));
        let policy = Policy::from_argument(cell.words[3].to_str().expect("text")).expect("a policy");
        assert_eq!((policy.user, policy.sockets.as_deref()), (Some(5), Some(directory.path())));
        assert!(policy.programs.contains(&"/opt/server".into()));
        assert_eq!(policy.package, [PathBuf::from("/srv/app")]);
    }
}

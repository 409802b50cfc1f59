//! What the tests share: a launcher, runtimes, applets in a jail, and the question whether the next call is served.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use belljar_jail::{Policy, Report, Require, Told, probe};
use belljar_process::{
    Answer, CallContext, Capabilities, Invocation, Jail, Line, LogSink, NoCapabilities, Payload, ProcessError, Program,
    Runtime, RuntimeKind, RuntimeSearch, Spec, Supervisor, Users,
};
use serde_json::Value;
use tokio::time::Instant;

/// The launcher of this crate, which operators have as `belljar jail`.
pub(crate) fn launcher() -> Vec<OsString> {
    vec![env!("CARGO_BIN_EXE_belljar-jail").into()]
}

/// The user that processes are when the tests run as root.
pub(crate) fn user() -> Option<u32> {
    belljar_jail::can_change_user().then_some(Users::default().first)
}

/// What works on this machine; none, with a reason, when a strict jail would not be made.
pub(crate) fn strict() -> Option<Report> {
    let report = probe(&launcher(), user()).expect("the launcher of this crate runs");
    let missing: Vec<_> = report
        .missing()
        .filter(|one| one.layer != belljar_jail::Layer::ControlGroup)
        .map(|one| format!("{}: {}", one.layer, one.note))
        .collect();
    if missing.is_empty() {
        return Some(report);
    }
    eprintln!("skipped: no strict jail on this machine: {}", missing.join("; "));
    None
}

/// Node, Bun and Deno, where they are found.
pub(crate) async fn runtimes() -> Vec<Runtime> {
    let packages = crate::packages::packages();
    let mut all = Vec::new();
    for kind in [RuntimeKind::Node, RuntimeKind::Bun, RuntimeKind::Deno] {
        match (RuntimeSearch { packages: packages.clone(), ..RuntimeSearch::new(kind) }).find().await {
            Ok(runtime) => all.push(runtime),
            Err(error) => eprintln!("skipped: {error}"),
        }
    }
    all
}

/// Runs a test in each runtime, when there can be a strict jail.
pub(crate) async fn in_each<F: Future<Output = ()>>(test: impl Fn(Runtime) -> F) {
    if strict().is_none() {
        return;
    }
    in_each_of(runtimes().await, test).await;
}

pub(crate) async fn in_each_of<F: Future<Output = ()>>(runtimes: Vec<Runtime>, test: impl Fn(Runtime) -> F) {
    for runtime in runtimes {
        eprintln!("in {} {}", runtime.kind.name(), runtime.version);
        test(runtime).await;
    }
}

/// What an applet of these tests can do besides its attack.
const HEALTHY: &str = "\nexport function healthy(context, payload) { return ['well', payload]; }\n";

/// An applet in a jail, with its supervisor.
pub(crate) struct Applet {
    pub(crate) supervisor: Supervisor,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) capabilities: Arc<dyn Capabilities>,
    /// Removed with the applet.
    pub(crate) sockets: tempfile::TempDir,
}

/// Not within `/tmp`, which is the process's own in a jail, and where it can make files.
pub(crate) fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/var/tmp").or_else(|_| tempfile::tempdir()).expect("a directory")
}

struct Shown;

impl LogSink for Shown {
    fn line(&self, line: &Line) {
        eprintln!("  {} | {}", line.label, line.message.chars().take(300).collect::<String>());
    }
}

impl Applet {
    pub(crate) fn new(runtime: &Runtime, source: &str) -> Self {
        Self::with(runtime, source, |_, _| {})
    }

    /// `source` gets an export `healthy`.
    pub(crate) fn with(runtime: &Runtime, source: &str, change: impl FnOnce(&mut Spec, &mut Jail)) -> Self {
        let (folder, sockets) = (directory(), directory());
        let bundle = folder.path().join("bundle.mjs");
        std::fs::write(&bundle, format!("{source}{HEALTHY}")).expect("written");
        let program = Program::Bundle { runtime: runtime.clone(), bundle, arguments: Vec::new(), is_server: false };
        let mut spec = Spec::new(runtime.kind.name(), program, sockets.path());
        spec.logs = Arc::new(Shown);
        spec.supervision.backoff_ms_min = 10;
        let mut jail = Jail::new(launcher(), Require::Strict);
        change(&mut spec, &mut jail);
        spec.jail = Some(jail);
        Self { supervisor: Supervisor::new(spec), folder, capabilities: Arc::new(NoCapabilities), sockets }
    }

    pub(crate) async fn call(&self, handler: &str, payload: Value) -> Result<Value, ProcessError> {
        self.call_within(20_000, handler, payload).await
    }

    pub(crate) async fn call_within(&self, ms: u64, handler: &str, payload: Value) -> Result<Value, ProcessError> {
        let context = CallContext {
            id: "inv".into(),
            applet: "shop".into(),
            tenant: "acme".into(),
            trigger: "one-off".into(),
            ..CallContext::default()
        };
        let invocation = Invocation {
            handler: handler.into(),
            export: handler.into(),
            context,
            payload: Payload::Json(payload.to_string()),
            deadline: Instant::now() + Duration::from_millis(ms),
            capabilities: Arc::clone(&self.capabilities),
        };
        match self.supervisor.invoke(invocation).await? {
            Answer::Value(text) => Ok(text.map_or(Value::Null, |text| serde_json::from_str(&text).expect("JSON"))),
            Answer::Response(head, _) => panic!("a value was expected, not {head:?}"),
        }
    }

    /// The answer of an attack as text, which must not say that it came through.
    pub(crate) async fn harmless(&self, handler: &str, payload: Value) -> String {
        let text = match self.call(handler, payload).await {
            Ok(answer) => answer.to_string(),
            Err(error) => error.to_string(),
        };
        eprintln!("  {handler}: {}", text.chars().take(600).collect::<String>());
        assert!(!text.contains("PWNED"), "{text}");
        text
    }

    /// A healthy call is served within 5 s, whatever came before.
    pub(crate) async fn recovers(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            match self.call_within(2_000, "healthy", 7.into()).await {
                Ok(answer) => {
                    assert_eq!(answer, serde_json::json!(["well", 7]));
                    return;
                }
                Err(error) => assert!(Instant::now() < until, "it does not recover: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        *self.supervisor.status().processes.first().expect("it runs")
    }
}

/// Lets a runtime start programs, where it would not by itself: then the jail alone must hold.
pub(crate) fn may_spawn(runtime: &Runtime, spec: &mut Spec) {
    let Program::Bundle { arguments, .. } = &mut spec.program else { return };
    match runtime.kind {
        RuntimeKind::Bun => {}
        RuntimeKind::Node => arguments.push("--allow-child-process".into()),
        RuntimeKind::Deno => arguments.push("--allow-run".into()),
    }
}

/// A launcher with a program, as a command: with nothing of a supervisor.
pub(crate) fn command(policy: &Policy, program: &[&str]) -> std::process::Command {
    let launcher = launcher();
    let mut command = std::process::Command::new(&launcher[0]);
    command.arg("run").arg(policy.to_argument().expect("a policy")).args(program).env_clear().current_dir("/");
    command
}

/// A policy for a program that needs nothing but libraries.
pub(crate) fn policy(require: Require, programs: &[&str]) -> Policy {
    let libraries = ["/usr/lib", "/usr/lib64", "/lib", "/lib64"];
    let programs = libraries.iter().chain(programs).map(PathBuf::from).collect();
    Policy { require, user: user(), programs, ..Policy::default() }
}

/// What a launcher said first, and the rest of standard error.
pub(crate) fn said(errors: &[u8]) -> (Option<Told>, String) {
    let text = String::from_utf8_lossy(errors);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    (Told::parse(first), rest.to_owned())
}

/// Whether a process is there (and no zombie).
pub(crate) fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

/// Processes with this in their arguments.
pub(crate) fn with_argument(mark: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("processes");
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid: &u32| lives(pid))
        .filter(|pid| {
            let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&arguments).split('\0').any(|argument| argument == mark)
        })
        .collect()
}

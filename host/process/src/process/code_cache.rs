//! Code that a runtime has compiled of its own modules, kept for its next starts. Only Deno has such a cache that is worth it: it compiles
//! a quarter of its start's work anew when the folder for that is empty, as it is in a jail.
//!
//! No applet can put anything there for another one. What is kept comes from a process in a jail of its own in which nothing but our
//! script and Deno ran (`guest-js/process/code-cache.mjs`); from then on it is only copied: the launcher puts a copy into each
//! private `/tmp`, where the applet may do with it what it likes. Where there is no private `/tmp`, nothing is kept and nothing is used.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use belljar_jail::{Layer, Report};
use tokio::time::Instant;

use super::jail::Jail;
use super::spec::{Program, Spec};
use crate::capability::NoCapabilities;
use crate::invocation::{Answer, CallContext, Invocation, Payload};
use crate::runtime::{Runtime, RuntimeKind};
use crate::supervisor::Supervisor;
use crate::system;

/// What runs in the process that fills it.
const SCRIPT: &str = include_str!("../../../../guest-js/process/code-cache.mjs");
/// Of what is kept for one version, bytes. Deno 2.9 has 1.2 MB.
const BYTES_MAX: usize = 8 << 20;
/// When the filling begins, after a process is ready, milliseconds: its first calls are not to share the processors with it, and a host
/// that is gone by then (`belljar run`) begins none.
const FILL_AFTER_MS: u64 = 1_000;
/// How long the filling may take, milliseconds.
const FILL_MS_MAX: u64 = 60_000;

/// Compiled code of runtimes, in a folder. Clones are the same one; all jails of a host share one.
///
/// ```
/// use belljar_process::{CodeCache, Jail, Require};
///
/// let mut jail = Jail::new(vec!["/usr/bin/belljar".into(), "jail".into()], Require::Strict);
/// jail.code_cache = Some(CodeCache::new("/var/lib/belljar/process/code"));
/// ```
#[derive(Debug, Clone)]
pub struct CodeCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// Whether a launcher on this machine has said that processes have a `/tmp` of their own.
    is_private: AtomicBool,
    /// Names of what was begun to be filled since the host's start: once is enough, whatever came of it.
    begun: Mutex<HashSet<String>>,
    /// Whether it is the one of a process that fills another.
    is_filling: bool,
}

impl PartialEq for CodeCache {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for CodeCache {}

/// What a process is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Code {
    /// Nothing, and it keeps nothing.
    Nothing,
    /// Nothing, and it keeps what it compiles, in its own `/tmp`.
    Kept,
    /// This file, under this path in its own `/tmp`.
    Sealed { file: PathBuf, within_tmp: PathBuf },
}

impl CodeCache {
    /// In this folder, which nobody else may write to. It is made when there is something to keep; the folder above must be there.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::of(folder.into(), false)
    }

    fn of(folder: PathBuf, is_filling: bool) -> Self {
        Self(Arc::new(Inner { folder, is_private: AtomicBool::new(false), begun: Mutex::default(), is_filling }))
    }

    /// Notes what a launcher has said.
    pub(crate) fn told(&self, report: &Report) {
        if report.has(Layer::MountNamespace) {
            self.0.is_private.store(true, Ordering::Relaxed);
        }
    }

    /// What there is for a runtime.
    pub(crate) fn code(&self, runtime: &Runtime) -> Code {
        if self.0.is_filling {
            return Code::Kept;
        }
        if runtime.kind != RuntimeKind::Deno || !self.0.is_private.load(Ordering::Relaxed) {
            return Code::Nothing;
        }
        let entry = fs::read_dir(self.place(runtime)).ok().and_then(|mut entries| entries.next()?.ok());
        match entry {
            Some(entry) => Code::Sealed { within_tmp: Path::new("deno").join(entry.file_name()), file: entry.path() },
            None => Code::Nothing,
        }
    }

    fn place(&self, runtime: &Runtime) -> PathBuf {
        self.0.folder.join(format!("{}-{}", runtime.kind.name(), runtime.version))
    }

    /// Fills it for the runtime of this process, in the background, if that was not tried yet. To be called when the process is ready.
    pub(crate) fn fill(spec: &Spec) {
        let (Some(jail), Program::Bundle { runtime, .. }) = (&spec.jail, &spec.program) else { return };
        let Some(cache) = &jail.code_cache else { return };
        let is_needed =
            !cache.0.is_filling && runtime.kind == RuntimeKind::Deno && cache.0.is_private.load(Ordering::Relaxed);
        if !is_needed || cache.place(runtime).is_dir() {
            return;
        }
        let name = runtime.version.to_string();
        if !cache.0.begun.lock().unwrap_or_else(PoisonError::into_inner).insert(name) {
            return;
        }
        let (cache, jail, runtime, sockets) = (cache.clone(), jail.clone(), runtime.clone(), spec.sockets.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(FILL_AFTER_MS)).await;
            if let Err(reason) = cache.fill_now(&jail, &runtime, sockets).await {
                tracing::info!(reason, version = %runtime.version, "Deno starts without its compiled code");
            }
        });
    }

    async fn fill_now(&self, jail: &Jail, runtime: &Runtime, sockets: PathBuf) -> Result<(), String> {
        let told = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
        match system::make_directory(&self.0.folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(told("its folder cannot be made")(error));
            }
            _ => {}
        }
        let script = self.0.folder.join("code-cache.mjs");
        fs::write(&script, SCRIPT).map_err(told("the script cannot be written"))?;
        let mut jail = jail.clone();
        // As any process, but with nothing of an applet's.
        jail.policy.package.clear();
        jail.control_groups = None;
        jail.code_cache = Some(Self::of(self.0.folder.clone(), true));
        let spec = Spec { jail: Some(jail), ..Spec::bundle("code cache", runtime.clone(), script, sockets) };
        let supervisor = Supervisor::new(spec);
        let filled = async {
            let (name, bytes) = ask(&supervisor).await?;
            let jails = supervisor.status().jails;
            if !jails.iter().flatten().any(|report| report.has(Layer::MountNamespace)) {
                return Err("the process that compiled it had no /tmp of its own".to_owned());
            }
            self.keep(runtime, &name, &bytes).map_err(told("it cannot be kept"))
        };
        let filled = filled.await;
        supervisor.shutdown().await;
        filled
    }

    /// Whole or not at all.
    fn keep(&self, runtime: &Runtime, name: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = self.0.folder.join(format!(".{:016x}", getrandom::u64().map_err(io::Error::other)?));
        system::make_directory(&beside)?;
        let kept = fs::write(beside.join(name), bytes).and_then(|()| fs::rename(&beside, self.place(runtime)));
        if kept.is_err() {
            // The error that came first says more.
            let _ = fs::remove_dir_all(&beside);
        }
        kept
    }
}

/// Name and bytes of the file.
async fn ask(supervisor: &Supervisor) -> Result<(String, Vec<u8>), String> {
    let invocation = Invocation {
        handler: "default".into(),
        export: "default".into(),
        context: CallContext { id: "code-cache".into(), trigger: "one-off".into(), ..CallContext::default() },
        payload: Payload::Json("null".into()),
        deadline: Instant::now() + Duration::from_millis(FILL_MS_MAX),
        capabilities: Arc::new(NoCapabilities),
    };
    let answer = supervisor.invoke(invocation).await.map_err(|error| error.to_string())?;
    let Answer::Response(head, mut body) = answer else { return Err("it answers with no file".to_owned()) };
    let name = head.headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("x-name")).map(|(_, name)| name);
    // It becomes the name of a file.
    let is_name =
        |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let name = name.filter(is_name).ok_or("it answers with no name")?;
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| error.to_string())?);
        if bytes.len() > BYTES_MAX {
            return Err(format!("it has more than {BYTES_MAX} bytes"));
        }
    }
    Ok((name, bytes))
}

#[cfg(test)]
mod tests {
    use belljar_jail::LayerReport;
    use semver::Version;

    use super::*;

    #[test]
    fn it_is_used_where_tmp_is_private_and_by_its_version() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = CodeCache::new(folder.path());
        let runtime = |kind, version| Runtime {
            kind,
            program: "/bin/x".into(),
            version: Version::parse(version).expect("a version"),
        };
        let deno = runtime(RuntimeKind::Deno, "2.9.6");
        cache.keep(&deno, "v8_code_cache_v2", b"code").expect("kept");
        let report = |active| Report {
            layers: vec![LayerReport { layer: Layer::MountNamespace, active, note: String::new() }],
            ..Report::default()
        };
        assert_eq!(cache.code(&deno), Code::Nothing, "nobody has said yet");
        cache.told(&report(false));
        assert_eq!(cache.code(&deno), Code::Nothing);
        cache.told(&report(true));
        let file = folder.path().join("deno-2.9.6/v8_code_cache_v2");
        assert_eq!(cache.code(&deno), Code::Sealed { file: file.clone(), within_tmp: "deno/v8_code_cache_v2".into() });
        assert_eq!(cache.clone().code(&runtime(RuntimeKind::Deno, "2.9.7")), Code::Nothing);
        assert_eq!(cache.code(&runtime(RuntimeKind::Node, "2.9.6")), Code::Nothing);
        cache.keep(&deno, "v8_code_cache_v2", b"other").expect_err("it is there");
        assert_eq!(fs::read(file).expect("readable"), b"code");
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1, "nothing is left lying about");
    }
}

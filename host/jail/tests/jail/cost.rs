//! What the jail costs. Not a test of figures: run it alone, on a quiet machine, in release mode (docs/jail.md has the command). The ways
//! take turns, so that whatever else the machine does happens to all of them.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use belljar_jail::Require;
use belljar_process::{CodeCache, Program, Runtime, RuntimeKind, Spec, Supervisor};
use serde_json::Value;

use crate::code_cache::only_file;
use crate::harness::{Applet, command as in_jail, directory, policy, runtimes, strict};

const STARTS: usize = 30;
const ROUNDS: usize = 20;
const CALLS: usize = 200;

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Bare,
    /// No jail, but what the runtime does differently in one: Node's permission model, Deno without a cache from before.
    Otherwise,
    Jailed,
    /// With what Deno has compiled of itself at an earlier start.
    Cached,
}

fn make(runtime: &Runtime, way: Way, cache: &CodeCache) -> Applet {
    let applet = Applet::with(runtime, "", |_, jail| jail.code_cache = (way == Way::Cached).then(|| cache.clone()));
    if matches!(way, Way::Jailed | Way::Cached) {
        return applet;
    }
    let arguments: &[&str] = match (way, runtime.kind) {
        (Way::Otherwise, RuntimeKind::Node) => {
            &["--experimental-permission", "--allow-fs-read=*", "--allow-fs-write=*"]
        }
        (Way::Otherwise, RuntimeKind::Deno) => &["--no-code-cache"],
        _ => &[],
    };
    let program = Program::Bundle {
        runtime: runtime.clone(),
        bundle: applet.folder.path().join("bundle.mjs"),
        arguments: arguments.iter().map(Into::into).collect(),
        is_server: false,
    };
    let mut spec = Spec::new("bare", program, applet.sockets.path());
    if way == Way::Otherwise {
        spec.environment.push(("DENO_DIR".into(), applet.folder.path().join("deno").into()));
    }
    Applet { supervisor: Supervisor::new(spec), ..applet }
}

async fn call(applet: &Applet) -> Duration {
    let begin = Instant::now();
    applet.call("healthy", Value::Null).await.expect("answered");
    begin.elapsed()
}

#[tokio::test]
#[ignore = "it measures"]
async fn what_the_jail_costs() {
    if strict().is_none() {
        return;
    }
    let timed = |mut command: Command| {
        let begin = Instant::now();
        command.stdin(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().expect("started").success());
        begin.elapsed()
    };
    let policy = policy(Require::Strict, &["/bin/true"]);
    let (bare, jailed): (Vec<_>, Vec<_>) =
        (0..STARTS).map(|_| (timed(Command::new("/bin/true")), timed(in_jail(&policy, &["/bin/true"])))).unzip();
    eprintln!("/bin/true, start to end: {:.1?} bare, {:.1?} jailed", median(bare), median(jailed));
    for runtime in runtimes().await {
        let mut ways = vec![("bare", Way::Bare), ("jailed", Way::Jailed)];
        match runtime.kind {
            RuntimeKind::Bun => {}
            RuntimeKind::Node => ways.push(("bare, with its permissions", Way::Otherwise)),
            RuntimeKind::Deno => ways.extend([
                ("bare, with a fresh cache", Way::Otherwise),
                ("jailed, with its compiled code", Way::Cached),
            ]),
        }
        let folder = directory();
        let cache = CodeCache::new(folder.path().join("code"));
        if runtime.kind == RuntimeKind::Deno {
            // The first start fills it.
            let applet = make(&runtime, Way::Cached, &cache);
            call(&applet).await;
            only_file(&folder.path().join(format!("code/deno-{}", runtime.version))).await;
            applet.supervisor.shutdown().await;
        }
        let mut starts = vec![Vec::new(); ways.len()];
        for _ in 0..STARTS {
            for (&(_, way), starts) in ways.iter().zip(&mut starts) {
                let applet = make(&runtime, way, &cache);
                starts.push(call(&applet).await);
                applet.supervisor.shutdown().await;
            }
        }
        let applets: Vec<_> = ways.iter().map(|&(_, way)| make(&runtime, way, &cache)).collect();
        let mut calls = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for (applet, calls) in applets.iter().zip(&mut calls) {
                for _ in 0..CALLS {
                    calls.push(call(applet).await);
                }
            }
        }
        for (((name, _), starts), calls) in ways.iter().zip(starts).zip(calls) {
            let (kind, version) = (runtime.kind.name(), &runtime.version);
            eprintln!("{kind} {version}, {name}: first answer {:.1?}, warm call {:.1?}", median(starts), median(calls));
        }
    }
}

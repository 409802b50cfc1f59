//! What the jail costs. Not a test of figures: run it alone, on a quiet machine, in release mode (docs/jail.md has the command).

use std::time::{Duration, Instant};

use belljar_jail::Require;
use serde_json::Value;

use crate::harness::{Applet, command, policy, runtimes, strict};

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

#[tokio::test]
#[ignore = "it measures"]
async fn what_the_jail_costs() {
    const STARTS: usize = 30;
    const CALLS: usize = 2_000;
    if strict().is_none() {
        return;
    }
    let timed = |mut command: std::process::Command| {
        let begin = Instant::now();
        command.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        assert!(command.status().expect("started").success());
        begin.elapsed()
    };
    let bare = median((0..STARTS).map(|_| timed(std::process::Command::new("/bin/true"))).collect());
    let policy = policy(Require::Strict, &["/bin/true"]);
    let jailed = median((0..STARTS).map(|_| timed(command(&policy, &["/bin/true"]))).collect());
    eprintln!("/bin/true, start to end: {bare:?} bare, {jailed:?} jailed");
    for runtime in runtimes().await {
        let mut figures = Vec::new();
        for is_jailed in [false, true] {
            let make = || {
                let applet = Applet::new(&runtime, "");
                if is_jailed {
                    return applet;
                }
                let program = belljar_process::Program::Bundle {
                    runtime: runtime.clone(),
                    bundle: applet.folder.path().join("bundle.mjs"),
                    arguments: Vec::new(),
                };
                let spec = belljar_process::Spec::new("bare", program, applet.sockets.path());
                Applet { supervisor: belljar_process::Supervisor::new(spec), ..applet }
            };
            let mut starts = Vec::new();
            for _ in 0..STARTS {
                let applet = make();
                let begin = Instant::now();
                applet.call("healthy", Value::Null).await.expect("answered");
                starts.push(begin.elapsed());
                applet.supervisor.shutdown().await;
            }
            let applet = make();
            let mut calls = Vec::new();
            for _ in 0..CALLS {
                let begin = Instant::now();
                applet.call("healthy", Value::Null).await.expect("answered");
                calls.push(begin.elapsed());
            }
            figures.push((median(starts), median(calls)));
        }
        let [(start, call), (jailed_start, jailed_call)] = figures[..] else { unreachable!("two of them") };
        eprintln!(
            "{} {}: first answer {start:?} bare, {jailed_start:?} jailed (+{:?}); a warm call {call:?} bare, {jailed_call:?} jailed",
            runtime.kind.name(),
            runtime.version,
            jailed_start.saturating_sub(start)
        );
    }
}

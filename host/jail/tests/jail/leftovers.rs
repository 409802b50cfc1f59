//! What would outlive its process: daemons, orphans, the whole process when its host has gone.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use belljar_jail::Require;
use serde_json::json;

use crate::harness::{Applet, command, in_each, lives, may_spawn, policy, runtimes, strict, with_argument};

/// The runtime starts itself, detached, which starts itself again and ends: the last one has no parent and a session of its own.
const DAEMON: &str = r"
import { spawn } from 'node:child_process';
const run = 'Deno' in globalThis ? ['eval', '--no-config'] : ['-e'];
export async function daemon(context, mark) {
  const forever = `${'Deno' in globalThis || 'Bun' in globalThis ? '' : ''}setInterval(() => {}, 1000)`;
  const second = `import('node:child_process').then(({ spawn }) => { spawn(process.execPath, ${JSON.stringify([...run, forever, mark])}, { detached: true, stdio: 'ignore' }).unref(); setTimeout(() => process.exit(0), 300); })`;
  const child = spawn(process.execPath, [...run, second], { detached: true, stdio: 'ignore' });
  const error = await new Promise((done) => { child.on('error', done); child.on('exit', () => done(undefined)); });
  return error === undefined ? 'started' : `${error.code}`;
}
";

#[tokio::test]
async fn a_daemon_ends_with_its_process() {
    in_each(async |runtime| {
        for end in ["kill", "stop", "drop"] {
            let applet = Applet::with(&runtime, DAEMON, |spec, _| may_spawn(&runtime, spec));
            let mark = format!("daemon-{}-{end}", runtime.kind.name());
            let said = applet.harmless("daemon", json!(mark)).await;
            if !said.contains("started") {
                eprintln!("  it cannot even be started: {said}");
                continue;
            }
            let before = with_argument(&mark);
            eprintln!("  {end}: {before:?}");
            let leader = applet.pid();
            match end {
                "kill" => kill(leader),
                "stop" => applet.supervisor.shutdown().await,
                _ => drop(applet),
            }
            eventually_gone(&mark).await;
        }
    })
    .await;
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a number");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

async fn eventually_gone(mark: &str) {
    let until = Instant::now() + Duration::from_secs(5);
    while !with_argument(mark).is_empty() {
        assert!(Instant::now() < until, "it outlives its process: {:?}", with_argument(mark));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A program that ignores everything, in a jail, started by a host that goes away without a word.
#[tokio::test]
async fn a_process_ends_with_its_host() {
    if strict().is_none() {
        return;
    }
    let Some(node) = runtimes().await.into_iter().next() else { return };
    let node = node.program.to_str().expect("text").to_owned();
    let forever = "for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(name, () => {}); setInterval(() => {}, 1000); console.log('up')";
    for end in ["the host's end of standard input", "the keeper"] {
        let mut child =
            command(&policy(Require::Strict, &[&node]), &[&node, "-e", forever, &format!("orphan-{}", end.len())])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("the launcher");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("it says that it is up");
        assert_eq!(line, "up\n");
        let mark = format!("orphan-{}", end.len());
        assert!(!with_argument(&mark).is_empty());
        if end == "the keeper" {
            kill(child.id());
        } else {
            drop(child.stdin.take());
        }
        eventually_gone(&mark).await;
        child.wait().expect("reaped");
        assert!(!lives(child.id()));
    }
}

#[tokio::test]
async fn an_end_is_mirrored() {
    if strict().is_none() {
        return;
    }
    let Some(node) = runtimes().await.into_iter().next() else { return };
    let node = node.program.to_str().expect("text").to_owned();
    use std::os::unix::process::ExitStatusExt as _;
    for (script, code, signal) in [
        ("process.exit(0)", Some(0), None),
        ("process.exit(7)", Some(7), None),
        ("process.kill(process.pid, 'SIGKILL')", None, Some(9)),
        ("process.kill(process.pid, 'SIGTERM')", None, Some(15)),
        ("process.kill(process.pid, 'SIGSEGV')", None, Some(11)),
        ("process.abort()", None, Some(6)),
    ] {
        let mut command = command(&policy(Require::Strict, &[&node]), &[&node, "-e", script]);
        let status = command.stdin(Stdio::null()).stderr(Stdio::null()).status().expect("the launcher");
        assert_eq!((status.code(), status.signal()), (code, signal), "{script}");
        assert!(!status.core_dumped());
    }
}

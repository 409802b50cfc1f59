//! A machine without namespaces, which best-effort is for: played by a namespace of users whose own limit for further namespaces is 0. What
//! is left are Landlock, seccomp, limits and the keeper; that is less, and it is said.

use std::process::{Command, Stdio};

use belljar_jail::{Layer, probe};
use belljar_process::Require;
use serde_json::{Value, json};

use crate::harness::{Applet, in_each_of, launcher, runtimes};

const SCRIPT: &str = "for limit in /proc/sys/user/max_*_namespaces; do echo 0 > $limit || exit 9; done; \
    exec setpriv --bounding-set=-all --inh-caps=-all \"$@\"";

#[test]
fn a_machine_without_namespaces() {
    let program = std::env::current_exe().expect("a path");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", SCRIPT, "sh"]).arg(program);
    command.args(["--exact", "without::within", "--ignored", "--nocapture"]);
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.code() == Some(101) || output.status.success() => {
            let text = String::from_utf8_lossy(&output.stderr);
            eprintln!("{text}");
            assert!(output.status.success(), "see above");
        }
        Ok(output) => {
            eprintln!("skipped: it cannot be played here: {}", String::from_utf8_lossy(&output.stderr));
        }
        Err(error) => eprintln!("skipped: there is no unshare(1): {error}"),
    }
}

const REACH: &str = r"
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
const attempt = (action) => { try { return `PWNED ${JSON.stringify(action())}`; } catch (error) { return `${error.code ?? error.name}`; } };
export async function reach(context, [secret, port, folder]) {
  const all = [];
  for (const file of [secret, '/etc/shadow', '/etc/hostname', `/proc/${process.ppid}/environ`]) all.push(attempt(() => fs.readFileSync(file, 'utf8')));
  for (const file of [secret, '/tmp/pwned', '/var/tmp/pwned', path.join(folder, 'pwned')]) all.push(attempt(() => fs.writeFileSync(file, 'x')));
  all.push(attempt(() => { const { error, status } = spawnSync('/bin/sh', ['-c', 'true']); if (error) throw error; if (status !== 0) throw new Error('refused'); return status; }));
  all.push(await new Promise((done) => { try { const socket = net.connect({ port, host: '127.0.0.1' }, () => done('PWNED')); socket.on('error', (error) => done(error.code)); } catch (error) { done(error.name); } }));
  all.push(attempt(() => process.kill(process.ppid, 'SIGTERM')).replace('PWNED', 'to its keeper'));
  return all;
}
export async function hog() { const kept = []; for (;;) { kept.push(Buffer.alloc(32 << 20, 1)); await new Promise((done) => setTimeout(done, 1)); } }
";

/// Not a test of its own: run by `a_machine_without_namespaces`.
#[tokio::test]
#[ignore = "it is run without namespaces, by another test"]
async fn within() {
    let report = probe(&launcher(), None).expect("the launcher");
    let missing: Vec<_> = report.missing().map(|one| one.layer).collect();
    for layer in [Layer::UserNamespace, Layer::MountNamespace, Layer::PidNamespace, Layer::NetNamespace] {
        assert!(missing.contains(&layer), "{missing:?}");
    }
    if !report.has(Layer::Landlock) {
        eprintln!("skipped: without Landlock there is no wall left");
        return;
    }
    in_each_of(runtimes().await, async |runtime| {
        let strict = Applet::with(&runtime, REACH, |spec, _| spec.supervision.failures_max = 1);
        let error = strict.call("healthy", Value::Null).await.expect_err("refused").to_string();
        assert!(error.contains("lacks user-namespace ("), "{error}");
        let applet = Applet::with(&runtime, REACH, |_, jail| jail.policy.require = Require::BestEffort);
        applet.recovers().await;
        let report = applet.supervisor.status().jails[0].clone().expect("it is in a jail");
        assert!(!report.has(Layer::MountNamespace) && report.has(Layer::Landlock) && report.has(Layer::Seccomp));
        assert_eq!(report.helpers, 1);
        let secret = applet.folder.path().join("secret");
        std::fs::write(&secret, "s3cret").expect("written");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
        let port = listener.local_addr().expect("an address").port();
        let private = std::fs::read_dir(applet.sockets.path()).expect("readable").flatten().next().expect("one").path();
        applet.harmless("reach", json!([secret, port, private])).await;
        applet.recovers().await;
        applet.call("hog", Value::Null).await.expect_err("killed");
        applet.recovers().await;
        applet.supervisor.shutdown().await;
    })
    .await;
}

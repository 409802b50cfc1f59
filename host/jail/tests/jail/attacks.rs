//! What an applet tries to reach: the environment, files, sockets, programs, other processes. Each attempt ends in an error, and the next
//! call is served.

use belljar_process::RuntimeKind;
use serde_json::{Value, json};

use crate::harness::{Applet, in_each, may_spawn};

const REACH: &str = r#"
import fs from 'node:fs';
import net from 'node:net';
import dgram from 'node:dgram';
import os from 'node:os';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
const attempt = (name, action) => {
  try { return `${name}: PWNED ${JSON.stringify(action())?.slice(0, 200)}`; } catch (error) { return `${name}: ${error.code ?? error.name}`; }
};
export function environment() { return Object.keys(process.env).sort(); }
export function files(context, [bundle, secret]) {
  const all = [];
  for (const file of [secret, '/etc/shadow', '/etc/hostname', '/etc/machine-id', '/proc/1/environ', '/proc/1/mem', '/proc/kcore', '/proc/kallsyms', '/proc/sys/kernel/core_pattern', '/sys/kernel/notes', '/dev/mem', '/dev/kmsg', '/dev/vda'])
    all.push(attempt(`read ${file}`, () => fs.readFileSync(file).length));
  for (const file of [bundle, secret, '/usr/lib/pwned', '/pwned', '/dev/pwned', '/etc/passwd', '/proc/self/oom_score_adj', path.join(path.dirname(bundle), 'pwned')])
    all.push(attempt(`write ${file}`, () => fs.writeFileSync(file, 'x')));
  for (const folder of ['/home', '/root', '/sys', '/var', '/srv', '/opt']) all.push(attempt(`list ${folder}`, () => fs.readdirSync(folder)));
  all.push(`beside the bundle: ${attempt('list', () => fs.readdirSync(path.dirname(secret))).replace('PWNED ["bundle.mjs"]', 'itself')}`);
  all.push(attempt('link', () => { fs.symlinkSync(secret, '/tmp/link'); return fs.readFileSync('/tmp/link', 'utf8'); }));
  all.push(attempt('device', () => { const { error } = spawnSync('mknod', ['/tmp/d', 'b', '1', '0']); if (error) throw error; return fs.openSync('/tmp/d'); }));
  return all;
}
export async function sockets(context, [port, unix]) {
  const all = [];
  const connect = (name, to) => new Promise((done) => {
    try {
      const socket = net.connect(to, () => done(`${name}: PWNED connected`));
      socket.on('error', (error) => done(`${name}: ${error.code ?? error.name}`));
      setTimeout(() => done(`${name}: nothing`), 1_000).unref();
    } catch (error) { done(`${name}: ${error.code ?? error.name}`); }
  });
  all.push(await connect('loopback', { port, host: '127.0.0.1' }), await connect('outside', { port: 80, host: '1.1.1.1' }), await connect('ipv6', { port, host: '::1' }));
  all.push(await connect('unix', { path: unix }), await connect('abstract', { path: '\0belljar-test' }), await connect('docker', { path: '/var/run/docker.sock' }));
  for (const host of ['127.0.0.1', '0.0.0.0', '::'])
    all.push(await new Promise((done) => {
      try { const server = net.createServer().on('error', (error) => done(`listen ${host}: ${error.code ?? error.name}`)).listen(0, host, () => done(`listen ${host}: PWNED ${server.address().port}`)); }
      catch (error) { done(`listen ${host}: ${error.code ?? error.name}`); }
    }));
  all.push(await new Promise((done) => {
    try { const socket = dgram.createSocket('udp4').on('error', (error) => done(`udp: ${error.code ?? error.name}`)); socket.send('x', port, '127.0.0.1', (error) => done(error ? `udp: ${error.code ?? error.name}` : 'udp: PWNED sent')); }
    catch (error) { done(`udp: ${error.code ?? error.name}`); }
  }));
  return all;
}
export function programs() {
  const run = (program, words) => { const { error, status } = spawnSync(program, words, { timeout: 5_000 }); if (error) throw error; if (status !== 0) throw Object.assign(new Error(), { code: status }); return status; };
  return ['/bin/sh', '/usr/bin/env', '/bin/ls', '/usr/bin/unshare', '/usr/bin/python3'].map((program) => attempt(program, () => run(program, ['-c', 'true'])));
}
export function copied() {
  // A program of its own, in all that it can write.
  return attempt('copied', () => { fs.copyFileSync(process.execPath, '/tmp/copy'); fs.chmodSync('/tmp/copy', 0o755); const { error } = spawnSync('/tmp/copy', ['--version']); if (error) throw error; });
}
export function processes(context, [parent]) {
  const all = [attempt('signal the host', () => process.kill(parent, 'SIGTERM')), attempt('signal the init', () => { process.kill(1, 'SIGKILL'); return 'sent'; })];
  all.push(`seen: ${attempt('list', () => fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).length).replace('PWNED', '')}`);
  return all;
}
export function identity() { return { home: os.homedir(), host: os.hostname(), pid: process.pid, user: process.getuid?.() }; }
"#;

#[tokio::test]
async fn nothing_of_the_host_is_in_the_environment() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, REACH);
        let names = applet.call("environment", Value::Null).await.expect("answered");
        let deno: &[&str] = if runtime.kind == RuntimeKind::Deno { &["DENO_DIR"] } else { &[] };
        assert_eq!(names, json!([deno, &["NODE_ENV", "TZ"]].concat()));
    })
    .await;
}

#[tokio::test]
async fn files_of_the_host_are_not_there() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, REACH);
        let secret = applet.folder.path().join("secret");
        std::fs::write(&secret, "s3cret").expect("written");
        let bundle = applet.folder.path().join("bundle.mjs");
        applet.harmless("files", json!([bundle, secret])).await;
        assert_eq!(std::fs::read_to_string(&secret).expect("there"), "s3cret");
        assert!(!applet.folder.path().join("pwned").exists());
        applet.recovers().await;
    })
    .await;
}

#[tokio::test]
async fn there_is_no_network() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, REACH);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
        let port = listener.local_addr().expect("an address").port();
        let unix = applet.folder.path().join("other.sock");
        let _unix = std::os::unix::net::UnixListener::bind(&unix).expect("listens");
        std::fs::set_permissions(&unix, std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("set");
        applet.harmless("sockets", json!([port, unix])).await;
        applet.recovers().await;
    })
    .await;
}

#[tokio::test]
async fn there_are_no_programs() {
    in_each(async |runtime| {
        let applet = Applet::with(&runtime, REACH, |spec, _| may_spawn(&runtime, spec));
        applet.harmless("programs", Value::Null).await;
        applet.harmless("copied", Value::Null).await;
        applet.recovers().await;
    })
    .await;
}

#[tokio::test]
async fn other_processes_are_not_there() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, REACH);
        applet.call("healthy", Value::Null).await.expect("started");
        let before = applet.pid();
        let seen = applet.call("processes", json!([std::process::id()])).await.expect("answered");
        let seen = seen.to_string();
        eprintln!("  {seen}");
        assert!(!seen.contains("host: PWNED"), "{seen}");
        applet.recovers().await;
        assert_eq!(applet.pid(), before, "its init takes no signal from it");
    })
    .await;
}

#[tokio::test]
async fn it_knows_little_of_itself() {
    in_each(async |runtime| {
        let applet = Applet::new(&runtime, REACH);
        let identity = applet.call("identity", Value::Null).await.expect("answered");
        eprintln!("  {identity}");
        assert_eq!(
            (&identity["home"], &identity["host"], &identity["pid"]),
            (&"/tmp".into(), &"applet".into(), &2.into())
        );
        assert_ne!(identity["user"], 0);
    })
    .await;
}

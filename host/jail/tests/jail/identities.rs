//! Who an applet pretends to be: another invocation, another tenant, the host, another applet's server. And what it says in place of an
//! answer.

use std::sync::{Arc, Mutex};

use belljar_process::{Answering, Capabilities, CapabilityRequest};
use serde_json::{Value, json};

use crate::harness::{Applet, in_each};

const FORGED: &str = r"
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
const folder = path.dirname(process.argv[1]);
const ask = (token, body) => new Promise((done) => {
  const request = http.request({ socketPath: path.join(folder, 'host.sock'), method: 'POST', path: '/capability/kv/get', headers: { authorization: `Bearer ${token}`, 'x-tenant': 'other', host: 'host' } }, (response) => { response.resume(); response.on('end', () => done(response.statusCode)); });
  request.on('error', (error) => done(error.code)).end(body);
});
export async function forged() {
  const made = 'A'.repeat(43);
  return [await ask(made, '{}'), await ask('', '{}'), await ask(made, JSON.stringify({ tenant: 'other', token: made }))];
}
let kept;
export async function keep(context) { kept = context; return context.tenant; }
export async function replay(context) { await kept.sdk.kv.get('x'); return context.tenant; }
export function neighbours() {
  try { const others = fs.readdirSync(path.dirname(folder)).filter((name) => name !== path.basename(folder)); return others.length === 0 ? 'none' : `PWNED ${others}`; } catch (error) { return error.code ?? error.name; }
}
const squat = (name, answer) => new Promise((done) => {
  try { fs.unlinkSync(path.join(folder, name)); } catch (error) { return done(`unlink ${error.code ?? error.name}`); }
  try { net.createServer((socket) => answer(socket)).on('error', (error) => done(`listen ${error.code}`)).listen(path.join(folder, name), () => done('squatted')); } catch (error) { done(error.code ?? error.name); }
});
export function squatOwn() { return squat('app.sock', (socket) => socket.end('garbage\0\xff\r\n\r\n')); }
export function squatHost() { return squat('host.sock', (socket) => socket.end('HTTP/1.1 200 OK\r\n\r\n')); }
export function huge() { return squat('app.sock', (socket) => socket.write('HTTP/1.1 200 OK\r\nbelljar-head-bytes: 99999999999\r\ncontent-length: 99999999999\r\n\r\n' + 'x'.repeat(1 << 20))); }
export function patch() {
  JSON.stringify = () => '{}'; JSON.parse = () => ({}); process.stdout.write = () => true; Object.prototype.polluted = 'PWNED';
  return 'patched';
}
";

/// Writes down for whom it was asked.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Capabilities for Asked {
    fn call(&self, capability: &str, operation: &str, request: CapabilityRequest) -> Answering {
        self.0.lock().expect("unpoisoned").push(format!("{capability}.{operation} {}", request.arguments));
        Box::pin(async { Ok(json!([null]).into()) })
    }
}

fn applet(runtime: &belljar_process::Runtime) -> (Applet, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let capabilities = Arc::clone(&asked) as Arc<dyn Capabilities>;
    (Applet { capabilities, ..Applet::new(runtime, FORGED) }, asked)
}

#[tokio::test]
async fn a_token_cannot_be_made_up() {
    in_each(async |runtime| {
        let (applet, asked) = applet(&runtime);
        let statuses = applet.call("forged", Value::Null).await.expect("answered");
        assert_eq!(statuses, json!([403, 403, 403]));
        assert!(asked.0.lock().expect("unpoisoned").is_empty());
        applet.recovers().await;
    })
    .await;
}

#[tokio::test]
async fn capabilities_go_through_the_jail() {
    in_each(async |runtime| {
        let (applet, asked) = applet(&runtime);
        assert_eq!(applet.call("keep", Value::Null).await.expect("answered"), "acme");
        assert_eq!(applet.call("replay", Value::Null).await.expect("answered"), "acme");
        assert!(asked.0.lock().expect("unpoisoned").iter().any(|one| one.starts_with("kv.get")));
    })
    .await;
}

#[tokio::test]
async fn other_applets_sockets_are_not_there() {
    in_each(async |runtime| {
        let (applet, _) = applet(&runtime);
        std::fs::create_dir(applet.sockets.path().join("neighbour")).expect("made");
        applet.harmless("neighbours", Value::Null).await;
    })
    .await;
}

#[tokio::test]
async fn who_squats_a_socket_hurts_itself() {
    in_each(async |runtime| {
        for handler in ["squatOwn", "huge", "squatHost"] {
            let (applet, _) = applet(&runtime);
            applet.harmless(handler, Value::Null).await;
            // Calls on new connections get what the squatter says, until it is replaced.
            let calls = (0..4).map(|n| applet.call_within(2_000, "healthy", n.into()));
            for answer in futures_util::future::join_all(calls).await.into_iter().flatten() {
                assert_eq!(answer[0], "well");
            }
            applet.supervisor.reset();
            applet.recovers().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_patched_runtime_answers_as_before() {
    in_each(async |runtime| {
        let (applet, _) = applet(&runtime);
        applet.harmless("patch", Value::Null).await;
        applet.recovers().await;
        // Another tenant has a supervisor of its own, and nothing of it.
        let (other, _) = self::applet(&runtime);
        assert_eq!(other.call("healthy", 1.into()).await.expect("answered"), json!(["well", 1]));
    })
    .await;
}

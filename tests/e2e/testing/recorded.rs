//! Tests that are answered out of a recording: what a call met on a host of another program's, it meets again in `belljar test`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use belljar::{
    Bytes, Call, CallError, Capability, CarriedRequest, CarriedResponse, Carrying, HttpTransport, Invocation, Payload,
    Recording,
};
use belljar_tests::{applet, cli, host};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{MANIFEST, messages, results, run};

const PERMISSIONS: &str = "permissions: { http: [api.example.com], custom: [greet] }\n";
/// Tells all that it met. A body of bytes is compared by its numbers.
const MAIN: &str = "\
const url = 'https://api.example.com';
const post = (n) => fetch(url + '/items', { method: 'POST', body: JSON.stringify({ n }) }).then((r) => r.json());
export default async ({ sdk }, { order }) => {
  const items = [];
  for (const n of order) items.push(await post(n));
  const bytes = await fetch(url + '/bytes?of=it');
  const failed = await fetch(url + '/broken').then(() => 'answered', () => 'failed');
  const nobody = await sdk.greet.hello({ name: 'nobody' }).catch((error) => [error.code, error.message]);
  return {
    items, failed, nobody, bytes: [...new Uint8Array(await bytes.arrayBuffer())], type: bytes.headers.get('x-type'),
    again: [(await fetch(url + '/count')).status, (await fetch(url + '/count')).status], hello: await sdk.greet.hello({ name: 'Ada', tags: [1] }),
  };
};
";

/// A service on the network, as far as the host can tell.
#[derive(Default)]
struct Service {
    counted: AtomicUsize,
}

impl HttpTransport for Service {
    fn carry(&self, request: CarriedRequest) -> Carrying<'_> {
        let respond = |status: u16, body: Vec<u8>| {
            let headers = vec![("x-type".to_owned(), "t".to_owned())];
            Ok(CarriedResponse { status, headers, body: Bytes::from(body) })
        };
        let answer = match request.url.as_str() {
            "https://api.example.com/items" => respond(201, [b"{\"got\":", &request.body[..], b"}"].concat()),
            "https://api.example.com/bytes?of=it" => respond(200, vec![0xff, 0xfe, 0]),
            "https://api.example.com/count" => match self.counted.fetch_add(1, Ordering::SeqCst) {
                0 => respond(202, Vec::new()),
                _ => respond(204, Vec::new()),
            },
            _ => Err("it broke off".to_owned()),
        };
        Box::pin(async { answer })
    }
}

/// A folder with the applet, and what a test needs of a call of it.
fn recorded() -> (TempDir, Value) {
    let folder = applet::folder(&[("manifest.yaml", &format!("{MANIFEST}{PERMISSIONS}")), ("src/main.ts", MAIN)]);
    let greet = Capability::new("greet").function("hello", |_: Call, given: Value| async move {
        match given["name"].as_str() {
            Some("nobody") => Err(CallError::new("no-such-user", "there is no nobody")),
            _ => Ok(json!({ "text": format!("Hello {}", given["name"]), "given": given })),
        }
    });
    let host = host::build(host::builder().capability(greet).http_transport(Arc::new(Service::default())));
    let release = applet::admit(&host, applet::tenant(), &applet::package(folder.path()));
    let invocation = Invocation::new("default", Payload::Json("{\"order\":[2,1]}".into()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (outcome, recording) = runtime.block_on(host.invoke_recorded(&release, invocation));
    let answer = applet::value(&outcome);
    let recording = recording.expect("it was called");
    std::fs::write(folder.path().join("call.recording"), recording.encode(None).unwrap()).unwrap();
    (folder, answer)
}

fn fixture(folder: &TempDir) -> String {
    let ran = cli::run(&["replay", "--fixture", folder.path().join("call.recording").to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}

#[test]
fn a_recording_is_written_for_tests() {
    let (folder, answer) = recorded();
    let written: Value = serde_json::from_str(&fixture(&folder)).unwrap();
    assert_eq!(
        (&written["handler"], &written["payload"], &written["answer"]),
        (&json!("default"), &json!({ "order": [2, 1] }), &answer)
    );
    let http = written["http"].as_array().unwrap();
    assert_eq!(http.len(), 6, "{written:#}");
    assert_eq!(http[0]["request"]["body"], "{\"n\":2}");
    assert_eq!(
        (&http[0]["response"]["status"], &http[0]["response"]["body"]),
        (&json!(201), &json!("{\"got\":{\"n\":2}}"))
    );
    assert_eq!(
        (&http[2]["request"]["url"], &http[2]["response"]["bodyBase64"]),
        (&json!("https://api.example.com/bytes?of=it"), &json!("//4A"))
    );
    assert_eq!(http[3]["error"]["code"], "protocol", "{written:#}");
    assert_eq!(
        written["custom"],
        json!([
            { "capability": "greet", "function": "hello", "argument": { "name": "nobody" }, "error": { "code": "no-such-user", "message": "there is no nobody" } },
            { "capability": "greet", "function": "hello", "argument": { "name": "Ada", "tags": [1] }, "answer": { "text": "Hello \"Ada\"", "given": { "name": "Ada", "tags": [1] } } },
        ])
    );
    let two = cli::run(&["replay", "--fixture", "a.recording", "b.recording"]);
    assert!(two.code == Some(2) && two.stderr.contains("--fixture is of one recording, and these are 2"), "{two:?}");
}

#[test]
fn a_recording_that_makes_no_sense_is_refused_or_told_as_far_as_it_does() {
    let (folder, _) = recorded();
    let bytes = std::fs::read(folder.path().join("call.recording")).unwrap();
    let recording = Recording::decode(&bytes, None).unwrap();
    let whole = serde_json::to_value(&recording).unwrap();
    let mut refused = 0;
    for part in ["events", "invocation"] {
        let bytes: Vec<u8> = serde_json::from_value(whole[part].clone()).unwrap();
        for (at, step) in (0..bytes.len()).flat_map(|at| [(at, 1), (at, 0x80)]) {
            let mut changed = bytes.clone();
            changed[at] = changed[at].wrapping_add(step);
            let mut value = whole.clone();
            value[part] = serde_json::to_value(changed).unwrap();
            let recording: Recording = serde_json::from_value(value).unwrap();
            match recording.fixture() {
                Ok(fixture) => assert!(fixture["http"].is_array(), "{part} {at}: {fixture}"),
                Err(error) => {
                    assert!(
                        error.to_string().starts_with("the recording cannot be replayed: "),
                        "{part} {at}: {error}"
                    );
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_test_meets_what_was_recorded() {
    let (folder, _) = recorded();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("src/recorded.json", &fixture(&folder));
    write(
        "src/main.test.ts",
        "\
import { call, expect, it, mock } from '@belljar/sdk/test';
import recorded from './recorded.json';
it('answers as it did', async () => {
  mock.recorded(recorded);
  expect(await call(recorded.handler, recorded.payload)).toEqual(recorded.answer);
  expect(mock.requests.map(({ method, url }) => `${method} ${new URL(url).pathname}`)).toEqual(['POST /items', 'POST /items', 'GET /bytes', 'GET /broken', 'GET /count', 'GET /count']);
});
it('knows requests by their bodies, and what is asked in other words by its turn', async () => {
  mock.recorded(recorded);
  const { items } = await call(recorded.handler, { order: [1, 2, 3] });
  expect(items).toEqual([{ got: { n: 1 } }, { got: { n: 2 } }, { got: { n: 1 } }]);
});
it('can be told otherwise', async () => {
  mock.recorded(recorded);
  mock.http('POST https://api.example.com/items', { other: true });
  expect((await call(recorded.handler, { order: [1] })).items).toEqual([{ other: true }]);
});
it('fails for a request that was not made', async () => {
  mock.recorded(recorded);
  await fetch('https://api.example.com/other');
});
it('fails for an argument that was not given', async () => {
  mock.recorded(recorded);
  await sdk.greet.hello({ name: 'Eve' }).catch(() => {});
});
it('fails for what is no recording', () => { mock.recorded({ calls: [] } as never); });
",
    );
    let results = results(folder.path(), &[], 1);
    let failed = messages(&results);
    let names: Vec<&str> = failed.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "fails for a request that was not made",
            "fails for an argument that was not given",
            "fails for what is no recording"
        ],
        "{results:#}"
    );
    assert!(failed[0].1.contains("GET https://api.example.com/other is not mocked (mocked are "), "{failed:?}");
    assert!(failed[1].1.contains("sdk.greet.hello({\"name\":\"Eve\"}) is not in the recording"), "{failed:?}");
    assert!(failed[2].1.contains("`belljar replay --fixture`"), "{failed:?}");
    // Another applet than the one that was recorded has another answer.
    write("src/main.ts", &MAIN.replace("items, failed", "items: items.length, failed"));
    let ran = run(folder.path(), &["--name", "answers as it did"]);
    assert!(ran.code == Some(1) && ran.stdout.contains("to equal"), "{ran:?}");
}

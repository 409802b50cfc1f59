//! `sdk.secrets` end to end: read, or sent where they may go and nowhere else, and in nothing that is written down.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use belljar::{
    AppletId, CapabilityUse, Host, Invocation, LogContext, Observer, Outcome, Payload, Release, SecretSource,
    SecretText, SecretsUnavailable, TenantId, UseEnd,
};
use belljar_tests::server::{Reply, Server};
use belljar_tests::{applet, cli, host};
use serde_json::json;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// The same secrets for everybody, but for the tenant's name.
#[derive(Default)]
struct Vault {
    texts: HashMap<&'static str, &'static str>,
    asked: Mutex<Vec<String>>,
}

impl SecretSource for Vault {
    fn secret(&self, _: &TenantId, applet: &AppletId, name: &str) -> Result<Option<SecretText>, SecretsUnavailable> {
        self.asked.lock().unwrap().push(format!("{applet} {name}"));
        match self.texts.get(name) {
            Some(&"broken") => Err(SecretsUnavailable("the key is wrong".into())),
            text => Ok(text.map(|text| SecretText::new((*text).to_owned()))),
        }
    }
}

/// Keeps what it is told.
#[derive(Default)]
struct Watching(Mutex<Vec<(String, String, UseEnd)>>);

impl Observer for Watching {
    fn used(&self, _: &LogContext, used: CapabilityUse) {
        let what = format!("{} {}", used.capability, used.operation);
        self.0.lock().unwrap().push((what, used.target, used.ended));
    }
}

struct Fixture {
    host: Host,
    vault: Arc<Vault>,
    watching: Arc<Watching>,
    log: host::Log,
}

fn fixture(texts: &[(&'static str, &'static str)]) -> Fixture {
    let vault = Arc::new(Vault { texts: texts.iter().copied().collect(), asked: Mutex::default() });
    let (watching, log) = (Arc::new(Watching::default()), host::Log::default());
    let builder = host::builder().secrets(vault.clone()).observer(watching.clone()).log(Arc::new(log.clone()));
    Fixture { host: host::build(builder), vault, watching, log }
}

impl Fixture {
    fn call(&self, permissions: &str, main: &str) -> Outcome {
        let manifest = format!("runtime: {{ entrypoint: src/main.ts }}\npermissions: {{ {permissions} }}\n");
        let release = applet::admit(&self.host, applet::tenant(), &applet::package_of("keys", &manifest, main));
        block_on(self.host.invoke(&release, Invocation::new("default", Payload::Json("null".into()))))
    }
}

const OPEN: &str = "secrets: [{ name: KEY }, { name: OTHER }]";

#[test]
fn a_secret_without_hosts_is_read() {
    let fixture = fixture(&[("KEY", "correct horse")]);
    let main = "export default async () => [await sdk.secrets.get('KEY'), await sdk.secrets.get('KEY'), await sdk.secrets.get('OTHER') ?? 'none', await sdk.secrets.get('ROOT').catch((e) => [e.code, e.message])];";
    let value = applet::value(&fixture.call(OPEN, main));
    let refused = json!(["denied", "secret \"ROOT\" is not in permissions.secrets of the manifest, or not granted"]);
    assert_eq!(value, json!(["correct horse", "correct horse", "none", refused]));
    // Each is asked for once in an invocation, and one that is not granted never.
    assert_eq!(*fixture.vault.asked.lock().unwrap(), ["keys KEY", "keys OTHER"]);
    let watched = fixture.watching.0.lock().unwrap();
    let ends: Vec<_> = watched.iter().map(|(what, target, ended)| (what.as_str(), target.as_str(), *ended)).collect();
    let get = |name, ended| ("secrets get", name, ended);
    assert_eq!(
        ends,
        [get("KEY", UseEnd::Done), get("KEY", UseEnd::Done), get("OTHER", UseEnd::Done), get("ROOT", UseEnd::Denied)]
    );
}

#[test]
fn hosts_without_secrets_say_so() {
    let main = "export default async () => sdk.secrets.get('KEY').catch((e) => [e.code, e.capability]);";
    let manifest = format!("runtime: {{ entrypoint: src/main.ts }}\npermissions: {{ {OPEN} }}\n");
    let host = host::shared();
    let release: Release = applet::admit(host, applet::tenant(), &applet::package_of("keys", &manifest, main));
    assert_eq!(
        applet::value(&block_on(applet::call(host, &release, "default", "null"))),
        json!(["unavailable", "secrets"])
    );
    let broken = fixture(&[("KEY", "broken")]);
    assert_eq!(applet::value(&broken.call(OPEN, main)), json!(["failed", "secrets"]));
    let plain = applet::admit(host, applet::tenant(), &applet::package_of("keys", applet::PLAIN, main));
    assert_eq!(
        applet::value(&block_on(applet::call(host, &plain, "default", "null"))),
        json!(["not-granted", "secrets"])
    );
}

#[test]
fn nothing_that_is_kept_has_it() {
    let fixture = fixture(&[("KEY", "correct \"horse\"\nbattery"), ("OTHER", "tiny")]);
    let main = "
        export default async () => {
            const key = await sdk.secrets.get('KEY') as string;
            await sdk.secrets.get('OTHER');
            console.log('have', key, { key });
            sdk.log.info(`the key is ${key}`, { key, nested: { [key]: [key] }, other: 'tiny' });
            const error = new Error(`bad key ${key}`, { cause: new TypeError(key) });
            throw Object.assign(error, { code: key, details: { key } });
        };";
    let outcome = fixture.call(OPEN, main);
    let fault = applet::fault(&outcome);
    let shown = format!("{fault:?} {:?}", fixture.log.of(&outcome.id));
    for part in ["horse", "battery"] {
        assert!(!shown.contains(part), "{shown}");
    }
    assert!(fault.message.contains("bad key [secret KEY]"), "{fault}");
    assert_eq!(fault.errors[1].message, "[secret KEY]");
    // Too short to be told from other words.
    assert!(shown.contains("tiny"), "{shown}");
}

fn bound(port: u16, secrets: &str) -> String {
    format!(
        "http: [{{ host: 127.0.0.1, ports: [{port}], allow_http: true }}, {{ host: localhost, ports: [{port}], allow_http: true }}], secrets: [{secrets}]"
    )
}

#[test]
fn a_bound_secret_goes_to_its_host_only() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/away" => Reply::redirect(307, &format!("http://localhost:{}/stolen", seen.port())),
        "/near" => Reply::redirect(307, "/there"),
        _ => Reply::status(204),
    });
    let fixture = fixture(&[("KEY", "correct-horse")]);
    let main = format!(
        "
        const home = 'http://127.0.0.1:{port}', other = 'http://localhost:{port}';
        const refused = (work: Promise<Response>) => work.then((r) => r.status, (e) => [e.code, e.message]);
        export default async () => {{
            const key = await sdk.secrets.get('KEY') as string;
            const headers = {{ authorization: `Bearer ${{key}}`, 'x-key': key }};
            const get = (url: string, init: object = {{ headers }}) => refused(sdk.http.get(url, init));
            return [
                key === await sdk.secrets.get('KEY'), /^belljar-secret-[0-9a-f]{{32}}$/.test(key),
                await get(home + '/'), await get(home + '/near'), await get(other + '/'), await get(home + '/away'), await get(home + '/?k=' + key),
                await get(home + '/forged', {{ headers: {{ 'x-key': 'belljar-secret-' + '0'.repeat(32) }} }}),
                await refused(sdk.http.post(home + '/body', key)),
            ];
        }};",
        port = server.port()
    );
    let outcome = fixture.call(&bound(server.port(), "{ name: KEY, hosts: [127.0.0.1] }"), &main);
    let elsewhere = json!(["denied", "secret \"KEY\" may not be sent to host localhost: it is not bound to it"]);
    let in_url = json!(["denied", "secret \"KEY\" is in the URL: it can be sent in the value of a header only"]);
    assert_eq!(applet::value(&outcome), json!([true, true, 204, 204, elsewhere, elsewhere, in_url, 204, 204]));
    let seen = server.seen();
    let value = |path: &str, name: &str| {
        let request = seen.iter().find(|seen| seen.path == path).unwrap_or_else(|| panic!("{path} was not asked"));
        request.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone())
    };
    for path in ["/", "/near", "/there", "/away"] {
        assert_eq!(value(path, "x-key").as_deref(), Some("correct-horse"), "{path}");
        assert_eq!(value(path, "authorization").as_deref(), Some("Bearer correct-horse"), "{path}");
    }
    assert!(seen.iter().all(|seen| seen.path != "/stolen"), "{seen:?}");
    assert_eq!(value("/forged", "x-key").as_deref(), Some(format!("belljar-secret-{}", "0".repeat(32)).as_str()));
    let body =
        seen.iter().find(|seen| seen.path == "/body").map(|seen| String::from_utf8_lossy(&seen.body).into_owned());
    assert!(body.as_deref().is_some_and(|body| body.starts_with("belljar-secret-")), "{body:?}");
}

#[test]
fn a_placeholder_ends_with_its_invocation() {
    let server = Server::start(|_| Reply::status(204));
    let fixture = fixture(&[("KEY", "correct-horse")]);
    let main = format!(
        "export default async (_: unknown, old: string | null) => {{
            if (old === null) return sdk.secrets.get('KEY');
            await sdk.secrets.get('KEY');
            return (await sdk.http.get('http://127.0.0.1:{}/', {{ headers: {{ 'x-key': old }} }})).status;
        }};",
        server.port()
    );
    let manifest = format!(
        "runtime: {{ entrypoint: src/main.ts }}\npermissions: {{ {} }}\n",
        bound(server.port(), "{ name: KEY, hosts: [127.0.0.1] }")
    );
    let release = applet::admit(&fixture.host, applet::tenant(), &applet::package_of("keys", &manifest, &main));
    let says = |json: &str| applet::value(&block_on(applet::call(&fixture.host, &release, "default", json)));
    let old = says("null");
    assert_eq!(says(&old.to_string()), json!(204));
    let seen = server.seen();
    assert!(!format!("{seen:?}").contains("correct-horse"), "{seen:?}");
}

#[test]
fn the_command_gives_secrets() {
    let dir = applet::folder(&[
        (
            "manifest.yaml",
            "id: keys\nversion: 1.0.0\nname: Test\nruntime: { entrypoint: src/main.ts }\npermissions: { secrets: [{ name: KEY, required: true }] }\n",
        ),
        (
            "src/main.ts",
            "export default async () => { const key = await sdk.secrets.get('KEY'); console.log(key); return key?.length; };",
        ),
        ("key.txt", "correct horse\n"),
    ]);
    let path = dir.path().to_str().unwrap();
    let file = format!("KEY={path}/key.txt");
    let ran = cli::run(&["run", path, "--secret-file", &file]);
    assert_eq!(ran.stdout, "13\n", "{ran:?}");
    assert!(ran.stderr.contains("[secret KEY]") && !ran.stderr.contains("horse"), "{ran:?}");
    assert_eq!(cli::run(&["run", path, "--secret", "KEY=abc"]).stdout, "3\n");
    let missing = cli::run(&["run", path]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("requires the secret \"KEY\""), "{missing:?}");
    assert_eq!(cli::run(&["run", path, "--secret", "KEY=1", "--secret", "X=1"]).code, Some(2));
}

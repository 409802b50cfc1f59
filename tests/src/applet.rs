//! Applets from text or from the examples, admitted and called.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use belljar::package::Package;
use belljar::{Fault, Host, Invocation, Outcome, Payload, Release, Request, Response, TenantId};
use serde_json::Value;
use tempfile::TempDir;

/// A folder of files that goes away with the test.
pub fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary directory");
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("folders can be made");
        std::fs::write(path, text).expect("files can be written");
    }
    folder
}

/// A copy of an example, with this `config.json` instead of its own.
pub fn example(name: &str, config: Option<&Value>) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    copy_folder(&crate::repository().join("examples").join(name), copy.path());
    if let Some(config) = config {
        let path = copy.path().join("config.json");
        assert!(path.is_file(), "example {name} has no config.json any more");
        std::fs::write(path, config.to_string()).expect("files can be written");
    }
    copy
}

/// Copies what is in a folder.
pub fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("it can be listed");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).expect("folders can be made");
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("files can be copied");
        }
    }
}

/// Builds a folder.
///
/// # Panics
/// When it has errors.
pub fn package(folder: &Path) -> Vec<u8> {
    // The bundler has a runtime of its own, which must not be started within a test's.
    std::thread::scope(|scope| {
        let build = scope.spawn(|| match belljar_build::build(folder) {
            Ok(built) => built.package,
            Err(error) => panic!("{} cannot be built: {:#?}", folder.display(), error.problems()),
        });
        build.join().expect("it builds").encode().expect("what is built can be encoded")
    })
}

/// An applet of one file, `src/main.ts`, as a package. `manifest` is what comes after its first keys.
pub fn package_of(id: &str, manifest: &str, main: &str) -> Vec<u8> {
    let manifest = format!("id: {id}\nversion: 1.0.0\nname: Test\n{manifest}");
    package(folder(&[("manifest.yaml", &manifest), ("src/main.ts", main)]).path())
}

/// A package around a finished bundle: for source that no bundler has seen.
pub fn package_of_bundle(id: &str, bundle: &str) -> Vec<u8> {
    let mut package = Package::decode(&package_of(id, PLAIN, "export default () => 0;")).expect("it is a package");
    package.bundle = bundle.to_owned();
    package.source_map = r#"{"version":3,"sources":[],"names":[],"mappings":""}"#.to_owned();
    package.encode().expect("it can be encoded")
}

/// The same package for another engine: the bundle stays as it is.
pub fn on_engine(package: &[u8], engine: belljar::package::Engine) -> Vec<u8> {
    let mut package = Package::decode(package).expect("it is a package");
    package.descriptor.runtime.engine = engine;
    package.encode().expect("it can be encoded")
}

/// The rest of a manifest without permissions and limits.
pub const PLAIN: &str = "runtime:\n  entrypoint: src/main.ts\n";

/// A tenant that no other test has.
pub fn tenant() -> TenantId {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    TenantId::new(format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))).expect("a valid name")
}

/// Admits a package for a tenant, with all it asks for.
pub fn admit(host: &Host, tenant: TenantId, package: &[u8]) -> Release {
    Release::admit_all(tenant, package, host.limits()).unwrap_or_else(|error| panic!("it is not admitted: {error:?}"))
}

/// Calls a handler with a JSON payload.
pub async fn call(host: &Host, release: &Release, handler: &str, json: &str) -> Outcome {
    host.invoke(release, Invocation::new(handler, Payload::Json(json.to_owned()))).await
}

/// What a handler answered, as JSON; `null` for nothing.
///
/// # Panics
/// When the outcome is something else.
pub fn value(outcome: &Outcome) -> Value {
    match &outcome.result {
        Ok(Response::Value(json)) => serde_json::from_str(json.as_deref().unwrap_or("null")).expect("values are JSON"),
        Ok(answer) => panic!("a value was expected, not {answer:?}"),
        Err(fault) => panic!("a value was expected: {fault} {:#?}", fault.errors),
    }
}

/// Status and JSON body of a handler's HTTP response.
///
/// # Panics
/// When the outcome is something else.
pub fn response(outcome: &Outcome) -> (u16, Value) {
    match &outcome.result {
        Ok(Response::Http(reply)) => (reply.status, serde_json::from_slice(&reply.body).expect("the body is JSON")),
        Ok(answer) => panic!("a whole response was expected, not {answer:?}"),
        Err(fault) => panic!("a response was expected: {fault} {:#?}", fault.errors),
    }
}

/// The fault of an outcome.
///
/// # Panics
/// When there is none.
pub fn fault(outcome: &Outcome) -> &Fault {
    match &outcome.result {
        Err(fault) => fault,
        Ok(answer) => panic!("a fault was expected, not {answer:?}"),
    }
}

/// Reads a sample request: the text of an HTTP/1.1 message, its body raw.
pub fn request(message: &[u8]) -> Request {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n").expect("a blank line ends the head");
    let head = std::str::from_utf8(&message[..end]).expect("the head is text");
    let mut lines = head.lines();
    let mut first = lines.next().expect("a request line").split(' ');
    let (method, path) = (first.next().expect("a method"), first.next().expect("a path"));
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: Vec<_> = lines.map(|line| pair(line).expect("a header")).collect();
    let host = &headers.iter().find(|(name, _)| name == "host").expect("a host").1;
    let url = format!("https://{host}{path}");
    Request { method: method.to_owned(), url, headers, body: message[end + 4..].to_vec().into() }
}

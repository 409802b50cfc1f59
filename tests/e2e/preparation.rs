//! What goes wrong before a handler is called: packages that are none, top-level code that fails, caches that were touched.

use belljar::package::PackageError;
use belljar::{CatalogError, Fault, FaultCode, Host, Release, TenantId};
use belljar_tests::{applet, host};
use serde_json::json;

use super::faults::healthy;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

/// Prepares an applet whose top-level code fails; the host must go on.
fn fault(main: &str) -> Fault {
    let manifest = "runtime: { entrypoint: src/main.ts, limits: { max_memory_mb: 16 } }\npermissions: { db: true, http: [127.0.0.1] }\n";
    let package = applet::package_of("toplevel", manifest, &format!("{main}\nexport default () => 1;\n"));
    block_on(async {
        let host = host::shared();
        let release = applet::admit(host, applet::tenant(), &package);
        let prepared = host.prepare(&release).await.expect_err("its top-level code fails");
        // An applet that cannot be prepared fails the same way when it is called.
        let outcome = applet::call(host, &release, "default", "null").await;
        assert_eq!(applet::fault(&outcome).code, prepared.code);
        healthy(host).await;
        prepared
    })
}

#[test]
fn top_level_code_that_throws_says_where() {
    let main = "const read = (text: string) => {\n  if (!text) throw new TypeError('no settings');\n  return text;\n};\n\n\
                console.log(read(''));";
    let fault = fault(main);
    assert_eq!(fault.code, FaultCode::Preparation, "{fault}");
    let at = fault.position().unwrap_or_else(|| panic!("it says where: {fault:#?}"));
    assert_eq!((at.file.as_str(), at.line), ("src/main.ts", 2), "{fault:#?}");
    assert_eq!(fault.errors[0].frames.get(1).map(|frame| frame.line), Some(6), "and from where: {fault:#?}");
    assert_eq!((fault.errors[0].name.as_str(), fault.errors[0].message.as_str()), ("TypeError", "no settings"));
}

#[test]
fn top_level_code_that_loops_is_ended() {
    let fault = fault("for (;;);");
    assert_eq!(fault.code, FaultCode::Preparation, "{fault}");
    let hit = fault.limit.expect("it says which limit");
    // Which of the two comes first is up to the machine.
    assert!(["preparation_fuel_max", "preparation_ms_max"].contains(&hit.name), "{hit:?}");
    assert!(hit.used >= hit.allowed && hit.allowed > 0, "{hit:?}");
}

#[test]
fn top_level_code_that_fills_memory_is_ended() {
    let fault = fault("const all: unknown[] = []; for (;;) all.push(new Array(1000).fill(all.length));");
    assert_eq!(fault.code, FaultCode::Memory, "{fault}");
    let hit = fault.limit.expect("it says which limit");
    assert_eq!((hit.name, hit.allowed), ("memory_bytes_max", 16 << 20));
}

#[test]
fn top_level_code_that_recurses_exhausts_the_stack() {
    assert_eq!(fault("const f = (): number => 1 + f(); f();").code, FaultCode::Stack);
}

#[test]
fn top_level_code_cannot_use_a_capability() {
    for main in [
        "await sdk.db.query('SELECT 1');",
        "await fetch('http://127.0.0.1:9/');",
        "sdk.db.execute('SELECT 1').catch(() => {});\nthrow new Error('swallowed');",
        "crypto.randomUUID();",
        "crypto.getRandomValues(new Uint8Array(8));",
    ] {
        assert_eq!(fault(main).code, FaultCode::Preparation, "{main}");
    }
}

#[test]
fn top_level_code_cannot_leave_anything_waiting() {
    for main in [
        "setTimeout(() => {}, 1000);",
        "setInterval(() => {}, 1000);",
        "await new Promise(() => {});",
        "Promise.reject(new Error('nobody'));",
    ] {
        assert_eq!(fault(main).code, FaultCode::Preparation, "{main}");
    }
}

#[test]
fn source_that_does_not_parse_has_a_code_of_its_own() {
    // The bundler refuses such source; a package by another hand can hold it.
    for bundle in ["export default () => {", "export default () => 1; let let = 1;", "\u{1F514}"] {
        let package = applet::package_of_bundle("broken", bundle);
        block_on(async {
            let host = host::shared();
            let release = applet::admit(host, applet::tenant(), &package);
            let fault = host.prepare(&release).await.expect_err("it does not parse");
            assert_eq!(fault.code, FaultCode::Syntax, "{bundle}: {fault}");
            assert!(fault.errors[0].frames.iter().all(|frame| frame.line >= 1), "{fault:#?}");
            healthy(host).await;
        });
    }
}

fn admitted(package: &[u8]) -> Result<Release, CatalogError> {
    Release::admit_all(TenantId::new("acme").unwrap(), package, host::shared().limits())
}

#[test]
fn damaged_packages_are_refused() {
    let package = applet::package_of("whole", applet::PLAIN, "export default () => 'whole';");
    assert!(admitted(&package).is_ok());
    let step = (package.len() / 400).max(1);
    for at in (0..package.len()).step_by(step) {
        let mut damaged = package.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(matches!(admitted(&damaged), Err(CatalogError::Package(_))), "bit {} of byte {at}", at % 8);
        assert!(matches!(admitted(&package[..at]), Err(CatalogError::Package(_))), "the first {at} bytes");
    }
    let longer = [package.as_slice(), b"\0"].concat();
    assert!(matches!(admitted(&longer), Err(CatalogError::Package(_))));
    assert!(matches!(admitted(b"PK\x03\x04"), Err(CatalogError::Package(PackageError::NotAPackage { .. }))));
    block_on(healthy(host::shared()));
}

async fn answers(host: &Host, release: &Release) {
    assert_eq!(applet::value(&applet::call(host, release, "default", "20").await), json!(40));
}

#[test]
fn caches_that_were_touched_are_made_anew() {
    let cache = host::private_cache();
    let open = || host::build(Host::builder().cache_dir(cache.path()));
    let package = applet::package_of("cached", applet::PLAIN, "const two = 2; export default (c, n) => n * two;");
    let first = open();
    let release = applet::admit(&first, applet::tenant(), &package);
    let prepared = block_on(first.prepare(&release)).unwrap();
    assert!(!prepared.from_cache());
    drop(first);
    // What is intact is used again: else nothing below would show anything.
    assert!(block_on(open().prepare(&release)).unwrap().from_cache());

    let files: Vec<_> =
        host::files(cache.path()).filter(|path| path.extension().is_none_or(|e| e != "check")).collect();
    let parts: Vec<_> = files.iter().filter(|path| !path.ends_with("key")).collect();
    assert!(parts.len() >= 4, "code, glue, base image and the applet's image: {parts:?}");
    let damage: [fn(&mut Vec<u8>); 2] = [
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x40;
        },
        |bytes| bytes.truncate(bytes.len() / 3),
    ];
    // The engine's code takes long to compile: it is damaged once, the rest in every way.
    for (round, damage) in damage.into_iter().enumerate() {
        for path in &parts {
            if round > 0 && path.to_string_lossy().ends_with("-code") {
                continue;
            }
            let mut bytes = std::fs::read(path).unwrap();
            damage(&mut bytes);
            std::fs::write(path, bytes).unwrap();
        }
        let host = open();
        assert!(!block_on(host.prepare(&release)).unwrap().from_cache(), "a damaged image is not used");
        block_on(answers(&host, &release));
        assert!(block_on(open().prepare(&release)).unwrap().from_cache(), "the one made anew is");
    }
}

//! What goes wrong inside a handler: each has its own code, says which limit and where, and harms nobody else.

use belljar::{Fault, FaultCode};
use belljar_tests::{applet, host};
use serde_json::{Value, json};

/// Builds an applet around `main`, calls its default export with `payload`, and answers the fault. Then the same host must answer
/// another handler of the same applet, and an applet of somebody else.
#[track_caller]
fn fault(limits: &str, main: &str, payload: &str) -> Fault {
    let location = std::panic::Location::caller();
    let manifest = format!(
        "runtime:\n  entrypoint: src/main.ts\n  limits: {{{limits}}}\n\
         handlers: [{{ name: main, export: default }}, {{ name: fine }}]\npermissions: {{ db: true }}\n"
    );
    let package = applet::package_of(
        "faulty",
        &manifest,
        &format!("{main}\nexport const fine = (_: any, n: number) => n + 1;\n"),
    );
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let host = host::shared();
        let release = applet::admit(host, applet::tenant(), &package);
        let outcome = applet::call(host, &release, "main", payload).await;
        let Err(fault) = &outcome.result else { panic!("{location}: a fault was expected, not {:?}", outcome.result) };
        assert_eq!(
            applet::value(&applet::call(host, &release, "fine", "41").await),
            json!(42),
            "{location}: the same applet"
        );
        healthy(host).await;
        fault.clone()
    })
}

/// Another tenant's applet is answered.
pub(crate) async fn healthy(host: &belljar::Host) {
    static PACKAGE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let main = "export default async (context, { name }) => { await null; return { hello: name }; };";
    let package = PACKAGE.get_or_init(|| applet::package_of("healthy", applet::PLAIN, main));
    let release = applet::admit(host, applet::tenant(), package);
    let outcome = applet::call(host, &release, "default", r#"{"name":"Ada"}"#).await;
    assert_eq!(applet::value(&outcome), json!({ "hello": "Ada" }));
    assert!(outcome.usage.fuel > 0, "a call burns fuel");
}

/// Checks which limit was hit.
#[track_caller]
fn check_limit(fault: &Fault, code: FaultCode, name: &str, allowed: u64) {
    assert_eq!(fault.code, code, "{fault}");
    assert!(fault.code.is_limit());
    let hit = fault.limit.as_ref().unwrap_or_else(|| panic!("it says which limit: {fault}"));
    assert_eq!((hit.name, hit.allowed), (name, allowed), "{fault}");
    assert!(hit.used >= allowed, "no less was used than allowed: {hit:?}");
    assert!(fault.message.contains(name) && fault.message.contains(&allowed.to_string()), "{fault}");
}

/// Checks the position in the author's file, and answers the first error.
#[track_caller]
fn check_place(fault: &Fault, file: &str, line: u32, column: u32) {
    let at = fault.position().unwrap_or_else(|| panic!("it says where: {fault:#?}"));
    assert_eq!((at.file.as_str(), at.line, at.column), (file, line, column), "{fault:#?}");
}

#[test]
fn an_infinite_loop_uses_up_its_fuel() {
    let loops = [
        "export default () => { for (;;); };",
        "export default async () => { for (;;) await null; };",
        "export default () => { for (;;) { try { (() => { for (;;); })(); } catch {} } };",
        "export default () => { let s = 'a'.repeat(100000); for (;;) s.indexOf('ab'); };",
    ];
    for main in loops {
        let fault = fault("fuel_max: 60000000", main, "null");
        check_limit(&fault, FaultCode::Fuel, "fuel_max", 60_000_000);
    }
}

#[test]
fn a_regular_expression_that_backtracks_uses_up_its_fuel() {
    let fault = fault("fuel_max: 100000000", "export default () => /^(a+)+$/.test('a'.repeat(60) + 'b');", "null");
    check_limit(&fault, FaultCode::Fuel, "fuel_max", 100_000_000);
}

#[test]
fn the_deadline_ends_work_and_waiting() {
    for main in [
        "export default () => { for (;;); };",
        "export default () => new Promise((resolve) => setTimeout(resolve, 3600_000));",
        "export default async () => { for (;;) await new Promise((resolve) => setTimeout(resolve, 1)); };",
        "export default (context) => { context.waitUntil(new Promise((r) => setTimeout(r, 3600_000))); return 1; };",
    ] {
        let fault = fault("max_execution_ms: 150", main, "null");
        check_limit(&fault, FaultCode::Deadline, "deadline_ms", 150);
    }
}

#[test]
fn the_deadline_ends_a_statement_of_the_database() {
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let main = format!("export default async ({{ sdk }}) => sdk.db.query('{endless}');");
    let fault = fault("max_execution_ms: 300", &main, "null");
    check_limit(&fault, FaultCode::Deadline, "deadline_ms", 300);
}

#[test]
fn a_memory_bomb_ends_at_its_limit() {
    for main in [
        "export default () => { const a = []; for (;;) a.push(new Array(1000).fill(a.length)); };",
        "export default () => { let s = 'x'; for (;;) { s = s + s + '.'; s.charCodeAt(0); } };",
        "export default () => new Uint8Array(100 << 20).length;",
        "export default () => { const a = []; try { for (;;) a.push('y'.repeat(1 << 20) + a.length); } catch { return 'survived'; } };",
    ] {
        let fault = fault("max_memory_mb: 16", main, "null");
        check_limit(&fault, FaultCode::Memory, "memory_bytes_max", 16 << 20);
    }
}

#[test]
fn deep_recursion_exhausts_the_stack() {
    let main = "const dive = (n: number): number =>\n  1 + dive(n + 1);\nexport default () => dive(0);";
    let fault = fault("", main, "null");
    assert_eq!(fault.code, FaultCode::Stack, "{fault}");
    check_place(&fault, "src/main.ts", 2, fault.position().unwrap().column);
}

#[test]
fn recursion_through_the_engine_exhausts_the_stack() {
    for main in [
        "export default () => { const o: any = {}; o.toJSON = () => JSON.stringify(o); return JSON.stringify(o); };",
        "export default () => { let a: any = []; const f = (): any => [1].map(f); return f(); };",
        "export default () => { const p: any = new Proxy({}, { get: (_, name) => p[name] }); return p.x; };",
        "export default () => JSON.parse('['.repeat(1_000_000));",
    ] {
        assert_eq!(fault("", main, "null").code, FaultCode::Stack, "{main}");
    }
}

#[test]
fn a_promise_that_nothing_can_settle_is_told_at_once() {
    for main in [
        "export default () => new Promise(() => {});",
        "export default async () => { await new Promise(() => {}); };",
        "export default (context) => { context.waitUntil(new Promise(() => {})); return 1; };",
    ] {
        let fault = fault("", main, "null");
        assert_eq!(fault.code, FaultCode::Unsettled, "{fault}");
    }
}

#[test]
fn a_giant_result_is_refused() {
    let limits = "response_bytes_max: 100000";
    for main in [
        "export default () => 'x'.repeat(200_000);",
        "export default () => new Response('x'.repeat(200_000));",
        "export default () => new Response(null, { headers: { 'x-big': 'x'.repeat(200_000) } });",
        "export default () => Array.from({ length: 50_000 }, (_, i) => i);",
    ] {
        check_limit(&fault(limits, main, "null"), FaultCode::Output, "response_bytes_max", 100_000);
    }
}

#[test]
fn what_is_thrown_arrives_with_its_place_code_details_and_causes() {
    let main = r#"
class Refused extends Error {
  name = 'Refused';
  code = 'no-stock';
  details = { left: 3 };
}
export default async (context: unknown, order: { quantity: number }) => {
  await null;
  try {
    JSON.parse('{');
  } catch (cause) {
    throw new Refused(`not ${order.quantity}`, { cause });
  }
};"#;
    let fault = fault("", main, r#"{ "quantity": 7 }"#);
    assert_eq!(fault.code, FaultCode::Threw);
    let [refused, cause] = fault.errors.as_slice() else { panic!("two errors: {fault:#?}") };
    assert_eq!((refused.name.as_str(), refused.message.as_str()), ("Refused", "not 7"));
    assert_eq!((refused.code.as_deref(), &refused.details), (Some("no-stock"), &Some(json!({ "left": 3 }))));
    assert_eq!(cause.name, "SyntaxError");
    // The class's own constructor is no frame.
    let frames = refused.frames.iter().map(|frame| frame.to_string()).collect::<Vec<_>>();
    assert_eq!(frames, ["src/main.ts:12:11"]);
    assert!(cause.frames.iter().any(|frame| frame.to_string().starts_with("src/main.ts:10:")), "{fault:#?}");
}

#[test]
fn anything_can_be_thrown() {
    for thrown in ["null", "undefined", "0n", "'text'", "Symbol('s')", "{}", "[]", "() => 1", "Object.create(null)"] {
        assert_eq!(
            fault("", &format!("export default () => {{ throw {thrown}; }};"), "null").code,
            FaultCode::Threw,
            "{thrown}"
        );
    }
    let hostile = "export default () => { throw new Proxy(new Error('x'), { get() { throw 1; }, getPrototypeOf() { throw 2; } }); };";
    assert_eq!(fault("", hostile, "null").code, FaultCode::Threw);
}

#[test]
fn payloads_that_are_not_json_are_the_callers_fault() {
    for payload in ["", "{", "{\"a\":1,}", "undefined", "'x'", "[1 2]", "nul", "\u{0}"] {
        let fault = fault("", "export default (context, payload) => payload;", payload);
        assert_eq!(fault.code, FaultCode::InvalidPayload, "{payload:?}");
        assert_eq!(fault.code.blame(), belljar::Blame::Caller);
    }
}

#[test]
fn results_that_are_not_json_are_told_with_their_place() {
    let check = |result: &str, says: &str| {
        let fault = fault("", &format!("export default () => {{ {result} }};"), "null");
        assert_eq!(fault.code, FaultCode::InvalidResult, "{result}: {fault}");
        assert!(fault.message.contains(says), "{result}: {fault}");
    };
    check("const a: any = { list: [1] }; a.list.push(a); return a;", "result.list[1]");
    check("return { total: { cents: 10n } };", "result.total.cents");
    check("return () => 1;", "function");
    check("return Symbol('x');", "symbol");
    check("return Response.error();", "status 0");
}

#[test]
fn handlers_that_are_not_there_are_named() {
    let package = applet::package_of(
        "some",
        "runtime: { entrypoint: src/main.ts }\nhandlers: [{ name: scheduled_only, export: default }]\n",
        "export default { scheduled() { return 1; } };",
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let host = host::shared();
        let release = applet::admit(host, applet::tenant(), &package);
        for (handler, says) in [("nope", "scheduled_only"), ("scheduled_only", "scheduled")] {
            let outcome = applet::call(host, &release, handler, "{}").await;
            let fault = applet::fault(&outcome);
            assert_eq!(fault.code, FaultCode::HandlerNotFound, "{fault}");
            assert!(fault.message.contains(says), "it says what there is: {fault}");
        }
        healthy(host).await;
    });
}

#[test]
fn operations_are_bounded() {
    let main = "export default async ({ sdk }) => { const all = []; for (let i = 0; i < 5000; i++) all.push(sdk.db.query('SELECT 1')); \
                await Promise.all(all); };";
    let allowed = u64::from(host::shared().limits().operations_outstanding_max);
    check_limit(&fault("", main, "null"), FaultCode::Operations, "operations_outstanding_max", allowed);
}

#[test]
fn rejections_of_capabilities_can_be_caught() {
    // The other side of the faults: what an applet may handle itself stays an error of its own.
    let main = "export default async ({ sdk }) => { try { await sdk.db.query('SELEC 1'); } catch (error) { return [error.name, error.code]; } };";
    let package = applet::package_of("catches", &format!("{}permissions: {{ db: true }}\n", applet::PLAIN), main);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer: Value = runtime.block_on(async {
        let release = applet::admit(host::shared(), applet::tenant(), &package);
        applet::value(&applet::call(host::shared(), &release, "default", "null").await)
    });
    assert_eq!(answer, json!(["SdkError", "invalid"]));
}

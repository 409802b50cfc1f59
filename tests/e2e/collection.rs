//! Garbage collection: it comes when the heap has grown, and not with every object.

use belljar::{Evaluation, Grants, Limits, Program, ProgramKind, TenantId};
use belljar_tests::host;

/// Fuel of a script.
async fn fuel(source: String) -> u64 {
    let program = Program { kind: ProgramKind::Script, name: "script.js".into(), source, locales: Vec::new() };
    let tenant = TenantId::new("collection").expect("a valid name");
    let evaluation =
        Evaluation { program, grants: Grants::default(), limits: Limits::default(), modules: None, tenant };
    let outcome = host::shared().run(evaluation).await;
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    outcome.usage.fuel
}

/// The count of bytes in use once sank with each function that was compiled, until it was below zero: from then on each new object began
/// with a collection.
#[tokio::test]
async fn compiling_function_after_function_does_not_get_slower() {
    let compiled =
        async |count: u32| fuel(format!("for (let i = 0; i < {count}; i++) new Function('return ' + i)();")).await;
    let (few, many) = (compiled(500).await, compiled(4_000).await);
    assert!(many < 9 * few, "4,000 functions take {many}, 500 take {few}");
}

#[tokio::test]
async fn garbage_is_collected() {
    // Pairs that hold each other, in all more than the memory limit.
    fuel("for (let i = 0; i < 4e5; i++) { const a = {}, b = { a }; a.b = b; }".into()).await;
}

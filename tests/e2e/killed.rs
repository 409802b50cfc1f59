//! Where an applet was when a limit ended it: the author's file and line, read from the instance's memory after the trap.

use belljar::{Fault, FaultCode};
use belljar_tests::{applet, cli, host};

/// Calls `src/main.ts` of an applet with these limits, and answers how it was ended.
fn killed(limits: &str, main: &str) -> Fault {
    let manifest = format!("runtime:\n  entrypoint: src/main.ts\n  limits: {{{limits}}}\n");
    let package = applet::package_of("killed", &manifest, main);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let release = applet::admit(host::shared(), applet::tenant(), &package);
        applet::fault(&applet::call(host::shared(), &release, "default", "null").await).clone()
    })
}

fn places(fault: &Fault) -> Vec<String> {
    fault.frames.iter().map(|frame| format!("{} {frame}", frame.function)).collect()
}

const NESTED: &str = "function inner(n: number): number {
  let x = n;
  for (;;) {
    x = (x * 31 + 1) % 65521;
  }
}

class Outer {
  run(n: number): number {
    return inner(n) + 1;
  }
}

export default async function handler() {
  await null;
  return new Outer().run(7);
}
";

#[test]
fn a_loop_that_uses_up_its_fuel_is_found_with_its_callers() {
    let fault = killed("fuel_max: 30000000", NESTED);
    assert_eq!(fault.code, FaultCode::Fuel, "{fault}");
    let places = places(&fault);
    // It calls nothing: the last position recorded is its own. A method's name is a property, not the function's.
    assert!(places[0].starts_with("inner src/main.ts:1:"), "{places:?}");
    assert!(places[1].ends_with("src/main.ts:10:12"), "{places:?}");
    assert!(places[2].starts_with("handler src/main.ts:16:"), "{places:?}");
    assert_eq!(fault.position().map(|frame| frame.file.as_str()), Some("src/main.ts"));
}

#[test]
fn the_deadline_says_where_too() {
    let fault = killed("max_execution_ms: 200", NESTED);
    assert_eq!(fault.code, FaultCode::Deadline, "{fault}");
    let places = places(&fault);
    assert!(places.iter().any(|place| place.ends_with("src/main.ts:10:12")), "{places:?}");
}

#[test]
fn memory_that_is_used_up_says_where_too() {
    let fault = killed(
        "max_memory_mb: 16",
        "const kept: string[] = [];

export default function handler() {
  for (let i = 0; ; i++) {
    kept.push(String(i).padStart(1000, 'x'));
  }
}
",
    );
    assert_eq!(fault.code, FaultCode::Memory, "{fault}");
    let places = places(&fault);
    assert!(places[0].starts_with("handler src/main.ts:5:"), "{places:?}");
}

#[test]
fn the_command_shows_the_line() {
    let ran = cli::run(&["eval", "--fuel-max", "20000000", "function spin() { for (;;) ; }\nspin();"]);
    assert!(ran.stderr.contains("spin"), "{ran:?}");
    assert!(ran.stderr.contains(":2:"), "{ran:?}");
}

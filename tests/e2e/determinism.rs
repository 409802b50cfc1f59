//! The same package, engine and input give the same output and the same fuel: in two processes, in two hosts, with or without a cache.

use belljar::{Host, Outcome, Seeded};
use belljar_tests::{applet, cli, host};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use super::isolation::repeatable;

#[test]
fn pricing_by_the_command_repeats_output_and_fuel() {
    let folder = belljar_tests::repository().join("examples/pricing");
    let order = std::fs::read_to_string(folder.join("samples/order.json")).unwrap();
    let folder = folder.to_str().unwrap();
    let plain = ["run", folder, "--payload", &order];
    let (first, second) = (cli::run(&plain), cli::run(&plain));
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.stdout.contains("total"), "{first:?}");
    assert_eq!(first.stdout, second.stdout);

    // With the seed and the time that were told, all of it repeats.
    let first = of_json(&["run", folder, "--payload", &order]);
    assert_eq!(first["ok"], true, "{first}");
    assert!(first["usage"]["fuel"].as_u64().is_some_and(|fuel| fuel > 1_000), "{first}");
    assert_eq!(first, again(&["run", folder, "--payload", &order], &first));
}

/// What the command tells, but for how long it took.
fn of_json(args: &[&str]) -> Value {
    let mut object = cli::run(&[args, &["--json"]].concat()).json();
    assert!(object["usage"]["wall_us"].is_u64(), "{object}");
    object["usage"]["wall_us"] = Value::Null;
    object
}

/// The same, with the seed and the time that a run has told.
fn again(args: &[&str], told: &Value) -> Value {
    let part =
        |name: &str| told["repeat"][name].as_str().unwrap_or_else(|| panic!("it tells its {name}: {told}")).to_owned();
    of_json(&[args, &["--seed", &part("seed"), "--now", &part("now")]].concat())
}

#[test]
fn a_one_off_run_draws_its_randomness_and_repeats_with_what_it_tells() {
    let program = "(async () => { \
                       const race = await Promise.race([sdk.kv.set('a', 1).then(() => 'set'), sdk.kv.get('b').then(() => 'got')]); \
                       await new Promise((done) => setTimeout(done, 86_400_000)); \
                       print(Date.now(), race, Math.random(), crypto.randomUUID()); \
                   })();";
    let args = ["eval", "--grant", "kv", program];
    let now_ms = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let began_ms = now_ms();
    let (first, second) = (of_json(&args), of_json(&args));
    let message =
        |ran: &Value| ran["log"][0]["message"].as_str().unwrap_or_else(|| panic!("it prints: {ran}")).to_owned();
    let printed = message(&first);
    let tomorrow_ms: u128 = printed.split(' ').next().unwrap().parse().unwrap();
    assert!(
        (began_ms..=now_ms()).contains(&(tomorrow_ms - 86_400_000)),
        "it is today, and a day passes at once: {printed}"
    );
    for at in [2, 3] {
        assert_ne!(
            printed.split(' ').nth(at),
            message(&second).split(' ').nth(at),
            "what is drawn is another each time"
        );
    }
    assert_eq!(first, again(&args, &first), "its id, its log and its fuel, too");

    let verbose = cli::run(&["eval", "--verbose", "--seed", "7", "1"]).stderr;
    let seed = belljar::Seed::from(7);
    assert!(verbose.contains(&format!("repeat: --seed {seed} --now 2026-01-01T00:00:00.000000Z\n")), "{verbose}");
}

#[test]
fn what_may_call_the_network_runs_live_unless_told_otherwise() {
    let http = ["eval", "--grant", "http", "--allow-host", "a.example", "1"];
    assert_eq!(of_json(&http)["repeat"], Value::Null);
    assert_eq!(of_json(&["eval", "--live", "1"])["repeat"], Value::Null);
    assert_ne!(of_json(&["eval", "1"])["repeat"], Value::Null);
    let seeded = of_json(&[&http[..], &["--seed", "1"]].concat());
    assert_eq!(
        seeded["repeat"],
        serde_json::json!({ "seed": belljar::Seed::from(1).to_string(), "now": "2026-01-01T00:00:00.000000Z" })
    );

    let files = |permissions: &str| {
        let manifest =
            format!("id: clock\nversion: 1.0.0\nname: A\nruntime: {{ entrypoint: src/main.ts }}\n{permissions}");
        applet::folder(&[
            ("manifest.yaml", &manifest),
            ("src/main.ts", "export default () => new Date().toISOString();"),
        ])
    };
    let (http, plain) = (files("permissions: { http: [a.example] }\n"), files(""));
    let ran = |folder: &tempfile::TempDir, more: &[&str]| {
        of_json(&[&["run", folder.path().to_str().unwrap()], more].concat())
    };
    assert_eq!(ran(&http, &[])["repeat"], Value::Null);
    assert_ne!(ran(&plain, &[])["repeat"], Value::Null);
    let then = ran(&plain, &["--now", "2020-02-29T12:00:00.5Z"]);
    assert_eq!(
        (&then["value"], &then["repeat"]["now"]),
        (&"2020-02-29T12:00:00.500Z".into(), &"2020-02-29T12:00:00.500000Z".into())
    );
}

/// Statements of generated programs; each reads and changes `s` (text), `n` (a number), `a` (an array) and `m` (a map).
const STATEMENTS: [&str; 20] = [
    "n = (n * 31 + s.length) % 1000003;",
    "a.push(n); a.sort((x, y) => x - y);",
    "s += String.fromCharCode(97 + n % 26);",
    "m.set(s.slice(-3), (m.get(s.slice(-3)) ?? 0) + n);",
    "n = a.reduce((sum, x) => sum + x, 0) % 65521;",
    "a = a.map((x) => x ^ n).filter((x) => x % 3 !== 0);",
    "s = s.replace(/[aeiou]/g, (c) => c.toUpperCase());",
    "n += JSON.stringify([...m]).length;",
    "s = JSON.parse(JSON.stringify({ s })).s.slice(-200);",
    "n = Math.floor(Math.random() * 1e6);",
    "await null; n += 1;",
    "await new Promise((r) => setTimeout(r, n % 3)); s += '.';",
    "n += (await Promise.all([1, 2, 3].map(async (x) => { await null; return x * n; }))).length;",
    "try { if (n % 2) throw new RangeError(s); } catch (error) { s += error.name[0]; }",
    "for (let i = 0; i < n % 50; i++) a.push(i * n);",
    "n = Number(BigInt(n) ** 3n % 99991n);",
    "s = [...new Set(s)].join('');",
    "a = a.slice(-20); [a[0] = n] = [a.at(-1)];",
    "s += crypto.randomUUID().slice(0, 4);",
    "n += Math.sin(n) * 1e6 | 0; n += Date.now() % 7;",
];

fn program(statements: &[usize]) -> String {
    let body: String = statements.iter().map(|index| format!("  {}\n", STATEMENTS[*index])).collect();
    format!(
        "export default async (context, seed) => {{\n  let s = 'seed', n = seed, a = [], m = new Map();\n{body}  \
         return {{ s, n, a, m: [...m], sum: new Uint8Array(new TextEncoder().encode(s)).length }};\n}};\n"
    )
}

fn seeded(cache: &std::path::Path) -> Host {
    // Time stands still: a timer is then due at once or after its delay, on every machine.
    host::build(Host::builder().cache_dir(cache).source(Seeded::new(1_750_000_000_000_000, 11)))
}

#[test]
fn generated_programs_run_alike_in_two_hosts() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // The first host prepares every program, the second one finds its image and has no part in making it.
    let (one, other) = (host::private_cache(), host::private_cache());
    let prepares = [seeded(one.path()), seeded(other.path())];
    let finds = seeded(one.path());
    let run = |host: &Host, package: &[u8], seed: u32| -> (Outcome, bool) {
        let release = applet::admit(host, belljar::TenantId::new("acme").unwrap(), package);
        runtime.block_on(async {
            let from_cache = host.prepare(&release).await.expect("it is prepared").from_cache();
            (repeatable(applet::call(host, &release, "default", &seed.to_string()).await), from_cache)
        })
    };

    let mut ran = 0;
    let mut fuels = std::collections::HashSet::new();
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let strategy = (proptest::collection::vec(0..STATEMENTS.len(), 1..30), any::<u32>());
    let result = TestRunner::new(config).run(&strategy, |(statements, seed)| {
        let package = applet::package_of_bundle("generated", &program(&statements));
        let (first, cached) = run(&prepares[0], &package, seed);
        applet::value(&first);
        let (second, _) = run(&prepares[1], &package, seed);
        prop_assert_eq!(&first, &second, "prepared twice");
        let (third, from_cache) = run(&finds, &package, seed);
        prop_assert!(from_cache || cached, "the image is found");
        prop_assert_eq!(&first, &third, "from the cache");
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    // Count outside of shrinking: a property over nothing, or over one program, would show nothing.
    for (index, _) in STATEMENTS.iter().enumerate() {
        let (outcome, _) = run(&prepares[0], &applet::package_of_bundle("generated", &program(&[index])), 5);
        applet::value(&outcome);
        fuels.insert(outcome.usage.fuel);
        ran += 1;
    }
    assert_eq!(ran, STATEMENTS.len());
    assert!(fuels.len() > STATEMENTS.len() / 2, "different programs burn different fuel: {fuels:?}");
}

#[test]
fn fuel_follows_the_work() {
    let package = applet::package_of(
        "work",
        applet::PLAIN,
        "export default (c, n) => { let x = 0; for (let i = 0; i < n; i++) x = (x * 7 + i) % 1009; return x; };",
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &package);
    let fuel = |n: u64| {
        let outcome = runtime.block_on(applet::call(host, &release, "default", &n.to_string()));
        applet::value(&outcome);
        outcome.usage.fuel
    };
    let (some, more, most) = (fuel(1_000), fuel(2_000), fuel(11_000));
    assert_eq!(some, fuel(1_000));
    // Every thousand rounds cost the same, to within what an allocation more or less costs.
    let (one, ten) = (more - some, most - some);
    assert!(one > 10_000 && ten.abs_diff(one * 10) < one / 2, "{some} {more} {most}");
}

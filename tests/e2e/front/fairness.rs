//! Tenants share the processors while one of them floods. Shares are proven in virtual time (`host/server/src/schedule/simulation.rs`);
//! here real calls show that the turns are those of the scheduler. Wall figures are printed, not judged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use belljar_server::front::FrontConfig;
use belljar_server::schedule::Settings;
use belljar_tests::front::Served;
use belljar_tests::{applet, host};

use super::package;

const MAIN: &str = "
export const burn = () => { let x = 0; const end = Date.now() + 100; while (Date.now() < end) for (let i = 0; i < 1000; i++) x = (x + i) % 7; return x; };
export const quick = () => 'quick';
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_leaves_others_their_share() {
    let settings = Settings { slots: 1, ..Settings::default() };
    let served = Arc::new(Served::with(FrontConfig::default(), settings, host::shared().clone(), None).await);
    let package = package("app", &["burn GET /burn, auth: none", "quick GET /quick, auth: none"], "", MAIN);
    for tenant in ["flood", "works", "little"] {
        served.install(tenant, &package);
        assert_eq!(served.get(&format!("/{tenant}/app/quick")).await.status, 200);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = Vec::new();
    // Twenty connections against three: by turns in order of asking it would be twenty to three.
    for (tenant, count) in [("flood", 20), ("works", 3)] {
        for _ in 0..count {
            let (served, stop) = (served.clone(), stop.clone());
            clients.push(tokio::spawn(async move {
                let mut client = served.connect().await;
                while !stop.load(Ordering::SeqCst) {
                    assert_eq!(client.request(&format!("GET /{tenant}/app/burn HTTP/1.1"), b"").await.status, 200);
                }
            }));
        }
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (begun, from) = (Instant::now(), served.records.all().len());
    let mut waits = Vec::new();
    let mut client = served.connect().await;
    while begun.elapsed() < Duration::from_secs(4) {
        let asked = Instant::now();
        assert_eq!(client.request("GET /little/app/quick HTTP/1.1", b"").await.status, 200);
        waits.push(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    stop.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
    let records = served.records.all();
    let fuel = |tenant: &str| -> u64 {
        records[from..].iter().filter(|record| record.tenant.as_str() == tenant).map(|record| record.usage.fuel).sum()
    };
    let (flood, works) = (fuel("flood"), fuel("works"));
    waits.sort();
    eprintln!(
        "flood {flood}, works {works}; little: median {:?}, worst {:?}",
        waits[waits.len() / 2],
        waits[waits.len() - 1]
    );
    let share = works as f64 / (flood + works) as f64;
    // Half of it, but for what is under way at the beginning and the end.
    assert!((0.35..=0.65).contains(&share), "{works} of {} fuel", flood + works);
}

/// How much fuel a processor burns in a second: where `FUEL_PER_CPU_SECOND` comes from. By time on the processor, so that other work does not count.
#[test]
#[ignore = "a measurement, not a test: run it with optimisations"]
fn fuel_of_a_processor_second() {
    let works = [
        ("numbers", "let x = 0; for (let i = 0; i < 2e6; i++) x = (x * 31 + i) % 65521; return x;"),
        (
            "strings",
            "let s = ''; for (let i = 0; i < 2e5; i++) s += String.fromCharCode(97 + i % 26); return s.split('a').map((p) => p.toUpperCase()).join('-').length;",
        ),
        (
            "objects",
            "const a = []; for (let i = 0; i < 2e5; i++) a.push({ id: i, name: 'n' + i }); a.sort((x, y) => (y.id * 7919) % 10007 - (x.id * 7919) % 10007); return a[0].id;",
        ),
        (
            "json",
            "let n = 0; for (let i = 0; i < 400; i++) n += JSON.stringify(JSON.parse('{\"a\":[1,2,3,{\"b\":\"text\"}]}'.repeat(1))).length * (JSON.stringify(Array.from({ length: 200 }, (_, j) => ({ j, k: String(j) }))).length); return n;",
        ),
        (
            "regexps",
            "let n = 0; for (let i = 0; i < 20000; i++) n += ('key' + i + '=value' + i + ';').replace(/(\\w+)=(\\w+)/g, '$2=$1').length; return n;",
        ),
    ];
    let main: String =
        works.iter().map(|(name, body)| format!("export const {name} = () => {{ {body} }};\n")).collect();
    let handlers: String = works.iter().map(|(name, _)| format!("  - {{ name: {name} }}\n")).collect();
    let manifest = format!("runtime: {{ entrypoint: src/main.ts }}\nhandlers:\n{handlers}");
    let host = host::shared();
    let release = applet::admit(host, applet::tenant(), &applet::package_of("calibrate", &manifest, &main));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let on_processor_ns = || -> u64 {
        let figures = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        figures.split(' ').next().unwrap().parse().unwrap()
    };
    for (name, _) in works {
        runtime.block_on(applet::call(host, &release, name, "null"));
        let (begun, mut fuel) = (on_processor_ns(), 0);
        for _ in 0..5 {
            let outcome = runtime.block_on(applet::call(host, &release, name, "null"));
            assert!(outcome.result.is_ok(), "{outcome:?}");
            fuel += outcome.usage.fuel;
        }
        let seconds = (on_processor_ns() - begun) as f64 / 1e9;
        eprintln!("{name}: {:.0} million fuel in a second ({fuel} in {seconds:.3} s)", fuel as f64 / seconds / 1e6);
    }
}

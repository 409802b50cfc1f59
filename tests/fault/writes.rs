//! What applets write, while their process is killed: a row and a key for each call, and two rows that belong together.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use belljar::{Host, Release, TenantId};
use belljar_tests::{applet, host};
use serde_json::json;

use crate::child::{start, tell};
use crate::work::Numbers;

/// Kills at random moments.
const AT_RANDOM: u64 = 90;
/// Calls of one child that nothing kills.
const CALLS: u64 = 2_000;

const MANIFEST: &str = "runtime: { entrypoint: src/main.ts }
permissions: { db: true, kv: true }
handlers:
  - name: begin
  - name: write
  - name: missing
";
const MAIN: &str = "
const { db, kv } = sdk;
export async function begin() {
    await db.execute('CREATE TABLE IF NOT EXISTS log (n INTEGER PRIMARY KEY)');
    await db.execute('CREATE TABLE IF NOT EXISTS pairs (n INTEGER, side TEXT, PRIMARY KEY (n, side))');
    return ((await db.queryOne('SELECT coalesce(max(n), 0) AS n FROM log')) as { n: number }).n;
}
export async function write(context: unknown, n: number) {
    await db.execute('INSERT INTO log VALUES (?)', [n]);
    await db.transaction(async (tx) => {
        await tx.execute('INSERT INTO pairs VALUES (?, ?)', [n, 'left']);
        await tx.execute('INSERT INTO pairs VALUES (?, ?)', [n, 'right']);
    });
    await kv.set('n/' + n, n);
    return n;
}
export async function missing(context: unknown, told: number) {
    const missing: unknown[] = [];
    for (let n = 1; n <= told; n++) {
        const row = await db.queryOne('SELECT n FROM log WHERE n = ?', [n]);
        const { c } = (await db.queryOne('SELECT count(*) AS c FROM pairs WHERE n = ?', [n])) as { c: number };
        if (!row || c !== 2 || (await kv.get('n/' + n)) !== n) missing.push(n);
    }
    const half = await db.query('SELECT n FROM pairs GROUP BY n HAVING count(*) <> 2');
    return { missing, half };
}
";

/// Where the child finds the package that its parent has built.
const PACKAGE: &str = "writes.belljar";

fn release(host: &Host, package: &[u8]) -> Release {
    applet::admit(host, TenantId::new("acme").unwrap(), package)
}

fn call(host: &Host, release: &Release, handler: &str, payload: u64) -> serde_json::Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    applet::value(&runtime.block_on(applet::call(host, release, handler, &payload.to_string())))
}

pub(crate) fn run(data: &Path) {
    let host = host::build(host::builder().data_dir(data));
    let release = release(&host, &std::fs::read(data.join(PACKAGE)).unwrap());
    let last = call(&host, &release, "begin", 0).as_u64().unwrap();
    tell("open");
    for n in last + 1..=last + CALLS {
        assert_eq!(call(&host, &release, "write", n), json!(n));
        tell(&format!("done {n}"));
    }
}

#[test]
fn what_applets_were_told_is_written_survives_their_host() {
    let data = tempfile::tempdir().unwrap();
    let package = applet::package_of("writes", MANIFEST, MAIN);
    std::fs::write(data.path().join(PACKAGE), &package).unwrap();
    let mut numbers = Numbers(11);
    let (mut done, mut killed) = (BTreeSet::new(), 0);
    for round in 0..AT_RANDOM {
        let child = start("writes", data.path(), round, None);
        while let Some(line) = child.line() {
            if line == "open" {
                break;
            }
        }
        // So much is done however slow the machine is; then at any moment.
        let mut lines: Vec<String> = (0..numbers.below(6)).map_while(|_| child.line()).collect();
        std::thread::sleep(Duration::from_micros(numbers.below(20_000)));
        let (rest, was_alive) = child.kill();
        lines.extend(rest);
        killed += u64::from(was_alive);
        done.extend(lines.iter().filter_map(|line| line.strip_prefix("done ")?.parse::<u64>().ok()));
        if round % 10 != 9 {
            continue;
        }
        let host = host::build(host::builder().data_dir(data.path()));
        let release = release(&host, &package);
        let found = call(&host, &release, "missing", done.last().copied().unwrap_or(0));
        // A call that was under way may have come to any of its writes.
        let lost: Vec<u64> = found["missing"]
            .as_array()
            .unwrap()
            .iter()
            .map(|n| n.as_u64().unwrap())
            .filter(|n| done.contains(n))
            .collect();
        assert_eq!((lost, &found["half"]), (vec![], &json!([])), "of {} calls", done.len());
    }
    assert!(killed > AT_RANDOM / 2, "{killed} of {AT_RANDOM} were killed at work");
    assert!(done.len() as u64 > AT_RANDOM, "they have written something in between: {}", done.len());
}

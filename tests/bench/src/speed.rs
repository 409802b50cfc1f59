//! How fast JavaScript runs that takes long: in one invocation, with fuel, against native QuickJS.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::Workload;
use crate::native::Vm;
use crate::ours::Bench;
use crate::sample::Sample;

/// Each measurement takes native QuickJS about this long: what surrounds the JavaScript is then nothing beside it.
const TARGET: Duration = Duration::from_millis(100);
const ROUNDS: usize = 7;

/// Prints a line for each workload and the geometric mean. A workload is a script that defines `run(n)`, which does its work `n` times.
pub(crate) fn run(bench: &Bench, folder: Option<&str>) -> Result<()> {
    println!(
        "\n| JavaScript, processor time, {ROUNDS} rounds | native QuickJS µs | Belljar µs | ratio of medians | fuel per µs |\n|---|---:|---:|---:|---:|"
    );
    let workloads = workloads(folder)?;
    let mut product = 1.0;
    for workload in &workloads {
        product *= one(bench, workload).with_context(|| workload.name.clone())?;
    }
    println!(
        "\ngeometric mean over {}: {:.2} times native QuickJS, fuel metered",
        workloads.len(),
        product.powf(1.0 / workloads.len() as f64)
    );
    Ok(())
}

fn workloads(folder: Option<&str>) -> Result<Vec<Workload>> {
    let own = |name: &str, source: &str| Workload {
        name: format!("{name} (ours)"),
        source: source.into(),
        input: String::new(),
    };
    let mut all = vec![
        own("calls", include_str!("../workloads/speed/calls.js")),
        own("objects", include_str!("../workloads/speed/objects.js")),
        own("text", include_str!("../workloads/speed/text.js")),
    ];
    let own_count = all.len();
    for entry in folder.map(std::fs::read_dir).transpose()?.into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "js") && !path.with_extension("json").exists() {
            all.push(Workload { name: name(&path), source: std::fs::read_to_string(&path)?, input: String::new() });
        }
    }
    all[own_count..].sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Answers the ratio.
fn one(bench: &Bench, workload: &Workload) -> Result<f64> {
    let vm = Vm::new()?;
    vm.load(&workload.source)?;
    let mut n = 1;
    let n = loop {
        let begun = Instant::now();
        vm.run(n)?;
        let took = begun.elapsed();
        if took >= TARGET / 2 {
            break ((n as f64 * TARGET.as_secs_f64() / took.as_secs_f64()) as u32).max(1);
        }
        n *= 2;
    };
    let release = bench
        .release_of(&format!("{}\nexport default (context, n) => String(globalThis.run(n));\n", workload.source))?;
    let expected = serde_json::to_string(&vm.run(n)?)?;
    let (mut theirs, mut ours, mut fuel) = (Sample::default(), Sample::default(), 0);
    for _ in 0..ROUNDS {
        theirs.time_cpu(|| vm.run(n))?;
        let answer;
        (answer, fuel) = ours.time_cpu(|| bench.runtime.block_on(bench.invoke(&release, &n.to_string())))?;
        ensure!(answer == expected, "the two engines answer differently: {answer} and {expected}");
    }
    let each = |sample: &Sample| sample.us(0.5) / f64::from(n);
    let ratio = each(&ours) / each(&theirs);
    println!(
        "| {} | {:.1} | {:.1} | {ratio:.2} | {:.0} |",
        workload.name,
        each(&theirs),
        each(&ours),
        fuel as f64 / ours.us(0.5)
    );
    Ok(ratio)
}

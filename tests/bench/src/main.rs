//! Measures Belljar, and native QuickJS beside it in the same run. Two uses:
//!
//! * `belljar-bench ENGINE MODE APPLET.js INPUT.json N` with engine `ours` or `native` and mode `call`, `cold` or `mem` prints one line
//!   of JSON: times in nanoseconds as `{n, min, p50, p90, p99, max}`, memory in KiB.
//! * `belljar-bench report [FOLDER]` runs everything interleaved, with what is in FOLDER besides its own, and prints tables;
//!   `belljar-bench speed [FOLDER]` only how fast long JavaScript runs, `belljar-bench pages
//!   [APPLET.js INPUT.json]` only how much of its memory a call writes to; `belljar-bench crypto` only digests and HMACs.
//!
//! * `belljar-bench server [APPLET.js INPUT.json]` measures `belljar serve` (of BELLJAR_BIN) under load from another process, beside Node;
//!   `belljar-bench many N` with N applets installed, `belljar-bench soak N` whether memory grows over N requests. `belljar-bench load JSON`
//!   is that other process.
//!
//! * `belljar-bench processes [PACKAGE]` measures applets in a Bun process beside a bare Bun server with the same handler; of PACKAGE the first
//!   page, too. `belljar-bench engines [PACKAGE]` runs one applet on every engine that is here, jailed when BELLJAR_BIN is set.
//!
//! * `belljar-bench embed [N]` measures what an embedder's calls add to the engine's own part.
//! * `belljar-bench record` measures what recording costs an invocation.
//!
//! * `belljar-bench events N` publishes N events and has them handled, with the queue on disk.
//!
//! An applet is a script that defines `handle(text) -> text` (`NAME.js` with its input `NAME.json`, in FOLDER or its folder `applets`); a
//! script without such an input defines `run(n)`, which does its work `n` times.

#![allow(clippy::print_stdout, reason = "this command's output is its result")]

mod crypto;
mod embed;
mod events;
mod load;
mod native;
mod ours;
mod processes;
mod record;
mod report;
mod sample;
mod server;
mod speed;

use anyhow::{Context, Result, bail};

/// An applet under measurement.
pub(crate) struct Workload {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) input: String,
}

impl Workload {
    fn read(applet: &str, input: &str) -> Result<Self> {
        let read = |path: &str| std::fs::read_to_string(path).with_context(|| path.to_owned());
        let name = std::path::Path::new(applet).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, source: read(applet)?, input: read(input)? })
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["report"] => report::run(None),
        ["report", folder] => report::run(Some(folder)),
        ["pages"] => report::pages(None),
        ["pages", applet, input] => report::pages(Some(&Workload::read(applet, input)?)),
        ["server"] => server::run(&report::own_transform()),
        ["server", applet, input] => server::run(&Workload::read(applet, input)?),
        ["processes"] => processes::run(&report::own_transform(), None),
        ["processes", package] => processes::run(&report::own_transform(), Some(std::path::Path::new(package))),
        ["engines"] => processes::engines(&report::own_transform(), None),
        ["engines", package] => processes::engines(&report::own_transform(), Some(std::path::Path::new(package))),
        ["many", n] => server::many(&report::own_transform(), n.parse().context("N is a number")?),
        ["soak", n] => server::soak(&report::own_transform(), n.parse().context("N is a number")?),
        ["load", load] => load::run(load),
        ["record"] => record::run(),
        ["crypto"] => crypto::run(&ours::Bench::new()?),
        ["embed"] => embed::run(5_000),
        ["embed", n] => embed::run(n.parse().context("N is a number")?),
        ["events", n] => events::run(n.parse().context("N is a number")?),
        ["speed"] => speed::run(&ours::Bench::new()?, None),
        ["speed", folder] => speed::run(&ours::Bench::new()?, Some(folder)),
        [engine, mode, applet, input, n] => {
            let workload = Workload::read(applet, input)?;
            let n: usize = n.parse().context("N is a number")?;
            let line = match (*engine, *mode) {
                ("ours", "cold") => ours::Bench::new()?.cold(&workload, n)?,
                ("ours", "call") => ours::Bench::new()?.call(&workload, n)?,
                ("ours", "mem") => ours::Bench::new()?.mem(&workload, n)?,
                ("native", "cold") => native::cold(&workload, n)?,
                ("native", "call") => native::call(&workload, n)?,
                ("native", "mem") => native::mem(&workload, n)?,
                _ => bail!("engine is `ours` or `native`, mode is `call`, `cold` or `mem`"),
            };
            println!("{line}");
            Ok(())
        }
        _ => bail!(
            "usage: belljar-bench ours|native call|cold|mem APPLET.js INPUT.json N, belljar-bench report|speed [FOLDER], belljar-bench crypto, belljar-bench processes|engines [PACKAGE], belljar-bench pages|server [APPLET.js INPUT.json], or belljar-bench many|soak N"
        ),
    }
}

//! What an embedder's `Host::invoke` adds to the engine's own part of a call, and what a script, a custom capability and a blocking caller cost: each
//! beside the other, in turn, in the same run.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use belljar::{Call, Capability, Grants, Host, Invocation, Payload, Release, Script, TenantId};
use belljar_package::Package;

use crate::ours::package_of;
use crate::sample::Sample;

const APPLET: &str = "export default (context, payload) => payload + 1;\n";
const CALLS_CUSTOM: &str = "export default async (context, payload) => (await sdk.numbers.next(payload)) + 0;\n";
/// Calls before anything counts.
const WARM_UP: usize = 500;

/// Medians and differences, as a table.
pub(crate) fn run(n: usize) -> Result<()> {
    let cache = tempfile::tempdir()?;
    let numbers = Capability::new("numbers").function("next", |_: Call, number: u64| async move { Ok(number + 1) });
    let host = Host::builder()
        .cache_dir(cache.path().join("cache"))
        .capability(numbers)
        .progress(|text| eprintln!("{text}"))
        .build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tenant = TenantId::new("bench")?;
    let plain = runtime.block_on(host.install(tenant.clone(), &package_of(APPLET, "plain", false)?))?;
    let custom = runtime.block_on(install_custom(&host, &tenant))?;
    let script = runtime.block_on(host.script("context + 1"))?;
    let (mut raw, mut invoked, mut called, mut evaluated) =
        (Sample::default(), Sample::default(), Sample::default(), Sample::default());
    let mut added = Vec::with_capacity(n);
    runtime.block_on(async {
        for i in 0..n + WARM_UP {
            // In turn, so that whatever else the machine does meets all of them alike; and who is first changes.
            let (engine, whole) = if i % 2 == 0 {
                let engine = host.raw_call(&plain, invocation()).await?.0;
                (engine, timed(&host, &plain).await?)
            } else {
                let whole = timed(&host, &plain).await?;
                (host.raw_call(&plain, invocation()).await?.0, whole)
            };
            let by_custom = timed(&host, &custom).await?;
            let begun = Instant::now();
            let value: u64 = script.evaluate(&i).await?;
            let by_script = begun.elapsed();
            anyhow::ensure!(value == i as u64 + 1, "the script answered {value}");
            if i >= WARM_UP {
                raw.add(engine);
                invoked.add(whole);
                called.add(by_custom);
                evaluated.add(by_script);
                added.push(whole.as_secs_f64() * 1e6 - engine.as_secs_f64() * 1e6);
            }
        }
        anyhow::Ok(())
    })?;
    added.sort_by(f64::total_cmp);
    let us = |sample: &Sample| sample.quantile(0.5) as f64 / 1_000.0;
    println!("{n} calls each, one at a time, medians in microseconds:");
    println!("  engine's own part of a call  {:7.1}", us(&raw));
    println!("  Host::invoke                 {:7.1}", us(&invoked));
    println!(
        "  added by Host::invoke        {:7.1} (difference of the medians {:.1}, ratio {:.3})",
        added[n / 2],
        us(&invoked) - us(&raw),
        us(&invoked) / us(&raw)
    );
    println!("  with one custom function     {:7.1}", us(&called));
    println!("  Script::evaluate             {:7.1}", us(&evaluated));
    let blocking = host.blocking()?;
    let mut sample = Sample::default();
    for i in 0..n + WARM_UP {
        let begun = Instant::now();
        blocking.invoke(&plain, invocation()).result.context("a call failed")?;
        if i >= WARM_UP {
            sample.add(begun.elapsed());
        }
    }
    println!("  BlockingHost::invoke         {:7.1}", us(&sample));
    Ok(())
}

fn invocation() -> Invocation {
    Script::invocation("41")
}

async fn timed(host: &Host, release: &Release) -> Result<Duration> {
    let invocation = Invocation::new("default", Payload::Json("41".into()));
    let begun = Instant::now();
    let outcome = host.invoke(release, invocation).await;
    let took = begun.elapsed();
    outcome.result.context("a call failed")?;
    Ok(took)
}

/// The applet that calls a function of the embedder's.
async fn install_custom(host: &Host, tenant: &TenantId) -> Result<Release> {
    let mut package = Package::decode(&package_of(CALLS_CUSTOM, "custom", false)?)?;
    package.descriptor.permissions.custom = vec!["numbers".into()];
    let granted = Grants { custom: vec!["numbers".into()], ..Grants::default() };
    Ok(host.install_with(tenant.clone(), &package.encode()?, &granted).await?)
}

//! Belljar through its public API: a package is prepared once, and every call gets a fresh sandbox.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use belljar::{Host, Invocation, Limits, Payload, Release, Response, TenantId};
use belljar_package::Package;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::Workload;
use crate::sample::{Sample, memory_files_kib, memory_kib};

/// A host with a cache directory of its own.
pub(crate) struct Bench {
    pub(crate) host: Host,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) cache: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Result<Self> {
        let cache = tempfile::tempdir()?;
        let host = Host::builder()
            .cache_dir(cache.path().join("cache"))
            .instances_max(8_000)
            .progress(|text| eprintln!("{text}"))
            .build()?;
        let runtime = Arc::new(tokio::runtime::Builder::new_current_thread().enable_all().build()?);
        Ok(Self { host, runtime, cache })
    }

    /// A release of the workload; `number` makes packages differ.
    pub(crate) fn release(&self, workload: &Workload, number: usize) -> Result<Release> {
        self.release_of(&format!(
            "{}\nexport const number = {number};\nexport default (context, payload) => globalThis.handle(payload);\n",
            workload.source
        ))
    }

    /// A release of a bundle.
    pub(crate) fn release_of(&self, bundle: &str) -> Result<Release> {
        Ok(Release::admit_all(TenantId::new("bench")?, &package_of(bundle, "bench", false)?, &Limits::default())?)
    }

    pub(crate) async fn invoke(&self, release: &Release, payload: &str) -> Result<(String, u64)> {
        let outcome = self.host.invoke(release, Invocation::new("default", Payload::Json(payload.into()))).await;
        match outcome.result {
            Ok(Response::Value(Some(json))) => Ok((json, outcome.usage.fuel)),
            other => Err(anyhow!("{other:?}")),
        }
    }

    /// Fresh instance, call, drop: what Belljar does for every invocation.
    pub(crate) fn cold(&self, workload: &Workload, n: usize) -> Result<Value> {
        let release = self.release(workload, 0)?;
        let payload = serde_json::to_string(&workload.input)?;
        let mut total = Sample::default();
        let fuel = self.runtime.block_on(async {
            let mut fuel = 0;
            for i in 0..n + 50 {
                let begun = std::time::Instant::now();
                (_, fuel) = self.invoke(&release, &payload).await?;
                if i >= 50 {
                    total.add(begun.elapsed());
                }
            }
            anyhow::Ok(fuel)
        })?;
        Ok(json!({ "total": total.json(), "fuel": fuel }))
    }

    /// The contract's warm call: Belljar has none, so it is the same as `cold`.
    pub(crate) fn call(&self, workload: &Workload, n: usize) -> Result<Value> {
        let cold = self.cold(workload, n)?;
        Ok(json!({ "call_ns": cold["total"], "fresh_instance": true, "fuel": cold["fuel"] }))
    }

    /// `n` different packages prepared, each called once.
    pub(crate) fn mem(&self, workload: &Workload, n: usize) -> Result<Value> {
        let payload = serde_json::to_string(&workload.input)?;
        let mut releases = Vec::new();
        let (rss, private) = memory_kib();
        let memory_files = memory_files_kib();
        self.runtime.block_on(async {
            for number in 0..n {
                let release = self.release(workload, number)?;
                self.invoke(&release, &payload).await?;
                releases.push(release);
            }
            anyhow::Ok(())
        })?;
        let (rss_n, private_n) = memory_kib();
        let per = |before: u64, after: u64| after.saturating_sub(before) as f64 / n.max(1) as f64;
        let files: u64 = std::fs::read_dir(self.cache.path().join("cache"))?
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().ends_with("-image"))
            .filter_map(|e| Some(e.metadata().ok()?.len()))
            .sum();
        let files = files as f64 / 1024.0 / n.max(1) as f64;
        Ok(
            json!({ "n": n, "per_vm_rss_kb": per(rss, rss_n), "per_vm_private_kb": per(private, private_n), "per_vm_image_file_kb": files, "per_vm_memory_file_kb": per(memory_files, memory_files_kib()) }),
        )
    }
}

/// A package file of a bundle; its only handler is called by name, or by `POST /run`.
pub(crate) fn package_of(bundle: &str, id: &str, is_http: bool) -> Result<Vec<u8>> {
    let trigger = if is_http {
        json!({ "type": "http", "method": "POST", "path": "/run", "auth": "none", "permissions": [], "rate_limit_per_minute": null })
    } else {
        json!({ "type": "call" })
    };
    let descriptor = json!({
        "format": 1, "id": id, "version": "1.0.0", "name": id, "description": null,
        "runtime": {
            "engine": "wasm", "version": null, "entrypoint": "bench.js",
            "limits": serde_json::to_value(belljar_package::Limits::default())?, "health_check": null,
        },
        "handlers": [{ "name": "default", "export": "default", "trigger": trigger }],
        "permissions": { "db": false, "http": [], "events_publish": [], "events_subscribe": [], "secrets": [], "kv": false, "jobs": false },
    });
    let package = Package {
        descriptor: serde_json::from_value(descriptor)?,
        bundle: bundle.into(),
        source_map: r#"{"version":3,"sources":[],"names":[],"mappings":""}"#.into(),
        files: Default::default(),
    };
    Ok(package.encode()?)
}

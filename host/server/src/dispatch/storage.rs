//! How much tenants have on disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use belljar::{KvStore, TenantId};

/// How long a measurement is good for.
const FRESH: Duration = Duration::from_secs(10);
/// Tenants that are remembered before stale measurements are forgotten.
const SWEEP_AT: usize = 4_096;
/// Depth of folders that is measured.
const DEPTH_MAX: u32 = 8;

/// Tells what tenants have on disk. Called on the request path: from memory, without waiting.
pub trait StorageMeter: Send + Sync + 'static {
    /// Bytes as of some seconds ago; `None` when they have not been measured so far.
    fn bytes(&self, tenant: &TenantId) -> Option<u64>;
}

/// Measures folders: whatever is under `ROOT/TENANT` of each root. It measures in the background when it is asked, every ten seconds at
/// most, so a tenant may be past its bound by what it writes in that time.
pub struct DirectoryMeter {
    roots: Vec<PathBuf>,
    /// Keys and values of all tenants are in one file.
    kv: Option<Arc<dyn KvStore>>,
    measured: Arc<Mutex<HashMap<TenantId, Measured>>>,
}

impl std::fmt::Debug for DirectoryMeter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DirectoryMeter").field("roots", &self.roots).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    bytes: Option<u64>,
    at: Instant,
}

impl DirectoryMeter {
    /// For these roots; those that do not exist hold nothing.
    pub fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots, kv: None, measured: Arc::default() }
    }

    /// And for these keys and values.
    #[must_use]
    pub fn with_kv(mut self, kv: Arc<dyn KvStore>) -> Self {
        self.kv = Some(kv);
        self
    }
}

impl StorageMeter for DirectoryMeter {
    fn bytes(&self, tenant: &TenantId) -> Option<u64> {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let last = measured.get(tenant).copied();
        if last.is_none_or(|last| last.at.elapsed() > FRESH) {
            if measured.len() >= SWEEP_AT {
                measured.retain(|_, last| last.at.elapsed() <= FRESH);
            }
            // Taken as fresh until the new figure is there, so that one measures.
            measured.insert(tenant.clone(), Measured { bytes: last.and_then(|last| last.bytes), at: Instant::now() });
            let (roots, kv, tenant, all) = (self.roots.clone(), self.kv.clone(), tenant.clone(), self.measured.clone());
            tokio::task::spawn_blocking(move || {
                let files: u64 = roots.iter().map(|root| folder_bytes(&root.join(tenant.as_str()), DEPTH_MAX)).sum();
                let bytes = files.saturating_add(kv.map_or(0, |kv| kv_bytes(&*kv, &tenant)));
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(tenant, Measured { bytes: Some(bytes), at: Instant::now() });
            });
        }
        last.and_then(|last| last.bytes)
    }
}

/// Bytes of a tenant's keys and values, all its applets together; what cannot be read counts for nothing until the next time.
fn kv_bytes(kv: &dyn KvStore, tenant: &TenantId) -> u64 {
    match kv.used(Some(tenant)) {
        Ok(owners) => owners.iter().map(|used| used.bytes).sum(),
        Err(error) => {
            tracing::warn!(%tenant, %error, "what a tenant has stored cannot be measured");
            0
        }
    }
}

/// Bytes of the files under a folder; links are not followed.
fn folder_bytes(folder: &Path, depth: u32) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let entries = entries.filter_map(Result::ok);
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() && depth > 0 => folder_bytes(&entry.path(), depth - 1),
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => 0,
    });
    bytes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenants_files_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("acme/sub")).expect("a folder");
        std::fs::write(folder.path().join("acme/a.sqlite"), [0; 100]).expect("a file");
        std::fs::write(folder.path().join("acme/sub/b"), [0; 11]).expect("a file");
        let meter = DirectoryMeter::new(vec![folder.path().into(), folder.path().join("nowhere")]);
        let acme = TenantId::new("acme").expect("a name");
        assert_eq!(meter.bytes(&acme), None);
        for _ in 0..1_000 {
            if meter.bytes(&acme).is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(meter.bytes(&acme), Some(111));
    }
}

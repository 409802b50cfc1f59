//! Operations of one invocation: counted and bounded, done on threads of their own, a few at a time. Its keys end with it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use super::key::{Key, Material};
use super::value::{CryptoError, CryptoOperation, CryptoReply, KeyDescription, KeyKind, KeyNumber};
use super::{aes, asymmetric};
use crate::capability::http::{Held, HostBytes};
use crate::floor::limits::{CryptoLimits, LimitHit};
use crate::floor::usage::CryptoUsage;

/// What the host holds for a key besides its material: the table's entry and what aws-lc-rs keeps.
const KEY_BYTES: u64 = 1_024;

/// The crypto capability of one invocation.
#[derive(Debug)]
pub struct CryptoSession {
    shared: Arc<Shared>,
    /// The last number given to a key.
    numbers: u32,
    operations: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Shared {
    workers: Arc<Semaphore>,
    /// So that one invocation does not keep all others waiting.
    own: Arc<Semaphore>,
    limits: CryptoLimits,
    host_bytes: HostBytes,
    keys: Mutex<HashMap<KeyNumber, (Arc<Key>, Held)>>,
    bytes_out: AtomicU64,
}

impl CryptoSession {
    pub(super) fn new(workers: Arc<Semaphore>, limits: CryptoLimits, host_bytes: HostBytes) -> Self {
        let own = Arc::new(Semaphore::new((limits.concurrent_max as usize).clamp(1, Semaphore::MAX_PERMITS)));
        let shared = Shared { workers, own, limits, host_bytes, keys: Mutex::default(), bytes_out: AtomicU64::new(0) };
        Self { shared: Arc::new(shared), numbers: 0, operations: 0, bytes: 0 }
    }

    /// What was done so far.
    pub fn usage(&self) -> CryptoUsage {
        CryptoUsage { operations: self.operations, bytes: self.bytes + self.shared.bytes_out.load(Ordering::Relaxed) }
    }

    /// Begins an operation. Numbers of keys follow from the order of the calls, not from when they complete.
    pub fn run(
        &mut self,
        operation: CryptoOperation,
    ) -> impl Future<Output = Result<CryptoReply, CryptoError>> + Send + 'static {
        let number = self.numbers + 1;
        self.numbers += match &operation {
            CryptoOperation::Import { .. } => 1,
            CryptoOperation::Generate { .. } => 2,
            _ => 0,
        };
        self.operations += 1;
        let (shared, operations, bytes) = (self.shared.clone(), self.operations, operation.size_bytes());
        let admitted = shared.admit(operations, bytes);
        if admitted.is_ok() {
            self.bytes += bytes;
        }
        // Found now: the guest may give a key up as soon as it has asked for what it wanted it for.
        let keys: Result<Vec<_>, _> = operation.keys().map(|key| shared.key(key)).collect();
        async move {
            admitted.map_err(CryptoError::Limit)?;
            let keys = keys?;
            let ended = || CryptoError::Failed("the host failed".into());
            let own = shared.own.clone().acquire_owned().await.map_err(|_| ended())?;
            let worker = shared.workers.clone().acquire_owned().await.map_err(|_| ended())?;
            // When the caller goes away, work that has begun goes on, and so does its hold on the worker.
            let job = move || {
                let _permits = (own, worker);
                shared.work(operation, &keys, number)
            };
            tokio::task::spawn_blocking(job).await.map_err(|_| ended())?
        }
    }

    /// Forgets a key. An operation that has begun with it goes on.
    pub fn drop_key(&self, key: KeyNumber) {
        self.shared.keys().remove(&key);
    }
}

impl Shared {
    fn keys(&self) -> MutexGuard<'_, HashMap<KeyNumber, (Arc<Key>, Held)>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self, operations: u64, bytes: u64) -> Result<(), LimitHit> {
        let over =
            |name, allowed: u64, used: u64| if used > allowed { Err(LimitHit { name, allowed, used }) } else { Ok(()) };
        over("crypto.operations_max", self.limits.operations_max.into(), operations)?;
        over("crypto.operation_bytes_max", self.limits.operation_bytes_max, bytes)
    }

    fn work(
        &self,
        operation: CryptoOperation,
        keys: &[Arc<Key>],
        number: KeyNumber,
    ) -> Result<CryptoReply, CryptoError> {
        let key = || keys.first().map(|key| &**key).ok_or(CryptoError::NoKey);
        let reply = match operation {
            CryptoOperation::Import { kind, format, material, extractable } => {
                let material = Material::import(kind, format, &material, self.limits.rsa_bits_max)?;
                Ok(CryptoReply::Key(self.keep(number, Key { material, extractable })?))
            }
            CryptoOperation::Export { format, .. } => {
                let key = key()?;
                if !key.extractable {
                    return Err(CryptoError::NotExtractable);
                }
                key.export(format)
            }
            CryptoOperation::Generate { kind, bits, extractable, random } => {
                if kind == KeyKind::Rsa && bits > self.limits.rsa_generated_bits_max {
                    let (allowed, used) = (self.limits.rsa_generated_bits_max.into(), bits.into());
                    return Err(CryptoError::Limit(LimitHit { name: "crypto.rsa_generated_bits_max", allowed, used }));
                }
                let material = Material::generate(kind, bits, &random)?;
                match material.public() {
                    None => Ok(CryptoReply::Key(self.keep(number, Key { material, extractable })?)),
                    Some(public) => {
                        let private = self.keep(number, Key { material, extractable })?;
                        let public = self.keep(number + 1, Key { material: public, extractable: true })?;
                        Ok(CryptoReply::Pair(private, public))
                    }
                }
            }
            CryptoOperation::Encrypt { cipher, text, .. } => match &key()?.material {
                Material::Aes(bytes) => aes::encrypt(bytes, &cipher, text).map(CryptoReply::Bytes),
                material => asymmetric::encrypt(material, &cipher, &text).map(CryptoReply::Bytes),
            },
            CryptoOperation::Decrypt { cipher, text, .. } => match &key()?.material {
                Material::Aes(bytes) => aes::decrypt(bytes, &cipher, text).map(CryptoReply::Bytes),
                material => asymmetric::decrypt(material, &cipher, &text).map(CryptoReply::Bytes),
            },
            CryptoOperation::Sign { scheme, message, .. } => {
                asymmetric::sign(&key()?.material, scheme, &message).map(CryptoReply::Bytes)
            }
            CryptoOperation::Verify { scheme, signature, message, .. } => {
                asymmetric::verify(&key()?.material, scheme, &signature, &message).map(CryptoReply::Verified)
            }
            CryptoOperation::Agree { .. } => {
                let public = keys.get(1).ok_or(CryptoError::NoKey)?;
                asymmetric::agree(&key()?.material, &public.material).map(CryptoReply::Bytes)
            }
        };
        if let Ok(CryptoReply::Bytes(bytes)) = &reply {
            self.bytes_out.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        reply
    }

    fn key(&self, number: KeyNumber) -> Result<Arc<Key>, CryptoError> {
        self.keys().get(&number).map(|(key, _)| key.clone()).ok_or(CryptoError::NoKey)
    }

    /// Puts a key into the table. Should the guest have given it up meanwhile, it is there until the end.
    fn keep(&self, number: KeyNumber, key: Key) -> Result<KeyDescription, CryptoError> {
        let held = self.host_bytes.hold(KEY_BYTES + key.material.size_bytes()).map_err(CryptoError::Limit)?;
        let description = key.describe(number);
        let mut keys = self.keys();
        let (allowed, used) = (u64::from(self.limits.keys_max), keys.len() as u64 + 1);
        if used > allowed {
            return Err(CryptoError::Limit(LimitHit { name: "crypto.keys_max", allowed, used }));
        }
        keys.insert(number, (Arc::new(key), held));
        Ok(description)
    }
}

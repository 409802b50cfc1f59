//! Operations of one invocation: counted, and checked against its limits before the store sees them.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::KvStore;
use super::value::{KvBounds, KvOperation, KvOwner, KvReply, KvValue};
use crate::capability::refusal::{CapabilityError, within};
use crate::floor::limits::KvLimits;
use crate::floor::usage::KvUsage;

/// The kv of one invocation.
pub(crate) struct KvSession {
    store: Arc<dyn KvStore>,
    owner: KvOwner,
    limits: KvLimits,
    usage: KvUsage,
    bytes_out: Arc<AtomicU64>,
}

impl KvSession {
    pub(crate) fn new(store: Arc<dyn KvStore>, owner: KvOwner, limits: KvLimits) -> Self {
        Self { store, owner, limits, usage: KvUsage::default(), bytes_out: Arc::default() }
    }

    /// What was used so far.
    pub(crate) fn usage(&self) -> KvUsage {
        KvUsage { bytes_out: self.bytes_out.load(Ordering::Relaxed), ..self.usage.clone() }
    }

    /// Begins an operation at `now_ms`.
    pub(crate) fn run(
        &mut self,
        operation: KvOperation,
        now_ms: u64,
    ) -> impl Future<Output = Result<KvReply, CapabilityError>> + Send + use<> {
        let admitted = self.admit(&operation);
        let (store, owner, bounds, bytes_out) =
            (self.store.clone(), self.owner.clone(), KvBounds::from(&self.limits), self.bytes_out.clone());
        async move {
            admitted?;
            let reply = store.run(owner, operation, bounds, now_ms).await?;
            bytes_out.fetch_add(reply.size_bytes(), Ordering::Relaxed);
            Ok(reply)
        }
    }

    fn admit(&mut self, operation: &KvOperation) -> Result<(), CapabilityError> {
        within("kv.operations_max", self.limits.operations_max.into(), self.usage.reads + self.usage.writes + 1)?;
        let keys_max = u64::from(self.limits.keys_per_call_max);
        match operation {
            KvOperation::Get { keys } => {
                within("kv.keys_per_call_max", keys_max, keys.len() as u64)?;
                keys.iter().try_for_each(|key| self.check_key(key))?;
            }
            KvOperation::Set { key, value, ttl_ms } => {
                self.check_key(key)?;
                self.check_value(value)?;
                check_ttl(*ttl_ms)?;
            }
            KvOperation::Delete { key } => self.check_key(key)?,
            KvOperation::Increment { key, ttl_ms, .. } => {
                self.check_key(key)?;
                check_ttl(*ttl_ms)?;
            }
            KvOperation::CompareAndSet { key, expected, value, ttl_ms } => {
                self.check_key(key)?;
                [expected, value].into_iter().flatten().try_for_each(|value| self.check_value(value))?;
                check_ttl(*ttl_ms)?;
            }
            KvOperation::List { prefix, after, limit } => {
                if *limit == 0 {
                    return Err(CapabilityError::Invalid("a page of no keys is asked for".into()));
                }
                within("kv.keys_per_call_max", keys_max, (*limit).into())?;
                if !prefix.is_empty() {
                    self.check_key(prefix)?;
                }
                after.as_ref().map_or(Ok(()), |after| self.check_key(after))?;
            }
        }
        let count = if operation.is_read() { &mut self.usage.reads } else { &mut self.usage.writes };
        *count += 1;
        self.usage.bytes_in += operation.size_bytes();
        Ok(())
    }

    fn check_key(&self, key: &str) -> Result<(), CapabilityError> {
        within("kv.key_bytes_max", self.limits.key_bytes_max, key.len() as u64)?;
        match key.chars().find(|c| c.is_control()) {
            None if key.is_empty() => Err(CapabilityError::Invalid("a key has at least one character".into())),
            None => Ok(()),
            Some(c) => Err(CapabilityError::Invalid(format!(
                "a key has no control characters, and this one has U+{:04X}",
                u32::from(c)
            ))),
        }
    }

    fn check_value(&self, value: &KvValue) -> Result<(), CapabilityError> {
        within("kv.value_bytes_max", self.limits.value_bytes_max, value.size_bytes())
    }
}

fn check_ttl(ttl_ms: Option<u64>) -> Result<(), CapabilityError> {
    if ttl_ms == Some(0) {
        Err(CapabilityError::Invalid("a time to live is at least one millisecond".into()))
    } else {
        Ok(())
    }
}

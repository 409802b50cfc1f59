//! The store's limiter: growth past the limit ends the instance with a trap, never with a failed `memory.grow` that the guest
//! could catch and that would make its behaviour depend on the limit.

use wasmtime::ResourceLimiter;

use crate::floor::fault::{Fault, FaultCode};
use crate::floor::limits::LimitHit;

/// Ends an instance with a fault; carried through Wasmtime as the trap's error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Abort(pub(crate) Fault);

/// Core instances, memories and tables of one invocation. Each memory reserves address space, however small it is. The engine has fewer, which
/// its pool bounds; a component may be made of several.
const INSTANCES_MAX: usize = 256;
pub(super) const MEMORIES_MAX: usize = 16;
pub(super) const TABLES_MAX: usize = 64;
/// Bytes one table element takes in the host.
const TABLE_ELEMENT_BYTES: usize = 8;

/// Counts linear memory and tables of one instance together.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_bytes_max: usize,
    memory_bytes: usize,
    table_bytes: usize,
    peak: usize,
}

impl Limiter {
    pub(crate) fn new(memory_bytes_max: u64) -> Self {
        let memory_bytes_max = usize::try_from(memory_bytes_max).unwrap_or(usize::MAX);
        Self { memory_bytes_max, memory_bytes: 0, table_bytes: 0, peak: 0 }
    }

    /// The largest size so far, bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak as u64
    }

    fn grown(&mut self, memory_bytes: usize, table_bytes: usize) -> wasmtime::Result<bool> {
        let wanted = memory_bytes.saturating_add(table_bytes);
        if wanted > self.memory_bytes_max {
            let hit = LimitHit { name: "memory_bytes_max", allowed: self.memory_bytes_max as u64, used: wanted as u64 };
            return Err(wasmtime::Error::new(Abort(Fault::limit(FaultCode::Memory, hit))));
        }
        (self.memory_bytes, self.table_bytes) = (memory_bytes, table_bytes);
        self.peak = self.peak.max(wanted);
        Ok(true)
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // The glue's own modules have no memory, so this is the image's; several would add up.
        let memory_bytes = self.memory_bytes + desired.saturating_sub(current);
        self.grown(memory_bytes, self.table_bytes)
    }

    fn instances(&self) -> usize {
        INSTANCES_MAX
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX
    }

    fn tables(&self) -> usize {
        TABLES_MAX
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT_BYTES);
        self.grown(self.memory_bytes, self.table_bytes.saturating_add(more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_count_together() {
        let mut limiter = Limiter::new(1000);
        assert!(limiter.memory_growing(0, 600, None).expect("fits"));
        assert!(limiter.table_growing(0, 40, None).expect("fits"));
        let error = limiter.memory_growing(600, 700, None).expect_err("is too much");
        let abort: &Abort = error.downcast_ref().expect("is ours");
        assert_eq!(abort.0.code, FaultCode::Memory);
        assert_eq!(abort.0.limit.as_ref().map(|hit| hit.used), Some(1020));
        assert_eq!(limiter.peak(), 920);
    }
}

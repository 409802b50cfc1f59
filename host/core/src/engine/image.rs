//! Images: an applet's linear memory after its top-level code has run, as a core module that has nothing but that memory. Of the compiled
//! module what differs from the base image's is kept, and that compressed: a fiftieth of it.

use wasm_encoder::{ConstExpr, DataSection, ExportKind, ExportSection, MemorySection, MemoryType, Module};

use crate::floor::limits::MEMORY_SLOT_BYTES;

const PAGE_BYTES: usize = 64 << 10;
/// Zeroes that are cheaper to store than a segment of their own.
const GAP_BYTES_MAX: usize = 256;
/// Compared at once.
const BLOCK_BYTES: usize = 256;
/// Compared in a block that differs. Bytes of one word are never in two runs.
const WORD_BYTES: usize = size_of::<u64>();
/// Of zstd: what takes least time, both ways.
const ZSTD_LEVEL: i32 = 1;
/// A delta is not larger than the largest image, and the headers of its runs.
const DELTA_BYTES_MAX: usize = 2 * MEMORY_SLOT_BYTES as usize;
/// Before each run of a delta: offset and length.
const RUN_HEADER_BYTES: usize = 8;
// Both are gaps over which runs are joined.
const _: () = assert!(GAP_BYTES_MAX >= WORD_BYTES && RUN_HEADER_BYTES >= WORD_BYTES);

/// Clears what holds nothing between two calls: the machine stack at the start of memory. What is left there by preparation
/// would only make images larger.
pub(crate) fn clear_stack(memory: &mut [u8], stack_bytes: usize) {
    let stack = stack_bytes.min(memory.len());
    memory[..stack].fill(0);
}

/// A module that exports `memory`, filled with `memory` (whole WebAssembly pages).
pub(crate) fn module(memory: &[u8]) -> Vec<u8> {
    let mut module = Module::new();
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: memory.len().div_ceil(PAGE_BYTES) as u64,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    module.section(&memories);
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    module.section(&exports);
    let mut data = DataSection::new();
    for (start, end) in runs(memory) {
        // Offsets of wasm32 memory are unsigned 32-bit numbers, encoded as signed ones.
        data.active(0, &ConstExpr::i32_const(start as u32 as i32), memory[start..end].iter().copied());
    }
    module.section(&data);
    module.finish()
}

/// Ranges that are not zero, joined over short gaps.
fn runs(memory: &[u8]) -> Vec<(usize, usize)> {
    differing(&[], memory, GAP_BYTES_MAX)
}

/// Ranges of `memory` that differ from `base` (continued with zeroes), joined over gaps of at most `gap_bytes_max`, which is not less than
/// a word.
fn differing(base: &[u8], memory: &[u8], gap_bytes_max: usize) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (block, bytes) in memory.chunks(BLOCK_BYTES).enumerate() {
        let start = block * BLOCK_BYTES;
        let known = &base[start.min(base.len())..(start + bytes.len()).min(base.len())];
        // Most blocks are the same: comparing and clearing whole ones takes a few instructions for many bytes.
        if bytes[..known.len()] == *known && bytes[known.len()..].iter().all(|byte| *byte == 0) {
            continue;
        }
        for at in (0..bytes.len()).step_by(WORD_BYTES) {
            let different = word(bytes, at) ^ word(known, at);
            if different == 0 {
                continue;
            }
            let first = start + at + different.trailing_zeros() as usize / 8;
            let end = start + at + WORD_BYTES - different.leading_zeros() as usize / 8;
            match runs.last_mut() {
                Some(last) if first - last.1 <= gap_bytes_max => last.1 = end,
                _ => runs.push((first, end)),
            }
        }
    }
    runs
}

/// The bytes from `at` on as a number whose lowest byte is the first; what is not there is zero.
fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(word) => u64::from_le_bytes(*word),
        None => bytes.iter().skip(at).take(WORD_BYTES).rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// What makes `bytes` out of `base`: their number, then for each run its offset, its length and its bytes (32-bit numbers, little-endian).
/// Nothing when they are more than such a number says.
pub(crate) fn delta(base: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    u32::try_from(bytes.len()).ok()?;
    let number = |n: usize| (n as u32).to_le_bytes();
    let mut delta = number(bytes.len()).to_vec();
    for (start, end) in differing(base, bytes, RUN_HEADER_BYTES) {
        delta.extend_from_slice(&number(start));
        delta.extend_from_slice(&number(end - start));
        delta.extend_from_slice(&bytes[start..end]);
    }
    Some(delta)
}

/// [`delta`], as it lies on disk: its length (a 32-bit number, little-endian), then it, compressed.
pub(crate) fn packed_delta(base: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let delta = delta(base, bytes)?;
    let mut packed = u32::try_from(delta.len()).ok()?.to_le_bytes().to_vec();
    packed.extend_from_slice(&zstd::bulk::compress(&delta, ZSTD_LEVEL).ok()?);
    Some(packed)
}

/// The bytes that [`packed_delta`] was given; nothing when `packed` is not one.
pub(crate) fn unpack(base: &[u8], packed: &[u8]) -> Option<Vec<u8>> {
    let (length, compressed) = packed.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    restore(base, &zstd::bulk::decompress(compressed, length.min(DELTA_BYTES_MAX)).ok()?)
}

/// The bytes that [`delta`] was given; nothing when `delta` is not one.
pub(crate) fn restore(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    fn number(from: &mut &[u8]) -> Option<usize> {
        let (bytes, rest) = from.split_first_chunk()?;
        *from = rest;
        usize::try_from(u32::from_le_bytes(*bytes)).ok()
    }
    let mut rest = delta;
    let length = number(&mut rest)?;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&base[..length.min(base.len())]);
    bytes.resize(length, 0);
    while !rest.is_empty() {
        let (start, count) = (number(&mut rest)?, number(&mut rest)?);
        let run;
        (run, rest) = rest.split_at_checked(count)?;
        bytes.get_mut(start..)?.get_mut(..count)?.copy_from_slice(run);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_runs() {
        let mut memory = vec![0u8; 4096];
        memory[10] = 1;
        memory[200] = 1;
        memory[2000] = 1;
        memory[4095] = 1;
        assert_eq!(runs(&memory), [(10, 201), (2000, 2001), (4095, 4096)]);
        assert_eq!(runs(&[0; 64]), []);
    }

    #[test]
    fn refuses_what_is_no_delta() {
        assert_eq!(restore(&[1, 2], &[]), None);
        assert_eq!(restore(&[1, 2], &[1, 0, 0, 0]).as_deref(), Some(&[1][..]), "shorter than the base");
        assert_eq!(restore(&[], &[2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 7, 7]), None, "a run past the end");
        assert_eq!(restore(&[], &[2, 0, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0, 7]), None);
    }

    #[test]
    fn clears_no_more_than_the_stack() {
        let mut memory = vec![7u8; 16];
        clear_stack(&mut memory, 4);
        assert_eq!(memory[..5], [0, 0, 0, 0, 7]);
    }

    proptest! {
        #[test]
        fn runs_cover_everything_that_is_not_zero(bytes in proptest::collection::vec(prop_oneof![5 => Just(0u8), 1 => any::<u8>()], 0..2000)) {
            let mut rebuilt = vec![0; bytes.len()];
            for (start, end) in runs(&bytes) {
                rebuilt[start..end].copy_from_slice(&bytes[start..end]);
            }
            prop_assert_eq!(rebuilt, bytes);
        }

        #[test]
        fn a_delta_restores_what_it_was_made_of(
            base in proptest::collection::vec(prop_oneof![5 => Just(0u8), 1 => any::<u8>()], 0..1500),
            changes in proptest::collection::vec((0usize..2000, any::<u8>()), 0..60),
            length in 0usize..2100,
        ) {
            let mut memory = base.clone();
            memory.resize(length, 0);
            for (at, byte) in changes {
                if let Some(place) = memory.get_mut(at) {
                    *place = byte;
                }
            }
            let made = delta(&base, &memory).expect("it is short");
            prop_assert_eq!(restore(&base, &made), Some(memory.clone()));
            let packed = packed_delta(&base, &memory).expect("it is short");
            prop_assert_eq!(unpack(&base, &packed), Some(memory));
            prop_assert_eq!(unpack(&base, &packed[..packed.len() - 1]), None);
            // Cut anywhere, it is refused or makes other bytes: never a panic.
            for end in 0..made.len() {
                restore(&base, &made[..end]);
            }
        }
    }
}

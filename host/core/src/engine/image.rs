//! Images: an applet's linear memory after its top-level code has run, as a core module that has nothing but that memory.

use wasm_encoder::{ConstExpr, DataSection, ExportKind, ExportSection, MemorySection, MemoryType, Module};

const PAGE_BYTES: usize = 64 << 10;
/// Zeroes that are cheaper to store than a segment of their own.
const GAP_BYTES_MAX: usize = 256;

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
    let mut runs: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while let Some(start) = memory[at..].iter().position(|b| *b != 0).map(|p| at + p) {
        let end = memory[start..].iter().position(|b| *b == 0).map_or(memory.len(), |p| start + p);
        match runs.last_mut() {
            Some(last) if start - last.1 <= GAP_BYTES_MAX => last.1 = end,
            _ => runs.push((start, end)),
        }
        at = end;
    }
    runs
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
    }
}

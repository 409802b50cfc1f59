//! Where QuickJS keeps its stack of calls, for the host: it reads the stack of an instance that a limit has ended out of its memory,
//! without running it.

/// Address of the runtime, then the layout of the structures on the way from there to names and positions. Written when the runtime is
/// made (c/quickjs.insertions), read by host/core/src/engine/frames.rs, which names the entries. The address of this table is exported.
#[unsafe(no_mangle)]
pub static mut BELLJAR_FRAMES: [u32; 23] = [0; 23];

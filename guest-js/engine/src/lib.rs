//! The JavaScript engine of Belljar's sandbox: QuickJS behind the world of `wit/`, importing nothing else.
//!
//! Read in the order of an applet's life: `preparation` (evaluated once, then the memory is frozen), `invocation` (`start` and
//! `resume` on a copy of that memory), `native` (what JavaScript may call; `text`, `url`, `pattern`, `codec` and `crypto` for the standards, `capabilities` for `kv` and its kin), `imports` (modules of programs) and `values` (between JavaScript and WIT).

mod allocator;
mod capabilities;
mod codec;
mod crypto;
mod engine;
mod frames;
mod hash;
mod imports;
mod invocation;
mod native;
mod pattern;
mod preparation;
mod text;
mod thrown;
mod url;
mod values;

mod bindings {
    wit_bindgen::generate!({ world: "applet", path: "../../wit", generate_all });
    use super::Exports;
    export!(Exports with_types_in self);
}

use bindings::belljar::applet::{completions::Completion, types};

struct Exports;

impl bindings::Guest for Exports {
    fn start(invocation: types::Invocation) -> types::Step {
        invocation::start(invocation)
    }

    fn resume(completions: Vec<Completion>) -> types::Step {
        invocation::resume(completions)
    }
}

/// The clock QuickJS reads (c/platform.c).
#[unsafe(no_mangle)]
extern "C" fn belljar_now_us() -> u64 {
    bindings::belljar::applet::clock::now_us()
}

/// getrandom is in the graph through a test dependency of javy's and is never called; random bytes come from the host.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(_: *mut u8, _: usize) -> Result<(), u32> {
    Err(1)
}

//! The WebAssembly engine: one compiled engine for all applets, one image per applet, one fresh instance per invocation. It is the
//! only part that knows Wasmtime.
//!
//! In the order of use: `artifact` (what was built), `sandbox` (compiled once), `prepare` (an applet becomes an image), `invoke`
//! (an instance starts, waits and ends), `imports` (what the guest calls), `respond` (a response that goes out while it does). `tape` stands beside
//! the calls: it records them, or has them replayed from a recording by `replay` and `player`; `verdict` says
//! what came of it, and `fixture` hands a recording to tests.
//! `component` has applets that are components of other languages.

pub(crate) mod artifact;
mod bindings;
mod boot;
pub(crate) mod cache;
pub(crate) mod component;
mod fixture;
mod frames;
mod image;
pub(crate) mod imports;
pub(crate) mod invoke;
mod limiter;
pub(crate) mod matching;
pub(crate) mod player;
pub(crate) mod prepare;
pub(crate) mod replay;
mod respond;
pub(crate) mod sandbox;
mod standalone;
pub(crate) mod tape;
mod verdict;

//! What applets can do outside their sandbox. Each capability is made once per host, opened once per invocation, and takes
//! and answers plain Rust values: it knows neither Wasmtime nor the engine. Both engines use the same ones.

pub(crate) mod bodies;
pub(crate) mod crypto;
pub(crate) mod db;
pub(crate) mod http;
pub(crate) mod log;

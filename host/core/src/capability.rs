//! What applets can do outside their sandbox. Each capability is made once per host, opened once per invocation, and takes
//! and answers plain Rust values: it knows neither Wasmtime nor the engine. Both engines use the same ones.

pub(crate) mod bodies;
pub(crate) mod crypto;
pub(crate) mod custom;
pub(crate) mod db;
pub(crate) mod events;
pub(crate) mod http;
pub(crate) mod jobs;
pub(crate) mod kv;
pub(crate) mod log;
pub(crate) mod opened;
pub(crate) mod origin;
pub(crate) mod refusal;
pub(crate) mod secrets;

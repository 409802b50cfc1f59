//! Applets in real processes, of Node and, where they are found (`packages.rs`), of Bun and Deno. Everything is private to a test.

mod calls;
mod capabilities;
mod failures;
mod harness;
mod limits;
mod packages;
mod reload;
mod servers;
mod supervision;

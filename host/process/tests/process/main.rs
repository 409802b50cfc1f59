//! Applets in real processes, of Node and, where they are found, of Bun and Deno: set `BELLJAR_RUNTIME_PACKAGES` to folders (separated by
//! colons) in which `npm install --ignore-scripts @oven/bun-linux-x64` or `npm install --ignore-scripts deno` was run. Everything is
//! private to a test.

mod calls;
mod capabilities;
mod failures;
mod harness;
mod limits;
mod reload;
mod servers;
mod supervision;

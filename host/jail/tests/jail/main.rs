//! The jail around real processes, of Node and, where they are found, of Bun and Deno (as for the tests of
//! `belljar-process`), through the real supervisor; and around this very program, which tries from inside what must not work. What the
//! machine does not have is said, and the tests that need it do not run.

#![cfg(target_os = "linux")]

mod attacks;
mod code_cache;
mod corpus;
mod cost;
mod harness;
mod identities;
mod inside;
mod launcher;
mod layers;
mod leftovers;
mod ordinary;
#[path = "../../../process/tests/process/packages.rs"]
mod packages;
mod pressure;
mod without;

//! End to end: applets as authors write them, through the library and through the command, with real servers and real databases.

// Values in tests are made a line above where they are unwrapped.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod author;
mod clock;
mod collection;
mod components;
mod conformance;
mod crypto;
mod custom;
mod delivery;
mod determinism;
mod embedding;
mod engines;
mod examples;
mod external;
mod faults;
mod front;
mod intl;
mod isolation;
mod json;
mod killed;
mod kv;
mod language;
mod new;
mod node;
mod pages;
mod pages_rules;
mod preparation;
mod processes;
mod recording;
mod repeat;
mod replay_command;
mod secrets;
mod server;
mod streaming;
mod testing;
mod triggers;
mod triggers_rules;
mod waiting;
mod web;
mod wycheproof;

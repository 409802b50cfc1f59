//! The multi-tenant server: many tenants' applets from one process and one data directory.
//!
//! Read in the order of a request: `front` takes it and finds the applet in the [`directory`](directory::Directory), `dispatch` admits it and
//! waits for its turn, the core runs it, `record` keeps what came of it. `catalog` is what is installed, on SQLite; `admin` changes it.

pub mod admin;
pub mod catalog;
pub mod cron;
pub mod data_dir;
pub mod directory;
pub mod dispatch;
pub mod failpoint;
pub mod front;
pub mod history;
pub mod logs;
pub mod metrics;
pub mod network;
pub mod observing;
pub mod outgoing;
pub mod queue;
pub mod record;
pub mod schedule;
pub mod server;
pub mod settings;
pub mod traces;
pub mod triggers;

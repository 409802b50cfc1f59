//! Where there are no applets in processes: the names of `linux.rs`, so that the rest is the same everywhere. Each refuses; nothing gets far
//! enough to need more.

use std::convert::Infallible;
use std::fs::Metadata;
use std::io;
use std::path::Path;

use tokio::process::Command;

use super::{Peer, Signal, UNSUPPORTED};

fn refused<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::Unsupported, UNSUPPORTED.unwrap_or_default()))
}

/// There is none.
pub(crate) struct Listener(Infallible);

/// There is none: the type is one that can be written to and read from.
pub(crate) type Socket = tokio::io::DuplexStream;

impl Listener {
    pub(crate) fn bind(_: impl AsRef<Path>) -> io::Result<Self> {
        refused()
    }

    pub(crate) async fn accept(&self) -> io::Result<(Socket, ())> {
        match self.0 {}
    }
}

pub(crate) async fn connect(_: &Path) -> io::Result<Socket> {
    refused()
}

/// There is none.
pub(crate) struct Exit(Infallible);

impl Exit {
    pub(crate) fn of(_: u32) -> io::Result<Self> {
        refused()
    }

    pub(crate) async fn seen(&self) {
        match self.0 {}
    }
}

pub(crate) fn lead_group(_: &mut Command) {}

pub(crate) fn signal_group(_: u32, _: Signal) -> io::Result<()> {
    refused()
}

pub(crate) fn kill(_: u32) -> io::Result<()> {
    refused()
}

pub(crate) fn own_user() -> u32 {
    0
}

pub(crate) fn give(_: &Path, _: u32) -> io::Result<()> {
    refused()
}

/// The first that is done for a process.
pub(crate) fn make_directory(_: &Path) -> io::Result<()> {
    refused()
}

pub(crate) fn check_peer(_: &Socket, allowed: Peer) -> Result<(), String> {
    Err(format!("whether a process of group {} is at the other end cannot be told on this platform", allowed.group))
}

/// What is run is found by the system.
pub(crate) fn is_executable(_: &Path) -> bool {
    true
}

pub(crate) fn disk_bytes(metadata: &Metadata) -> u64 {
    metadata.len()
}

pub(crate) fn ticks_per_second() -> u64 {
    1
}

pub(crate) fn page_bytes() -> u64 {
    1
}

//! Which package a recording is replayed with: each is read once, however many recordings have it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use belljar::package::PACKAGE_BYTES_MAX;
use belljar::{Limits, Recording, Release, TenantId};

use crate::args::replay::ReplayArgs;
use crate::failure::{Failure, chain};
use crate::files;

/// Packages of one command.
pub(super) struct Releases {
    against: Option<Release>,
    given: Option<Release>,
    /// Those that came with recordings, by their digests.
    carried: Mutex<HashMap<String, Release>>,
}

/// What a recording is replayed with.
pub(super) enum Which<'a> {
    /// What was recorded.
    Recorded(Box<Release>),
    /// Another package.
    Against(&'a Release),
    /// It is a program, and has it with it.
    Program,
}

impl Releases {
    pub(super) fn new(args: &ReplayArgs) -> Result<Self, Failure> {
        let read = |path: &Path| release(&package(path)?);
        Ok(Self {
            against: args.against.as_deref().map(read).transpose()?,
            given: args.package.as_deref().map(read).transpose()?,
            carried: Mutex::default(),
        })
    }

    pub(super) fn of(&self, recording: &Recording) -> Result<Which<'_>, Failure> {
        if let Some(release) = &self.against {
            return Ok(Which::Against(release));
        }
        let Some(digest) = &recording.header().package else { return Ok(Which::Program) };
        if let Some(release) = &self.given {
            return Ok(Which::Recorded(Box::new(release.clone())));
        }
        let mut carried = self.carried.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(release) = carried.get(digest) {
            return Ok(Which::Recorded(Box::new(release.clone())));
        }
        let package = recording.package().ok_or_else(|| {
            Failure::new("package", format!("the package {digest} is not in the recording"))
                .hint("name it with --package, or get the recording with `belljar recordings get`, which adds it")
        })?;
        let release = release(package)?;
        carried.insert(digest.clone(), release.clone());
        Ok(Which::Recorded(Box::new(release)))
    }
}

/// For whom it is does not matter: nothing of a tenant is touched.
fn release(package: &[u8]) -> Result<Release, Failure> {
    let tenant = TenantId::new("replay").map_err(|error| Failure::new("replay", chain(&error)))?;
    Ok(Release::admit_all(tenant, package, &Limits::default())?)
}

fn package(path: &Path) -> Result<Vec<u8>, Failure> {
    if path.is_dir() {
        return belljar_build::build(path)?.package.encode().map_err(|error| Failure::new("build", chain(&error)));
    }
    files::read(path, PACKAGE_BYTES_MAX as u64)
}

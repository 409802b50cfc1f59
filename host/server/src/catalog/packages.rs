//! Package files: `packages/DIGEST.belljar`, written whole before the catalog has a row for them. Files rather than blobs: the catalog stays
//! small, so that its log and its backup do, and a package is read without SQLite.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use belljar::Digest;
use belljar::package::Package;
use rusqlite::Connection;

use super::audit::signed;
use super::{Catalog, CatalogError, Inner};
use crate::failpoint;

/// A package that was read, with what names it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) package: Arc<Package>,
    pub(super) digest: Digest,
    /// Of the file.
    pub(super) bytes: u64,
}

impl Known {
    /// Reads and verifies a package.
    pub(super) fn decode(encoded: &[u8]) -> Result<Self, CatalogError> {
        let package = Package::decode(encoded)?;
        Ok(Self { package: Arc::new(package), digest: Digest::of(encoded), bytes: encoded.len() as u64 })
    }

    /// What it takes up in memory, bytes, about.
    pub(super) fn weight(package: &Package) -> u64 {
        let files: usize = package.files.iter().map(|(path, data)| path.len() + data.len()).sum();
        (package.bundle.len() + package.source_map.len() + files) as u64 + 4096
    }
}

/// A digest from its 64 hexadecimal digits.
pub(super) fn digest_of(hex: &str) -> Result<Digest, CatalogError> {
    let hash = blake3::Hash::from_hex(hex)
        .map_err(|_| CatalogError::Invalid(format!("{hex:?} is no digest: use its 64 hexadecimal digits")))?;
    Ok(Digest::from_bytes(*hash.as_bytes()))
}

impl Inner {
    pub(super) fn package_path(&self, digest: &Digest) -> PathBuf {
        self.dir.packages().join(format!("{digest}.belljar"))
    }

    /// Writes a package's file, unless it is there. When this returns the file lasts.
    pub(super) fn write_package(&self, digest: &Digest, encoded: &[u8]) -> Result<(), CatalogError> {
        let path = self.package_path(digest);
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == encoded.len() as u64) {
            return Ok(());
        }
        let failed = |error: io::Error| CatalogError::io("the package cannot be stored", &error);
        let mut suffix = [0; 8];
        self.options.source.random(&mut suffix);
        let temporary = self.dir.tmp().join(format!("{digest}.{:016x}", u64::from_be_bytes(suffix)));
        let written = (|| {
            let mut file = belljar_files::create_new(&temporary)?;
            file.write_all(encoded)?;
            file.sync_all()?;
            failpoint::hit("package.written");
            std::fs::rename(&temporary, &path)?;
            failpoint::hit("package.renamed");
            belljar_files::sync_directory(&self.dir.packages())
        })();
        if written.is_err() {
            // It may not be there any more, or not yet.
            let _ = std::fs::remove_file(&temporary);
        }
        written.map_err(failed)?;
        failpoint::hit("package.stored");
        Ok(())
    }

    /// A package that is installed: from memory while somebody uses it, else from its file, verified.
    pub(super) fn package(&self, digest: &Digest) -> Result<Arc<Package>, CatalogError> {
        let shared = || {
            let packages = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
            packages.get(digest).and_then(std::sync::Weak::upgrade)
        };
        if let Some(package) = shared() {
            return Ok(package);
        }
        let encoded = self.read_package(digest)?;
        let package = Arc::new(Package::decode(&encoded).map_err(|error| {
            CatalogError::Storage(format!("the package {digest} cannot be read by this version: {error}"))
        })?);
        Ok(self.share(digest, package))
    }

    /// The bytes of a package's file, which are those its name says.
    pub(super) fn read_package(&self, digest: &Digest) -> Result<Vec<u8>, CatalogError> {
        let path = self.package_path(digest);
        let encoded = std::fs::read(&path)
            .map_err(|error| CatalogError::io(format!("the package file {} cannot be read", path.display()), &error))?;
        if Digest::of(&encoded) != *digest {
            return Err(CatalogError::Storage(format!(
                "the package file {} is damaged: restore it from a backup, or install it again",
                path.display()
            )));
        }
        Ok(encoded)
    }

    /// Has all users of a package use the same.
    pub(super) fn share(&self, digest: &Digest, package: Arc<Package>) -> Arc<Package> {
        let mut packages = self.packages.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = packages.get(digest).and_then(std::sync::Weak::upgrade) {
            return known;
        }
        if packages.len() >= 64 && packages.len().is_power_of_two() {
            packages.retain(|_, package| package.strong_count() > 0);
        }
        packages.insert(*digest, Arc::downgrade(&package));
        package
    }
}

impl Catalog {
    /// The file of a package that is installed somewhere, open to be read.
    ///
    /// # Errors
    /// [`CatalogError::Storage`].
    pub fn package_file(&self, digest: &Digest) -> Result<File, CatalogError> {
        let path = self.inner.package_path(digest);
        File::open(&path).map_err(|error| CatalogError::io(path.display(), &error))
    }
}

/// The row of a package whose file is there.
pub(super) fn insert(connection: &Connection, known: &Known, at_us: u64) -> Result<(), CatalogError> {
    let sql = "INSERT INTO packages (digest, applet, version, bytes, added_us) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let descriptor = &known.package.descriptor;
    let values =
        (known.digest.to_hex(), &descriptor.id, descriptor.version.to_string(), signed(known.bytes), signed(at_us));
    connection.prepare_cached(sql)?.execute(values)?;
    Ok(())
}

//! Backup while the server runs: one tar archive with the catalog, its packages, every applet's database, and the other files of SQLite in
//! the data directory. Each database is as of one moment; secrets are encrypted in it as they are in the catalog.
//!
//! The catalog is copied first. What is installed while the rest is copied is not in it, but its migrations may be: a database ahead of its
//! release, as after rolling back. The other way round a release could miss its tables.
//!
//! The last entry, `BACKUP.json`, names every other with its size and BLAKE3; an archive that breaks off has none.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use serde::{Deserialize, Serialize};

use super::{Catalog, CatalogError, Inner};
use crate::data_dir::CATALOG_FILE;
use crate::failpoint;

/// The last entry.
pub(super) const INDEX: &str = "BACKUP.json";
/// The form of archives; restoring refuses any other.
pub(super) const FORMAT: u32 = 1;

/// What is in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupReport {
    /// The form of the archive.
    pub format: u32,
    /// When it was begun, Unix time in microseconds.
    pub at_us: u64,
    /// The Belljar that wrote it.
    pub belljar: String,
    /// Every entry but this one, in order.
    pub entries: Vec<BackupEntry>,
}

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupEntry {
    /// Its path in the data directory.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its BLAKE3, 64 hexadecimal digits.
    pub blake3: String,
}

impl Catalog {
    /// Writes a backup of the whole data directory. Needs room in it for the largest database.
    ///
    /// # Errors
    /// [`CatalogError::Storage`]: the archive is not whole then, and is not accepted when it is restored.
    pub fn backup(&self, out: &mut dyn Write) -> Result<BackupReport, CatalogError> {
        // Nothing is collected meanwhile.
        let _files = self.inner.files.read().unwrap_or_else(PoisonError::into_inner);
        self.flush_key_uses()?;
        let at_us = self.now_us();
        let staged = Staged::new(&self.inner)?;
        let mut archive = Archive::new(out);
        let copy = staged.path("copy.sqlite");
        self.inner.store.read(|connection| copy_database(connection, &copy))?;
        let digests = packages_of(&copy)?;
        archive.file(CATALOG_FILE, &copy)?;
        remove(&copy)?;
        failpoint::hit("backup.copied");
        for digest in digests {
            archive.file(
                &format!("packages/{digest}.belljar"),
                &self.inner.dir.packages().join(format!("{digest}.belljar")),
            )?;
        }
        let listed = self
            .inner
            .databases
            .list()
            .map_err(|error| CatalogError::io("the applets' databases cannot be listed", &error))?;
        for (tenant, applet) in listed {
            // One that was deleted meanwhile belonged to an applet that is gone.
            if self.inner.databases.copy(&tenant, &applet, &copy)?.is_some() {
                archive.file(&format!("db/{tenant}/{applet}.sqlite"), &copy)?;
                remove(&copy)?;
            }
        }
        for name in self.other_databases()? {
            let connection = Connection::open_with_flags(
                self.inner.dir.path().join(&name),
                rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
            )?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            copy_database(&connection, &copy)?;
            archive.file(&name, &copy)?;
            remove(&copy)?;
        }
        failpoint::hit("backup.sealed");
        let report = BackupReport {
            format: FORMAT,
            at_us,
            belljar: env!("CARGO_PKG_VERSION").into(),
            entries: archive.entries.clone(),
        };
        archive.bytes(
            INDEX,
            serde_json::to_string_pretty(&report).expect("texts and numbers can be written").as_bytes(),
        )?;
        archive.end()?;
        Ok(report)
    }

    /// Files of SQLite beside the catalog: keys and values, history, queues.
    fn other_databases(&self) -> Result<Vec<String>, CatalogError> {
        let failed = |error: io::Error| CatalogError::io("the data directory cannot be listed", &error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.inner.dir.path()).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().into_string().unwrap_or_default();
            if entry.file_type().map_err(failed)?.is_file() && name.ends_with(".sqlite") && name != CATALOG_FILE {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Digests of all packages that a catalog has.
fn packages_of(catalog: &Path) -> Result<Vec<String>, CatalogError> {
    let connection = Connection::open(catalog)?;
    let mut select = connection.prepare("SELECT digest FROM packages ORDER BY digest")?;
    let rows = select.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Copies a database into a new file, as of one moment.
fn copy_database(from: &Connection, to: &Path) -> Result<(), CatalogError> {
    let mut target = Connection::open(to)?;
    {
        let backup = Backup::new(from, &mut target)?;
        // All pages in one step are read in one transaction: writers do not make it begin again.
        if backup.step(-1)? != StepResult::Done {
            return Err(CatalogError::Storage("a database is locked by another process: end it, and try again".into()));
        }
    }
    target.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn remove(path: &Path) -> Result<(), CatalogError> {
    std::fs::remove_file(path).map_err(|error| CatalogError::io(path.display(), &error))
}

/// A directory for files on their way into an archive, gone when this is.
pub(super) struct Staged {
    path: PathBuf,
}

impl Staged {
    pub(super) fn new(inner: &Inner) -> Result<Self, CatalogError> {
        let mut suffix = [0; 8];
        inner.options.source.random(&mut suffix);
        let path = inner.dir.tmp().join(format!("archive.{:016x}", u64::from_be_bytes(suffix)));
        let made = belljar_files::make_new_directory(&path);
        made.map_err(|error| CatalogError::io("files cannot be staged", &error))?;
        Ok(Self { path })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// A tar archive that is being written.
pub(super) struct Archive<'a> {
    tar: tar::Builder<&'a mut dyn Write>,
    entries: Vec<BackupEntry>,
}

impl<'a> Archive<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { tar: tar::Builder::new(out), entries: Vec::new() }
    }

    pub(super) fn file(&mut self, name: &str, path: &Path) -> Result<(), CatalogError> {
        let failed = |error: io::Error| CatalogError::io(format!("{name} cannot be archived"), &error);
        let file = File::open(path).map_err(failed)?;
        let bytes = file.metadata().map_err(failed)?.len();
        let mut hashing = Hashing { from: file, hasher: blake3::Hasher::new() };
        self.tar.append_data(&mut header(bytes), name, &mut hashing).map_err(failed)?;
        self.entries.push(BackupEntry {
            path: name.into(),
            bytes,
            blake3: hashing.hasher.finalize().to_hex().to_string(),
        });
        Ok(())
    }

    pub(super) fn bytes(&mut self, name: &str, data: &[u8]) -> Result<(), CatalogError> {
        let failed = |error: io::Error| CatalogError::io(format!("{name} cannot be archived"), &error);
        self.tar.append_data(&mut header(data.len() as u64), name, data).map_err(failed)?;
        self.entries.push(BackupEntry {
            path: name.into(),
            bytes: data.len() as u64,
            blake3: blake3::hash(data).to_hex().to_string(),
        });
        Ok(())
    }

    pub(super) fn end(self) -> Result<(), CatalogError> {
        let done = self.tar.into_inner().and_then(|out| out.flush());
        done.map_err(|error| CatalogError::io("the archive cannot be written", &error))
    }
}

fn header(bytes: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o600);
    header.set_size(bytes);
    header
}

/// Hashes what is read through it.
pub(super) struct Hashing<R> {
    pub(super) from: R,
    pub(super) hasher: blake3::Hasher,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

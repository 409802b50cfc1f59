//! Where the databases are: `db/<tenant>/<applet>.sqlite` in the data directory, or in memory. It owns names, modes and the
//! refusal of links, and knows nothing of SQL.
//!
//! SQLite opens files by path only, and `SQLITE_OPEN_NOFOLLOW` refuses a link anywhere in that path, `/proc/self/fd/…`
//! included; without the flag SQLite resolves that link itself and is back at the path. So the path is made safe instead:
//!
//! 1. the data directory is resolved once, when it is opened, and kept as a directory handle; below it each directory is
//!    made (0700) and opened from its parent's handle without following links, and must belong to us (on Windows the handle keeps
//!    the directory where it is: `belljar_files`);
//! 2. the file is made by us (0600, exclusively) or must be a regular file with one name, as must its `-wal`, `-shm` and
//!    `-journal`: looked at through the handle, without opening, because closing a descriptor of a file drops the process's
//!    POSIX locks on it, SQLite's among them;
//! 3. SQLite opens the resolved path with `SQLITE_OPEN_NOFOLLOW` (it passes `O_NOFOLLOW` for every file it opens, too);
//! 4. afterwards SQLite is asked whether the file it holds is still the one at the path, and the path is compared (device and
//!    inode) with what the handle shows. A directory swapped in between is noticed, and nothing was run in the file yet.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use belljar_files::{FileId, Found};
use rusqlite::{Connection, OpenFlags};

use super::error::DbError;
use crate::floor::ids::{AppletId, TenantId};

/// Where all databases of a host are.
#[derive(Debug)]
pub(super) enum Store {
    Directory(Directory),
    /// In memory, gone with the host. The number tells hosts of one process apart.
    Memory(u64),
}

/// The `db` directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    handle: belljar_files::Directory,
}

/// Where one database is.
#[derive(Debug)]
pub(super) enum Place {
    File { directory: belljar_files::Directory, path: PathBuf, name: String },
    Memory { uri: String },
}

impl Store {
    /// Opens `data` and makes it (0700) if it is missing.
    pub(super) fn directory(data: &Path) -> io::Result<Self> {
        belljar_files::make_directory(data)?;
        let path = data.canonicalize()?;
        let handle = belljar_files::Directory::open(&path)?.make("db")?;
        Ok(Self::Directory(Directory { path: path.join("db"), handle }))
    }

    pub(super) fn memory() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self::Memory(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The place of one database; makes its tenant's directory.
    pub(super) fn place(&self, tenant: &TenantId, applet: &AppletId) -> io::Result<Place> {
        match self {
            // Names of memory databases that start with a slash are shared by the connections of this process. Identities
            // hold no character a URI would interpret.
            Self::Memory(host) => {
                Ok(Place::Memory { uri: format!("file:/belljar-{host}/{tenant}/{applet}?vfs=memdb") })
            }
            Self::Directory(db) => {
                let directory = db.handle.make(tenant.as_str())?;
                let name = format!("{applet}.sqlite");
                let path = db.path.join(tenant.as_str()).join(&name);
                Ok(Place::File { directory, path, name })
            }
        }
    }

    /// The size of a database with its log, bytes; `None` when there is none. In memory none has a size.
    pub(super) fn existing(&self, tenant: &TenantId, applet: &AppletId) -> io::Result<Option<u64>> {
        let Self::Directory(db) = self else { return Ok(None) };
        let Some(directory) = db.handle.enter(tenant.as_str())? else { return Ok(None) };
        let size = |suffix: &str| {
            Ok::<_, io::Error>(match directory.look(&format!("{applet}.sqlite{suffix}"))? {
                Found::Nothing => None,
                Found::File { bytes, .. } => Some(bytes),
                // Something is there that is no database; whoever opens it is told so.
                Found::Other => Some(0),
            })
        };
        Ok(size("")?.map(|bytes| bytes.saturating_add(size("-wal").ok().flatten().unwrap_or(0))))
    }

    /// Every database there is a file for.
    pub(super) fn list(&self) -> io::Result<Vec<(TenantId, AppletId)>> {
        let Self::Directory(db) = self else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for name in db.handle.names()? {
            let Some(Ok(tenant)) = name.to_str().map(TenantId::new) else { continue };
            found.extend(self.list_of(&tenant)?.into_iter().map(|applet| (tenant.clone(), applet)));
        }
        Ok(found)
    }

    /// The databases of one tenant.
    pub(super) fn list_of(&self, tenant: &TenantId) -> io::Result<Vec<AppletId>> {
        let Self::Directory(db) = self else { return Ok(Vec::new()) };
        let Some(directory) = db.handle.enter(tenant.as_str())? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for name in directory.names()? {
            let name = name.to_str().and_then(|name| name.strip_suffix(".sqlite"));
            found.extend(name.and_then(|name| AppletId::new(name).ok()));
        }
        Ok(found)
    }
}

impl Place {
    /// Opens a connection to it, unconfigured.
    ///
    /// The caller lets one thread at a time in here for each place: a file that is being made must not be open elsewhere.
    pub(super) fn connect(&self) -> Result<Connection, DbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        match self {
            Self::Memory { uri } => {
                Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI)
                    .map_err(|_| unreadable())
            }
            Self::File { directory, path, name } => {
                let before = prepare(directory, name)?;
                let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)
                    .map_err(|_| unreadable())?;
                let at_path = FileId::at(path).map_err(|_| unreadable())?;
                let at_handle = look(directory, name)?.ok_or_else(unreadable)?;
                if has_moved(&connection)? || before != at_handle || at_path != at_handle {
                    return Err(irregular());
                }
                Ok(connection)
            }
        }
    }

    /// Size of the write-ahead log, bytes.
    pub(super) fn wal_bytes(&self) -> u64 {
        match self {
            Self::Memory { .. } => 0,
            Self::File { directory, name, .. } => match directory.look(&format!("{name}-wal")) {
                Ok(Found::File { bytes, .. }) => bytes,
                _ => 0,
            },
        }
    }

    /// Whether the file system is (nearly) full: SQLite tells that by the same code as a database at its limit. Where it is not known how
    /// full it is (Windows), the limit is blamed.
    pub(super) fn disk_is_full(&self) -> bool {
        const NEARLY_BYTES: u64 = 8 << 20;
        match self {
            Self::Memory { .. } => false,
            Self::File { directory, .. } => directory.free_bytes().is_some_and(|bytes| bytes < NEARLY_BYTES),
        }
    }
}

/// Makes the file if there is none, and checks it and those beside it.
fn prepare(directory: &belljar_files::Directory, name: &str) -> Result<FileId, DbError> {
    for suffix in ["-wal", "-shm", "-journal"] {
        look(directory, &format!("{name}{suffix}"))?;
    }
    if let Some(id) = look(directory, name)? {
        return Ok(id);
    }
    directory.create_new(name).map_err(|_| unreadable())?;
    look(directory, name)?.ok_or_else(unreadable)
}

/// What is there, if anything: only a regular file with a single name is accepted.
fn look(directory: &belljar_files::Directory, name: &str) -> Result<Option<FileId>, DbError> {
    match directory.look(name) {
        Ok(Found::Nothing) => Ok(None),
        Ok(Found::File { id, .. }) => Ok(Some(id)),
        Ok(Found::Other) => Err(irregular()),
        Err(_) => Err(unreadable()),
    }
}

/// Whether the file that SQLite holds is no longer the one at its path.
#[cfg(unix)]
fn has_moved(connection: &Connection) -> Result<bool, DbError> {
    let mut moved = 1;
    connection.file_control(None::<&str>, rusqlite::FileControl::HasMoved(&mut moved)).map_err(|_| unreadable())?;
    Ok(moved != 0)
}

/// SQLite for Windows cannot tell, and need not: it shares no deleting, so that nobody moves or replaces a file that it has open.
#[cfg(windows)]
fn has_moved(_: &Connection) -> Result<bool, DbError> {
    Ok(false)
}

fn irregular() -> DbError {
    DbError::Failed("the database is not a regular file of this host".into())
}

fn unreadable() -> DbError {
    DbError::Failed("the database cannot be opened".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    fn ids() -> (TenantId, AppletId) {
        (TenantId::new("acme").expect("valid"), AppletId::new("shop").expect("valid"))
    }

    fn check(plant: impl Fn(&Path), opens: bool) {
        let data = tempfile::tempdir().expect("a directory");
        let (tenant, applet) = ids();
        let store = Store::directory(data.path()).expect("opens");
        let place = store.place(&tenant, &applet).expect("a place");
        plant(data.path());
        assert_eq!(place.connect().is_ok(), opens);
    }

    #[test]
    fn only_a_regular_file_of_our_own_is_opened() {
        let file = |data: &Path, suffix: &str| data.join("db/acme").join(format!("shop.sqlite{suffix}"));
        let elsewhere = tempfile::tempdir().expect("a directory");
        let target = elsewhere.path().join("target");
        std::fs::write(&target, b"").expect("writes");
        check(|_| {}, true);
        check(|data| std::fs::write(file(data, ""), b"").expect("writes"), true);
        check(|data| symlink(&target, file(data, "")).expect("links"), false);
        check(|data| symlink("missing", file(data, "")).expect("links"), false);
        check(|data| symlink(&target, file(data, "-wal")).expect("links"), false);
        check(|data| symlink(&target, file(data, "-shm")).expect("links"), false);
        check(|data| symlink(&target, file(data, "-journal")).expect("links"), false);
        check(
            |data| {
                std::fs::hard_link(&target, file(data, ""))
                    .or_else(|_| std::fs::create_dir(file(data, "")))
                    .expect("links")
            },
            false,
        );
        check(|data| std::fs::create_dir(file(data, "")).expect("makes"), false);
        assert_eq!(std::fs::read(&target).expect("reads"), b"", "nothing was written through a link");
    }

    #[test]
    fn a_swapped_tenant_directory_is_noticed() {
        check(
            |data| {
                std::fs::rename(data.join("db/acme"), data.join("db/other")).expect("renames");
                std::fs::create_dir(data.join("db/acme")).expect("makes");
                std::fs::write(data.join("db/acme/shop.sqlite"), b"").expect("writes");
            },
            false,
        );
        check(
            |data| {
                std::fs::rename(data.join("db/acme"), data.join("db/other")).expect("renames");
                symlink("other", data.join("db/acme")).expect("links");
            },
            false,
        );
    }

    #[test]
    fn a_linked_tenant_directory_is_refused() {
        let data = tempfile::tempdir().expect("a directory");
        let store = Store::directory(data.path()).expect("opens");
        symlink("/tmp", data.path().join("db/acme")).expect("links");
        let (tenant, applet) = ids();
        assert!(store.place(&tenant, &applet).is_err());
    }

    #[test]
    fn modes_are_private() {
        let data = tempfile::tempdir().expect("a directory");
        let (tenant, applet) = ids();
        let store = Store::directory(&data.path().join("new")).expect("opens");
        store.place(&tenant, &applet).expect("a place").connect().expect("opens");
        let mode = |path: &str| std::fs::metadata(data.path().join(path)).expect("is there").mode() & 0o777;
        assert_eq!(mode("new"), 0o700);
        assert_eq!(mode("new/db"), 0o700);
        assert_eq!(mode("new/db/acme"), 0o700);
        assert_eq!(mode("new/db/acme/shop.sqlite"), 0o600);
    }
}

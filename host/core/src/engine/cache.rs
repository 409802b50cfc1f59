//! Caches on disk: the engine's machine code and applets' images. Machine code is trusted input to Wasmtime, so a file is only
//! used when its keyed checksum (BLAKE3 with a key that never leaves this directory) is right; anything else is discarded and
//! made anew. The directory is private (0700) and belongs to this user, the key (`key`, 0600) lies in it. On Windows it is as private as the
//! directory that it is in.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use belljar_files::Sharing;

const KEY_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 32;
/// Read of a file at once while it is checked.
const PIECE_BYTES: usize = 128 << 10;

/// The cache directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made, read or written.
    #[error("cache directory {path}: {what}")]
    Io {
        /// The path.
        path: PathBuf,
        /// What failed.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others can write to it: its content cannot be trusted.
    #[error("cache directory {path} is not private: it must belong to this user, with mode 0700")]
    NotPrivate {
        /// The path.
        path: PathBuf,
    },
}

/// A private directory of checked files.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    key: [u8; KEY_BYTES],
}

/// What a look-up found.
pub(crate) enum Found {
    /// A file whose checksum is right.
    Intact(File),
    Missing,
    /// There was one, and it was not what we wrote: removed.
    Corrupt,
}

impl Cache {
    /// Opens the directory, making it and its key when they are missing.
    ///
    /// # Errors
    /// [`CacheError`] when it cannot be used, or is open to others.
    pub(crate) fn open(dir: &Path) -> Result<Self, CacheError> {
        let failed = |what| move |source| CacheError::Io { path: dir.to_owned(), what, source };
        belljar_files::make_directory(dir).map_err(failed("cannot be made"))?;
        let metadata = fs::metadata(dir).map_err(failed("cannot be read"))?;
        if !Sharing::of(&metadata).is_private() {
            return Err(CacheError::NotPrivate { path: dir.to_owned() });
        }
        let key = key(dir).map_err(failed("its key cannot be read or written"))?;
        Ok(Self { dir: dir.to_owned(), key })
    }

    /// Opens the file called `name` and checks all of it.
    pub(crate) fn get(&self, name: &str) -> Found {
        let path = self.dir.join(name);
        let Ok(mut file) = belljar_files::open(&path) else { return Found::Missing };
        match self.check(name, &mut file) {
            Ok(true) => Found::Intact(file),
            _ => {
                // Should removing fail, writing the new one replaces it.
                let _ = fs::remove_file(&path);
                Found::Corrupt
            }
        }
    }

    fn check(&self, name: &str, file: &mut File) -> io::Result<bool> {
        // Piece by piece: memory for all of it would cost more than the checksum.
        let mut hasher = self.hasher(name);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            hasher.update(&piece[..read]);
        }
        file.rewind()?;
        let mut expected = [0; CHECKSUM_BYTES];
        File::open(self.dir.join(checksum_name(name)))?.read_exact(&mut expected)?;
        // blake3's comparison takes the same time wherever the two differ.
        Ok(hasher.finalize() == blake3::Hash::from_bytes(expected))
    }

    /// Writes a file and its checksum, each whole or not at all, and opens it.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> io::Result<File> {
        self.write(&checksum_name(name), self.checksum(name, bytes).as_bytes())?;
        self.write(name, bytes)?;
        File::open(self.dir.join(name))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let unique = format!("{name}.{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = self.dir.join(unique);
        let mut file = belljar_files::create_new(&path)?;
        let written = file.write_all(bytes).and_then(|()| fs::rename(&path, self.dir.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&path);
        }
        written
    }

    fn checksum(&self, name: &str, bytes: &[u8]) -> blake3::Hash {
        self.hasher(name).update(bytes).finalize()
    }

    /// The name is part of a checksum, so that one applet's file never passes for another's.
    fn hasher(&self, name: &str) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hasher
    }
}

fn checksum_name(name: &str) -> String {
    format!("{name}.check")
}

/// Reads the key, or makes one. Two processes that start together agree: only one can create the file.
fn key(dir: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let path = dir.join("key");
    for _ in 0..2 {
        match belljar_files::open(&path) {
            Ok(mut file) => {
                let mut key = [0; KEY_BYTES];
                if Sharing::of(&file.metadata()?).mode.is_none() && file.read_exact(&mut key).is_ok() {
                    return Ok(key);
                }
                // Short or readable by others: of no use. What it protected is made anew.
                fs::remove_file(&path)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(io::Error::other)?;
        let fresh = dir.join(format!("key.{}", std::process::id()));
        let mut file = belljar_files::create(&fresh)?;
        file.write_all(&key)?;
        // A hard link fails when the other process was first; its key is then read.
        let linked = fs::hard_link(&fresh, &path);
        fs::remove_file(&fresh)?;
        match linked {
            Ok(()) => return Ok(key),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("the key changes while it is read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn cache() -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let cache = Cache::open(&dir.path().join("c")).expect("opens");
        (dir, cache)
    }

    #[test]
    fn gives_back_what_was_put() {
        let (_dir, cache) = cache();
        assert!(matches!(cache.get("a"), Found::Missing));
        cache.put("a", b"machine code").expect("writes");
        let Found::Intact(mut file) = cache.get("a") else { panic!("it is intact") };
        let mut text = String::new();
        file.read_to_string(&mut text).expect("reads");
        assert_eq!(text, "machine code", "it is read from its start");
    }

    #[test]
    fn discards_what_was_changed_truncated_renamed_or_signed_by_another_key() {
        let change = |what: &dyn Fn(&Path)| {
            let (_dir, cache) = cache();
            cache.put("a", b"machine code").expect("writes");
            what(&cache.dir);
            let reopened = Cache::open(&cache.dir).expect("opens");
            let corrupt = matches!(reopened.get("a"), Found::Corrupt);
            assert!(matches!(reopened.get("a"), Found::Missing), "it is removed");
            corrupt
        };
        assert!(change(&|dir| fs::write(dir.join("a"), b"Machine code").expect("writes")));
        assert!(change(&|dir| fs::write(dir.join("a"), b"machine").expect("writes")));
        assert!(change(&|dir| fs::write(dir.join("a.check"), b"short").expect("writes")));
        assert!(change(&|dir| fs::remove_file(dir.join("a.check")).expect("removes")));
        assert!(change(&|dir| fs::remove_file(dir.join("key")).expect("removes")));
        assert!(change(&|dir| {
            let other = Cache::open(dir).expect("opens");
            other.put("b", b"other code").expect("writes");
            fs::rename(dir.join("b"), dir.join("a")).expect("renames");
            fs::rename(dir.join("b.check"), dir.join("a.check")).expect("renames");
        }));
    }

    #[test]
    fn refuses_a_directory_that_others_can_write() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("sets");
        assert!(matches!(Cache::open(dir.path()), Err(CacheError::NotPrivate { .. })));
    }
}

//! A directory that is held open: what is done below it is done in this one, whatever happens to its path.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use crate::system;

/// A directory of ours, held open. It is private, and nothing in it is reached by a link.
#[derive(Debug)]
pub struct Directory(system::Handle);

/// What makes a file this one and no other, for as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    pub(crate) volume: u64,
    pub(crate) file: u64,
}

/// What there is under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A regular file that has no other name.
    File {
        /// Which one.
        id: FileId,
        /// Its size.
        bytes: u64,
    },
    /// A link, a directory, a file with several names, or anything else.
    Other,
}

impl Directory {
    /// Opens the directory at `path`, which is to be resolved: it is refused when it is a link itself.
    ///
    /// # Errors
    /// When it is not there, is no directory, or may not be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        system::Handle::open(path).map(Self)
    }

    /// Opens the directory `name` in this one, and makes it (private) if it is missing. One that lets others in is closed to them.
    ///
    /// ```
    /// # let parent = tempfile::tempdir()?;
    /// use belljar_files::{Directory, Found};
    ///
    /// let directory = Directory::open(&parent.path().canonicalize()?)?.make("acme")?;
    /// directory.create_new("shop.sqlite")?;
    /// assert!(matches!(directory.look("shop.sqlite")?, Found::File { bytes: 0, .. }));
    /// assert_eq!(directory.look("other.sqlite")?, Found::Nothing);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// When it is a link or no directory, or [`io::ErrorKind::PermissionDenied`] when it belongs to someone else.
    pub fn make(&self, name: &str) -> io::Result<Self> {
        self.0.make(name).map(Self)
    }

    /// Opens the directory `name` in this one; `None` when there is none, or something else.
    ///
    /// # Errors
    /// When it may not be opened.
    pub fn enter(&self, name: &str) -> io::Result<Option<Self>> {
        Ok(self.0.enter(name)?.map(Self))
    }

    /// The names in it, in no order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        self.0.names()
    }

    /// What there is under a name. On Unix it is not opened: to close a file drops all locks that this process has on it.
    ///
    /// # Errors
    /// When that cannot be told.
    pub fn look(&self, name: &str) -> io::Result<Found> {
        self.0.look(name)
    }

    /// Makes an empty private file that must not be there yet.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when there is something of that name; whatever else prevents it.
    pub fn create_new(&self, name: &str) -> io::Result<()> {
        self.0.create_new(name)
    }

    /// Removes a file, and answers whether there was one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        match self.0.remove(name) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes the names in it last, as [`crate::sync_directory`].
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    /// What its file system has left for this user, bytes; `None` where that is not known (Windows).
    #[must_use]
    pub fn free_bytes(&self) -> Option<u64> {
        self.0.free_bytes()
    }
}

impl FileId {
    /// Of what is at `path`; a link is not followed.
    ///
    /// # Errors
    /// When there is nothing, or it may not be looked at.
    pub fn at(path: &Path) -> io::Result<Self> {
        system::id_at(path)
    }
}

//! Files and directories that are this user's alone: made so, opened without following links, and asked who else may use them. It knows
//! no content; what the files are for is the caller's matter.
//!
//! What differs between platforms is in two files with the same functions, `unix.rs` and `windows.rs`, and nowhere else:
//!
//! | | Unix | Windows |
//! |---|---|---|
//! | private | mode 0700 or 0600, set when it is made | the access control list of the directory above, which is inherited: that of a user's profile lets in the user, administrators and the system |
//! | who else may | owner and mode are compared | not asked: [`Sharing`] finds nobody |
//! | links | `O_NOFOLLOW` | the reparse point itself is opened, and refused |
//! | a directory that stays | `openat` below its handle | while its handle is open it cannot be renamed or deleted |
//! | names that last | `fsync` of the directory | the journal of NTFS, as SQLite relies on it, too |

mod directory;
#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

pub use directory::{Directory, FileId, Found};

/// Makes a private directory, and those above it that are missing. One that is there stays as it is.
///
/// ```
/// # let parent = tempfile::tempdir()?;
/// # let path = parent.path().join("data");
/// belljar_files::make_directory(&path)?;
/// assert!(belljar_files::Sharing::of(&path.metadata()?).is_private());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When it cannot be made, or is no directory.
pub fn make_directory(path: &Path) -> io::Result<()> {
    system::directory_builder().recursive(true).create(path)
}

/// Makes a private directory that must not be there yet.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is something of that name; whatever else prevents it.
pub fn make_new_directory(path: &Path) -> io::Result<()> {
    system::directory_builder().create(path)
}

/// Makes a private file that must not be there yet, to write to.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("key");
/// use std::io::Write as _;
///
/// belljar_files::create_new(&path)?.write_all(b"secret")?;
/// let again = belljar_files::create_new(&path).expect_err("it is there");
/// assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when there is something of that name, a link included; whatever else prevents it.
pub fn create_new(path: &Path) -> io::Result<File> {
    system::private_options().write(true).create_new(true).open(path)
}

/// Makes a private file to write to, or empties the one that is there, whose mode stays as it is.
///
/// # Errors
/// When it cannot be made or written.
pub fn create(path: &Path) -> io::Result<File> {
    system::private_options().write(true).create(true).truncate(true).open(path)
}

/// Opens a log to append to, and makes one that the group of this user may read, too (0640), if it is missing.
///
/// # Errors
/// When it cannot be made or written.
pub fn append(path: &Path) -> io::Result<File> {
    system::log_options().create(true).append(true).open(path)
}

/// Opens a file to read it; a link in place of it is refused.
///
/// # Errors
/// When it is not there, is a link, or cannot be read.
pub fn open(path: &Path) -> io::Result<File> {
    system::open_no_link(OpenOptions::new().read(true), path)
}

/// Opens a file to read and write it, and makes a private one if it is missing; a link in place of it is refused.
///
/// # Errors
/// When it is a link, or cannot be made, read or written.
pub fn open_or_create(path: &Path) -> io::Result<File> {
    system::open_no_link(system::private_options().read(true).write(true).create(true).truncate(false), path)
}

/// Takes from others whatever they may do with a directory of ours. Windows: nothing is to be done.
///
/// # Errors
/// When it is not ours.
pub fn close_to_others(directory: &Path) -> io::Result<()> {
    system::close_to_others(directory)
}

/// Makes the names in a directory last through a loss of power, as [`File::sync_all`] does it for what is in a file.
///
/// # Errors
/// When the disk does not take them.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    system::sync_directory(path)
}

/// Who beside this user may use a file, as far as its owner and mode tell. On Windows they tell nothing, and nobody is found.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// let path = folder.path().join("key");
/// belljar_files::create_new(&path)?;
/// assert_eq!(belljar_files::Sharing::of(&path.metadata()?), belljar_files::Sharing::default());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sharing {
    /// The user whose file it is, when it is another one.
    pub owner: Option<u32>,
    /// The mode (0 to 0o777), when it lets others in.
    pub mode: Option<u32>,
}

impl Sharing {
    /// What a file's metadata tell.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        system::sharing(metadata)
    }

    /// Whether nobody else may.
    #[must_use]
    pub fn is_private(self) -> bool {
        self == Self::default()
    }
}

//! Windows: handles that keep a directory where it is, and reparse points (links, junctions) that are opened themselves. Modes and owners are
//! not looked at: files inherit the access control list of the directory they are made in.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use winapi_util::file::{Information, information};

use crate::Sharing;
use crate::directory::{FileId, Found};

// Win32: CreateFileW, "File Attribute Constants" and "File Access Rights Constants".
const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
/// Without it no directory is opened.
const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
const FILE_ATTRIBUTE_DIRECTORY: u32 = 0x10;
const FILE_ATTRIBUTE_REPARSE_POINT: u32 = 0x400;
const FILE_READ_ATTRIBUTES: u32 = 0x80;
const FILE_SHARE_READ: u32 = 1;
const FILE_SHARE_WRITE: u32 = 2;

pub(crate) fn directory_builder() -> DirBuilder {
    DirBuilder::new()
}

pub(crate) fn private_options() -> OpenOptions {
    OpenOptions::new()
}

pub(crate) fn log_options() -> OpenOptions {
    OpenOptions::new()
}

pub(crate) fn open_no_link(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)?;
    if file.metadata()?.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a link"));
    }
    Ok(file)
}

pub(crate) fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}

/// There is no call for it: NTFS keeps the order of changes to names in its journal.
pub(crate) fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

pub(crate) fn sharing(_: &Metadata) -> Sharing {
    Sharing::default()
}

pub(crate) fn id_at(path: &Path) -> io::Result<FileId> {
    Ok(id(&look_at(path)?))
}

/// A directory. Others may read and write in it; as deleting is not shared, nobody can rename, move or delete it, or a directory above it,
/// while this is open. So its path leads to it, and to nothing else.
#[derive(Debug)]
pub(crate) struct Handle {
    path: PathBuf,
    _open: File,
}

impl Handle {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let open = OpenOptions::new()
            .read(true)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
            .open(path)?;
        let attributes = open.metadata()?.file_attributes();
        if attributes & FILE_ATTRIBUTE_REPARSE_POINT != 0 || attributes & FILE_ATTRIBUTE_DIRECTORY == 0 {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is a link, or no directory"));
        }
        Ok(Self { path: path.to_owned(), _open: open })
    }

    pub(crate) fn make(&self, name: &str) -> io::Result<Self> {
        let path = self.path.join(name);
        match fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Self::open(&path),
        }
    }

    pub(crate) fn enter(&self, name: &str) -> io::Result<Option<Self>> {
        match Self::open(&self.path.join(name)) {
            Ok(handle) => Ok(Some(handle)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        fs::read_dir(&self.path)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    pub(crate) fn look(&self, name: &str) -> io::Result<Found> {
        let found = match look_at(&self.path.join(name)) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        let irregular = u64::from(FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_REPARSE_POINT);
        if found.file_attributes() & irregular != 0 || found.number_of_links() != 1 {
            return Ok(Found::Other);
        }
        Ok(Found::File { id: id(&found), bytes: found.file_size() })
    }

    pub(crate) fn create_new(&self, name: &str) -> io::Result<()> {
        crate::create_new(&self.path.join(name)).map(drop)
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        sync_directory(&self.path)
    }

    pub(crate) fn free_bytes(&self) -> Option<u64> {
        None
    }
}

/// Opens what is at a path, for its attributes only: that disturbs no other who has it open.
fn look_at(path: &Path) -> io::Result<Information> {
    let file = OpenOptions::new()
        .access_mode(FILE_READ_ATTRIBUTES)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    information(&file)
}

fn id(found: &Information) -> FileId {
    FileId { volume: found.volume_serial_number(), file: found.file_index() }
}

#[cfg(test)]
mod tests {
    use std::os::windows::fs::{symlink_dir, symlink_file};

    use super::*;
    use crate::Directory;

    #[test]
    fn a_directory_stays_where_it_is_while_it_is_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let top = Directory::open(folder.path()).expect("opens");
        let one = top.make("one").expect("made");
        one.create_new("file").expect("made");
        let again = one.create_new("file").expect_err("it is there");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        fs::rename(path("one"), path("two")).expect_err("it is held");
        let Found::File { id, bytes: 0 } = one.look("file").expect("looked") else { panic!("it is a file") };
        assert_eq!(id, FileId::at(&path("one").join("file")).expect("an id"));
        assert_eq!(one.names().expect("read"), ["file"]);
        one.sync().expect("synced");
        assert_eq!((one.remove("file").expect("removed"), one.remove("file").expect("gone")), (true, false));
        assert_eq!(one.look("file").expect("looked"), Found::Nothing);
        drop(one);
        fs::rename(path("one"), path("two")).expect("renamed");
        assert!(top.enter("two").expect("looked").is_some() && top.enter("one").expect("looked").is_none());
    }

    #[test]
    fn only_a_file_with_one_name_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let top = Directory::open(folder.path()).expect("opens");
        fs::write(path("file"), "four").expect("written");
        fs::create_dir(path("directory")).expect("made");
        assert!(matches!(top.look("file"), Ok(Found::File { bytes: 4, .. })));
        // Looking is shared with whoever has it open, as SQLite does.
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
            .open(path("file"))
            .expect("opens");
        assert!(matches!(top.look("file"), Ok(Found::File { bytes: 4, .. })));
        fs::rename(path("file"), path("moved")).expect_err("it is open");
        drop(open);
        assert!(matches!(top.look("directory"), Ok(Found::Other)));
        assert!(top.enter("file").expect("looked").is_none() && top.make("file").is_err());
        fs::hard_link(path("file"), path("second")).expect("linked");
        assert!(matches!(top.look("file"), Ok(Found::Other)));
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("target")).expect("made");
        fs::write(path("target/file"), "x").expect("written");
        crate::open(&path("target/file")).expect("no link");
        crate::open_or_create(&path("new")).expect("no link");
        // Not every user may make links (ERROR_PRIVILEGE_NOT_HELD), and Wine makes none, though it says so.
        let made =
            symlink_dir(path("target"), path("link")).and_then(|()| symlink_file(path("target/file"), path("file")));
        if made.is_err() || !path("file").is_symlink() {
            eprintln!("not tried: links cannot be made here: {made:?}");
            return;
        }
        let top = Directory::open(folder.path()).expect("opens");
        assert!(Directory::open(&path("link")).is_err() && top.make("link").is_err());
        assert!(top.enter("link").expect("looked").is_none());
        assert!(matches!((top.look("link"), top.look("file")), (Ok(Found::Other), Ok(Found::Other))));
        assert!(crate::open(&path("file")).is_err() && crate::open_or_create(&path("file")).is_err());
        assert!(crate::create_new(&path("file")).is_err());
    }
}

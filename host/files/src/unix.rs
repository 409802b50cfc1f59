//! Unix: modes, owners, and `openat` below directory handles.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::Sharing;
use crate::directory::{FileId, Found};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

pub(crate) fn directory_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

pub(crate) fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

pub(crate) fn log_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o640);
    options
}

pub(crate) fn open_no_link(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path)
}

pub(crate) fn close_to_others(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, Permissions::from_mode(0o700))
}

pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(crate) fn sharing(metadata: &Metadata) -> Sharing {
    Sharing {
        owner: Some(metadata.uid()).filter(|owner| *owner != rustix::process::geteuid().as_raw()),
        mode: Some(metadata.mode() & 0o777).filter(|mode| mode & 0o077 != 0),
    }
}

pub(crate) fn id_at(path: &Path) -> io::Result<FileId> {
    Ok(id(&rustix::fs::lstat(path)?))
}

#[derive(Debug)]
pub(crate) struct Handle(OwnedFd);

impl Handle {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, DIRECTORY, Mode::empty())?))
    }

    pub(crate) fn make(&self, name: &str) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let handle = rustix::fs::openat(&self.0, name, DIRECTORY, Mode::empty())?;
        let stat = rustix::fs::fstat(&handle)?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the directory belongs to someone else"));
        }
        if stat.st_mode & 0o777 != 0o700 {
            rustix::fs::fchmod(&handle, Mode::RWXU)?;
        }
        Ok(Self(handle))
    }

    pub(crate) fn enter(&self, name: &str) -> io::Result<Option<Self>> {
        match rustix::fs::openat(&self.0, name, DIRECTORY, Mode::empty()) {
            Ok(handle) => Ok(Some(Self(handle))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) fn names(&self) -> io::Result<Vec<OsString>> {
        let entries = rustix::fs::Dir::read_from(&self.0)?;
        entries.map(|entry| Ok(OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned())).collect()
    }

    pub(crate) fn look(&self, name: &str) -> io::Result<Found> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(Found::Nothing),
            Err(error) => Err(error.into()),
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink == 1 => {
                Ok(Found::File { id: id(&stat), bytes: u64::try_from(stat.st_size).unwrap_or(0) })
            }
            Ok(_) => Ok(Found::Other),
        }
    }

    pub(crate) fn create_new(&self, name: &str) -> io::Result<()> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(())
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    pub(crate) fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::fstatvfs(&self.0).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

#[allow(clippy::unnecessary_cast, reason = "the numbers have other types on other systems")]
fn id(stat: &Stat) -> FileId {
    FileId { volume: stat.st_dev as u64, file: stat.st_ino as u64 }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::Directory;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("it is there").mode() & 0o777
    }

    #[test]
    fn what_is_made_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        crate::make_directory(&path("a/b")).expect("made");
        crate::make_new_directory(&path("c")).expect("made");
        assert_eq!([mode(&path("a")), mode(&path("a/b")), mode(&path("c"))], [0o700; 3]);
        crate::create_new(&path("d")).expect("made");
        crate::create(&path("e")).expect("made");
        crate::open_or_create(&path("f")).expect("made");
        assert_eq!([mode(&path("d")), mode(&path("e")), mode(&path("f"))], [0o600; 3]);
        let again = [crate::create_new(&path("d")).map(drop), crate::make_new_directory(&path("c"))];
        assert!(
            again.iter().all(|made| made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists))
        );
    }

    #[test]
    fn others_are_seen_and_kept_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data");
        let sharing = || Sharing::of(&fs::metadata(&path).expect("it is there"));
        crate::make_directory(&path).expect("made");
        assert!(sharing().is_private());
        for mode in [0o750, 0o705, 0o701] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            assert_eq!(sharing(), Sharing { owner: None, mode: Some(mode) });
        }
        crate::close_to_others(&path).expect("closed");
        assert!(sharing().is_private());
        let root = Sharing::of(&fs::metadata("/proc/1").expect("it is there"));
        assert_eq!(root.owner.is_none(), rustix::process::geteuid().is_root(), "{root:?}");
    }

    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "x").expect("written");
        symlink(&target, &link).expect("linked");
        assert!(crate::open(&target).is_ok() && crate::open_or_create(&target).is_ok());
        assert!(
            crate::open(&link).is_err() && crate::open_or_create(&link).is_err() && crate::create_new(&link).is_err()
        );
        assert!(Directory::open(folder.path()).is_ok() && Directory::open(&link).is_err());
        assert_ne!(FileId::at(&link).expect("an id"), FileId::at(&target).expect("an id"));
    }

    #[test]
    fn a_directory_stays_the_one_that_was_opened() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = Directory::open(folder.path()).expect("opens");
        let one = top.make("one").expect("made");
        fs::rename(folder.path().join("one"), folder.path().join("two")).expect("renamed");
        one.create_new("file").expect("made");
        assert!(folder.path().join("two/file").is_file());
        let Found::File { id, bytes: 0 } = one.look("file").expect("looked") else { panic!("it is a file") };
        assert_eq!(id, FileId::at(&folder.path().join("two/file")).expect("an id"));
        symlink("two", folder.path().join("three")).expect("linked");
        assert!(top.make("three").is_err() && top.enter("three").expect("looked").is_none());
        assert!(top.enter("two").expect("looked").is_some() && top.enter("four").expect("looked").is_none());
        one.sync().expect("synced");
        assert_eq!((one.remove("file").expect("removed"), one.remove("file").expect("gone")), (true, false));
        assert_eq!(one.look("file").expect("looked"), Found::Nothing);
    }

    #[test]
    fn only_a_file_with_one_name_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let top = Directory::open(folder.path()).expect("opens");
        top.create_new("file").expect("made");
        fs::create_dir(folder.path().join("directory")).expect("made");
        symlink("file", folder.path().join("link")).expect("linked");
        assert!(matches!(top.look("file"), Ok(Found::File { .. })));
        assert!(matches!((top.look("directory"), top.look("link")), (Ok(Found::Other), Ok(Found::Other))));
        fs::hard_link(folder.path().join("file"), folder.path().join("second")).expect("linked");
        assert!(matches!(top.look("file"), Ok(Found::Other)));
        assert!(top.free_bytes().is_some_and(|bytes| bytes > 0));
    }
}

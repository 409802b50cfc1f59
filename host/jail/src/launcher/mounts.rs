//! A root of the process's own: a small tmpfs with what the policy names mounted into it under the same paths, nothing else. All that is
//! shown is taken hold of first, by descriptor, so that nothing that is mounted can hide what is still to come.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{
    MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
    mount_change, move_mount, open_tree, unmount,
};

use super::Launch;
use crate::report::{Layer, Refusal};
use crate::system::{MountChange, change_mount};

/// Where the new root is put together; any folder will do, what is in it can be hidden.
const PLACES: [&str; 4] = ["/tmp", "/run", "/mnt", "/var"];
/// Devices that are shown: those that hold nothing and do nothing.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// What the dynamic loader reads beside libraries.
const LOADER_FILES: [&str; 1] = ["/etc/ld.so.cache"];
/// Size of the root itself, which has folders and empty files only, bytes and files.
const ROOT_OPTIONS: &std::ffi::CStr = c"mode=0755,size=1m,nr_inodes=4k";
/// Files in `/tmp`.
const TMP_FILES_MAX: u32 = 16_384;

const READ_ONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;
/// Holds for everything that is mounted: no program there has rights of its own.
const PLAIN: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;
const NO_DEVICES: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;
const NO_PROGRAMS: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOEXEC;

/// Something of the host's, taken hold of.
struct Tree {
    mount: OwnedFd,
    path: PathBuf,
    is_folder: bool,
}

/// Builds the root and goes there.
pub(super) fn enter_root(launch: &mut Launch, shown_as: Option<&OwnedFd>) -> Result<(), Refusal> {
    // It has left the host's mounts, and may have done half of its own: there is no going on when that fails.
    let built = build(launch, shown_as).map_err(|Failure { what, error }| {
        Refusal::new(format!("the root of the process cannot be made: {what}: {error}"))
    })?;
    let mut note = format!("a root of its own, {} mounts in it", built.count);
    if let Some(error) = built.no_proc {
        note += &format!("; without /proc, which some runtimes need: {error}");
    }
    launch.report.set(Layer::MountNamespace, true, note);
    Ok(())
}

struct Built {
    count: usize,
    /// Why there is no `/proc`.
    no_proc: Option<rustix::io::Errno>,
}

struct Failure {
    what: String,
    error: io::Error,
}

fn at<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> Failure {
    let what = what.into();
    move |error| Failure { what, error: error.into() }
}

fn build(launch: &Launch, shown_as: Option<&OwnedFd>) -> Result<Built, Failure> {
    let policy = &launch.policy;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(at("private mounts"))?;
    let trees = take(launch, shown_as)?;
    let copied = open_copied(launch)?;
    let place = PLACES.into_iter().map(Path::new).find(|place| place.is_dir());
    let place = place.ok_or_else(|| at("a place for it")(io::Error::from(io::ErrorKind::NotFound)))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("belljar", place, "tmpfs", flags | MountFlags::NOEXEC, ROOT_OPTIONS).map_err(at("a tmpfs"))?;
    let root = open_tree(CWD, place, OpenTreeFlags::OPEN_TREE_CLOEXEC).map_err(at("the root"))?;
    let inside = |path: &Path| place.join(path.strip_prefix("/").unwrap_or(path));
    let make = |path: &Path| {
        let path = inside(path);
        fs::create_dir_all(&path).map_err(at(path.display().to_string()))
    };
    make(Path::new("/tmp"))?;
    let owner = policy.user.filter(|_| launch.is_root).unwrap_or_else(|| rustix::process::geteuid().as_raw());
    let group = policy.user.filter(|_| launch.is_root).unwrap_or_else(|| rustix::process::getegid().as_raw());
    let size = policy.tmp_bytes_max;
    let options = format!("mode=0700,uid={owner},gid={group},size={size},nr_inodes={TMP_FILES_MAX}");
    let options = std::ffi::CString::new(options).unwrap_or_default();
    mount("belljar", inside(Path::new("/tmp")), "tmpfs", flags | MountFlags::NOEXEC, options.as_c_str())
        .map_err(at("/tmp"))?;
    for (from, within) in copied {
        let chown = |path: &Path| std::os::unix::fs::chown(path, Some(owner), Some(group));
        copy(from, &inside(Path::new("/tmp")), &within, chown).map_err(at(within.display().to_string()))?;
    }
    let (mut count, mut no_proc) = (1, None);
    if launch.report.has(Layer::PidNamespace) {
        make(Path::new("/proc"))?;
        // In many containers it cannot be had. What a program sees is less then, not more.
        no_proc = mount_proc(&inside(Path::new("/proc"))).err();
    }
    if no_proc.is_none() && launch.report.has(Layer::PidNamespace) {
        count += 1;
        make(Path::new("/dev"))?;
        for (name, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
            let link = inside(&Path::new("/dev").join(name));
            std::os::unix::fs::symlink(format!("/proc/self/fd{target}"), link).map_err(at("/dev"))?;
        }
    }
    make(Path::new("/etc"))?;
    for (path, text) in
        [("/etc/passwd", format!("applet:x:{owner}:{group}::/tmp:/\n")), ("/etc/group", format!("applet:x:{group}:\n"))]
    {
        // Who asks for its home or its name asks here; the host's has everybody's.
        fs::write(inside(Path::new(path)), text).map_err(at(path))?;
    }
    for tree in &trees {
        let target = inside(&tree.path);
        let parent = tree.path.parent().unwrap_or(Path::new("/"));
        // A folder that is mounted already has what is to be mounted in it.
        if !target.exists() {
            make(if tree.is_folder { &tree.path } else { parent })?;
            if !tree.is_folder {
                fs::write(&target, "").map_err(at(tree.path.display().to_string()))?;
            }
        }
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        move_mount(&tree.mount, "", CWD, &target, flags).map_err(at(tree.path.display().to_string()))?;
        count += 1;
    }
    let done = MountChange { set: bits(READ_ONLY | PLAIN | NO_DEVICES | NO_PROGRAMS), users: None, recursive: false };
    change_mount(&root, &done).map_err(at("a root that is read-only"))?;
    pivot(place).map_err(at("pivot_root"))?;
    Ok(Built { count, no_proc })
}

/// Opens what is to be copied into `/tmp`, while it can be seen.
fn open_copied(launch: &Launch) -> Result<Vec<(File, PathBuf)>, Failure> {
    let open = |(from, within): &(PathBuf, PathBuf)| {
        let failed = || from.display().to_string();
        if !within.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(at(failed())(io::Error::other("a place that is not in /tmp")));
        }
        Ok((File::open(from).map_err(at(failed()))?, within.clone()))
    };
    launch.policy.tmp_files.iter().map(open).collect()
}

/// Copies a file into `tmp`; it and its folders are the process's own.
fn copy(mut from: File, tmp: &Path, within: &Path, own: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut folder = tmp.to_owned();
    for part in within.parent().iter().flat_map(|parent| parent.components()) {
        folder.push(part);
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.and_then(|()| own(&folder))?,
        }
    }
    let path = tmp.join(within);
    io::copy(&mut from, &mut File::create_new(&path)?)?;
    own(&path)
}

/// The old root ends up over the new one, at the same place, and is taken away there (pivot_root(2), "pivot_root(".", ".")").
fn pivot(place: &Path) -> rustix::io::Result<()> {
    rustix::process::chdir(place)?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")
}

/// `/proc` with nothing but processes: its other files tell of the host, and root could set some of them.
fn mount_proc(target: &Path) -> rustix::io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount("proc", target, "proc", flags, c"subset=pid")
}

fn bits(flags: MountAttrFlags) -> u64 {
    flags.bits().into()
}

/// Takes hold of everything that will be seen, outermost first.
fn take(launch: &Launch, shown_as: Option<&OwnedFd>) -> Result<Vec<Tree>, Failure> {
    let policy = &launch.policy;
    let mut trees: Vec<Tree> = Vec::new();
    let is_within = |trees: &[Tree], path: &Path| trees.iter().any(|tree| path.starts_with(&tree.path));
    let mut programs: Vec<&Path> = policy.programs.iter().map(PathBuf::as_path).collect();
    programs.extend(LOADER_FILES.map(Path::new));
    programs.sort();
    for path in programs {
        // What a folder shows already need not be shown again. What is not there cannot be.
        if is_within(&trees, path) || !path.exists() {
            continue;
        }
        trees.push(grab(path, READ_ONLY | PLAIN | NO_DEVICES, None)?);
    }
    for device in DEVICES.map(Path::new) {
        if device.exists() {
            trees.push(grab(device, PLAIN | NO_PROGRAMS, None)?);
        }
    }
    let mut package = Vec::new();
    for path in &policy.package {
        package.push(grab(path, READ_ONLY | PLAIN | NO_DEVICES | NO_PROGRAMS, shown_as)?);
    }
    if let Some(path) = &policy.sockets {
        package.push(grab(path, PLAIN | NO_DEVICES | NO_PROGRAMS, None)?);
    }
    trees.extend(package);
    // Stable: a program within the package's folder comes after it by its length, and a folder that is both is the package's.
    trees.sort_by_key(|tree| tree.path.components().count());
    Ok(trees)
}

fn grab(path: &Path, set: MountAttrFlags, shown_as: Option<&OwnedFd>) -> Result<Tree, Failure> {
    let failed = || path.display().to_string();
    if !path.is_absolute() {
        return Err(at(failed())(io::Error::other("a path that is not absolute")));
    }
    let is_folder = fs::metadata(path).map_err(at(failed()))?.is_dir();
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let mount = open_tree(CWD, path, flags).map_err(at(failed()))?;
    if let Some(users) = shown_as {
        let users: &dyn AsFd = users;
        // Not every file system can. Whether its files can be read is looked at when the user has changed.
        let _ = change_mount(&mount, &MountChange { set: 0, users: Some(users), recursive: false });
    }
    change_mount(&mount, &MountChange { set: bits(set), users: None, recursive: true }).map_err(at(failed()))?;
    Ok(Tree { mount, path: path.to_owned(), is_folder })
}

//! Storage that fails: a full disk, a read-only one, a directory in use, damaged and locked files. The message says what it is, and nothing is
//! lost or changed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use belljar::{AppletId, Databases, DatabasesConfig};
use belljar_server::catalog::{Catalog, CatalogOptions, Grant, Installation, PackageFrom, Unprepared};
use belljar_server::data_dir::{DataDir, DataDirError};
use belljar_server::directory::{Directory as _, Quotas};

use crate::child::{command, start, tell};
use crate::packages::package;
use crate::work::{open, tenant};

/// Bytes of the small disk.
const DISK_BYTES: u64 = 2 << 20;

/// Runs a child with the data directory on a disk of its own, which goes away with it; `None` where this user may not mount.
fn on_own_disk(data: &Path, script: &str, modes: &[&str]) -> Option<String> {
    let may = Command::new("unshare").args(["-rm", "true"]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        eprintln!("not tried: this user cannot mount a disk of their own");
        return None;
    }
    let mut text = format!("set -e\nmount -t tmpfs -o size={DISK_BYTES} tmpfs '{}'\n", data.display());
    let mut shell = Command::new("unshare");
    shell.args(["-rm", "sh", "-c"]);
    let run = |mode: &str| {
        let child = command(mode, data, 0);
        let set: Vec<String> = child
            .get_envs()
            .map(|(name, value)| {
                format!("{}='{}'", name.to_string_lossy(), value.unwrap_or_default().to_string_lossy())
            })
            .collect();
        let args: Vec<String> = child.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        format!("{} '{}' {}", set.join(" "), child.get_program().to_string_lossy(), args.join(" "))
    };
    for (index, mode) in modes.iter().enumerate() {
        if index > 0 {
            text.push_str(&format!("{script} '{}'\n", data.display()));
        }
        text.push_str(&run(mode));
        text.push('\n');
    }
    let output = shell.arg(text).stdin(Stdio::null()).output().unwrap();
    let (out, error) =
        (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "{out}\n{error}");
    Some(out)
}

fn install(catalog: &Catalog, index: u64) -> Result<(), String> {
    let package = PackageFrom::Bytes(package(&format!("applet-{index}"), 3));
    let installed = catalog.install(Installation::new(tenant(), package, Grant::All, "child"), &Unprepared);
    installed.map(drop).map_err(|error| error.to_string())
}

/// Installs until the disk is full, then makes room and goes on.
pub(crate) fn fill(data: &Path) {
    let ballast = data.join("ballast");
    std::fs::write(&ballast, vec![1; 256 << 10]).unwrap();
    let mut catalog = Some(open(data));
    let opened = |catalog: &Option<Catalog>| catalog.clone().unwrap();
    opened(&catalog).create_tenant(&tenant(), Quotas::default(), "child").unwrap();
    let mut installed = 0;
    let error = loop {
        match install(&opened(&catalog), installed) {
            Ok(()) => installed += 1,
            Err(error) => break error,
        }
        assert!(installed < 10_000, "the disk is never full");
    };
    tell(&format!("full after {installed}: {error}"));
    assert!(error.contains("full"), "{error}");
    let check = |catalog: &Catalog, count: u64| {
        catalog.check().unwrap();
        for index in 0..count {
            let applet = AppletId::new(format!("applet-{index}")).unwrap();
            let active = catalog.active(&tenant(), &applet).unwrap();
            assert_eq!(active.unwrap().release_number, 1, "{applet}");
        }
        let next = AppletId::new(format!("applet-{count}")).unwrap();
        assert!(catalog.active(&tenant(), &next).unwrap().is_none(), "half installed");
    };
    check(&opened(&catalog), installed);
    std::fs::remove_file(&ballast).unwrap();
    install(&opened(&catalog), installed).unwrap();
    check(&opened(&catalog), installed + 1);
    drop(catalog.take());
    check(&open(data), installed + 1);
    tell("went on");
}

/// Makes a catalog with one applet.
pub(crate) fn make(data: &Path) {
    let catalog = open(data);
    catalog.create_tenant(&tenant(), Quotas::default(), "child").unwrap();
    install(&catalog, 0).unwrap();
}

/// Opens what cannot be written.
pub(crate) fn try_to_open(data: &Path) {
    match DataDir::open(data) {
        Ok(_) => tell("opened"),
        Err(error) => tell(&error.to_string()),
    }
}

/// Keeps the directory until it is killed.
pub(crate) fn hold(data: &Path) {
    let _catalog = open(data);
    tell("open");
    std::thread::sleep(belljar_tests::PATIENCE);
}

#[test]
fn a_full_disk_is_told_and_harms_nothing() {
    let data = tempfile::tempdir().unwrap();
    let Some(out) = on_own_disk(data.path(), "true", &["fill"]) else { return };
    assert!(out.contains("@full after") && out.contains("@went on"), "{out}");
}

#[test]
fn a_file_that_may_not_grow_is_told_and_harms_nothing() {
    let data = tempfile::tempdir().unwrap();
    make(data.path());
    // The catalog's file is larger than that already.
    let child = command("grow", data.path(), 0);
    let set: Vec<_> =
        child.get_envs().map(|(name, value)| (name.to_owned(), value.unwrap_or_default().to_owned())).collect();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(child.get_program())
        .args(child.get_args())
        .envs(set);
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{out}{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("@refused: "), "{out}");
    let catalog = open(data.path());
    catalog.check().unwrap();
    assert!(catalog.active(&tenant(), &AppletId::new("applet-0").unwrap()).unwrap().is_some());
    assert!(catalog.active(&tenant(), &AppletId::new("applet-1").unwrap()).unwrap().is_none());
    install(&catalog, 1).unwrap();
}

/// Installs under a limit on the size of files.
pub(crate) fn grow(data: &Path) {
    // Where the limit is met depends on what was written before: in the LOCK, in the log, in the package.
    let Ok(dir) = DataDir::open(data) else { return tell("refused: the directory") };
    let databases = Databases::open(dir.path(), DatabasesConfig::default()).unwrap();
    match Catalog::open(Arc::new(dir), databases, CatalogOptions::default()) {
        Err(error) => tell(&format!("refused: {error}")),
        Ok(catalog) => match install(&catalog, 1) {
            Ok(()) => tell("installed"),
            Err(error) => tell(&format!("refused: {error}")),
        },
    }
}

#[test]
fn a_read_only_disk_is_told() {
    let data = tempfile::tempdir().unwrap();
    let Some(out) = on_own_disk(data.path(), "mount -o remount,ro", &["make", "try"]) else { return };
    assert!(out.contains("it is on a read-only file system"), "{out}");
}

#[test]
fn a_second_server_on_the_same_directory_does_not_start() {
    let data = tempfile::tempdir().unwrap();
    let child = start("hold", data.path(), 0, None);
    assert_eq!(child.line().as_deref(), Some("open"));
    let error = DataDir::open(data.path()).unwrap_err();
    let DataDirError::InUse { pid: Some(pid), .. } = error else { panic!("{error}") };
    assert!(Path::new(&format!("/proc/{pid}")).exists() && pid != std::process::id(), "{error}");
    assert!(error.to_string().contains("stop that one"), "{error}");
    child.kill();
    // The lock has gone with its process.
    open(data.path()).check().unwrap();
}

#[test]
fn a_locked_catalog_is_told() {
    let data = tempfile::tempdir().unwrap();
    make(data.path());
    let other = rusqlite::Connection::open(data.path().join("catalog.sqlite")).unwrap();
    let catalog = open(data.path());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Reading goes on meanwhile.
    assert!(catalog.active(&tenant(), &AppletId::new("applet-0").unwrap()).unwrap().is_some());
    let error = install(&catalog, 1).unwrap_err();
    assert!(error.contains("locked by another process"), "{error}");
    other.execute_batch("ROLLBACK").unwrap();
    install(&catalog, 1).unwrap();
}

#[test]
fn a_damaged_catalog_is_told_and_left_alone() {
    let data = tempfile::tempdir().unwrap();
    make(data.path());
    let path = data.path().join("catalog.sqlite");
    let whole = std::fs::read(&path).unwrap();
    let damage = |at: usize, text: &[u8]| {
        let mut bytes = whole.clone();
        bytes[at..at + text.len()].copy_from_slice(text);
        std::fs::write(&path, &bytes).unwrap();
        let dir = Arc::new(DataDir::open(data.path()).unwrap());
        let databases = Databases::open(dir.path(), DatabasesConfig::default()).unwrap();
        let error = match Catalog::open(dir, databases, CatalogOptions::default()) {
            Err(error) => error.to_string(),
            Ok(catalog) => catalog.check().unwrap_err().to_string(),
        };
        assert!(error.contains("damaged"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    };
    // The header, and a page of a table.
    damage(0, b"not a database at all");
    damage(4096 * 2, &[0xff; 64]);
    std::fs::write(&path, &whole).unwrap();
    open(data.path()).check().unwrap();
}

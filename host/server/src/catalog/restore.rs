//! Restoring a backup: into a directory that is empty or not there, all of it or nothing. The archive is input: names lead nowhere else, and
//! every byte is checked before the directory gets its name.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use belljar::{AppletId, TenantId};

use super::backup::{BackupEntry, BackupReport, FORMAT, Hashing, INDEX};
use super::{CatalogError, packages};
use crate::data_dir::CATALOG_FILE;
use crate::failpoint;

/// Bytes of the list of entries.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// Restores an archive that [`Catalog::backup`](super::Catalog::backup) wrote.
///
/// # Errors
/// [`CatalogError::Conflict`] when the directory has anything in it, [`CatalogError::Invalid`] when the archive is not whole or was changed,
/// [`CatalogError::Storage`]. The directory is as it was then.
pub fn restore(archive: &mut dyn Read, into: &Path) -> Result<BackupReport, CatalogError> {
    let failed = |error: io::Error| CatalogError::io(into.display(), &error);
    match fs::read_dir(into) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(CatalogError::Conflict(format!(
                    "{} is not empty: restore into a new directory",
                    into.display()
                )));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let name = into
        .file_name()
        .ok_or_else(|| CatalogError::Invalid(format!("{} is no name for a directory", into.display())))?;
    let parent = match into.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent).map_err(failed)?;
    let beside = parent.join(format!(".{}.restoring-{}", name.to_string_lossy(), std::process::id()));
    // Of an earlier process of this number.
    let _ = fs::remove_dir_all(&beside);
    let restored = extract(archive, &beside).and_then(|report| {
        failpoint::hit("restore.extracted");
        sync_tree(&beside).map_err(failed)?;
        failpoint::hit("restore.verified");
        // An empty directory gives way; on Windows it does so with some file systems only.
        if cfg!(windows) {
            let _ = fs::remove_dir(into);
        }
        fs::rename(&beside, into).map_err(failed)?;
        belljar_files::sync_directory(&parent).map_err(failed)?;
        Ok(report)
    });
    if restored.is_err() {
        let _ = fs::remove_dir_all(&beside);
    }
    restored
}

fn extract(archive: &mut dyn Read, into: &Path) -> Result<BackupReport, CatalogError> {
    let failed = |error: io::Error| CatalogError::io("the backup cannot be restored", &error);
    let unreadable =
        |error: io::Error| CatalogError::Invalid(format!("the backup is not whole, or no backup: {error}"));
    belljar_files::make_directory(into).map_err(failed)?;
    let mut found: Vec<BackupEntry> = Vec::new();
    let mut report = None;
    let mut tar = tar::Archive::new(archive);
    for entry in tar.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        if entry.header().entry_type() != tar::EntryType::Regular || report.is_some() {
            return Err(CatalogError::Invalid(format!("the backup has an entry {name:?} where none belongs")));
        }
        if name == INDEX {
            let mut json = Vec::new();
            entry.take(INDEX_BYTES_MAX).read_to_end(&mut json).map_err(unreadable)?;
            let read: BackupReport = serde_json::from_slice(&json)
                .map_err(|error| CatalogError::Invalid(format!("{INDEX} of the backup cannot be read: {error}")))?;
            report = Some(read);
            continue;
        }
        if !belongs(&name) || found.iter().any(|other| other.path == name) {
            return Err(CatalogError::Invalid(format!("the backup has an entry {name:?} where none belongs")));
        }
        let path = into.join(&name);
        path.parent().map_or(Ok(()), belljar_files::make_directory).map_err(failed)?;
        let mut file = belljar_files::create_new(&path).map_err(failed)?;
        let mut hashing = Hashing { from: &mut entry, hasher: blake3::Hasher::new() };
        let bytes = io::copy(&mut hashing, &mut file).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        found.push(BackupEntry { path: name, bytes, blake3: hashing.hasher.finalize().to_hex().to_string() });
    }
    let report = report
        .ok_or_else(|| CatalogError::Invalid(format!("the backup is not whole: it has no {INDEX} at its end")))?;
    if report.format != FORMAT {
        return Err(CatalogError::Invalid(format!(
            "the backup has the form {}, this Belljar reads {FORMAT}",
            report.format
        )));
    }
    let differs =
        report.entries.iter().zip(&found).find(|(told, found)| told != found).map(|(told, _)| told.path.clone());
    if let Some(path) = differs {
        return Err(CatalogError::Invalid(format!("the backup is damaged: {path} is not what was written")));
    }
    if report.entries.len() != found.len() || !found.iter().any(|entry| entry.path == CATALOG_FILE) {
        return Err(CatalogError::Invalid("the backup is damaged: it has not the files that it lists".into()));
    }
    Ok(report)
}

/// Whether a path is one that a backup has.
fn belongs(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [file] => file.strip_suffix(".sqlite").is_some_and(|stem| TenantId::new(stem).is_ok()),
        ["packages", file] => file.strip_suffix(".belljar").is_some_and(|digest| packages::digest_of(digest).is_ok()),
        ["db", tenant, file] => {
            TenantId::new(*tenant).is_ok()
                && file.strip_suffix(".sqlite").is_some_and(|applet| AppletId::new(applet).is_ok())
        }
        _ => false,
    }
}

fn sync_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_tree(&entry.path())?;
        }
    }
    belljar_files::sync_directory(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_backup_writes_belongs() {
        let digest = "0".repeat(64);
        for good in ["catalog.sqlite", "kv.sqlite", "db/acme/shop.sqlite", &format!("packages/{digest}.belljar")] {
            assert!(belongs(good), "{good}");
        }
        for bad in [
            "",
            "LOCK",
            "../x.sqlite",
            "/etc/x.sqlite",
            "db/x.sqlite",
            "db/../x.sqlite",
            "db/a/b/c.sqlite",
            "packages/x.belljar",
            "tmp/x.sqlite",
            "..sqlite",
        ] {
            assert!(!belongs(bad), "{bad}");
        }
    }
}

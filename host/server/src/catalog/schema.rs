//! The catalog's tables, and how an older catalog becomes a newer one. The version is in `PRAGMA user_version`.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::error::CatalogError;

/// Steps from each version to the next: the first makes everything. A step that was released is never changed.
const STEPS: [&str; 1] = [include_str!("schema_1.sql")];

/// The version that this program reads and writes.
#[cfg(test)]
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// Brings the tables up to date, in one transaction. A catalog that is older is copied to `catalog.sqlite.before-N` first.
pub(super) fn upgrade(connection: &mut Connection, path: &Path) -> Result<(), CatalogError> {
    upgrade_by(connection, path, &STEPS)
}

fn upgrade_by(connection: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), CatalogError> {
    let newest = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version > newest {
        return Err(CatalogError::Conflict(format!(
            "the catalog {} was written by a newer Belljar (its version is {version}, this one knows {newest}): use that one, or restore a backup",
            path.display()
        )));
    }
    if version == newest {
        return Ok(());
    }
    if version > 0 {
        let copy =
            path.with_file_name(format!("{}.before-{newest}", path.file_name().unwrap_or_default().to_string_lossy()));
        // Left by an upgrade that did not come to its end: the catalog is still the older one.
        match std::fs::remove_file(&copy) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(CatalogError::io(copy.display(), &error));
            }
            _ => {}
        }
        connection.execute("VACUUM INTO ?1", [copy.to_string_lossy()])?;
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in &steps[usize::try_from(version).unwrap_or(0)..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", newest)?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_catalog_is_upgraded_and_copied_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("catalog.sqlite");
        let mut connection = Connection::open(&path).expect("it opens");
        upgrade_by(&mut connection, &path, &["CREATE TABLE a (x); INSERT INTO a VALUES (1)"]).expect("it is made");
        assert!(!dir.path().join("catalog.sqlite.before-1").exists());
        let broken = ["", "ALTER TABLE a ADD COLUMN y", "ALTER TABLE missing ADD COLUMN y"];
        upgrade_by(&mut connection, &path, &broken).expect_err("the last step fails");
        let columns = |connection: &Connection| {
            let count =
                connection.query_row("SELECT count(*) FROM pragma_table_info('a')", [], |row| row.get::<_, i64>(0));
            count.expect("it can be asked")
        };
        assert_eq!(columns(&connection), 1, "all of it or nothing");
        upgrade_by(&mut connection, &path, &["", "ALTER TABLE a ADD COLUMN y"]).expect("it is upgraded");
        assert_eq!(columns(&connection), 2);
        assert_eq!(columns(&Connection::open(dir.path().join("catalog.sqlite.before-2")).expect("it opens")), 1);
        upgrade_by(&mut connection, &path, &["", "ALTER TABLE a ADD COLUMN y"]).expect("there is nothing to do");
    }

    #[test]
    fn a_newer_catalog_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("catalog.sqlite");
        let mut connection = Connection::open(&path).expect("it opens");
        connection.pragma_update(None, "user_version", VERSION + 1).expect("it can be set");
        let error = upgrade(&mut connection, &path).expect_err("it is newer");
        assert!(error.to_string().contains("newer Belljar"), "{error}");
    }
}

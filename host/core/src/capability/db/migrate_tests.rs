//! Migrations as packages ship them: order, atomicity, what they may do, and what an applet may do to their bookkeeping.

use std::time::Duration;

use super::*;

struct Fixture {
    databases: Databases,
    tenant: TenantId,
    applet: AppletId,
    _data: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let data = tempfile::tempdir().expect("a directory");
    let databases = Databases::open(data.path(), DatabasesConfig::default()).expect("opens");
    let (tenant, applet) = (TenantId::new("acme").expect("valid"), AppletId::new("shop").expect("valid"));
    Fixture { databases, tenant, applet, _data: data }
}

fn migration(number: u16, sql: &str) -> Migration {
    Migration { number, name: format!("{number:04}_m.sql"), sql: sql.to_owned() }
}

impl Fixture {
    fn migrate(&self, migrations: &[Migration]) -> Result<Migrated, MigrateError> {
        self.databases.migrate(&self.tenant, &self.applet, migrations, &DbLimits::default(), |_| {})
    }

    fn run(&self, sql: &str) -> Result<DbReply, DbError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let session = self.databases.session(self.tenant.clone(), self.applet.clone(), DbLimits::default(), None);
        let statement = Statement { sql: sql.to_owned(), parameters: Parameters::Positional(Vec::new()) };
        let operation = if sql.starts_with("SELECT") {
            DbOperation::Query { statement, transaction: None }
        } else {
            DbOperation::Execute { statement, transaction: None }
        };
        runtime.block_on(session.run(operation))
    }

    fn numbers(&self, sql: &str) -> Vec<i64> {
        match self.run(sql) {
            Ok(DbReply::Rows(rows)) => rows
                .rows
                .iter()
                .flatten()
                .map(|value| match value {
                    Value::Integer(number) => *number,
                    other => panic!("{other:?}"),
                })
                .collect(),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

const NOTES: &str =
    "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL);\nINSERT INTO notes (text) VALUES ('first');";

#[test]
fn each_is_applied_once_and_in_order() {
    let fixture = fixture();
    let first = migration(1, NOTES);
    let second =
        migration(2, "ALTER TABLE notes ADD COLUMN done INTEGER NOT NULL DEFAULT 0; UPDATE notes SET done = 1;");
    let migrated = fixture.migrate(std::slice::from_ref(&first)).expect("it applies");
    assert_eq!(migrated, Migrated { applied: vec!["0001_m.sql".into()], before: 0 });
    let migrated = fixture.migrate(&[first.clone(), second.clone()]).expect("it applies");
    assert_eq!(migrated, Migrated { applied: vec!["0002_m.sql".into()], before: 1 });
    let migrated = fixture.migrate(&[first.clone(), second]).expect("there is nothing to do");
    assert_eq!(migrated, Migrated { applied: vec![], before: 2 });
    // An older package finds a newer schema, after a rollback.
    assert_eq!(fixture.migrate(&[first]).expect("there is nothing to do").applied, Vec::<String>::new());
    assert_eq!(fixture.numbers("SELECT done FROM notes"), [1]);
    let applied = fixture.databases.migrations_applied(&fixture.tenant, &fixture.applet);
    assert_eq!(applied.expect("it can be read"), ["0001_m.sql", "0002_m.sql"]);
}

#[test]
fn a_failure_leaves_the_database_as_it_was_and_says_where() {
    let fixture = fixture();
    fixture.migrate(&[migration(1, NOTES)]).expect("it applies");
    let good = migration(2, "CREATE TABLE more (a); DELETE FROM notes;");
    let check = |sql: &str, expected: &str| {
        let error = fixture.migrate(&[migration(1, NOTES), good.clone(), migration(3, sql)]).expect_err("it fails");
        assert!(error.to_string().starts_with(expected), "{error}");
        assert_eq!(fixture.numbers("SELECT count(*) FROM notes"), [1]);
        assert_eq!(fixture.numbers("SELECT count(*) FROM sqlite_schema WHERE name = 'more'"), [0]);
        assert_eq!(fixture.numbers("SELECT number FROM _belljar_migrations"), [1]);
    };
    check("CREATE TABLE x (a);\n\nINSERT INTO y VALUES (1);", "migrations/0003_m.sql:3:1: no such table: y");
    check("CREATE TABLE x (a);\n  INSERT INTO x VALUES (;", "migrations/0003_m.sql:2:3: incomplete input");
    check(
        "INSERT INTO notes VALUES (1, 'again'), (1, 'twice');",
        "migrations/0003_m.sql:1:1: UNIQUE constraint failed",
    );
    check("ATTACH 'x' AS y", "migrations/0003_m.sql:1:1: not allowed in an applet's database: ATTACH");
    check(
        "PRAGMA journal_mode=DELETE",
        "migrations/0003_m.sql:1:1: not allowed in an applet's database: PRAGMA journal_mode",
    );
    check("COMMIT", "migrations/0003_m.sql:1:1: not allowed in an applet's database: BEGIN, COMMIT");
    check("CREATE VIRTUAL TABLE v USING fts5(a)", "migrations/0003_m.sql:1:1: not allowed");
    check(
        "INSERT INTO _belljar_migrations VALUES (9, 'x', 'y', 'z')",
        "migrations/0003_m.sql:1:1: not allowed in an applet's database: writing _belljar_migrations",
    );
    check(
        "INSERT OR ROLLBACK INTO notes VALUES (1, 'again'), (1, 'twice');",
        "migrations/0003_m.sql:1:1: UNIQUE constraint failed",
    );
}

#[test]
fn history_is_not_rewritten() {
    let fixture = fixture();
    fixture.migrate(&[migration(2, NOTES)]).expect("it applies");
    let changed = fixture.migrate(&[migration(2, "CREATE TABLE other (a)")]).expect_err("it was changed");
    assert!(matches!(changed, MigrateError::Changed { .. }), "{changed}");
    let late =
        fixture.migrate(&[migration(1, "CREATE TABLE other (a)"), migration(2, NOTES)]).expect_err("it comes too late");
    assert_eq!(late, MigrateError::Late { name: "0001_m.sql".into(), after: "0002_m.sql".into() });
}

#[test]
fn a_table_can_be_rebuilt_and_orphans_are_refused() {
    let fixture = fixture();
    let first = migration(
        1,
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (p REFERENCES parent (id) ON DELETE CASCADE);
        INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1);",
    );
    let rebuild = migration(
        2,
        "CREATE TABLE new (id INTEGER PRIMARY KEY, more TEXT); INSERT INTO new (id) SELECT id FROM parent;
        DROP TABLE parent; ALTER TABLE new RENAME TO parent;",
    );
    fixture.migrate(&[first.clone(), rebuild.clone()]).expect("it applies");
    assert_eq!(fixture.numbers("SELECT count(*) FROM child"), [1], "no cascade has emptied it");
    let orphan =
        fixture.migrate(&[first, rebuild, migration(3, "DELETE FROM parent")]).expect_err("a row is left behind");
    assert_eq!(orphan, MigrateError::ForeignKey { table: "child".into(), parent: "parent".into(), rows: 1 });
    // Keys are enforced again for the applet.
    assert!(matches!(fixture.run("INSERT INTO child VALUES (7)"), Err(DbError::Constraint(_))));
}

#[test]
fn an_applet_reads_the_bookkeeping_and_cannot_write_it() {
    let fixture = fixture();
    fixture.migrate(&[migration(1, NOTES)]).expect("it applies");
    assert_eq!(fixture.numbers("SELECT number FROM _belljar_migrations"), [1]);
    for sql in [
        "DELETE FROM _belljar_migrations",
        "UPDATE _Belljar_migrations SET blake3 = ''",
        "DROP TABLE _belljar_migrations",
        "ALTER TABLE _belljar_migrations RENAME TO mine",
        "CREATE TRIGGER t AFTER INSERT ON _belljar_migrations BEGIN SELECT 1; END",
    ] {
        assert!(matches!(fixture.run(sql), Err(DbError::Denied(_))), "{sql}");
    }
    fixture
        .run("CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM _belljar_migrations; END")
        .expect("its body is not looked at yet");
    assert!(matches!(fixture.run("INSERT INTO notes (text) VALUES ('x')"), Err(DbError::Denied(_))));
}

#[test]
fn a_forged_bookkeeping_is_noticed() {
    let fixture = fixture();
    fixture.run("CREATE TABLE mine (number, name, blake3)").expect("it runs");
    fixture.run("ALTER TABLE mine RENAME TO _belljar_migrations").expect("the authorizer is not told the new name");
    assert_eq!(fixture.migrate(&[migration(1, NOTES)]), Err(MigrateError::Forged));
}

#[test]
fn a_migration_waits_for_an_open_transaction() {
    let fixture = fixture();
    fixture.run("CREATE TABLE notes (a)").expect("it runs");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let session = fixture.databases.session(fixture.tenant.clone(), fixture.applet.clone(), DbLimits::default(), None);
    let Ok(DbReply::Transaction(transaction)) = runtime.block_on(session.run(DbOperation::Begin)) else {
        panic!("it begins")
    };
    std::thread::scope(|scope| {
        let migrating = scope.spawn(|| fixture.migrate(&[migration(1, "ALTER TABLE notes ADD COLUMN b")]));
        std::thread::sleep(Duration::from_millis(50));
        assert!(!migrating.is_finished());
        runtime.block_on(session.run(DbOperation::Commit { transaction })).expect("it commits");
        assert_eq!(migrating.join().expect("no panic").expect("it applies").applied.len(), 1);
    });
}

#[test]
fn databases_are_listed_measured_copied_and_deleted() {
    let fixture = fixture();
    let (tenant, applet) = (&fixture.tenant, &fixture.applet);
    let elsewhere = tempfile::tempdir().expect("a directory");
    let to = elsewhere.path().join("copy.sqlite");
    assert_eq!(fixture.databases.size_bytes(tenant, applet).expect("it can be asked"), None);
    assert_eq!(fixture.databases.copy(tenant, applet, &to).expect("there is none"), None);
    assert!(!fixture.databases.delete(tenant, applet).expect("there is none"));
    fixture.migrate(&[migration(1, NOTES)]).expect("it applies");
    assert_eq!(fixture.databases.list().expect("it can be listed"), [(tenant.clone(), applet.clone())]);
    assert!(fixture.databases.tenant_size_bytes(tenant).expect("it can be asked") > 4096);
    fixture.databases.copy(tenant, applet, &to).expect("it can be copied").expect("there is one");
    let copy = rusqlite::Connection::open(&to).expect("it opens");
    let text: String = copy.query_row("SELECT text FROM notes", [], |row| row.get(0)).expect("it is there");
    assert_eq!(text, "first");
    assert!(fixture.databases.copy(tenant, applet, &to).is_err(), "nothing is overwritten");
    assert!(fixture.databases.delete(tenant, applet).expect("it can be deleted"));
    assert_eq!(fixture.databases.list().expect("it can be listed"), []);
    assert!(matches!(fixture.run("SELECT 1 FROM notes"), Err(DbError::Invalid(_))), "a new one is empty");
}

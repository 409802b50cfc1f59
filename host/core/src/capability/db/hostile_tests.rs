//! SQL that means harm: what attack suites and peers' advisories try. Each is refused, or does nothing it should not.

use rusqlite::Connection;

use super::authorizer::{FUNCTIONS, HIDDEN_TABLES, OF_CONNECTION};
use super::tests::{Ask, Host, quick, solo};
use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    Denied,
    Invalid,
    Limit,
    Failed,
    /// It answers.
    Harmless,
}

fn kind(reply: &Result<DbReply, DbError>) -> Expected {
    match reply {
        Ok(_) => Expected::Harmless,
        Err(DbError::Denied(_)) => Expected::Denied,
        Err(DbError::Invalid(_)) => Expected::Invalid,
        Err(DbError::Limit(_)) => Expected::Limit,
        Err(_) => Expected::Failed,
    }
}

/// Every statement, by query, execute, in a batch and in a transaction.
async fn check(expected: Expected, statements: &[&str]) {
    let host = Host::new();
    let session = host.session(quick());
    session.execute("CREATE TABLE users(id INTEGER PRIMARY KEY, name)").await.expect("creates");
    for sql in statements {
        for operation in 0..4 {
            let statement = Statement { sql: (*sql).into(), ..Statement::default() };
            let mut transaction = None;
            if operation == 3 {
                let Ok(DbReply::Transaction(number)) = session.run(DbOperation::Begin).await else {
                    panic!("no transaction")
                };
                transaction = Some(number);
            }
            let reply = match operation {
                0 => session.run(DbOperation::Query { statement, transaction }).await,
                1 => session.run(DbOperation::Execute { statement, transaction }).await,
                2 => session.run(DbOperation::Batch { statements: vec![statement] }).await,
                _ => session.run(DbOperation::Query { statement, transaction }).await,
            };
            assert_eq!(kind(&reply), expected, "{sql:.200} (way {operation}): {reply:?}");
            if let Err(error) = &reply {
                let text = error.to_string();
                let path = host.data.path().to_string_lossy().into_owned();
                assert!(!text.contains(&path), "{sql} tells a path: {text}");
            }
            if let Some(transaction) = transaction {
                let _ = session.run(DbOperation::Rollback { transaction }).await;
            }
        }
    }
    let left: Vec<_> =
        std::fs::read_dir(host.data.path()).expect("lists").map(|entry| entry.expect("an entry").file_name()).collect();
    assert_eq!(left, ["db"], "nothing was made elsewhere");
    session.query("SELECT * FROM users").await.expect("the table is still there");
}

#[tokio::test]
async fn other_files_stay_out_of_reach() {
    check(
        Expected::Denied,
        &[
            "ATTACH DATABASE '/tmp/pwn.db' AS p",
            "ATTACH DATABASE '/etc/passwd' AS p",
            "ATTACH ':memory:' AS m",
            "ATTACH 'file:/tmp/x?mode=rwc&vfs=unix-none' AS q",
            "ATTACH '../other-tenant/data.db' AS o",
            "aTtAcH/**/DATABASE 'x' AS y",
            "--\nATTACH '/tmp/pwn4.db' AS a",
            "\u{feff}ATTACH '/tmp/pwn4.db' AS a",
            "EXPLAIN ATTACH '/tmp/pwn4.db' AS a",
            "DETACH main",
            "SELECT load_extension('/tmp/x.so')",
            "SELECT load_extension('libc.so.6','system')",
            "SELECT fts3_tokenizer('x', x'0000000000000000')",
            "CREATE VIRTUAL TABLE z USING zipfile('/tmp/z.zip')",
            "CREATE VIRTUAL TABLE c USING csv(filename='/etc/passwd')",
            "CREATE VIRTUAL TABLE f USING fts5(a)",
            "CREATE VIRTUAL TABLE f USING rtree(a,b,c)",
            "CREATE VIRTUAL TABLE f USING dbstat",
        ],
    )
    .await;
    for path in ["/tmp/pwn.db", "/tmp/pwn4.db", "/tmp/z.zip"] {
        assert!(!Path::new(path).exists(), "{path}");
    }
    check(
        Expected::Invalid,
        &[
            "SELECT readfile('/etc/passwd')",
            "SELECT writefile('/tmp/pwn','x')",
            "SELECT edit('x','sh')",
            "SELECT * FROM fsdir('/')",
            "ATTACH\u{a0}'/tmp/pwn4.db' AS a",
            "WITH x AS (SELECT 1) ATTACH '/tmp/pwn4.db' AS a",
            "\"ATTACH\" '/tmp/pwn4.db' AS a",
            "/**/ATT\0ACH '/tmp/pwn4.db' AS a",
            "SELECT 1\0; ATTACH '/tmp/pwn4.db' AS a",
            "SELECT x'00' REGEXP '(a+)+$'",
        ],
    )
    .await;
}

#[tokio::test]
async fn pragmas_are_refused_but_for_the_schema() {
    check(
        Expected::Denied,
        &[
            "PRAGMA journal_mode=OFF",
            "PRAGMA journal_mode=MEMORY",
            "PRAGMA synchronous=OFF",
            "PRAGMA locking_mode=EXCLUSIVE",
            "PRAGMA mmap_size=1099511627776",
            "PRAGMA cache_size=-100000000",
            "PRAGMA schema_version=1",
            "PRAGMA trusted_schema=ON",
            "PRAGMA cell_size_check=OFF",
            "PRAGMA max_page_count=2147483646",
            "PRAGMA page_size=65536",
            "PRAGMA auto_vacuum=1",
            "PRAGMA wal_checkpoint(TRUNCATE)",
            "PRAGMA temp_store=2",
            "PRAGMA busy_timeout=2147483647",
            "PRAGMA query_only=0",
            "PRAGMA hard_heap_limit=0",
            "PRAGMA soft_heap_limit=0",
            "PRAGMA threads=64",
            "PRAGMA foreign_keys=OFF",
            "PRAGMA user_version=7",
            "PRAGMA database_list",
            "PRAGMA optimize",
            "PRAGMA shrink_memory",
            "PRAGMA writable_schema=ON",
            "PRAGMA data_version",
            "PRAGMA function_list",
            "PRAGMA module_list",
            "PRAGMA compile_options",
            "PRAGMA key=x",
            "PRAGMA temp_store_directory='/tmp'",
            "PRAGMA encoding='UTF-16'",
            "PRAGMA main.journal_mode",
            "PRAGMA integrity_check",
            "SELECT * FROM pragma_database_list",
            "SELECT file FROM PRAGMA_DATABASE_LIST",
            "SELECT * FROM pragma_function_list",
            "SELECT * FROM dbstat",
            "SELECT 1 FROM main.dbstat LIMIT 1",
        ],
    )
    .await;
    check(
        Expected::Harmless,
        &[
            "PRAGMA table_info(users)",
            "PRAGMA index_list(users)",
            "SELECT name FROM pragma_table_info('users')",
            "SELECT sql FROM sqlite_schema",
        ],
    )
    .await;
}

#[tokio::test]
async fn transactions_belong_to_the_api() {
    check(
        Expected::Denied,
        &["BEGIN", "BEGIN IMMEDIATE", "COMMIT", "END", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "ROLLBACK TO a"],
    )
    .await;
    let (_host, session) = solo(quick());
    for sql in ["VACUUM", "VACUUM INTO '/tmp/pwn5.db'"] {
        let reply = session.execute(sql).await;
        assert!(matches!(reply, Err(DbError::Denied(_))), "{sql}: {reply:?}");
    }
    assert!(!Path::new("/tmp/pwn5.db").exists());
}

#[tokio::test]
async fn nothing_is_left_in_a_connection() {
    check(
        Expected::Denied,
        &[
            "CREATE TEMP TABLE t(a)",
            "CREATE TABLE temp.t(a)",
            "CREATE TEMP VIEW v AS SELECT 1",
            "CREATE TEMP TRIGGER g AFTER INSERT ON users BEGIN SELECT 1; END",
            "CREATE TEMP TABLE t AS SELECT 1",
        ],
    )
    .await;
    let (_host, session) = solo(quick());
    for sql in ["SELECT changes()", "SELECT total_changes()", "SELECT last_insert_rowid()"] {
        let reply = session.query(sql).await;
        assert!(matches!(reply, Err(DbError::Denied(_))), "{sql}: {reply:?}");
    }
}

#[tokio::test]
async fn exactly_one_statement() {
    check(
        Expected::Invalid,
        &[
            "",
            ";",
            ";;;",
            "--",
            "/*",
            "-- nothing",
            "/* nothing */ ;",
            "SELECT 1; SELECT 2",
            "SELECT 1;; DROP TABLE users",
            "SELECT 1; DROP TABLE IF EXISTS users; ATTACH '/tmp/pwn3.db' AS z",
            "SELECT 1; nonsense",
            "SELEC 1",
            "SELECT 1 2",
            "SELECT * FROM missing",
            "SELECT \"misspelt\" FROM users",
        ],
    )
    .await;
    check(
        Expected::Harmless,
        &[
            "SELECT 1;",
            "SELECT 1;;;;;;",
            " \n SELECT 1 ; -- done",
            "/*!ATTACH*/ SELECT 1",
            "SELECT 1 -- \u{2028} ; ATTACH '/tmp/pwn4.db' AS a",
            "SELECT 1 /* open",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_flood_of_statements_does_not_exhaust_the_stack() {
    let (_host, session) = solo(quick());
    let reply = session.query(&"SELECT 1;".repeat(100_000)).await;
    assert!(matches!(reply, Err(DbError::Invalid(_))), "{reply:?}");
    let nested = format!("SELECT {}1{}", "(".repeat(100_000), ")".repeat(100_000));
    assert!(matches!(session.query(&nested).await, Err(DbError::Invalid(_))));
}

#[tokio::test]
async fn the_schema_is_not_writable() {
    for sql in [
        "INSERT INTO sqlite_schema VALUES ('table','x','x',2,'CREATE TABLE x(a)')",
        "UPDATE sqlite_master SET sql='x'",
        "DELETE FROM sqlite_schema",
        "DROP TABLE sqlite_schema",
    ] {
        check(Expected::Invalid, &[sql]).await;
    }
}

#[tokio::test]
async fn large_values_are_not_made() {
    check(
        Expected::Limit,
        &[
            "SELECT zeroblob(1000000000)",
            "SELECT hex(zeroblob(1000000000))",
            "SELECT printf('%.*c', 1000000000, 'x')",
            "SELECT printf('%1000000000d', 1)",
            "SELECT replace(hex(zeroblob(100000)),'0',hex(zeroblob(100000)))",
            "SELECT group_concat(hex(zeroblob(1000000))) FROM json_each('[1,2,3,4,5,6,7,8,9]')",
            "SELECT randomblob(1000000000)",
            "SELECT json_array(hex(randomblob(10000000)))",
        ],
    )
    .await;
}

#[tokio::test]
async fn quadratic_functions_are_linear_or_refused() {
    let (_host, session) = solo(DbLimits { result_bytes_max: 64 << 20, ..quick() });
    // Each would hold a thread for minutes, out of reach of any interrupt.
    let text = "replace(hex(zeroblob(1000000)),'0','a')";
    let half = "replace(hex(zeroblob(500000)),'0','a')";
    for sql in [
        format!("SELECT instr({text}, {half}||'b')"),
        format!("SELECT length(replace({text}, {half}||'b', 'c'))"),
        format!("SELECT length(trim({text}, replace(hex(zeroblob(1000000)),'0','b')||'a'))"),
    ] {
        let reply = session.query(&sql).await;
        assert!(reply.is_ok(), "{sql}: {reply:?}");
    }
    check(
        Expected::Harmless,
        &[
            "SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' LIKE '%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%a%b'",
            "SELECT 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' GLOB '*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b'",
        ],
    )
    .await;
    check(Expected::Denied, &["SELECT json_patch('{}','{}')"]).await;
    let pattern = "a".repeat(200);
    let reply = session.query(&format!("SELECT 'x' LIKE '%{pattern}'")).await;
    assert!(matches!(reply, Err(DbError::Invalid(_))), "{reply:?}");
}

#[tokio::test]
async fn ordinary_sql_works() {
    let (_host, session) = solo(quick());
    for sql in [
        "CREATE TABLE a(id INTEGER PRIMARY KEY, x TEXT NOT NULL DEFAULT 'v', n INT CHECK (n > 0)) STRICT",
        "CREATE TABLE IF NOT EXISTS a(id)",
        "CREATE INDEX i ON a(x, lower(x)) WHERE n > 1",
        "CREATE TABLE log(t, rowid_)",
        "CREATE TRIGGER tr AFTER INSERT ON a BEGIN INSERT INTO log VALUES (datetime('now'), last_insert_rowid()); END",
        "CREATE VIEW v AS SELECT id, upper(x) AS x FROM a",
        "INSERT INTO a(x,n) VALUES ('q',1),('r',2)",
        "INSERT INTO a(id,x,n) VALUES (1,'z',5) ON CONFLICT(id) DO UPDATE SET n=excluded.n",
        "REPLACE INTO a(id,x,n) VALUES (9,'y',3)",
        "SELECT row_number() OVER (ORDER BY n), sum(n) OVER () FROM a",
        "SELECT value->>'$.k' FROM json_each('[{\"k\":1}]')",
        "SELECT * FROM json_tree('{\"a\":[1]}')",
        "SELECT json_group_array(json_object('id', id)) FROM a GROUP BY n HAVING count(*) > 0",
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<10) SELECT sum(x) FROM c",
        "SELECT DISTINCT x FROM a UNION SELECT x FROM v EXCEPT SELECT 'k' ORDER BY 1 LIMIT 3",
        "SELECT strftime('%Y', 'now'), random(), hex(randomblob(8)), x GLOB 'q*', x LIKE '%q%' FROM a",
        "EXPLAIN QUERY PLAN SELECT * FROM a WHERE x='q'",
        "ALTER TABLE a ADD COLUMN extra TEXT",
        "ALTER TABLE a RENAME COLUMN extra TO more",
        "ALTER TABLE a DROP COLUMN more",
        "ALTER TABLE a RENAME TO b",
        "ANALYZE",
        "REINDEX",
        "DELETE FROM b",
        "DROP VIEW v",
        "DROP TRIGGER tr",
        "DROP INDEX i",
        "DROP TABLE b",
    ] {
        let reply = session.execute(sql).await;
        assert!(reply.is_ok(), "{sql}: {reply:?}");
    }
}

/// A newer SQLite brings new functions and tables: each has to be decided on, here.
#[test]
fn every_function_and_table_of_sqlite_is_decided_on() {
    let refused = [
        "bm25",
        "highlight",
        "fts3_tokenizer",
        "fts5",
        "fts5_fold",
        "fts5_get_locale",
        "fts5_insttoken",
        "fts5_isalnum",
        "fts5_isspace",
        "fts5_locale",
        "fts5_source_id",
        "json_patch",
        "jsonb_patch",
        "load_extension",
        "match",
        "matchinfo",
        "offsets",
        "optimize",
        "rtreecheck",
        "rtreedepth",
        "rtreenode",
        "snippet",
        "sqlite_compileoption_get",
        "sqlite_compileoption_used",
        "sqlite_log",
        "sqlite_offset",
    ];
    let sqlite = Connection::open_in_memory().expect("opens");
    let names = |sql: &str| -> Vec<String> {
        let mut prepared = sqlite.prepare(sql).expect("prepares");
        let rows = prepared.query_map([], |row| row.get(0)).expect("runs");
        rows.collect::<Result<_, _>>().expect("reads")
    };
    let undecided: Vec<String> = names("SELECT DISTINCT name FROM pragma_function_list ORDER BY name")
        .into_iter()
        .filter(|name| ![FUNCTIONS, &OF_CONNECTION, &refused].iter().any(|list| list.contains(&name.as_str())))
        .collect();
    assert_eq!(undecided, [""; 0]);
    let creatable = [
        "fts3",
        "fts4",
        "fts4aux",
        "fts5",
        "fts5vocab",
        "json_each",
        "json_tree",
        "jsonb_each",
        "jsonb_tree",
        "rtree",
        "rtree_i32",
    ];
    let undecided: Vec<String> = names("SELECT name FROM pragma_module_list ORDER BY name")
        .into_iter()
        .filter(|name| {
            !name.starts_with("pragma_")
                && !HIDDEN_TABLES.contains(&name.as_str())
                && !creatable.contains(&name.as_str())
        })
        .collect();
    assert_eq!(undecided, [""; 0]);
}

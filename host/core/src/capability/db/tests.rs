//! The capability as its users see it, on real files: values, transactions, locks, limits, cancellation, durability.

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;

const MIB: u64 = 1 << 20;

/// A host with its data directory.
pub(super) struct Host {
    pub(super) data: tempfile::TempDir,
    pub(super) databases: Databases,
}

impl Host {
    pub(super) fn new() -> Self {
        Self::with(DatabasesConfig::default())
    }

    fn with(config: DatabasesConfig) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let databases = Databases::open(data.path(), config).expect("opens");
        Self { data, databases }
    }

    pub(super) fn session(&self, limits: DbLimits) -> DbSession {
        self.databases.session(tenant("acme"), AppletId::new("shop").expect("valid"), limits, None)
    }

    fn file(&self) -> std::path::PathBuf {
        self.data.path().join("db/acme/shop.sqlite")
    }
}

fn tenant(name: &str) -> TenantId {
    TenantId::new(name).expect("valid")
}

/// A session of a host of its own.
pub(super) fn solo(limits: DbLimits) -> (Host, DbSession) {
    let host = Host::new();
    let session = host.session(limits);
    (host, session)
}

pub(super) fn quick() -> DbLimits {
    DbLimits { busy_ms_max: 50, ..DbLimits::default() }
}

pub(super) fn statement(sql: &str) -> Statement {
    Statement { sql: sql.into(), parameters: Parameters::default() }
}

/// Shorthand for the operations of a session.
pub(super) trait Ask {
    fn ask(&self, operation: DbOperation) -> impl Future<Output = Result<DbReply, DbError>> + Send + 'static;

    fn query(&self, sql: &str) -> impl Future<Output = Result<DbReply, DbError>> + Send + 'static {
        self.ask(DbOperation::Query { statement: statement(sql), transaction: None })
    }

    fn execute(&self, sql: &str) -> impl Future<Output = Result<DbReply, DbError>> + Send + 'static {
        self.ask(DbOperation::Execute { statement: statement(sql), transaction: None })
    }

    fn query_in(&self, number: u32, sql: &str) -> impl Future<Output = Result<DbReply, DbError>> + Send + 'static {
        self.ask(DbOperation::Query { statement: statement(sql), transaction: Some(number) })
    }

    fn execute_in(&self, number: u32, sql: &str) -> impl Future<Output = Result<DbReply, DbError>> + Send + 'static {
        self.ask(DbOperation::Execute { statement: statement(sql), transaction: Some(number) })
    }

    fn commit(&self, transaction: u32) -> impl Future<Output = Result<DbReply, DbError>> + Send + 'static {
        self.ask(DbOperation::Commit { transaction })
    }
}

impl Ask for DbSession {
    fn ask(&self, operation: DbOperation) -> impl Future<Output = Result<DbReply, DbError>> + Send + 'static {
        self.run(operation)
    }
}

async fn begin(session: &DbSession) -> u32 {
    match session.run(DbOperation::Begin).await {
        Ok(DbReply::Transaction(number)) => number,
        other => panic!("no transaction: {other:?}"),
    }
}

fn rows(reply: Result<DbReply, DbError>) -> Vec<Vec<Value>> {
    match reply {
        Ok(DbReply::Rows(rows)) => rows.rows,
        other => panic!("no rows: {other:?}"),
    }
}

fn changes(reply: Result<DbReply, DbError>) -> Changes {
    match reply {
        Ok(DbReply::Changes(changes)) => changes,
        other => panic!("no changes: {other:?}"),
    }
}

async fn number(session: &DbSession, sql: &str) -> i64 {
    match rows(session.query(sql).await).as_slice() {
        [row] => match row.as_slice() {
            [Value::Integer(number)] => *number,
            other => panic!("no number: {other:?}"),
        },
        other => panic!("no single row: {other:?}"),
    }
}

fn limit(reply: Result<DbReply, DbError>) -> (&'static str, u64) {
    match reply {
        Err(DbError::Limit(hit)) => {
            assert!(hit.used >= hit.allowed, "{hit:?}");
            (hit.name, hit.allowed)
        }
        other => panic!("no limit: {other:?}"),
    }
}

const FOR_EVER: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT count(*) FROM c";

#[tokio::test]
async fn values_keep_their_type_and_every_bit() {
    let host = Host::new();
    let session = host.session(quick());
    let sql = "SELECT 9007199254740993 AS big, -9223372036854775807-1 AS least, 1e400 AS inf, x'00ff' AS b, \
               'a'||char(0)||'b' AS nul, NULL AS n, 1 AS d, 2 AS d, x'' AS none";
    let Ok(DbReply::Rows(found)) = session.query(sql).await else { panic!("no rows") };
    assert_eq!(found.columns, ["big", "least", "inf", "b", "nul", "n", "d", "d", "none"]);
    let expected = vec![
        Value::Integer(9_007_199_254_740_993),
        Value::Integer(i64::MIN),
        Value::Real(f64::INFINITY),
        Value::Blob(vec![0, 255]),
        Value::Text("a\0b".into()),
        Value::Null,
        Value::Integer(1),
        Value::Integer(2),
        Value::Blob(vec![]),
    ];
    assert_eq!(found.rows, std::slice::from_ref(&expected));

    session.execute("CREATE TABLE t(a,b,c,d,e,f,g,h,i)").await.expect("creates");
    let insert = Statement {
        sql: "INSERT INTO t VALUES (?,?,?,?,?,?,?,?,?) RETURNING *".into(),
        parameters: Parameters::Positional(expected.clone()),
    };
    let reply = session.run(DbOperation::Query { statement: insert, transaction: None }).await;
    assert_eq!(rows(reply), std::slice::from_ref(&expected));
    assert_eq!(rows(session.query("SELECT * FROM t").await), [expected]);
}

#[tokio::test]
async fn text_that_is_not_utf8_is_an_error() {
    let (_host, session) = solo(quick());
    let reply = session.query("SELECT CAST(x'ff' AS TEXT) AS odd").await;
    assert!(matches!(&reply, Err(DbError::Invalid(text)) if text.contains("odd")), "{reply:?}");
}

#[tokio::test]
async fn parameters_must_match() {
    let (_host, session) = solo(quick());
    let named = |names: &[&str]| {
        Parameters::Named(names.iter().map(|name| ((*name).into(), Value::Text((*name).into()))).collect())
    };
    let positional = |count: i64| Parameters::Positional((0..count).map(Value::Integer).collect());
    let cases = [
        ("SELECT :a, @b, $a", named(&["a", "b"]), Some(3)),
        ("SELECT :a", named(&["a", "c"]), None),
        ("SELECT :a, :b", named(&["a"]), None),
        ("SELECT ?", named(&["a"]), None),
        ("SELECT ?1", named(&["1"]), None),
        ("SELECT ?2, ?1", positional(2), Some(2)),
        ("SELECT ?", positional(2), None),
        ("SELECT ?, ?", positional(1), None),
    ];
    for (sql, parameters, columns) in cases {
        let statement = Statement { sql: sql.into(), parameters };
        let reply = session.run(DbOperation::Query { statement, transaction: None }).await;
        match columns {
            Some(columns) => assert_eq!(rows(reply)[0].len(), columns, "{sql}"),
            None => assert!(matches!(reply, Err(DbError::Invalid(_))), "{sql}: {reply:?}"),
        }
    }
}

#[tokio::test]
async fn changes_tell_of_the_statement_itself_only() {
    let (_host, session) = solo(quick());
    assert_eq!(changes(session.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b)").await), Changes::default());
    let inserted = changes(session.execute("INSERT INTO t(b) VALUES (1),(2),(3)").await);
    assert_eq!(inserted, Changes { changes: 3, last_insert_rowid: 3 });
    assert_eq!(
        changes(session.execute("UPDATE t SET b=0 WHERE a>1").await),
        Changes { changes: 2, last_insert_rowid: 0 }
    );
    assert_eq!(changes(session.execute("DELETE FROM t WHERE a=99").await), Changes::default());
    assert_eq!(changes(session.execute("SELECT * FROM t").await), Changes::default());
    assert_eq!(changes(session.execute("CREATE TABLE u(a)").await), Changes::default());
    assert_eq!(changes(session.execute("ALTER TABLE u RENAME COLUMN a TO b").await), Changes::default());
    assert_eq!(changes(session.execute("DROP TABLE u").await), Changes::default());
}

#[tokio::test]
async fn query_one_reads_one_row_and_a_writing_one_is_complete() {
    let (_host, session) = solo(quick());
    session.execute("CREATE TABLE t(a)").await.expect("creates");
    let one = |sql: &str| session.run(DbOperation::QueryOne { statement: statement(sql), transaction: None });
    assert_eq!(rows(one("INSERT INTO t VALUES (1),(2),(3) RETURNING a").await), [[Value::Integer(1)]]);
    assert_eq!(number(&session, "SELECT count(*) FROM t").await, 3);
    assert_eq!(rows(one("SELECT a FROM t ORDER BY a").await), [[Value::Integer(1)]]);
    assert_eq!(rows(one("SELECT a FROM t WHERE a=9").await), Vec::<Vec<Value>>::new());
}

#[tokio::test]
async fn a_refused_row_undoes_what_returned_it() {
    let (_host, session) = solo(DbLimits { rows_max: 2, ..quick() });
    session.execute("CREATE TABLE t(a)").await.expect("creates");
    let insert = "INSERT INTO t VALUES (1),(2),(3) RETURNING a";
    assert_eq!(limit(session.query(insert).await), ("rows_max", 2));
    let odd = "INSERT INTO t VALUES (1) RETURNING CAST(x'ff' AS TEXT)";
    assert!(matches!(session.query(odd).await, Err(DbError::Invalid(_))));
    let number_ = begin(&session).await;
    session.execute_in(number_, "INSERT INTO t VALUES (9)").await.expect("inserts");
    assert_eq!(limit(session.query_in(number_, insert).await), ("rows_max", 2));
    session.commit(number_).await.expect("is still open");
    assert_eq!(rows(session.query("SELECT a FROM t").await), [[Value::Integer(9)]]);
}

#[tokio::test]
async fn batch_is_all_or_nothing() {
    let (_host, session) = solo(DbLimits { batch_statements_max: 3, ..quick() });
    session.execute("CREATE TABLE t(a UNIQUE)").await.expect("creates");
    let batch =
        |sqls: &[&str]| session.run(DbOperation::Batch { statements: sqls.iter().map(|sql| statement(sql)).collect() });
    let done = batch(&["INSERT INTO t VALUES (1)", "UPDATE t SET a=2", "SELECT 1"]).await;
    let expected = vec![
        Changes { changes: 1, last_insert_rowid: 1 },
        Changes { changes: 1, last_insert_rowid: 0 },
        Changes::default(),
    ];
    assert_eq!(done, Ok(DbReply::Batch(expected)));
    let failed = batch(&["INSERT INTO t VALUES (3)", "INSERT INTO t VALUES (2)"]).await;
    assert!(matches!(&failed, Err(DbError::Constraint(text)) if text.contains("statement 2")), "{failed:?}");
    let ended = batch(&["INSERT OR ROLLBACK INTO t VALUES (2)", "INSERT INTO t VALUES (9)"]).await;
    assert!(matches!(ended, Err(DbError::Constraint(_))), "{ended:?}");
    assert_eq!(limit(batch(&["SELECT 1"; 4]).await), ("batch_statements_max", 3));
    assert_eq!(batch(&[]).await, Ok(DbReply::Batch(vec![])));
    assert_eq!(number(&session, "SELECT count(*) FROM t").await, 1);
}

#[tokio::test]
async fn a_transaction_commits_or_rolls_back() {
    let host = Host::new();
    let (session, other) = (host.session(quick()), host.session(quick()));
    session.execute("CREATE TABLE t(a)").await.expect("creates");
    let first = begin(&session).await;
    session.execute_in(first, "INSERT INTO t VALUES (1)").await.expect("inserts");
    assert_eq!(number(&other, "SELECT count(*) FROM t").await, 0, "readers see the state before");
    assert_eq!(
        rows(session.query_in(first, "SELECT last_insert_rowid(), changes()").await),
        [[Value::Integer(1), Value::Integer(1)]]
    );
    assert_eq!(session.commit(first).await, Ok(DbReply::Ended));
    assert_eq!(number(&other, "SELECT count(*) FROM t").await, 1);
    assert_eq!(session.commit(first).await, Err(DbError::NoTransaction));
    assert_eq!(session.query_in(first, "SELECT 1").await, Err(DbError::NoTransaction));

    let second = begin(&session).await;
    assert_ne!(first, second);
    session.execute_in(second, "INSERT INTO t VALUES (2)").await.expect("inserts");
    assert_eq!(session.run(DbOperation::Rollback { transaction: second }).await, Ok(DbReply::Ended));
    assert_eq!(number(&other, "SELECT count(*) FROM t").await, 1);
    assert_eq!(other.query_in(2, "SELECT 1").await, Err(DbError::NoTransaction), "numbers belong to a session");
}

#[tokio::test]
async fn a_constraint_error_leaves_the_transaction_open_unless_told_otherwise() {
    let host = Host::new();
    let session = host.session(quick());
    session.execute("CREATE TABLE p(a PRIMARY KEY)").await.expect("creates");
    session.execute("CREATE TABLE c(a REFERENCES p DEFERRABLE INITIALLY DEFERRED)").await.expect("creates");
    let number = begin(&session).await;
    session.execute_in(number, "INSERT INTO p VALUES (1)").await.expect("inserts");
    let refused = session.execute_in(number, "INSERT INTO p VALUES (1)").await;
    assert!(matches!(refused, Err(DbError::Constraint(_))), "{refused:?}");
    session.execute_in(number, "INSERT INTO c VALUES (2)").await.expect("is checked at commit");
    assert!(matches!(session.commit(number).await, Err(DbError::Constraint(_))));
    session.execute_in(number, "UPDATE c SET a=1").await.expect("is still open");
    session.commit(number).await.expect("is mended");

    let number = begin(&session).await;
    let refused = session.execute_in(number, "INSERT OR ROLLBACK INTO p VALUES (1)").await;
    assert!(matches!(refused, Err(DbError::Constraint(_))), "{refused:?}");
    assert_eq!(session.query_in(number, "SELECT 1").await, Err(DbError::NoTransaction));
    begin(&host.session(quick())).await;
}

#[tokio::test]
async fn other_writers_get_busy_and_readers_do_not() {
    let host = Host::new();
    let (session, other) = (host.session(quick()), host.session(quick()));
    session.execute("CREATE TABLE t(a)").await.expect("creates");
    let number = begin(&session).await;
    assert_eq!(other.execute("INSERT INTO t VALUES (1)").await, Err(DbError::Busy));
    assert_eq!(other.query("INSERT INTO t VALUES (1) RETURNING a").await, Err(DbError::Busy));
    assert_eq!(other.run(DbOperation::Begin).await, Err(DbError::Busy));
    assert_eq!(other.run(DbOperation::Batch { statements: vec![statement("SELECT 1")] }).await, Err(DbError::Busy));
    other.query("SELECT * FROM t").await.expect("reads");
    session.commit(number).await.expect("commits");
    other.execute("INSERT INTO t VALUES (1)").await.expect("writes now");
}

#[tokio::test]
async fn a_writer_of_another_process_makes_busy_too() {
    let host = Host::new();
    let session = host.session(quick());
    session.execute("CREATE TABLE t(a)").await.expect("creates");
    let outside = rusqlite::Connection::open(host.file()).expect("opens");
    outside.execute_batch("BEGIN IMMEDIATE").expect("locks");
    assert_eq!(session.execute("INSERT INTO t VALUES (1)").await, Err(DbError::Busy));
    assert_eq!(session.run(DbOperation::Begin).await, Err(DbError::Busy));
    outside.execute_batch("ROLLBACK").expect("unlocks");
    session.execute("INSERT INTO t VALUES (1)").await.expect("writes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_take_turns_and_hold_no_threads_while_they_wait() {
    // With a single worker thread a waiting writer that held it would keep the lock's owner from committing.
    let host = Host::with(DatabasesConfig { workers_max: 1, ..DatabasesConfig::default() });
    host.session(quick()).execute("CREATE TABLE t(a)").await.expect("creates");
    let patient = DbLimits { busy_ms_max: 60_000, ..DbLimits::default() };
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let session = host.session(patient.clone());
        tasks.spawn(async move {
            let number = begin(&session).await;
            session.execute_in(number, "INSERT INTO t VALUES (1)").await.expect("inserts");
            tokio::task::yield_now().await;
            session.commit(number).await.expect("commits");
        });
    }
    tasks.join_all().await;
    assert_eq!(number(&host.session(quick()), "SELECT count(*) FROM t").await, 20);
}

#[tokio::test]
async fn a_dropped_session_rolls_back_at_once() {
    let host = Host::new();
    let patient =
        DbLimits { busy_ms_max: 60_000, transaction_ms_max: 60_000, statement_ms_max: 60_000, ..DbLimits::default() };
    let session = host.session(patient.clone());
    session.execute("CREATE TABLE t(a)").await.expect("creates");

    // With an idle transaction.
    let number_ = begin(&session).await;
    session.execute_in(number_, "INSERT INTO t VALUES (1)").await.expect("inserts");
    drop(session);
    let outside = rusqlite::Connection::open(host.file()).expect("opens");
    outside.busy_timeout(Duration::from_secs(30)).expect("sets");
    outside.execute_batch("INSERT INTO t VALUES (10)").expect("the lock is free");

    // With a statement at work in it.
    let session = host.session(patient.clone());
    let number_ = begin(&session).await;
    session.execute_in(number_, "INSERT INTO t VALUES (2)").await.expect("inserts");
    let running = tokio::spawn(session.query_in(number_, FOR_EVER));
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(session);
    assert!(matches!(running.await.expect("no panic"), Err(DbError::Failed(_) | DbError::NoTransaction)));
    outside.execute_batch("INSERT INTO t VALUES (11)").expect("the lock is free");

    // With its begin not yet answered.
    outside.execute_batch("BEGIN IMMEDIATE").expect("locks");
    let session = host.session(patient.clone());
    let waiting = tokio::spawn(session.run(DbOperation::Begin));
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(session);
    assert!(waiting.await.expect("no panic").is_err());
    outside.execute_batch("COMMIT").expect("unlocks");
    let next = host.session(patient);
    next.execute("INSERT INTO t VALUES (12)").await.expect("the lock is free");
    assert_eq!(rows(next.query("SELECT a FROM t ORDER BY a").await), [10, 11, 12].map(|a| [Value::Integer(a)]));
}

#[tokio::test]
async fn a_dropped_operation_is_stopped() {
    let host = Host::with(DatabasesConfig { workers_max: 1, ..DatabasesConfig::default() });
    let session = host.session(DbLimits { statement_ms_max: 600_000, ..quick() });
    for _ in 0..3 {
        let running = session.query(FOR_EVER);
        assert!(tokio::time::timeout(Duration::from_millis(30), running).await.is_err());
    }
    // The only worker is free again, or this would wait for ten minutes.
    tokio::time::timeout(Duration::from_secs(30), session.query("SELECT 1")).await.expect("is free").expect("answers");
}

#[tokio::test]
async fn times_stop_statements() {
    let host = Host::new();
    let session = host.session(DbLimits { statement_ms_max: 30, ..quick() });
    assert_eq!(limit(session.query(FOR_EVER).await), ("statement_ms_max", 30));
    session.query("SELECT 1").await.expect("goes on");

    let session = host.session(DbLimits { transaction_ms_max: 60, ..quick() });
    let number_ = begin(&session).await;
    assert_eq!(limit(session.query_in(number_, FOR_EVER).await), ("transaction_ms_max", 60));
    assert_eq!(session.query_in(number_, "SELECT 1").await, Err(DbError::NoTransaction));

    let deadline = Deadline::new(Instant::now() - Duration::from_millis(17), 77);
    let session =
        host.databases.session(tenant("acme"), AppletId::new("shop").expect("valid"), quick(), Some(deadline));
    assert_eq!(limit(session.query(FOR_EVER).await), ("deadline_ms", 77));
    assert_eq!(limit(session.query("SELECT 1").await), ("deadline_ms", 77));
}

#[tokio::test]
async fn an_idle_transaction_over_its_time_is_rolled_back() {
    let host = Host::new();
    let limits = DbLimits { transaction_ms_max: 40, transactions_max: 1, busy_ms_max: 30_000, ..DbLimits::default() };
    let (session, other) = (host.session(limits.clone()), host.session(limits));
    session.execute("CREATE TABLE t(a)").await.expect("creates");
    let number_ = begin(&session).await;
    session.execute_in(number_, "INSERT INTO t VALUES (1)").await.expect("inserts");
    other.execute("INSERT INTO t VALUES (2)").await.expect("gets the lock in the end");
    assert_eq!(session.execute_in(number_, "INSERT INTO t VALUES (3)").await, Err(DbError::NoTransaction));
    assert_eq!(session.commit(number_).await, Err(DbError::NoTransaction));
    begin(&session).await;
    assert_eq!(rows(other.query("SELECT a FROM t").await), [[Value::Integer(2)]]);
}

#[tokio::test]
async fn transactions_are_counted() {
    let host = Host::new();
    let session = host.session(DbLimits { transactions_max: 1, ..quick() });
    let number = begin(&session).await;
    assert_eq!(limit(session.run(DbOperation::Begin).await), ("transactions_max", 1));
    session.commit(number).await.expect("commits");
    begin(&session).await;
}

#[tokio::test]
async fn sizes_are_limited() {
    let limits = DbLimits { rows_max: 3, result_bytes_max: 1000, value_bytes_max: 5000, ..quick() };
    let (_host, session) = solo(limits);
    session.query("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3").await.expect("is within");
    assert_eq!(limit(session.query("VALUES (1),(2),(3),(4)").await), ("rows_max", 3));
    assert_eq!(limit(session.query("SELECT zeroblob(1001) AS b").await), ("result_bytes_max", 1000));
    assert_eq!(limit(session.query("SELECT length(randomblob(5001))").await), ("value_bytes_max", 5000));
    assert_eq!(limit(session.query(&format!("SELECT 1 --{}", "x".repeat(5000))).await), ("value_bytes_max", 5000));
    let large =
        Statement { sql: "SELECT ?".into(), parameters: Parameters::Positional(vec![Value::Blob(vec![0; 5000])]) };
    let reply = session.run(DbOperation::Query { statement: large, transaction: None }).await;
    assert_eq!(limit(reply), ("value_bytes_max", 5000));
    let (_host, session) = solo(quick());
    let long = format!("SELECT 1 --{}", "x".repeat(1 << 20));
    assert_eq!(limit(session.query(&long).await), ("sql_bytes_max", SQL_BYTES_MAX));
}

#[tokio::test]
async fn the_database_does_not_outgrow_its_quota() {
    let host = Host::new();
    let session = host.session(DbLimits { database_bytes_max: MIB, ..quick() });
    session.execute("CREATE TABLE big(b)").await.expect("creates");
    let fill = "INSERT INTO big SELECT randomblob(10000) FROM \
                (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c LIMIT 100000) SELECT x FROM c)";
    assert_eq!(limit(session.execute(fill).await), ("database_bytes_max", MIB));
    session.execute("INSERT INTO big VALUES (randomblob(1000))").await.expect("there is room for less");
    let number_ = begin(&session).await;
    assert_eq!(limit(session.execute_in(number_, fill).await), ("database_bytes_max", MIB));
    let on_disk: u64 = std::fs::read_dir(host.data.path().join("db/acme"))
        .expect("lists")
        .map(|entry| entry.expect("an entry").metadata().expect("is there").len())
        .sum();
    assert!(on_disk < 4 * MIB, "{on_disk} bytes on disk");
}

#[tokio::test]
async fn sorting_does_not_fill_the_disk() {
    let (_host, session) = solo(DbLimits { database_bytes_max: 8 * MIB, statement_ms_max: 60_000, ..quick() });
    let sort = "SELECT b FROM (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) \
                SELECT randomblob(100000) AS b FROM c) ORDER BY b";
    assert_eq!(limit(session.query(sort).await), ("database_bytes_max", 16 * MIB));
}

#[tokio::test]
async fn a_row_of_many_large_values_fails_rather_than_the_host() {
    // The heap limit is the process's: the test has one to itself, or it would starve the others.
    if std::env::var_os("BELLJAR_TEST_ALONE").is_none() {
        let name = "capability::db::tests::a_row_of_many_large_values_fails_rather_than_the_host";
        let mut alone = std::process::Command::new(std::env::current_exe().expect("is known"));
        let output = alone.args(["--exact", name]).env("BELLJAR_TEST_ALONE", "1").output().expect("runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        return;
    }
    let (_host, session) = solo(quick());
    let columns = vec!["randomblob(4000000)"; 250].join(",");
    let reply = session.query(&format!("SELECT {columns}")).await;
    assert!(matches!(reply, Err(DbError::Failed(_))), "{reply:?}");
    session.query("SELECT 1").await.expect("goes on");
}

#[tokio::test]
async fn usage_is_counted() {
    let (_host, session) = solo(quick());
    assert_eq!(session.usage(), crate::floor::usage::DbUsage::default());
    session.execute("CREATE TABLE t(a)").await.expect("creates");
    session.query("INSERT INTO t VALUES ('xyz') RETURNING a").await.expect("inserts");
    let usage = session.usage();
    assert_eq!((usage.statements, usage.rows), (2, 1));
    assert_eq!(usage.bytes_in, 17 + 40);
    assert_eq!(usage.bytes_out, 1 + 3);
}

#[tokio::test]
async fn tenants_and_applets_do_not_see_each_other() {
    let host = Host::new();
    for databases in [host.databases.clone(), Databases::in_memory(DatabasesConfig::default())] {
        let session =
            |who: &str, what: &str| databases.session(tenant(who), AppletId::new(what).expect("valid"), quick(), None);
        session("a", "x").execute("CREATE TABLE t(a)").await.expect("creates");
        session("a", "x").query("SELECT * FROM t").await.expect("is there in another session");
        for (who, what) in [("b", "x"), ("a", "y")] {
            let reply = session(who, what).query("SELECT * FROM t").await;
            assert!(matches!(reply, Err(DbError::Invalid(_))), "{reply:?}");
        }
    }
}

#[tokio::test]
async fn memory_databases_have_transactions_too() {
    let databases = Databases::in_memory(DatabasesConfig::default());
    let session = || databases.session(tenant("a"), AppletId::new("x").expect("valid"), quick(), None);
    let (one, two) = (session(), session());
    one.execute("CREATE TABLE t(a)").await.expect("creates");
    let number_ = begin(&one).await;
    one.execute_in(number_, "INSERT INTO t VALUES (1)").await.expect("inserts");
    assert_eq!(two.execute("INSERT INTO t VALUES (2)").await, Err(DbError::Busy));
    assert_eq!(two.query("SELECT count(*) FROM t").await, Err(DbError::Busy), "unlike a file");
    one.commit(number_).await.expect("commits");
    assert_eq!(number(&two, "SELECT count(*) FROM t").await, 1);
}

#[tokio::test]
async fn connections_are_reused_and_bounded() {
    let host = Host::with(DatabasesConfig { idle_connections_max: 2, ..DatabasesConfig::default() });
    for name in ["a", "b", "c", "a", "a"] {
        let session = host.databases.session(tenant(name), AppletId::new("x").expect("valid"), quick(), None);
        session.query("SELECT 1").await.expect("answers");
        session.query("SELECT 1").await.expect("answers");
    }
    assert_eq!(host.databases.pool.idle(), 2);
}

#[tokio::test]
async fn a_planted_link_is_refused() {
    let host = Host::new();
    std::fs::create_dir(host.data.path().join("db/acme")).expect("makes");
    let target = host.data.path().join("other.sqlite");
    rusqlite::Connection::open(&target).expect("opens").execute_batch("CREATE TABLE secret(a)").expect("creates");
    std::os::unix::fs::symlink(&target, host.file()).expect("links");
    let reply = host.session(quick()).query("SELECT * FROM secret").await;
    assert!(matches!(&reply, Err(DbError::Failed(text)) if !text.contains('/')), "{reply:?}");
}

#[tokio::test]
async fn a_damaged_file_is_told_as_such() {
    let host = Host::new();
    std::fs::create_dir(host.data.path().join("db/acme")).expect("makes");
    std::fs::write(host.file(), vec![b'x'; 8192]).expect("writes");
    let reply = host.session(quick()).query("SELECT 1").await;
    assert_eq!(reply, Err(DbError::Failed("the database is damaged".into())));
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_log_and_synced() {
    let host = Host::new();
    let session = host.session(quick());
    session.execute("CREATE TABLE t(a)").await.expect("creates");
    session.execute("INSERT INTO t VALUES (1)").await.expect("inserts");
    // As after kill -9: the files as they are, without a close.
    let after = tempfile::tempdir().expect("a directory");
    let copy = |suffix: &str| {
        let from = host.data.path().join(format!("db/acme/shop.sqlite{suffix}"));
        std::fs::copy(from, after.path().join(format!("x.sqlite{suffix}"))).expect("copies");
    };
    copy("");
    copy("-wal");
    let file: &Path = &after.path().join("x.sqlite");
    let found = rusqlite::Connection::open(file).expect("opens");
    assert_eq!(found.query_row("SELECT a FROM t", [], |row| row.get(0)), Ok(1));
    let mut lease = host
        .databases
        .pool
        .connect(
            &host
                .databases
                .pool
                .database(&Key { tenant: tenant("acme"), applet: AppletId::new("shop").expect("valid") })
                .expect("known"),
        )
        .expect("connects");
    let pragma = |name: &str| {
        lease.sqlite.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, rusqlite::types::Value>(0))
    };
    use rusqlite::types::Value as Sql;
    assert_eq!(pragma("journal_mode"), Ok(Sql::Text("wal".into())));
    assert_eq!(pragma("synchronous"), Ok(Sql::Integer(2)), "FULL");
    assert_eq!(pragma("foreign_keys"), Ok(Sql::Integer(1)));
    assert_eq!(pragma("trusted_schema"), Ok(Sql::Integer(0)));
    assert!(lease.roll_back());
}

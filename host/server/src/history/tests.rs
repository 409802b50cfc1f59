//! What is told is kept, found, bounded and deleted.

use std::sync::Arc;

use belljar::{AppletId, FaultCode, LogLevel, LogOrigin, TenantId, Usage, UseEnd};
use serde_json::json;

use super::*;
use crate::record::Ended;

const MINUTE_US: u64 = 60_000_000;

fn open(config: &HistoryConfig) -> (tempfile::TempDir, History) {
    let folder = tempfile::tempdir().expect("a folder");
    let history = History::open(folder.path(), config).expect("it opens");
    (folder, history)
}

fn invocation(tenant: &str, applet: &str, number: u32, ended: Ended) -> InvocationRecord {
    let mut usage = Usage { fuel: 1_000, ..Usage::default() };
    usage.http.bytes_sent = 7;
    InvocationRecord {
        id: format!("inv_{number:032x}"),
        tenant: TenantId::new(tenant).expect("valid"),
        applet: AppletId::new(applet).expect("valid"),
        release_number: 3,
        version: "1.0.0".to_owned(),
        handler: "main".to_owned(),
        trigger: "http".to_owned(),
        user: None,
        begun_us: now_us(),
        queued_us: 5,
        total_us: 100,
        ended,
        usage,
        trace_parent: None,
    }
}

const FINE: Ended = Ended::Answered { status: Some(200) };

fn context(tenant: &str) -> Arc<LogContext> {
    Arc::new(LogContext {
        tenant: TenantId::new(tenant).expect("valid"),
        applet: AppletId::new("hook").expect("valid"),
        version: "1.0.0".to_owned(),
        handler: "main".to_owned(),
        invocation: belljar::InvocationId::new([7; 16]),
    })
}

fn line(tenant: &str, level: LogLevel, message: &str) -> LogRecord {
    let fields = json!({ "n": 1 }).as_object().expect("an object").clone();
    let (context, message) = (context(tenant), message.to_owned());
    LogRecord { time_us: now_us(), context, origin: LogOrigin::Sdk, level, message, fields, truncated: false }
}

fn of(tenant: &str) -> Selection {
    Selection { tenant: Some(tenant.to_owned()), ..Selection::default() }
}

#[test]
fn invocations_are_found_by_what_they_are_and_paged() {
    let (_folder, history) = open(&HistoryConfig::default());
    for number in 0..25 {
        let applet = if number % 2 == 0 { "even" } else { "odd" };
        history.record(invocation("acme", applet, number, FINE));
    }
    let message = "boom at src/x.ts:1:2".to_owned();
    history.record(invocation("other", "even", 90, Ended::Faulted { code: FaultCode::Threw, message }));
    history.record(InvocationRecord {
        id: String::new(),
        ..invocation("other", "even", 0, Ended::Refused { why: "queue" })
    });
    history.flush();

    let mut selection = Selection { limit: Some(10), ..of("acme") };
    let mut found = Vec::new();
    loop {
        let page = history
            .invocations(&InvocationQuery { selection: selection.clone(), ..Default::default() })
            .expect("a page");
        found.extend(page.items);
        let Some(next) = page.next else { break };
        selection.before = Some(next);
    }
    let expected: Vec<_> = (0..25).rev().map(|number| Some(format!("inv_{number:032x}"))).collect();
    assert_eq!(found.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), expected);
    assert_eq!((found[0].release, found[0].http_status, &found[0].usage["fuel"]), (3, Some(200), &json!(1_000)));

    let find = |selection: Selection, ended: Option<&str>| {
        let query = InvocationQuery { selection, ended: ended.map(ToOwned::to_owned), ..Default::default() };
        history.invocations(&query).map(|page| page.items.len()).expect("a page")
    };
    assert_eq!(find(Selection { applet: Some("even".into()), ..of("acme") }, None), 13);
    assert_eq!(find(Selection { applet: Some("even".into()), ..Selection::default() }, None), 15);
    assert_eq!(
        (find(of("other"), Some("faulted")), find(of("other"), Some("threw")), find(of("other"), Some("refused"))),
        (1, 1, 1)
    );
    assert_eq!((find(of("nobody"), None), find(Selection::default(), None)), (0, 27));
    let now = now_us();
    assert_eq!(
        find(Selection { since_us: Some(now - MINUTE_US), until_us: Some(now + MINUTE_US), ..of("acme") }, None),
        25
    );
    assert_eq!(find(Selection { since_us: Some(now + MINUTE_US), ..of("acme") }, None), 0);

    let one = history.invocation(&format!("inv_{:032x}", 90)).expect("read").expect("it is there");
    assert_eq!((one.code.as_deref(), one.message.as_deref()), (Some("threw"), Some("boom at src/x.ts:1:2")));
    assert_eq!(history.invocation(&format!("inv_{:032x}", 91)).expect("read"), None);
    assert!(matches!(history.invocation("inv_x"), Err(QueryError::Invalid(_))));
    let wrong = Selection { limit: Some(0), ..Selection::default() };
    assert!(matches!(
        history.invocations(&InvocationQuery { selection: wrong, ..Default::default() }),
        Err(QueryError::Invalid(_))
    ));
}

#[test]
fn log_lines_and_uses_are_kept_and_followed() {
    let (_folder, history) = open(&HistoryConfig::default());
    let mut written = history.written();
    for (level, message) in [(LogLevel::Debug, "a"), (LogLevel::Warn, "b\n\u{1b}[2J"), (LogLevel::Error, "c")] {
        history.write(&line("acme", level, message));
    }
    history.write(&line("other", LogLevel::Info, "x"));
    let used = CapabilityUse {
        capability: "http",
        operation: "send",
        target: "api.example.com".to_owned(),
        ended: UseEnd::Denied,
        begun_us: 1,
        wall_us: 2,
    };
    history.used(&context("acme"), used);
    history.flush();
    assert!(written.has_changed().expect("the writer lives"));
    written.mark_unchanged();

    let lines = |query: LogQuery| -> Vec<String> {
        history.logs(&query).expect("a page").items.into_iter().map(|row| row.message).collect()
    };
    assert_eq!(lines(LogQuery { selection: of("acme"), ..Default::default() }), ["c", "b\n\u{1b}[2J", "a"]);
    assert_eq!(lines(LogQuery { level: Some("warn".into()), ..Default::default() }), ["c", "b\n\u{1b}[2J"]);
    let invocation = Some(format!("inv_{}", "07".repeat(16)));
    assert_eq!(lines(LogQuery { invocation, ..Default::default() }).len(), 4);
    assert!(matches!(
        history.logs(&LogQuery { level: Some("loud".into()), ..Default::default() }),
        Err(QueryError::Invalid(_))
    ));
    // As `logs -f` goes on: what is newer, oldest first.
    let newest = history.newest_log().expect("read");
    let following = || LogQuery { selection: Selection { after: Some(newest), ..of("acme") }, ..Default::default() };
    assert_eq!(lines(following()).len(), 0);
    history.write(&line("acme", LogLevel::Info, "d"));
    history.write(&line("acme", LogLevel::Info, "e"));
    history.flush();
    assert!(written.has_changed().expect("the writer lives"));
    assert_eq!(lines(following()), ["d", "e"]);

    let trail =
        history.audit(&AuditQuery { ended: Some("denied".into()), ..Default::default() }).expect("a page").items;
    assert_eq!((trail.len(), trail[0].target.as_str(), trail[0].capability.as_str()), (1, "api.example.com", "http"));
}

#[test]
fn usage_is_summed_by_day_and_applet() {
    let (folder, history) = open(&HistoryConfig::default());
    for number in 0..10 {
        history.record(invocation("acme", "hook", number, FINE));
    }
    history.record(invocation("acme", "hook", 11, Ended::Faulted { code: FaultCode::Fuel, message: String::new() }));
    history.record(invocation("acme", "hook", 12, Ended::Refused { why: "rate" }));
    history.record(invocation("other", "hook", 13, FINE));
    history.write(&line("acme", LogLevel::Info, "four"));
    history.flush();
    // A second transaction adds to the first.
    history.record(invocation("acme", "hook", 14, FINE));
    history.close();
    let history = History::open(folder.path(), &HistoryConfig::default()).expect("it opens again");
    let rows = history.usage(&UsageQuery { tenant: Some("acme".into()), ..Default::default() }).expect("rows");
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((row.invocations, row.faulted, row.refused), (12, 1, 1));
    assert_eq!((row.fuel, row.egress_bytes, row.log_lines, row.log_bytes), (13_000, 91, 1, 14));
    assert_eq!(history.usage(&UsageQuery::default()).expect("rows").len(), 2);
    let mut today = history.used_today().expect("rows");
    today.sort_by(|one, other| one.tenant.cmp(&other.tenant));
    let acme = TenantDay { tenant: TenantId::new("acme").expect("valid"), egress_bytes: 91, log_bytes: 14 };
    assert_eq!((today.len(), &today[0]), (2, &acme));
    let past = UsageQuery { to: Some("2020-01-01".into()), from: Some("2019-01-01".into()), ..Default::default() };
    assert_eq!(history.usage(&past).expect("rows").len(), 0);
    assert!(matches!(
        history.usage(&UsageQuery { from: Some("yesterday".into()), ..Default::default() }),
        Err(QueryError::Invalid(_))
    ));
}

#[test]
fn what_is_too_much_or_too_old_is_deleted() {
    let config = HistoryConfig { bytes_max: 400 << 10, ..HistoryConfig::default() };
    let (folder, history) = open(&config);
    for number in 0..2_000 {
        history.write(&line("acme", LogLevel::Info, &format!("{number} {}", "x".repeat(500))));
    }
    history.close();
    // Opening sweeps; closing waits for it.
    for _ in 0..30 {
        let history = History::open(folder.path(), &config).expect("it opens");
        history.record(invocation("acme", "hook", 1, FINE));
        history.close();
    }
    let history = History::open(folder.path(), &config).expect("it opens");
    assert!(history.state().bytes <= config.bytes_max, "{:?}", history.state());
    let left = history
        .logs(&LogQuery { selection: Selection { limit: Some(1_000), ..of("acme") }, ..Default::default() })
        .expect("a page")
        .items;
    assert!(!left.is_empty() && left[0].message.starts_with("1999 "), "the newest stay");
    history.close();

    let connection = rusqlite::Connection::open(folder.path().join(FILE_NAME)).expect("it opens");
    connection
        .execute("UPDATE logs SET seq = seq - 40 * 86400000000 WHERE seq <> (SELECT max(seq) FROM logs)", [])
        .expect("they age");
    drop(connection);
    let history = History::open(folder.path(), &config).expect("it opens");
    history.record(invocation("acme", "hook", 2, FINE));
    history.close();
    let history = History::open(folder.path(), &config).expect("it opens");
    assert_eq!(history.logs(&LogQuery::default()).expect("a page").items.len(), 1);
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let (folder, history) = open(&HistoryConfig::default());
    let lock = rusqlite::Connection::open(folder.path().join(FILE_NAME)).expect("it opens");
    lock.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let begun = std::time::Instant::now();
    for _ in 0..600 {
        history.write(&line("acme", LogLevel::Info, &"x".repeat(100_000)));
    }
    assert!(begun.elapsed() < std::time::Duration::from_secs(4), "{:?}", begun.elapsed());
    let state = history.state();
    assert!(state.lost > 0 && state.queued * 100_000 <= QUEUE_BYTES_MAX, "{state:?}");
    lock.execute_batch("ROLLBACK").expect("unlocked");
    history.flush();
    let state = history.state();
    assert_eq!((state.queued, state.written + state.lost), (0, 600), "{state:?}");
}

#[test]
fn files_of_later_versions_and_damaged_ones_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(FILE_NAME);
    let connection = rusqlite::Connection::open(&path).expect("it opens");
    connection.pragma_update(None, "user_version", 99).expect("written");
    drop(connection);
    let error = History::open(folder.path(), &HistoryConfig::default()).expect_err("it is newer");
    assert!(error.to_string().contains("schema 99, this one knows 1"), "{error}");
    std::fs::write(&path, "this is no database, it is a text that is long enough to be looked at").expect("written");
    let error = History::open(folder.path(), &HistoryConfig::default()).expect_err("it is damaged");
    assert!(error.to_string().contains("move it away"), "{error}");
}

//! The store against what it promises: order, expiry, bounds, and that nothing answered is lost.

use std::io;
use std::sync::Arc;

use super::*;
use crate::floor::ids::{AppletId, TenantId};
use crate::floor::limits::{KvLimits, LimitHit};

fn owner(tenant: &str, applet: &str) -> KvOwner {
    KvOwner { tenant: TenantId::new(tenant).expect("valid"), applet: AppletId::new(applet).expect("valid") }
}

fn bounds() -> KvBounds {
    KvBounds::from(&KvLimits::default())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn json(text: &str) -> KvValue {
    KvValue::Json(text.to_owned())
}

fn set(key: &str, value: KvValue, ttl_ms: Option<u64>) -> KvOperation {
    KvOperation::Set { key: key.to_owned(), value, ttl_ms }
}

fn get(key: &str) -> KvOperation {
    KvOperation::Get { keys: vec![key.to_owned()] }
}

fn list(prefix: &str, after: Option<&str>, limit: u32) -> KvOperation {
    KvOperation::List { prefix: prefix.to_owned(), after: after.map(str::to_owned), limit }
}

fn run_as(store: &SqliteKv, owner: KvOwner, operation: KvOperation, now_ms: u64) -> Result<KvReply, CapabilityError> {
    block_on(store.run(owner, operation, bounds(), now_ms))
}

fn run(store: &SqliteKv, operation: KvOperation, now_ms: u64) -> KvReply {
    run_as(store, owner("acme", "shop"), operation, now_ms).expect("it is done")
}

fn one(value: KvValue) -> KvReply {
    KvReply::Values(vec![Some(value)])
}

fn none() -> KvReply {
    KvReply::Values(vec![None])
}

/// In a file, and in memory.
fn each(check: impl Fn(&SqliteKv)) {
    check(&SqliteKv::in_memory());
    let data = tempfile::tempdir().expect("a directory");
    check(&SqliteKv::open(data.path()).expect("opens"));
}

#[test]
fn values_come_back_as_they_were_given() {
    each(|store| {
        assert_eq!(run(store, get("a"), 1), none());
        for value in
            [json("{\"b\":1,\"a\":[null]}"), json("null"), KvValue::Bytes(vec![0, 255]), KvValue::Bytes(Vec::new())]
        {
            assert_eq!(run(store, set("a", value.clone(), None), 1), KvReply::Done);
            assert_eq!(run(store, get("a"), 1), one(value));
        }
        let keys = ["a", "missing", "a"].map(str::to_owned).to_vec();
        let bytes = Some(KvValue::Bytes(Vec::new()));
        assert_eq!(run(store, KvOperation::Get { keys }, 1), KvReply::Values(vec![bytes.clone(), None, bytes]));
        assert_eq!(run(store, KvOperation::Delete { key: "a".into() }, 1), KvReply::Flag(true));
        assert_eq!(run(store, KvOperation::Delete { key: "a".into() }, 1), KvReply::Flag(false));
    });
}

#[test]
fn owners_do_not_see_each_other() {
    each(|store| {
        for (tenant, applet) in [("acme", "shop"), ("acme", "other"), ("umbrella", "shop")] {
            let value = json(&format!("\"{tenant} {applet}\""));
            run_as(store, owner(tenant, applet), set("k", value, None), 1).expect("set");
        }
        assert_eq!(run(store, get("k"), 1), one(json("\"acme shop\"")));
        assert_eq!(store.delete_all(&owner("acme", "shop")).expect("deletes"), 1);
        assert_eq!(run(store, get("k"), 1), none());
        let used = store.used(Some(&TenantId::new("acme").expect("valid"))).expect("reads");
        assert_eq!(used, [KvUsed { owner: owner("acme", "other"), keys: 1, bytes: 1 + 12 }]);
        assert_eq!(store.used(None).expect("reads").len(), 2);
    });
}

#[test]
fn what_has_expired_is_not_there_and_is_swept() {
    each(|store| {
        run(store, set("soon", json("1"), Some(10)), 100);
        run(store, set("later", json("2"), Some(1_000)), 100);
        assert_eq!(run(store, get("soon"), 109), one(json("1")));
        assert_eq!(run(store, get("soon"), 110), none());
        assert_eq!(
            run(store, list("", None, 10), 110),
            KvReply::Keys(KvKeys { keys: vec!["later".into()], has_more: false })
        );
        assert_eq!(run(store, KvOperation::Delete { key: "soon".into() }, 110), KvReply::Flag(false));
        run(store, set("gone", json("3"), Some(1)), 110);
        // Another write takes along what has expired.
        run(store, set("last", json("4"), None), 200);
        let used = store.used(None).expect("reads");
        assert_eq!((used[0].keys, used[0].bytes), (2, 5 + 1 + 4 + 1));
        // Setting anew without a time to live is for good; counting keeps it.
        run(store, KvOperation::Increment { key: "later".into(), by: 1, ttl_ms: None }, 300);
        assert_eq!(run(store, get("later"), 1_099), one(json("3")));
        assert_eq!(run(store, get("later"), 1_100), none());
        run(store, set("soon", json("1"), Some(u64::MAX)), 100);
        assert_eq!(run(store, get("soon"), u64::MAX / 4), one(json("1")));
    });
}

#[test]
fn counting_and_comparing() {
    each(|store| {
        let add = |by| KvOperation::Increment { key: "n".into(), by, ttl_ms: None };
        assert_eq!(run(store, add(2), 1), KvReply::Number(2));
        assert_eq!(run(store, add(-5), 1), KvReply::Number(-3));
        assert_eq!(run(store, get("n"), 1), one(json("-3")));
        for value in [json("\"1\""), json("1.5"), json("9007199254740992"), KvValue::Bytes(b"1".to_vec())] {
            run(store, set("n", value, None), 1);
            assert!(matches!(run_as(store, owner("acme", "shop"), add(1), 1), Err(CapabilityError::Invalid(_))));
        }
        run(store, set("n", json("9007199254740991"), None), 1);
        assert!(matches!(run_as(store, owner("acme", "shop"), add(1), 1), Err(CapabilityError::Invalid(_))));

        let swap = |expected: Option<&str>, value: Option<&str>| KvOperation::CompareAndSet {
            key: "lock".into(),
            expected: expected.map(json),
            value: value.map(json),
            ttl_ms: None,
        };
        assert_eq!(run(store, swap(Some("1"), Some("2")), 1), KvReply::Flag(false));
        assert_eq!(run(store, swap(None, Some("{\"a\":1,\"b\":2}")), 1), KvReply::Flag(true));
        assert_eq!(run(store, swap(None, Some("3")), 1), KvReply::Flag(false));
        // By what the JSON means.
        assert_eq!(run(store, swap(Some("{\"b\":2,\"a\":1}"), None), 1), KvReply::Flag(true));
        assert_eq!(run(store, get("lock"), 1), none());
    });
}

#[test]
fn lists_go_by_bytes_and_in_pages() {
    each(|store| {
        let keys = ["a/1", "a/2", "a0", "a", "b", "a/\u{e4}", "a/\u{10ffff}"];
        for key in keys {
            run(store, set(key, json("0"), None), 1);
        }
        let page = |keys: &[&str], has_more| {
            KvReply::Keys(KvKeys { keys: keys.iter().map(|&key| key.to_owned()).collect(), has_more })
        };
        assert_eq!(run(store, list("a/", None, 2), 1), page(&["a/1", "a/2"], true));
        assert_eq!(run(store, list("a/", Some("a/2"), 2), 1), page(&["a/\u{e4}", "a/\u{10ffff}"], false));
        assert_eq!(run(store, list("", Some("a0"), 9), 1), page(&["b"], false));
        assert_eq!(run(store, list("a/\u{10ffff}", None, 9), 1), page(&["a/\u{10ffff}"], false));
        // A place in another prefix leads nowhere else.
        assert_eq!(run(store, list("a/", Some("a0"), 9), 1), page(&[], false));
        assert_eq!(run(store, list("a/", Some("Z"), 1), 1), page(&["a/1"], true));
    });
}

#[test]
fn an_applet_cannot_hold_more_than_its_bounds() {
    each(|store| {
        let small = KvBounds { keys_max: 2, store_bytes_max: 20, value_bytes_max: 12, result_bytes_max: 15 };
        let run = |operation, now_ms| block_on(store.run(owner("acme", "shop"), operation, small, now_ms));
        let over = |name, allowed, used| Err(CapabilityError::Limit(LimitHit { name, allowed, used }));
        let bytes = |n: usize| KvValue::Bytes(vec![7; n]);
        assert_eq!(run(set("a", bytes(13), None), 1), over("kv.value_bytes_max", 12, 13));
        assert_eq!(run(set("a", bytes(12), Some(50)), 1), Ok(KvReply::Done));
        assert_eq!(run(set("b", bytes(7), None), 1), over("kv.store_bytes_max", 20, 21));
        assert_eq!(run(set("b", bytes(6), None), 1), Ok(KvReply::Done));
        assert_eq!(run(set("c", bytes(0), None), 1), over("kv.keys_max", 2, 3));
        let both = KvOperation::Get { keys: vec!["a".into(), "b".into()] };
        assert_eq!(run(both, 1), over("kv.result_bytes_max", 15, 18));
        // Smaller is always possible, and what has expired makes room.
        assert_eq!(run(set("b", bytes(1), None), 1), Ok(KvReply::Done));
        assert_eq!(run(set("c", bytes(12), None), 51), Ok(KvReply::Done));
        let used = store.used(None).expect("reads");
        assert_eq!((used[0].keys, used[0].bytes), (2, 2 + 13));
    });
}

#[test]
fn what_was_answered_is_there_after_a_restart() {
    let data = tempfile::tempdir().expect("a directory");
    let store = SqliteKv::open(data.path()).expect("opens");
    run(&store, set("a", json("1"), None), 1);
    // Another process would see it now: the answer came after the commit.
    let other = SqliteKv::open(data.path()).expect("opens");
    assert_eq!(run(&other, get("a"), 1), one(json("1")));
    drop((store, other));
    assert_eq!(run(&SqliteKv::open(data.path()).expect("opens"), get("a"), 1), one(json("1")));
    use std::os::unix::fs::MetadataExt as _;
    let mode = std::fs::metadata(data.path().join("kv.sqlite")).expect("is there").mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn many_writers_share_commits_and_count_exactly() {
    let data = tempfile::tempdir().expect("a directory");
    let store = Arc::new(SqliteKv::open(data.path()).expect("opens"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let add = || KvOperation::Increment { key: "n".into(), by: 1, ttl_ms: None };
    let tasks: Vec<_> = (0..500)
        .map(|_| {
            let store = store.clone();
            runtime.spawn(async move { store.run(owner("acme", "shop"), add(), bounds(), 1).await })
        })
        .collect();
    let mut seen: Vec<i64> = tasks
        .into_iter()
        .map(|task| match runtime.block_on(task).expect("it ends") {
            Ok(KvReply::Number(number)) => number,
            other => panic!("{other:?}"),
        })
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=500).collect::<Vec<i64>>());
}

#[test]
fn export_and_import_are_each_others_reverse() {
    each(|store| {
        run(store, set("a", json("1"), Some(1_000)), 1);
        run(store, set("b", KvValue::Bytes(vec![1, 2]), None), 1);
        run(store, set("old", json("0"), Some(1)), 1);
        let mut entries = Vec::new();
        let keep = &mut |entry| {
            entries.push(entry);
            Ok(())
        };
        store.export(&owner("acme", "shop"), 500, keep).expect("exports");
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0], KvEntry { key: "a".into(), value: json("1"), expires_ms: Some(1_001) });
        let copy = owner("umbrella", "shop");
        store.import(&copy, entries.clone()).expect("imports");
        let mut again = Vec::new();
        store
            .export(&copy, 500, &mut |entry| {
                again.push(entry);
                Ok(())
            })
            .expect("exports");
        assert_eq!(again, entries);
        let stopped = store.export(&copy, 500, &mut |_| Err(io::Error::other("enough")));
        assert_eq!(stopped.expect_err("it ends").to_string(), "enough");
    });
}

#[test]
fn a_file_that_is_no_store_is_told() {
    let data = tempfile::tempdir().expect("a directory");
    std::fs::write(data.path().join("kv.sqlite"), vec![b'x'; 8_192]).expect("writes");
    let store = SqliteKv::open(data.path()).expect("the directory is fine");
    let text = store.check().expect_err("it is no database").to_string();
    assert!(text.contains("not a database"), "{text}");
    let refused = run_as(&store, owner("acme", "shop"), get("a"), 1);
    assert_eq!(refused, Err(CapabilityError::Failed("the key-value store cannot be opened".into())));
    // Put right, it is used without a restart.
    std::fs::remove_file(data.path().join("kv.sqlite")).expect("removes");
    assert_eq!(run(&store, set("a", json("1"), None), 1), KvReply::Done);

    let elsewhere = tempfile::tempdir().expect("a directory");
    let linked = tempfile::tempdir().expect("a directory");
    std::fs::write(elsewhere.path().join("target"), b"").expect("writes");
    std::os::unix::fs::symlink(elsewhere.path().join("target"), linked.path().join("kv.sqlite")).expect("links");
    let store = SqliteKv::open(linked.path()).expect("the directory is fine");
    store.check().expect_err("a link is not followed");
    assert_eq!(std::fs::read(elsewhere.path().join("target")).expect("reads"), b"");
}

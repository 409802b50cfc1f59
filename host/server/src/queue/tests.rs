use std::sync::Arc;

use tempfile::TempDir;

use super::clock::manual::Manual;
use super::*;

pub(super) const BEGUN_US: u64 = 1_700_000_000_000_000;

/// A queue with a clock that the test turns.
pub(super) struct Place {
    pub(super) dir: TempDir,
    pub(super) clock: Arc<Manual>,
    pub(super) config: QueueConfig,
}

impl Place {
    pub(super) fn new(seed: u64) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: Manual::new(BEGUN_US, seed), config: QueueConfig::default() }
    }

    pub(super) fn open(&self) -> Queue {
        Queue::open(&self.dir.path().join("queue.sqlite"), self.config.clone(), self.clock.clone()).unwrap()
    }
}

pub(super) fn delivery(applet: &str) -> NewDelivery {
    NewDelivery {
        applet: applet.into(),
        handler: "on".into(),
        delay_ms: 0,
        priority: 0,
        attempts_max: 3,
        backoff_ms: 1_000,
        backoff_ms_max: 60_000,
        order_key: None,
        batch_max: 1,
        batch_wait_ms: 0,
        dropped: None,
    }
}

pub(super) fn event(tenant: &str, payload: &str, deliveries: Vec<NewDelivery>) -> NewMessage {
    NewMessage {
        tenant: tenant.into(),
        kind: Kind::Event,
        name: "order.paid".into(),
        payload: payload.into(),
        source: "test".into(),
        chain: vec![],
        depth: 0,
        key: None,
        order_key: None,
        deliveries,
    }
}

async fn claim(queue: &Queue) -> Vec<Claimed> {
    queue.claim(100, vec![]).await.unwrap().calls.into_iter().flatten().collect()
}

async fn end(queue: &Queue, claimed: &Claimed, ended: Ended) -> bool {
    let finish = Finish { delivery: claimed.id, lease: claimed.lease, ended };
    queue.finish(vec![finish]).await.unwrap().is_empty()
}

fn failed(error: &str) -> Ended {
    Ended::Failed { error: error.into(), delay_ms: None, is_final: false }
}

const DONE: Ended = Ended::Done { result: None };

async fn state_of(queue: &Queue, id: u64) -> State {
    queue.list(Filter::default()).await.unwrap().iter().find(|view| view.id == id).map(|view| view.state).unwrap()
}

#[tokio::test]
async fn every_subscriber_gets_it_once_and_retries_wait() {
    let place = Place::new(1);
    let queue = place.open();
    let published = queue.publish(event("acme", "{\"n\":1}", vec![delivery("one"), delivery("two")])).await.unwrap();
    assert_eq!((published.deliveries, published.is_duplicate), (2, false));
    let claimed = claim(&queue).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.applet.as_str()).collect::<Vec<_>>(), ["one", "two"]);
    assert!(claim(&queue).await.is_empty());
    assert!(end(&queue, &claimed[0], DONE).await);
    assert!(!end(&queue, &claimed[0], DONE).await, "it ended");
    assert!(end(&queue, &claimed[1], failed("no")).await);
    assert!(claim(&queue).await.is_empty());
    let next = queue.claim(1, vec![]).await.unwrap().next_due_ms.unwrap();
    assert!((500..=1_000).contains(&next), "{next}");
    place.clock.pass_ms(1_000);
    let again = claim(&queue).await;
    assert_eq!((again.len(), again[0].attempt, again[0].uid.as_str()), (1, 2, published.uid.as_str()));
    end(&queue, &again[0], failed("no")).await;
    place.clock.pass_ms(2_000);
    let last = claim(&queue).await;
    end(&queue, &last[0], failed("never")).await;
    let dead = queue.list(Filter { state: Some(State::Dead), ..Filter::default() }).await.unwrap();
    assert_eq!((dead.len(), dead[0].attempt, dead[0].error.as_deref()), (1, 3, Some("never")));

    queue.replay("acme".into(), dead[0].id).await.unwrap();
    let replayed = claim(&queue).await;
    assert_eq!((replayed.len(), replayed[0].attempt, replayed[0].payload.as_str()), (1, 1, "{\"n\":1}"));
}

#[tokio::test]
async fn a_lapsed_lease_is_given_out_again_and_the_lost_attempt_refused() {
    let place = Place::new(2);
    let queue = place.open();
    queue.publish(event("acme", "1", vec![delivery("one")])).await.unwrap();
    let lost = claim(&queue).await.remove(0);
    place.clock.pass_ms(20_000);
    assert!(queue.renew(vec![(lost.id, lost.lease)]).await.unwrap().is_empty());
    place.clock.pass_ms(20_000);
    assert!(claim(&queue).await.is_empty(), "it was renewed");
    place.clock.pass_ms(20_000);
    let again = claim(&queue).await.remove(0);
    assert_eq!((again.id, again.attempt), (lost.id, 2));
    assert_eq!(queue.renew(vec![(lost.id, lost.lease)]).await.unwrap(), [lost.id]);
    assert!(!end(&queue, &lost, DONE).await);
    assert!(end(&queue, &again, DONE).await);
}

#[tokio::test]
async fn what_ran_when_the_process_ended_begins_again_until_its_attempts_are_used_up() {
    let place = Place::new(3);
    let mut queue = place.open();
    queue.publish(event("acme", "1", vec![NewDelivery { attempts_max: 2, ..delivery("one") }])).await.unwrap();
    for attempt in 1..=2 {
        assert_eq!(claim(&queue).await[0].attempt, attempt);
        queue.close().await;
        queue = place.open();
    }
    assert!(claim(&queue).await.is_empty());
    let dead = queue.list(Filter::default()).await.unwrap().remove(0);
    assert_eq!(dead.state, State::Dead);
    assert!(dead.error.unwrap().contains("stopped or killed"));
}

#[tokio::test]
async fn a_call_that_was_not_begun_does_not_count() {
    let place = Place::new(4);
    let queue = place.open();
    queue.publish(event("acme", "1", vec![delivery("one")])).await.unwrap();
    for _ in 0..10 {
        let claimed = claim(&queue).await.remove(0);
        assert_eq!(claimed.attempt, 1);
        end(&queue, &claimed, Ended::Returned { delay_ms: 5_000, why: "disabled".into() }).await;
        assert!(claim(&queue).await.is_empty());
        place.clock.pass_ms(5_000);
    }
}

#[tokio::test]
async fn those_with_an_order_key_wait_for_each_other() {
    let place = Place::new(5);
    let queue = place.open();
    let ordered = |key: &str| NewDelivery { order_key: Some(key.into()), ..delivery("one") };
    for (payload, key) in [("1", "a"), ("2", "a"), ("3", "b"), ("4", "a")] {
        queue.publish(event("acme", payload, vec![ordered(key)])).await.unwrap();
    }
    let payloads = |claimed: &[Claimed]| claimed.iter().map(|claimed| claimed.payload.clone()).collect::<Vec<_>>();
    let first = claim(&queue).await;
    assert_eq!(payloads(&first), ["1", "3"]);
    end(&queue, &first[0], failed("no")).await;
    assert!(claim(&queue).await.is_empty(), "the second waits for the first one's retry");
    place.clock.pass_ms(1_000);
    let again = claim(&queue).await;
    assert_eq!(payloads(&again), ["1"]);
    let never = Ended::Failed { error: "never".into(), delay_ms: None, is_final: true };
    end(&queue, &again[0], never).await;
    let second = claim(&queue).await;
    assert_eq!(payloads(&second), ["2"]);
    queue.replay("acme".into(), again[0].id).await.unwrap();
    assert!(claim(&queue).await.is_empty(), "the second runs");
    end(&queue, &second[0], DONE).await;
    assert_eq!(payloads(&claim(&queue).await), ["1"]);
}

#[tokio::test]
async fn a_key_makes_it_the_same_event() {
    let place = Place::new(6);
    let queue = place.open();
    let keyed = |tenant: &str| NewMessage {
        key: Some(("event:order.paid".into(), "k".into())),
        ..event(tenant, "1", vec![delivery("one")])
    };
    let first = queue.publish(keyed("acme")).await.unwrap();
    let second = queue.publish(keyed("acme")).await.unwrap();
    assert_eq!((&second.uid, second.is_duplicate), (&first.uid, true));
    assert!(!queue.publish(keyed("other")).await.unwrap().is_duplicate);
    place.clock.pass_ms(24 * 3_600_000 + 1);
    assert!(!queue.publish(keyed("acme")).await.unwrap().is_duplicate);
    // A job's key holds while it has not ended.
    let job = NewMessage {
        kind: Kind::Job,
        key: Some(("job:a".into(), "k".into())),
        ..event("acme", "1", vec![delivery("two")])
    };
    let first = queue.publish(job.clone()).await.unwrap();
    assert!(queue.publish(job.clone()).await.unwrap().is_duplicate);
    for claimed in claim(&queue).await {
        end(&queue, &claimed, DONE).await;
    }
    let next = queue.publish(job).await.unwrap();
    assert!(!next.is_duplicate && next.uid != first.uid);
}

#[tokio::test]
async fn a_full_queue_refuses_and_takes_again_when_it_has_room() {
    let mut place = Place::new(7);
    place.config.deliveries_per_tenant_max = 3;
    place.config.bytes_per_tenant_max = 10_000;
    let queue = place.open();
    for _ in 0..3 {
        queue.publish(event("acme", "1", vec![delivery("one")])).await.unwrap();
    }
    let full = queue.publish(event("acme", "1", vec![delivery("one")])).await.unwrap_err();
    assert!(matches!(full, QueueError::Full { name: "deliveries_per_tenant_max", allowed: 3, used: 4, .. }), "{full}");
    let other = queue.publish(event("other", &"x".repeat(11_000), vec![delivery("one")])).await.unwrap_err();
    assert!(matches!(other, QueueError::Full { name: "bytes_per_tenant_max", .. }), "{other}");
    queue.publish(event("other", "1", vec![delivery("one")])).await.unwrap();
    let claimed = claim(&queue).await;
    end(&queue, &claimed[0], DONE).await;
    queue.publish(event("acme", "1", vec![delivery("one")])).await.unwrap();
    // All or none.
    let both = vec![
        event("new", "1", vec![delivery("a"), delivery("b")]),
        event("new", "1", vec![delivery("a"), delivery("b")]),
    ];
    assert!(queue.publish_all(both).await.is_err());
    assert!(queue.counts(Some("new".into())).await.unwrap().is_empty());
}

#[tokio::test]
async fn events_are_handed_over_in_batches() {
    let place = Place::new(8);
    let queue = place.open();
    let batched = || NewDelivery { batch_max: 3, batch_wait_ms: 200, ..delivery("one") };
    for payload in ["1", "2"] {
        queue.publish(event("acme", payload, vec![batched()])).await.unwrap();
    }
    assert!(queue.claim(10, vec![]).await.unwrap().calls.is_empty(), "they wait for a third one");
    place.clock.pass_ms(200);
    let calls = queue.claim(10, vec![]).await.unwrap().calls;
    assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    for payload in ["3", "4", "5", "6"] {
        queue.publish(event("acme", payload, vec![batched()])).await.unwrap();
    }
    let calls = queue.claim(10, vec![]).await.unwrap().calls;
    assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [3], "three are enough, the fourth waits");
    assert_eq!(calls[0].iter().map(|claimed| claimed.payload.as_str()).collect::<Vec<_>>(), ["3", "4", "5"]);
}

#[tokio::test]
async fn applets_take_turns_and_priorities_hold_within_one() {
    let place = Place::new(9);
    let queue = place.open();
    for n in 0..5 {
        queue.publish(event("loud", &n.to_string(), vec![delivery("one")])).await.unwrap();
    }
    queue.publish(event("quiet", "\"q\"", vec![delivery("one")])).await.unwrap();
    queue.publish(event("loud", "\"urgent\"", vec![NewDelivery { priority: 9, ..delivery("one") }])).await.unwrap();
    let claims = queue.claim(3, vec![]).await.unwrap();
    let payloads: Vec<_> = claims.calls.iter().map(|call| call[0].payload.as_str()).collect();
    assert_eq!((payloads, claims.has_more), (vec!["\"urgent\"", "\"q\"", "0"], true));
    let claims = queue.claim(3, vec![("loud".into(), "one".into())]).await.unwrap();
    assert!(claims.calls.is_empty());
}

#[tokio::test]
async fn jumps_of_the_wall_clock_move_nothing() {
    let place = Place::new(10);
    let mut queue = place.open();
    queue.publish(event("acme", "1", vec![NewDelivery { delay_ms: 60_000, ..delivery("one") }])).await.unwrap();
    place.clock.set_wall_us(BEGUN_US + 365 * 86_400_000_000);
    assert!(claim(&queue).await.is_empty(), "a jump forwards makes nothing due");
    place.clock.set_wall_us(BEGUN_US - 365 * 86_400_000_000);
    place.clock.pass_ms(60_000);
    let claimed = claim(&queue).await.remove(0);
    place.clock.set_wall_us(BEGUN_US + 365 * 86_400_000_000);
    assert!(queue.renew(vec![(claimed.id, claimed.lease)]).await.unwrap().is_empty(), "nor does it end a lease");
    end(&queue, &claimed, failed("no")).await;
    // The clock was set back while the server was down.
    queue.close().await;
    place.clock.set_wall_us(BEGUN_US - 365 * 86_400_000_000);
    queue = place.open();
    place.clock.pass_ms(3_000);
    assert_eq!(claim(&queue).await.len(), 1, "what waited waits no longer than it would have");
}

#[tokio::test]
async fn deliveries_can_be_given_up() {
    let place = Place::new(11);
    let queue = place.open();
    queue.publish(event("acme", "1", vec![delivery("one")])).await.unwrap();
    let claimed = claim(&queue).await.remove(0);
    let of_another = queue.remove("other".into(), claimed.id, State::Dropped, "x".into()).await.unwrap_err();
    assert!(matches!(of_another, QueueError::NotFound(_)));
    let removed = queue.remove("acme".into(), claimed.id, State::Cancelled, "by ada".into()).await.unwrap();
    assert!(removed.was_running);
    assert!(!end(&queue, &claimed, DONE).await);
    assert_eq!(state_of(&queue, claimed.id).await, State::Cancelled);
    let wrong = queue.retry("acme".into(), claimed.id).await.unwrap_err().to_string();
    assert_eq!(
        wrong,
        format!(
            "delivery {} is cancelled: only one that waits can be retried now; one that has ended can be replayed",
            claimed.id
        )
    );
    for _ in 0..3 {
        queue.publish(event("acme", "1", vec![delivery("gone"), delivery("stays")])).await.unwrap();
    }
    assert_eq!(queue.remove_applet("acme".into(), "gone".into(), "uninstalled".into()).await.unwrap(), 3);
    assert_eq!(claim(&queue).await.len(), 3);
}

#[tokio::test]
async fn what_has_ended_is_kept_for_its_time_and_dead_ones_longer() {
    let mut place = Place::new(12);
    place.config.ended_per_tenant_max = 10;
    let queue = place.open();
    for n in 0..100 {
        let published = queue.publish(event("acme", &n.to_string(), vec![delivery("one")])).await.unwrap();
        let claimed = claim(&queue).await.remove(0);
        assert_eq!(claimed.uid, published.uid);
        let ended = if n == 0 { Ended::Failed { error: "no".into(), delay_ms: None, is_final: true } } else { DONE };
        end(&queue, &claimed, ended).await;
    }
    let count =
        |counts: &[Counts], state| counts.iter().find(|count| count.state == state).map_or(0, |count| count.count);
    let counts = queue.counts(None).await.unwrap();
    assert!((10..=74).contains(&count(&counts, State::Done)), "{counts:?}");
    assert_eq!(count(&counts, State::Dead), 1);
    place.clock.pass_ms(25 * 3_600_000);
    queue.sweep().await.unwrap();
    let counts = queue.counts(None).await.unwrap();
    assert_eq!((count(&counts, State::Done), count(&counts, State::Dead)), (0, 1));
    place.clock.pass_ms(31 * 24 * 3_600_000);
    queue.sweep().await.unwrap();
    assert!(queue.counts(None).await.unwrap().is_empty());
}

#[tokio::test]
async fn progress_and_results_of_jobs_are_kept() {
    let place = Place::new(13);
    let queue = place.open();
    let job = NewMessage { kind: Kind::Job, ..event("acme", "1", vec![delivery("one")]) };
    let uid = queue.publish(job).await.unwrap().uid;
    assert!(uid.starts_with("job_"));
    assert!(queue.progress("acme".into(), uid.clone(), "0.5".into()).await.is_err(), "it does not run");
    let claimed = claim(&queue).await.remove(0);
    queue.progress("acme".into(), uid.clone(), "{\"done\":1}".into()).await.unwrap();
    end(&queue, &claimed, Ended::Done { result: Some("[2]".into()) }).await;
    let view = queue.message("acme".into(), uid.clone()).await.unwrap();
    assert_eq!(view.deliveries[0].result, Some(serde_json::json!([2])));
    assert_eq!(view.deliveries[0].progress, Some(serde_json::json!({ "done": 1 })));
    assert!(queue.message("other".into(), uid).await.is_err());
}

#[tokio::test]
async fn many_publishers_share_a_sync() {
    let place = Place::new(14);
    let queue = place.open();
    let publishing: Vec<_> = (0..500)
        .map(|n| {
            let queue = queue.clone();
            tokio::spawn(async move { queue.publish(event("acme", &n.to_string(), vec![delivery("one")])).await })
        })
        .collect();
    for published in publishing {
        published.await.unwrap().unwrap();
    }
    let mut payloads: Vec<_> =
        queue.claim(1_000, vec![]).await.unwrap().calls.iter().map(|call| call[0].payload.clone()).collect();
    payloads.sort_by_key(|payload| payload.parse::<u32>().unwrap());
    assert_eq!(payloads, (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
    queue.close().await;
    assert_eq!(queue.publish(event("acme", "1", vec![])).await.unwrap_err(), QueueError::Closed);
}

#[tokio::test]
async fn another_version_and_a_damaged_file_are_refused() {
    let place = Place::new(15);
    let file = place.dir.path().join("queue.sqlite");
    place.open().close().await;
    rusqlite::Connection::open(&file).unwrap().execute_batch("PRAGMA user_version=99").unwrap();
    let told = Queue::open(&file, QueueConfig::default(), place.clock.clone()).unwrap_err().to_string();
    assert!(told.contains("has version 99"), "{told}");
    std::fs::write(
        &file,
        "this is no database, and longer than a header has to be for SQLite to see it is none of its own files",
    )
    .unwrap();
    let told = Queue::open(&file, QueueConfig::default(), place.clock.clone()).unwrap_err().to_string();
    assert!(told.contains("not a database"), "{told}");
}

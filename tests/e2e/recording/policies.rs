//! Which recordings are kept, where, and how much of them.

use std::sync::{Arc, Mutex};

use belljar::{RecordPolicy, Recorder, Recording, RecordingFolder, RecordingKey, RecordingSink, Replay};

use super::world::World;
use super::{block_on, json_call, release, replay};
use belljar_tests::applet;

/// How many recordings the long run has, unless `BELLJAR_RECORDINGS` says otherwise: the full count of 10,000 takes minutes beside other tests.
const COUNT: usize = 200;

#[derive(Default)]
pub(super) struct Kept(pub(super) Mutex<Vec<Recording>>);

impl RecordingSink for Kept {
    fn take(&self, recording: Recording) {
        self.0.lock().unwrap().push(recording);
    }
}

/// A world with such a recorder, and what it has kept.
pub(super) fn world(policy: RecordPolicy, bytes_max: u64) -> (World, Arc<Kept>, Recorder) {
    let kept = Arc::new(Kept::default());
    let recorder = Recorder::new(kept.clone()).policy(policy).bytes_max(bytes_max);
    (World::build(&[], |builder| builder.recorder(recorder.clone())), kept, recorder)
}

const MAIN: &str =
    "export default async (context, n) => { console.log(n, Math.random()); await context.sdk.kv.set('k' + n % 7, n);
  if (n % 3 === 0) throw new Error('third'); return [n, Date.now(), await context.sdk.kv.get('k1')]; };";
const MANIFEST: &str = "runtime: { entrypoint: src/main.ts }\npermissions: { kv: true }\n";

#[test]
fn the_policy_decides_and_an_invocation_may_say_otherwise() {
    for (policy, expected) in [
        (RecordPolicy::Never, 0),
        (RecordPolicy::OnFailure, 4),
        (RecordPolicy::Always, 10),
        (RecordPolicy::Sampled { per_million: 0 }, 4),
    ] {
        let (world, kept, recorder) = world(policy, 1 << 20);
        let release = release(&world, MANIFEST, MAIN);
        for n in 0..10 {
            block_on(world.host.invoke(&release, json_call(&n.to_string())));
        }
        recorder.flush();
        assert_eq!(kept.0.lock().unwrap().len(), expected, "{policy}");
        let mut invocation = json_call("1");
        invocation.record = Some(RecordPolicy::Always);
        block_on(world.host.invoke(&release, invocation));
        recorder.flush();
        assert_eq!(kept.0.lock().unwrap().len(), expected + 1, "{policy}, always for one");
        for recording in kept.0.lock().unwrap().iter() {
            assert!(matches!(replay(&release, recording), Replay::Equal(_)));
        }
    }
}

#[test]
fn a_recording_that_is_too_large_is_cut_and_replays_up_to_there() {
    let (world, kept, recorder) = world(RecordPolicy::Always, 2_000);
    let main = "export default async (context) => { for (let i = 0; i < 100; i++) await context.sdk.kv.set('key' + i, 'x'.repeat(50)); return 1; };";
    let release = release(&world, MANIFEST, main);
    block_on(world.host.invoke(&release, json_call("null")));
    recorder.flush();
    let kept = kept.0.lock().unwrap();
    assert!(kept[0].is_cut());
    match replay(&release, &kept[0]) {
        Replay::Equal(replayed) => assert!(replayed.is_cut && (5..100).contains(&replayed.calls), "{replayed:?}"),
        other => panic!("{other:#?}"),
    }
}

#[test]
fn a_folder_keeps_the_newest_whole_and_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recordings");
    let key = RecordingKey::parse(&"7c".repeat(32)).unwrap();
    let open = || Arc::new(RecordingFolder::open(&path, 12_000).unwrap().key(Some(key.clone())));
    let sink = open();
    let recorder = Recorder::new(sink.clone()).policy(RecordPolicy::Always);
    let world = World::build(&[], |builder| builder.recorder(recorder.clone()));
    let release = release(&world, MANIFEST, MAIN);
    let mut ids = Vec::new();
    for n in 0..30 {
        ids.push(block_on(world.host.invoke(&release, json_call(&n.to_string()))).id);
    }
    recorder.flush();
    let listed = sink.list();
    assert!((3..30).contains(&listed.len()), "{listed:?}");
    assert!(listed.iter().map(|(_, bytes)| bytes).sum::<u64>() <= 12_000);
    let newest: Vec<_> = ids.iter().rev().map(|id| id.as_str().to_owned()).take(listed.len()).collect();
    assert_eq!(listed.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), newest);
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), listed.len(), "nothing else is left");
    // Of one millisecond the names say no order.
    let sorted = |mut list: Vec<(String, u64)>| {
        list.sort();
        list
    };
    assert_eq!(sorted(open().list()), sorted(listed.clone()), "found again");
    assert_eq!((sink.find(ids[0].as_str()), sink.find("../../etc/passwd")), (None, None));

    let file = std::fs::read(sink.find(&newest[0]).unwrap()).unwrap();
    assert!(Recording::decode(&file, None).is_err());
    let recording = Recording::decode(&file, Some(&key)).unwrap();
    assert!(matches!(replay(&release, &recording), Replay::Equal(_)));
}

#[test]
fn many_recordings_replay_without_a_difference() {
    let count = std::env::var("BELLJAR_RECORDINGS")
        .ok()
        .map_or(COUNT, |count| count.parse().expect("BELLJAR_RECORDINGS is a number"));
    if count < 10_000 {
        eprintln!("{count} of 10,000 recordings, for the time it takes: BELLJAR_RECORDINGS=10000 makes all");
    }
    let (world, kept, recorder) = world(RecordPolicy::Always, 1 << 20);
    let release = release(&world, MANIFEST, MAIN);
    for n in 0..count {
        block_on(world.host.invoke(&release, json_call(&n.to_string())));
    }
    recorder.flush();
    let kept = kept.0.lock().unwrap();
    assert_eq!((kept.len(), recorder.dropped()), (count, 0));
    // For a host of another build to replay: `belljar replay FOLDER`.
    if let Some(folder) = std::env::var_os("BELLJAR_RECORDINGS_DIR") {
        for recording in kept.iter() {
            let mut recording = recording.clone();
            recording.attach(release.package().encode().unwrap()).unwrap();
            let path = std::path::Path::new(&folder).join(format!("{}.recording", recording.header().invocation));
            std::fs::write(path, recording.encode(None).unwrap()).unwrap();
        }
    }
    let diverged: Vec<_> = kept
        .iter()
        .map(|recording| replay(&release, recording))
        .filter(|replay| !matches!(replay, Replay::Equal(_)))
        .collect();
    assert!(diverged.is_empty(), "{} of {count}: {:#?}", diverged.len(), diverged[0]);
    assert!(applet::value(&block_on(world.host.invoke(&release, json_call("1"))))[0] == 1);
}

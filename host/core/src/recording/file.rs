//! The file of a recording: what it is, its version, then parts (the recording, and the package if it travels along), each compressed and
//! perhaps encrypted, then a checksum of all before. A file is read as if it came from an enemy: every length is bounded and checked.

use super::Recording;
use super::events::{Events, read, write};
use super::key::RecordingKey;

const MAGIC: [u8; 8] = *b"\x89BJREC\r\n";
/// The version that is written, and the newest that is read. It changes with whatever an older reader would misread.
const VERSION: u16 = 1;
/// Flags that are known.
const ENCRYPTED: u16 = 1;
/// Magic, version, flags.
const HEAD_BYTES: usize = 12;
/// Kind, length in the file, length when it is read.
const PART_HEAD_BYTES: usize = 9;
const CHECKSUM_BYTES: usize = 16;
/// Bytes of a part, once it is decompressed.
const PART_BYTES_MAX: usize = 128 << 20;
/// Of zstd: what takes least time.
const ZSTD_LEVEL: i32 = 1;

const BODY: u8 = 1;
const PACKAGE: u8 = 2;

/// Why a file is not read as a recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It is something else.
    #[error("this is no recording of Belljar's")]
    NoRecording,
    /// A newer Belljar wrote it.
    #[error("the recording has version {version}, and this Belljar reads up to {VERSION}: use a newer one")]
    Newer {
        /// Of the file.
        version: u16,
    },
    /// It is not whole.
    #[error("the recording is cut off: {what} ends at byte {at}, and should have {expected} bytes more")]
    CutOff {
        /// The part of the file.
        what: &'static str,
        /// Where the file ends.
        at: usize,
        /// How many bytes are missing at least.
        expected: usize,
    },
    /// It is not as it was written.
    #[error("the recording is damaged: {what}, at byte {at}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// Where.
        at: usize,
    },
    /// It is encrypted, and there is no key.
    #[error("the recording is encrypted: give its key")]
    NoKey,
    /// The key is another one, or somebody has changed the file.
    #[error("the recording does not open with this key")]
    WrongKey,
    /// A package that is not the one that was recorded.
    #[error("the package is not the one that was recorded: that has the digest {recorded}, this one {given}")]
    OtherPackage {
        /// Digest of the one that was recorded.
        recorded: String,
        /// Digest of the one that was given.
        given: String,
    },
    /// More than a file can have.
    #[error("the recording is too large: {bytes} bytes, {PART_BYTES_MAX} are the most")]
    TooLarge {
        /// Of one part.
        bytes: usize,
    },
}

impl Recording {
    /// The file's bytes; encrypted with `key` if there is one.
    ///
    /// # Errors
    /// [`RecordingError::TooLarge`].
    pub fn encode(&self, key: Option<&RecordingKey>) -> Result<Vec<u8>, RecordingError> {
        let mut body = Vec::with_capacity(self.invocation.len() + self.events.len() + 1_024);
        if !write(&mut body, self) {
            return Err(RecordingError::TooLarge { bytes: body.len() });
        }
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&VERSION.to_le_bytes());
        file.extend_from_slice(&key.map_or(0, |_| ENCRYPTED).to_le_bytes());
        put(&mut file, BODY, &body, key)?;
        if let Some(package) = &self.package {
            put(&mut file, PACKAGE, package, key)?;
        }
        let checksum = checksum(&file);
        file.extend_from_slice(&checksum);
        Ok(file)
    }

    /// Reads a file. `key` is wanted if it is encrypted.
    ///
    /// # Errors
    /// [`RecordingError`]; each says where reading ended.
    pub fn decode(file: &[u8], key: Option<&RecordingKey>) -> Result<Self, RecordingError> {
        let magic = &file[..MAGIC.len().min(file.len())];
        if magic.is_empty() || !MAGIC.starts_with(magic) {
            return Err(RecordingError::NoRecording);
        }
        let Some(head) = file.first_chunk::<HEAD_BYTES>() else {
            return Err(RecordingError::CutOff { what: "the head", at: file.len(), expected: HEAD_BYTES - file.len() });
        };
        let version = u16::from_le_bytes([head[8], head[9]]);
        if version > VERSION {
            return Err(RecordingError::Newer { version });
        }
        let flags = u16::from_le_bytes([head[10], head[11]]);
        if version == 0 || flags & !ENCRYPTED != 0 {
            return Err(RecordingError::Damaged { what: "its head says what no Belljar writes", at: MAGIC.len() });
        }
        let key = match (flags & ENCRYPTED != 0, key) {
            (false, _) => None,
            (true, Some(key)) => Some(key),
            (true, None) => return Err(RecordingError::NoKey),
        };
        let end = intact(file)?;
        let mut at = HEAD_BYTES;
        let (mut recording, mut package) = (None, None);
        while at < end {
            let (kind, part) = take(file, &mut at, end, key)?;
            match kind {
                BODY => recording = Some(part),
                PACKAGE => package = Some(part),
                _ => return Err(RecordingError::Damaged { what: "it has a part of an unknown kind", at }),
            }
        }
        let body = recording.ok_or(RecordingError::Damaged { what: "the invocation is not in it", at })?;
        let damaged = |what| RecordingError::Damaged { what, at: HEAD_BYTES };
        let mut recording: Self = read(&body).ok_or(damaged("the invocation cannot be read"))?;
        if Events::first_damage(&recording.events).is_some() {
            return Err(damaged("its events cannot be read"));
        }
        recording.package = package;
        Ok(recording)
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECKSUM_BYTES]);
    checksum
}

/// Follows the lengths of the parts to where the checksum is, and checks it. Answers where the parts end.
fn intact(file: &[u8]) -> Result<usize, RecordingError> {
    let mut at = HEAD_BYTES;
    loop {
        let left = file.len() - at;
        if left == CHECKSUM_BYTES {
            if checksum(&file[..at]) != file[at..] {
                return Err(RecordingError::Damaged { what: "its checksum is not that of its bytes", at });
            }
            return Ok(at);
        }
        // A part, and at least the checksum after it.
        let cut_off = |expected: usize| RecordingError::CutOff { what: "a part", at: file.len(), expected };
        let (_, packed, _) =
            part_head(&file[at..]).ok_or_else(|| cut_off((PART_HEAD_BYTES + CHECKSUM_BYTES).saturating_sub(left)))?;
        let wanted = PART_HEAD_BYTES.saturating_add(packed);
        if left < wanted.saturating_add(CHECKSUM_BYTES) {
            return Err(cut_off(wanted.saturating_add(CHECKSUM_BYTES) - left));
        }
        at += wanted;
    }
}

/// Kind, length in the file, length when it is read.
fn part_head(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let head = bytes.get(..PART_HEAD_BYTES)?;
    let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
    Some((head[0], number(1), number(5)))
}

fn put(file: &mut Vec<u8>, kind: u8, part: &[u8], key: Option<&RecordingKey>) -> Result<(), RecordingError> {
    let too_large = || RecordingError::TooLarge { bytes: part.len() };
    if part.len() > PART_BYTES_MAX {
        return Err(too_large());
    }
    let packed = zstd::bulk::compress(part, ZSTD_LEVEL).map_err(|_| too_large())?;
    let raw = u32::try_from(part.len()).map_err(|_| too_large())?;
    let packed = match key {
        Some(key) => key.seal(&about(file, kind, raw), &packed),
        None => packed,
    };
    let length = u32::try_from(packed.len()).map_err(|_| too_large())?;
    file.push(kind);
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(&raw.to_le_bytes());
    file.extend_from_slice(&packed);
    Ok(())
}

/// What a part is bound to, so that none is put in another's place: the head of the file, and its own.
fn about(file: &[u8], kind: u8, raw: u32) -> Vec<u8> {
    [&file[..HEAD_BYTES.min(file.len())], &[kind], &raw.to_le_bytes()].concat()
}

fn take(file: &[u8], at: &mut usize, end: usize, key: Option<&RecordingKey>) -> Result<(u8, Vec<u8>), RecordingError> {
    let start = *at;
    let damaged = |what| RecordingError::Damaged { what, at: start };
    let (kind, packed, raw) = part_head(&file[start..end]).ok_or(damaged("a part has no head"))?;
    if raw > PART_BYTES_MAX {
        return Err(RecordingError::TooLarge { bytes: raw });
    }
    let from = start + PART_HEAD_BYTES;
    let packed = file.get(from..from + packed).ok_or(damaged("a part is longer than the file"))?;
    *at = from + packed.len();
    let opened;
    let packed = match key {
        Some(key) => {
            let about = about(file, kind, u32::try_from(raw).unwrap_or(u32::MAX));
            opened = key.open(&about, packed).ok_or(RecordingError::WrongKey)?;
            &opened
        }
        None => packed,
    };
    let part = zstd::bulk::decompress(packed, raw).map_err(|_| damaged("a part cannot be decompressed"))?;
    if part.len() == raw { Ok((kind, part)) } else { Err(damaged("a part has another length than it says")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::events::{EventWriter, Tag};
    use super::super::{End, Ending, RecordedResult, RecordingHeader};
    use super::*;
    use crate::floor::ids::Digest;
    use crate::floor::limits::Limits;
    use crate::floor::usage::Usage;

    fn sample(package: Option<&[u8]>) -> Recording {
        let mut events = EventWriter::new(10_000);
        events.call("kv.get", &(["key"],));
        events.other(Tag::Slice, &(1, 2, false, "answer"));
        let header = RecordingHeader {
            belljar: "0.1.0".into(),
            engine: "e".repeat(64),
            intl: "icu".into(),
            package: package.map(|package| Digest::of(package).to_hex()),
            invocation: "inv_1".into(),
            tenant: "acme".into(),
            applet: "hook".into(),
            version: "1.0.0".into(),
            handler: "default".into(),
            trigger: "one-off".into(),
            begun_us: 7,
            is_time_virtual: false,
            has_stand_ins: false,
            grants: vec!["kv".into()],
            limits: Limits::default(),
        };
        let result = RecordedResult::Value(Some("the answer".into()));
        let end = End { ending: Ending::Finished, result, usage: Usage { fuel: 9, ..Usage::default() }, is_cut: false };
        let mut recording =
            Recording { header, invocation: b"in".to_vec(), events: events.finish().0, end, package: None };
        if let Some(package) = package {
            recording.attach(package.to_vec()).expect("it is the package");
        }
        recording
    }

    fn key(byte: u8) -> RecordingKey {
        RecordingKey::parse(&format!("{byte:02x}").repeat(32)).expect("it is a key")
    }

    #[test]
    fn files_are_read_as_they_were_written() {
        for (package, key) in [(None, None), (Some(&b"package"[..]), None), (Some(&b"package"[..]), Some(key(1)))] {
            let recording = sample(package);
            let file = recording.encode(key.as_ref()).expect("it is written");
            assert_eq!(Recording::decode(&file, key.as_ref()), Ok(recording));
        }
    }

    #[test]
    fn a_key_is_wanted_and_must_be_the_right_one() {
        let file = sample(None).encode(Some(&key(1))).expect("it is written");
        assert_eq!(Recording::decode(&file, None), Err(RecordingError::NoKey));
        assert_eq!(Recording::decode(&file, Some(&key(2))), Err(RecordingError::WrongKey));
        let plain = sample(None).encode(None).expect("it is written");
        assert!(Recording::decode(&plain, Some(&key(2))).is_ok(), "what is not encrypted needs none");
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_an_error() {
        for key in [None, Some(key(1))] {
            let file = sample(Some(b"package")).encode(key.as_ref()).expect("it is written");
            for length in 0..file.len() {
                let error = Recording::decode(&file[..length], key.as_ref()).expect_err("it is cut");
                match error {
                    RecordingError::NoRecording => assert_eq!(length, 0),
                    RecordingError::CutOff { at, expected, .. } => {
                        assert_eq!(at, length);
                        assert!(expected > 0 && at + expected <= file.len(), "{length}: {error}");
                    }
                    // Cut in the second part, where the rest is as long as a checksum.
                    RecordingError::Damaged { .. } => {}
                    other => panic!("{length}: {other}"),
                }
            }
            for at in 0..file.len() {
                let mut flipped = file.clone();
                flipped[at] ^= 0x10;
                assert!(Recording::decode(&flipped, key.as_ref()).is_err(), "byte {at}");
            }
        }
    }

    #[test]
    fn newer_files_and_others_are_told_apart() {
        let mut file = sample(None).encode(None).expect("it is written");
        file[8] = 2;
        assert_eq!(Recording::decode(&file, None), Err(RecordingError::Newer { version: 2 }));
        assert_eq!(Recording::decode(b"{\"json\": true}", None), Err(RecordingError::NoRecording));
        let error = sample(Some(b"package")).attach(b"another".to_vec()).expect_err("it is another");
        assert!(matches!(error, RecordingError::OtherPackage { .. }), "{error}");
    }

    #[test]
    fn a_file_that_expands_is_refused_before_it_does() {
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&[1, 0, 0, 0]);
        let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 1).expect("it is compressed");
        file.push(BODY);
        file.extend_from_slice(&u32::try_from(bomb.len()).expect("short").to_le_bytes());
        file.extend_from_slice(&16_u32.to_le_bytes());
        file.extend_from_slice(&bomb);
        let sum = checksum(&file);
        file.extend_from_slice(&sum);
        assert!(matches!(
            Recording::decode(&file, None),
            Err(RecordingError::Damaged { what: "a part cannot be decompressed", .. })
        ));
    }

    proptest! {
        #[test]
        fn nonsense_gives_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Recording::decode(&[&MAGIC[..], &[1, 0, 0, 0], &bytes].concat(), None);
            // Behind a checksum that is right.
            let mut file = MAGIC.to_vec();
            file.extend_from_slice(&[1, 0, 0, 0]);
            put(&mut file, BODY, &body, None).expect("it is short");
            let sum = checksum(&file);
            file.extend_from_slice(&sum);
            let _ = Recording::decode(&file, None);
        }
    }
}

//! Secrets are replaced in what was recorded, by stand-ins of the same length: nothing else moves, so that an applet that only passes a secret on
//! does the same in a replay. Names of fields, which are ours, stay.

use std::ops::Range;

use memchr::memmem;
use zeroize::Zeroizing;

use super::Recording;
use super::events::{Events, Tag, read, write};

/// A secret in one of the forms it is written in, and what is written instead: as many bytes.
pub(crate) struct StandIn {
    pub(crate) secret: Zeroizing<Vec<u8>>,
    pub(crate) instead: Vec<u8>,
}

/// A recording with stand-ins in place of secrets; nothing when that cannot be done, which must not be taken for a recording without secrets.
pub(crate) fn redacted(mut recording: Recording, stand_ins: &[StandIn]) -> Option<Recording> {
    if stand_ins.is_empty() {
        return Some(recording);
    }
    let mut end = Vec::new();
    let is_done = write(&mut end, &recording.end)
        && redact(&mut end, stand_ins)
        && redact(&mut recording.invocation, stand_ins)
        && Events::ranges(&recording.events).into_iter().all(|(tag, mut payload)| {
            if tag == Tag::Call {
                payload.start += 1 + usize::from(recording.events[payload.start]);
            }
            redact(&mut recording.events[payload], stand_ins)
        });
    match read(&end) {
        Some(end) if is_done => Some(Recording { end, ..recording }),
        _ => {
            tracing::error!(
                invocation = recording.header.invocation,
                "a recording is dropped: secrets cannot be taken out of it"
            );
            None
        }
    }
}

/// Replaces secrets in the texts and bytes of a MessagePack value, in place. Whether it was MessagePack: if not, nothing can be said of what
/// is left in it.
fn redact(bytes: &mut [u8], stand_ins: &[StandIn]) -> bool {
    let Some(texts) = texts(bytes) else { return false };
    for text in texts {
        let text = &mut bytes[text];
        for StandIn { secret, instead } in stand_ins {
            let found: Vec<usize> = memmem::find_iter(text, secret.as_slice()).collect();
            for at in found {
                text[at..at + secret.len()].copy_from_slice(instead);
            }
        }
    }
    true
}

/// Where the texts and bytes of a MessagePack value are, those that name members of maps excepted.
fn texts(bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut texts = Vec::new();
    let mut at = 0;
    // How many values are missing of each array and map that is open, and whether it is a map.
    let mut open: Vec<(u64, bool)> = Vec::new();
    let number = |at: usize, bytes_count: usize| -> Option<u64> {
        Some(bytes.get(at..at + bytes_count)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    while at < bytes.len() {
        let is_name = open.last().is_some_and(|(left, is_map)| *is_map && left % 2 == 0);
        let marker = bytes[at];
        // What follows the marker: a number that is a length, then either bytes to skip, a text, or values.
        let (head, text, skipped, values): (usize, Option<u64>, usize, Option<(u64, bool)>) = match marker {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => (1, None, 0, None),
            0x80..=0x8f => (1, None, 0, Some((u64::from(marker & 0x0f) * 2, true))),
            0x90..=0x9f => (1, None, 0, Some((u64::from(marker & 0x0f), false))),
            0xa0..=0xbf => (1, Some(u64::from(marker & 0x1f)), 0, None),
            0xc4 | 0xd9 => (2, Some(number(at + 1, 1)?), 0, None),
            0xc5 | 0xda => (3, Some(number(at + 1, 2)?), 0, None),
            0xc6 | 0xdb => (5, Some(number(at + 1, 4)?), 0, None),
            0xca | 0xce | 0xd2 => (1, None, 4, None),
            0xcb | 0xcf | 0xd3 => (1, None, 8, None),
            0xcc | 0xd0 => (1, None, 1, None),
            0xcd | 0xd1 => (1, None, 2, None),
            0xdc => (3, None, 0, Some((number(at + 1, 2)?, false))),
            0xdd => (5, None, 0, Some((number(at + 1, 4)?, false))),
            0xde => (3, None, 0, Some((number(at + 1, 2)? * 2, true))),
            0xdf => (5, None, 0, Some((number(at + 1, 4)? * 2, true))),
            _ => return None,
        };
        at += head;
        if let Some(length) = text {
            let end = at.checked_add(usize::try_from(length).ok()?).filter(|end| *end <= bytes.len())?;
            if !is_name {
                texts.push(at..end);
            }
            at = end;
        }
        at += skipped;
        if let Some((left, _)) = open.last_mut() {
            *left -= 1;
        }
        if let Some(values) = values {
            open.push(values);
        }
        while open.last().is_some_and(|(left, _)| *left == 0) {
            open.pop();
        }
    }
    (open.is_empty() && at == bytes.len()).then_some(texts)
}

/// What is written instead of a secret: letters and digits that say its name, as many bytes, and as many characters; white space, quotes and
/// backslashes stay, so that it is escaped as the secret is.
pub(crate) fn instead_of(secret: &str, name: &str) -> String {
    let letters: Vec<char> =
        "redacted_".chars().chain(name.chars().filter(char::is_ascii_alphanumeric)).chain(['_']).collect();
    let mut letters = letters.iter().cycle();
    let instead = secret.chars().map(|c| match c.len_utf8() {
        _ if c.is_control() || matches!(c, ' ' | '"' | '\\') => c,
        1 => letters.next().copied().unwrap_or('x'),
        2 => '\u{b7}',
        3 => '\u{2026}',
        _ => '\u{1f512}',
    });
    instead.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::super::events::{read, write};
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        statement: String,
        bytes: Vec<u8>,
        many: Vec<Option<String>>,
        number: f64,
    }

    fn stand_in(secret: &str) -> StandIn {
        StandIn { secret: Zeroizing::new(secret.as_bytes().to_vec()), instead: instead_of(secret, "KEY").into_bytes() }
    }

    #[test]
    fn values_are_replaced_and_names_stay() {
        let sample = |text: &str| Sample {
            statement: format!("is {text}!"),
            bytes: text.as_bytes().to_vec(),
            many: vec![Some(format!("{text}{text}")), None, Some("x".repeat(300) + text)],
            number: -1.5,
        };
        let mut bytes = Vec::new();
        assert!(write(&mut bytes, &sample("statement")));
        assert!(redact(&mut bytes, &[stand_in("statement")]));
        assert_eq!(read::<Sample>(&bytes), Some(sample("redacted_")));
    }

    #[test]
    fn stand_ins_have_the_same_form() {
        for secret in ["hunter2-and-more-than-that", "a\"b\\c\nd", "größe…🔑 x"] {
            let instead = instead_of(secret, "KEY");
            assert_eq!(instead.len(), secret.len());
            assert_eq!(instead.encode_utf16().count(), secret.encode_utf16().count());
            let json = |text: &str| serde_json::to_string(text).expect("text is JSON").len();
            assert_eq!(json(&instead), json(secret));
        }
        assert_eq!(instead_of("hunter2-and-more-than", "KEY"), "redacted_KEY_redacted");
    }

    proptest! {
        #[test]
        fn nonsense_gives_no_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            redact(&mut bytes, &[stand_in("secret")]);
        }
    }
}

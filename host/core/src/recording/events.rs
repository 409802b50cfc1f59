//! The events of a recording, one after the other: a tag, the length of what follows as 32 bits (little-endian), and that: MessagePack, with
//! names, so that it can be shown without knowing what it is. A call has its function's name before its arguments.

use rmp_serde::config::BytesMode;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// The guest called a function: a byte with the length of its name, the name, an array of its arguments.
    Call = 1,
    /// The answer to the call before: of functions that answer at once.
    Answer = 2,
    /// The guest has asked for the time since the event before: how often, and what it was told last.
    Clock = 3,
    /// The guest was entered: by `start` the first time, then by `resume`.
    Slice = 4,
}

impl Tag {
    fn of(byte: u8) -> Option<Self> {
        [Self::Call, Self::Answer, Self::Clock, Self::Slice].into_iter().find(|tag| *tag as u8 == byte)
    }
}

/// Bytes before the payload.
const HEAD_BYTES: usize = 5;

/// Reads events. It ends at the first thing that is none; [`Events::is_intact`] tells whether that is the end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Events<'a>(&'a [u8]);

impl<'a> Events<'a> {
    /// Bytes of an event before its payload.
    pub(crate) const HEAD_BYTES: usize = HEAD_BYTES;

    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next event, which stays there.
    pub(crate) fn peek(&self) -> Option<(Tag, &'a [u8])> {
        let mut copy = *self;
        copy.next()
    }

    /// Where the payload of each event is.
    pub(crate) fn ranges(bytes: &[u8]) -> Vec<(Tag, std::ops::Range<usize>)> {
        let mut at = 0;
        let mut ranges = Vec::new();
        for (tag, payload) in Events::new(bytes) {
            let start = at + HEAD_BYTES;
            at = start + payload.len();
            ranges.push((tag, start..at));
        }
        ranges
    }

    /// Where reading ends before the bytes do; nothing when all of them are events.
    pub(crate) fn first_damage(bytes: &'a [u8]) -> Option<usize> {
        let mut events = Self(bytes);
        while events.next().is_some() {}
        (!events.0.is_empty()).then(|| bytes.len() - events.0.len())
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = (Tag, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_first_chunk::<HEAD_BYTES>()?;
        let tag = Tag::of(head[0])?;
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some((tag, payload))
    }
}

/// Writes events, up to a bound.
#[derive(Debug)]
pub(crate) struct EventWriter {
    bytes: Vec<u8>,
    bytes_max: usize,
    is_cut: bool,
    asked_count: u64,
    told_us: u64,
}

impl EventWriter {
    /// Of at most `bytes_max` bytes of events; the one that would go beyond, and all after it, are left out.
    pub(crate) fn new(bytes_max: u64) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Self { bytes: Vec::with_capacity(bytes_max.min(1 << 10)), bytes_max, is_cut: false, asked_count: 0, told_us: 0 }
    }

    /// A call of the guest's.
    pub(crate) fn call(&mut self, function: &str, arguments: &impl Serialize) {
        self.event(Tag::Call, |bytes| write_call(bytes, function, arguments));
    }

    /// The guest has been told the time: often, as a rule, so it is counted until something else happens.
    pub(crate) fn clock(&mut self, told_us: u64) {
        self.asked_count += 1;
        self.told_us = told_us;
    }

    /// Anything else.
    pub(crate) fn other(&mut self, tag: Tag, payload: &impl Serialize) {
        self.event(tag, |bytes| write(bytes, payload));
    }

    fn event(&mut self, tag: Tag, payload: impl FnOnce(&mut Vec<u8>) -> bool) {
        self.flush_clock();
        self.put(tag, payload);
    }

    fn flush_clock(&mut self) {
        if self.asked_count > 0 {
            let asked = (std::mem::take(&mut self.asked_count), self.told_us);
            self.put(Tag::Clock, |bytes| write(bytes, &asked));
        }
    }

    fn put(&mut self, tag: Tag, payload: impl FnOnce(&mut Vec<u8>) -> bool) {
        if self.is_cut {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[tag as u8, 0, 0, 0, 0]);
        let is_written = payload(&mut self.bytes);
        let length = u32::try_from(self.bytes.len() - start - HEAD_BYTES);
        match length {
            Ok(length) if is_written && self.bytes.len() <= self.bytes_max => {
                self.bytes[start + 1..start + HEAD_BYTES].copy_from_slice(&length.to_le_bytes());
            }
            _ => {
                self.bytes.truncate(start);
                self.is_cut = true;
            }
        }
    }

    /// Bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// All events, and whether some are missing.
    pub(crate) fn finish(mut self) -> (Vec<u8>, bool) {
        self.flush_clock();
        (self.bytes, self.is_cut)
    }
}

/// The payload of a call.
pub(crate) fn write_call(bytes: &mut Vec<u8>, function: &str, arguments: &impl Serialize) -> bool {
    // Names are ours, and short.
    bytes.push(u8::try_from(function.len()).unwrap_or(0));
    bytes.extend_from_slice(function.as_bytes());
    write(bytes, arguments)
}

/// Name and arguments of a call; nothing when it is none.
pub(crate) fn split_call(payload: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = payload.split_first()?;
    let (name, arguments) = rest.split_at_checked(usize::from(*length))?;
    Some((std::str::from_utf8(name).ok()?, arguments))
}

/// Appends MessagePack; `false` when the value cannot be written as that.
pub(crate) fn write(bytes: &mut Vec<u8>, value: &impl Serialize) -> bool {
    let mut serializer = rmp_serde::Serializer::new(bytes).with_struct_map().with_bytes(BytesMode::ForceAll);
    value.serialize(&mut serializer).is_ok()
}

/// Reads MessagePack, all of it.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    rmp_serde::from_slice(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_as_they_were_written() {
        let mut writer = EventWriter::new(1_000);
        writer.call("kv.get", &(["a"],));
        writer.clock(5);
        writer.clock(7);
        writer.other(Tag::Answer, &Some(1));
        let (bytes, is_cut) = writer.finish();
        let tags: Vec<_> = Events::new(&bytes).map(|(tag, _)| tag).collect();
        assert_eq!((tags.as_slice(), is_cut), ([Tag::Call, Tag::Clock, Tag::Answer].as_slice(), false));
        assert_eq!(Events::first_damage(&bytes), None);
        let (_, call) = Events::new(&bytes).next().expect("there is one");
        let (name, arguments) = split_call(call).expect("it is a call");
        assert_eq!((name, read::<(Vec<String>,)>(arguments)), ("kv.get", Some((vec!["a".to_owned()],))));
        let (_, clock) = Events::new(&bytes).nth(1).expect("there is one");
        assert_eq!(read::<(u64, u64)>(clock), Some((2, 7)));
        for length in 1..bytes.len() {
            let cut = &bytes[..length];
            let whole: usize = Events::new(cut).map(|(_, payload)| payload.len() + HEAD_BYTES).sum();
            assert_eq!(Events::first_damage(cut), (whole < length).then_some(whole));
        }
    }

    #[test]
    fn what_is_too_much_is_left_out() {
        let mut writer = EventWriter::new(40);
        writer.call("a", &(1,));
        writer.call("b", &("x".repeat(100),));
        writer.call("c", &(1,));
        let (bytes, is_cut) = writer.finish();
        assert_eq!((Events::new(&bytes).count(), is_cut), (1, true));
        assert_eq!(Events::first_damage(&bytes), None, "no half an event is left");
    }
}

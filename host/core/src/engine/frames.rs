//! The JavaScript stack of an instance that a limit has ended, read out of its memory without running it. What the memory holds is
//! the guest's: every address is checked, every list is bounded, and nonsense gives fewer frames, never a panic.

/// Frames read of one stack.
const FRAMES_MAX: usize = 64;
/// Characters of one name.
const NAME_CHARS_MAX: usize = 256;
/// Bytes of one function's table of positions.
const POSITIONS_BYTES_MAX: usize = 1 << 20;

/// Entries of the table in the guest (guest-js/engine/c/quickjs.insertions): the runtime's address, then offsets and constants.
#[derive(Clone, Copy)]
enum Entry {
    Runtime,
    CurrentFrame,
    Atoms,
    AtomsCount,
    PrevFrame,
    Function,
    Pc,
    TagObject,
    ClassId,
    ClassFirst,
    Bytecode = 13,
    Code,
    FunctionName,
    FileName,
    Line,
    Column,
    PositionsBytes,
    Positions,
    StringLength,
    StringBytes,
}

/// Kinds of functions that have bytecode: plain, generator, async, async generator; from `ClassFirst` on.
const CLASSES: usize = 4;

/// The stack as QuickJS writes it: lines of `    at function (file:line:column)`, innermost first. Callers are exact; the first line is
/// the last position that the engine recorded: a call, or where the function begins. Empty when no JavaScript was running.
pub(crate) fn stack(memory: &[u8], frames_at: usize) -> String {
    let reader = Reader { memory, frames_at };
    let mut text = String::new();
    let mut at =
        reader.entry(Entry::Runtime).filter(|rt| *rt != 0).and_then(|rt| reader.field(rt, Entry::CurrentFrame));
    for _ in 0..FRAMES_MAX {
        let Some(frame) = at.filter(|frame| *frame != 0) else { break };
        if let Some(line) = reader.frame(frame) {
            text.push_str(&line);
        }
        at = reader.field(frame, Entry::PrevFrame);
    }
    text
}

struct Reader<'a> {
    memory: &'a [u8],
    frames_at: usize,
}

impl Reader<'_> {
    fn bytes(&self, at: u32, count: usize) -> Option<&[u8]> {
        self.memory.get(at as usize..)?.get(..count)
    }

    fn word(&self, at: u32) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(at, 4)?.try_into().ok()?))
    }

    fn table(&self, index: usize) -> Option<u32> {
        self.word(u32::try_from(self.frames_at + 4 * index).ok()?)
    }

    fn entry(&self, entry: Entry) -> Option<u32> {
        self.table(entry as usize)
    }

    /// The word at an offset that the table names.
    fn field(&self, of: u32, entry: Entry) -> Option<u32> {
        self.word(of.checked_add(self.entry(entry)?)?)
    }

    /// One frame; nothing for functions that are not JavaScript.
    fn frame(&self, frame: u32) -> Option<String> {
        // A value is 64 bits: what it points to, then its tag (QuickJS's boxing for 32-bit machines).
        let value = frame.checked_add(self.entry(Entry::Function)?)?;
        let (object, tag) = (self.word(value)?, self.word(value.checked_add(4)?)?);
        if tag != self.entry(Entry::TagObject)? {
            return None;
        }
        let class = self.bytes(object.checked_add(self.entry(Entry::ClassId)?)?, 2)?;
        let class = u32::from(u16::from_le_bytes(class.try_into().ok()?));
        if !(0..CLASSES).any(|n| self.table(Entry::ClassFirst as usize + n) == Some(class)) {
            return None;
        }
        let function = self.field(object, Entry::Bytecode)?;
        // The one after the instruction; none before the first call.
        let pc = self
            .field(frame, Entry::Pc)?
            .checked_sub(self.field(function, Entry::Code)?)
            .and_then(|pc| pc.checked_sub(1));
        let (line, column) = self.position(function, pc)?;
        let name = self.atom(self.field(function, Entry::FunctionName)?).unwrap_or_default();
        let file = self.atom(self.field(function, Entry::FileName)?)?;
        Some(match name.as_str() {
            "" => format!("    at {file}:{line}:{column}\n"),
            name => format!("    at {name} ({file}:{line}:{column})\n"),
        })
    }

    /// Where the instruction at `pc` comes from, from 1; without a `pc` where the function begins. The table holds steps: of the program
    /// counter, the line and the column, as QuickJS's `find_line_num` reads them.
    fn position(&self, function: u32, pc: Option<u32>) -> Option<(i64, i64)> {
        let signed = |entry| Some(i64::from(self.field(function, entry)?.cast_signed()));
        let (mut line, mut column) = (signed(Entry::Line)?, signed(Entry::Column)?);
        let start = self.field(function, Entry::Positions)?;
        let count = self.field(function, Entry::PositionsBytes)? as usize;
        let (Some(pc), Some(mut steps)) =
            (pc, self.bytes(start, count.min(POSITIONS_BYTES_MAX)).filter(|_| start != 0))
        else {
            return Some((line, column));
        };
        let mut at: u64 = 0;
        while let Some((step, rest)) = steps.split_first() {
            steps = rest;
            let down = if *step == 0 {
                at += u64::from(leb128(&mut steps)?);
                i64::from(sleb128(&mut steps)?)
            } else {
                // Five differences of lines, from -1 on, for each step of the counter.
                at += u64::from((step - 1) / 5);
                i64::from((step - 1) % 5) - 1
            };
            let right = i64::from(sleb128(&mut steps)?);
            if u64::from(pc) < at {
                break;
            }
            (line, column) = (line + down, column + right);
        }
        Some((line, column))
    }

    /// A name out of the table of atoms.
    fn atom(&self, atom: u32) -> Option<String> {
        let runtime = self.entry(Entry::Runtime)?;
        if atom == 0 || atom >= self.field(runtime, Entry::AtomsCount)? {
            return None;
        }
        let string = self.word(self.field(runtime, Entry::Atoms)?.checked_add(atom.checked_mul(4)?)?)?;
        let length = self.field(string, Entry::StringLength)?;
        let (wide, length) = (length >> 31 == 1, (length & 0x7fff_ffff) as usize);
        let start = string.checked_add(self.entry(Entry::StringBytes)?)?;
        let length = length.min(NAME_CHARS_MAX);
        if !wide {
            return Some(self.bytes(start, length)?.iter().map(|byte| char::from(*byte)).collect());
        }
        let units: Vec<u16> =
            self.bytes(start, length * 2)?.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
        Some(String::from_utf16_lossy(&units))
    }
}

/// An unsigned number of at most 32 bits, seven to a byte.
fn leb128(from: &mut &[u8]) -> Option<u32> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A signed one: QuickJS puts the sign into the lowest bit.
fn sleb128(from: &mut &[u8]) -> Option<i32> {
    let value = leb128(from)?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_quickjs_writes_them() {
        assert_eq!(leb128(&mut &[0xe5, 0x8e, 0x26][..]), Some(624_485));
        assert_eq!([0u8, 1, 2, 3].map(|byte| sleb128(&mut &[byte][..])), [Some(0), Some(-1), Some(1), Some(-2)]);
        assert_eq!(leb128(&mut &[0x80][..]), None);
    }

    proptest! {
        #[test]
        fn nonsense_gives_no_panic(words in proptest::collection::vec(prop_oneof![0u32..400, any::<u32>()], 0..200), frames_at in 0usize..900) {
            let memory: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            stack(&memory, frames_at);
        }
    }
}

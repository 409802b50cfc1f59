//! The two streams: data on stdout, the rest on stderr. A reader that has gone away ends the output, not with an error. Text that is
//! not ours never reaches a terminal with its control characters.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};

use crate::failure::Failure;

/// Writes data.
///
/// # Errors
/// When the bytes cannot be written (a full disk); a closed pipe is none.
pub(crate) fn stdout(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new("stdout", format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes what is for people. There is nobody to tell when that fails.
pub(crate) fn stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Whether stdout is a person.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Colours for stderr: on a terminal, unless `NO_COLOR` or the like says otherwise.
pub(crate) fn stderr_paint() -> Paint {
    Paint { on: AutoStream::choice(&io::stderr()) != ColorChoice::Never }
}

/// Marks text, or does not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    /// Whether it marks.
    pub(crate) on: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// For `error`.
    pub(crate) fn error(self, text: &str) -> String {
        self.with("1;31", text)
    }

    /// For `hint`.
    pub(crate) fn hint(self, text: &str) -> String {
        self.with("36", text)
    }

    /// For what matters less.
    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// For what matters more.
    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
}

/// Whether a character, shown as it is, could move the cursor, forge a line or turn the reading direction.
pub(crate) fn disturbs(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Text on one line, with what disturbs as escapes.
pub(crate) fn one_line(text: &str) -> String {
    escape(text, |_| false)
}

/// Text on as many lines as it has; all else that disturbs as escapes.
pub(crate) fn lines(text: &str) -> String {
    escape(text, |c| c == '\n' || c == '\t')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if keep(c) || !disturbs(c) => shown.push(c),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c => {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{:04x}", u32::from(c));
            }
        }
    }
    shown
}

/// JSON text with what disturbs as JSON's own escapes: the same value, safe to show. White space between values stays.
pub(crate) fn json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => shown.push(c),
            c if disturbs(c) => {
                // Writing to a string cannot fail.
                let _ = write!(shown, "\\u{:04x}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// The first `bytes_max` bytes of a text, and how many there are more.
pub(crate) fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        let kept = text.floor_char_boundary(bytes_max);
        let more = text.len() - kept;
        text.truncate(kept);
        // Writing to a string cannot fail.
        let _ = write!(text, "… ({more} bytes more)");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_disturbs_is_shown() {
        let hostile = "a\r\n\u{1b}[2K\u{9b}1m\u{202e}\u{feff}b\tö";
        assert_eq!(one_line(hostile), "a\\r\\n\\u001b[2K\\u009b1m\\u202e\\ufeffb\\tö");
        assert_eq!(lines(hostile), "a\\r\n\\u001b[2K\\u009b1m\\u202e\\ufeffb\tö");
        assert_eq!(json("{\n\"a\":\"\u{7f}ö\u{202e}\"}"), "{\n\"a\":\"\\u007fö\\u202e\"}");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let mut text = "aöö".to_owned();
        cut(&mut text, 2);
        assert_eq!(text, "a… (4 bytes more)");
        cut(&mut text, 100);
        assert_eq!(text, "a… (4 bytes more)");
    }
}

//! Events as text that resembles JSON: for people who are told what differs. Whatever the bytes are, it ends, and is bounded.

use std::fmt::{self, Write as _};

use serde::Deserialize;
use serde::de::{Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Visitor};

/// Characters of one event.
const CHARS_MAX: usize = 2_000;

/// Functions that make text of events.
pub(crate) mod text_of {
    use super::super::events::split_call;
    use super::{CHARS_MAX, Shown};

    /// A call: `kv.get(["a"])`.
    pub(crate) fn call(payload: &[u8]) -> String {
        let Some((name, arguments)) = split_call(payload) else { return "a call that cannot be read".into() };
        let shown = value(arguments);
        // The arguments are an array, or none.
        let inner = if shown == "null" { "" } else { shown.as_str() };
        let inner = inner.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(inner);
        format!("{name}({inner})")
    }

    /// Any value.
    pub(crate) fn value(bytes: &[u8]) -> String {
        let shown: Result<Shown, _> = rmp_serde::from_slice(bytes);
        cut(&shown.map_or_else(|_| "something that cannot be read".into(), |Shown(text)| text))
    }

    /// A text that is not too long to be shown.
    pub(crate) fn cut(text: &str) -> String {
        match text.char_indices().nth(CHARS_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        }
    }
}

/// Any MessagePack, shown.
struct Shown(String);

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Show).map(Shown)
    }
}

struct Show;

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

impl<'de> Visitor<'de> for Show {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_i64<E>(self, value: i64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_u64<E>(self, value: u64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_f64<E>(self, value: f64) -> Result<String, E> {
        Ok(value.to_string())
    }

    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        Ok(quoted(value))
    }

    /// Bytes that are text are shown as text.
    fn visit_bytes<E>(self, value: &[u8]) -> Result<String, E> {
        if let Ok(text) = std::str::from_utf8(value) {
            return Ok(format!("bytes {}", quoted(text)));
        }
        let mut text = "bytes ".to_owned();
        for byte in value.iter().take(CHARS_MAX / 2) {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }

    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("null".into())
    }

    fn visit_none<E>(self) -> Result<String, E> {
        Ok("null".into())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<String, A::Error> {
        let mut text = "[".to_owned();
        while let Some(Shown(item)) = items.next_element()? {
            if text.len() > 1 {
                text.push_str(", ");
            }
            text.push_str(&item);
        }
        text.push(']');
        Ok(text)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<String, A::Error> {
        let mut text = "{".to_owned();
        while let Some((Shown(name), Shown(value))) = members.next_entry()? {
            if text.len() > 1 {
                text.push_str(", ");
            }
            let _ = write!(text, "{}: {value}", name.trim_matches('"'));
        }
        text.push('}');
        Ok(text)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<String, A::Error> {
        Err(A::Error::custom("not self-describing"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Serialize;

    use super::super::events::write_call;
    use super::text_of;

    #[derive(Serialize)]
    enum Value {
        Null,
        Text(String),
        Blob(Vec<u8>),
    }

    #[test]
    fn calls_are_shown_as_calls() {
        let mut payload = Vec::new();
        let values =
            vec![Value::Null, Value::Text("a\"b".into()), Value::Blob(b"text".to_vec()), Value::Blob(vec![255, 0])];
        assert!(write_call(&mut payload, "db.query", &("SELECT 1", values, Option::<u32>::None)));
        let expected =
            r#"db.query("SELECT 1", ["Null", {Text: "a\"b"}, {Blob: bytes "text"}, {Blob: bytes ff00}], null)"#;
        assert_eq!(text_of::call(&payload), expected);
    }

    proptest! {
        #[test]
        fn nonsense_is_shown_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(text_of::value(&bytes).chars().count() <= 2_001);
            text_of::call(&bytes);
        }
    }
}

//! The kinds of values that settings have: how each is read from text and from TOML, and written again.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::secret::Secret;
use crate::network::Network;

/// A value as somebody gave it.
#[derive(Debug)]
pub(crate) enum Given<'a> {
    /// By flags or the environment: lists have several, or one with commas.
    Text(Vec<String>),
    /// In a file; paths are relative to its folder.
    Toml(&'a DeValue<'a>, &'a Path),
}

/// A kind of value.
pub(crate) trait Kind: Sized {
    /// What it is called in help.
    const NAME: &'static str;
    /// Whether it is a list.
    const IS_LIST: bool = false;
    /// Whether it is on or off.
    const IS_SWITCH: bool = false;

    /// Reads it. `range` is for whole numbers. An error says what is wrong and what would be right, without the setting's name.
    fn read(given: &Given<'_>, range: Option<(u64, u64)>) -> Result<Self, String>;
    /// As TOML; `None` for nothing.
    fn write(&self) -> Option<toml::Value>;
}

/// Form of the server's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people where a terminal reads it, else JSON.
    Auto,
    /// One JSON object per line.
    Json,
    /// For people.
    Terminal,
}

/// What is wanted of the jail of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequireJail {
    /// All of it, or nothing starts.
    Strict,
    /// What the machine has.
    BestEffort,
    /// None.
    Off,
}

/// The one text that was given.
fn text(given: &Given<'_>) -> Result<String, String> {
    match given {
        Given::Text(texts) => match texts.as_slice() {
            [one] => Ok(one.clone()),
            texts => Err(format!("is given {} times, once is enough", texts.len())),
        },
        Given::Toml(DeValue::String(text), _) => Ok(text.to_string()),
        Given::Toml(other, _) => Err(format!("is a TOML {}, not a string: put it in quotes", other.type_str())),
    }
}

fn whole(given: &Given<'_>, (min, max): (u64, u64)) -> Result<u64, String> {
    let told = match given {
        Given::Text(_) => text(given)?,
        Given::Toml(DeValue::Integer(number), _) if number.radix() == 10 => number.as_str().to_owned(),
        Given::Toml(DeValue::Integer(number), _) => {
            i64::from_str_radix(number.as_str(), number.radix()).map(|number| number.to_string()).unwrap_or_default()
        }
        Given::Toml(other, _) => return Err(format!("is a TOML {}, not a whole number", other.type_str())),
    };
    let number: u64 =
        told.replace('_', "").parse().map_err(|_| format!("is {told:?}, not a whole number from {min} to {max}"))?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(format!("is {number}: it goes from {min} to {max}")) }
}

macro_rules! whole_numbers {
    ($($kind:ty),+) => {
        $(impl Kind for $kind {
            const NAME: &'static str = "N";

            fn read(given: &Given<'_>, range: Option<(u64, u64)>) -> Result<Self, String> {
                let most = u64::try_from(<$kind>::MAX).unwrap_or(u64::MAX).min(i64::MAX.unsigned_abs());
                let number = whole(given, range.unwrap_or((0, most)))?;
                <$kind>::try_from(number).map_err(|_| format!("is {number}: at most {most}"))
            }

            fn write(&self) -> Option<toml::Value> {
                i64::try_from(*self).ok().map(toml::Value::Integer)
            }
        })+
    };
}

whole_numbers!(u64, u32);

impl Kind for f64 {
    const NAME: &'static str = "NUMBER";

    fn read(given: &Given<'_>, _: Option<(u64, u64)>) -> Result<Self, String> {
        let told = match given {
            Given::Text(_) => text(given)?,
            Given::Toml(DeValue::Float(number), _) => number.as_str().to_owned(),
            Given::Toml(DeValue::Integer(number), _) => number.as_str().to_owned(),
            Given::Toml(other, _) => return Err(format!("is a TOML {}, not a number", other.type_str())),
        };
        told.parse().ok().filter(|number: &Self| number.is_finite()).ok_or_else(|| format!("is {told:?}, not a number"))
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::Float(*self))
    }
}

impl Kind for bool {
    const NAME: &'static str = "true|false";
    const IS_SWITCH: bool = true;

    fn read(given: &Given<'_>, _: Option<(u64, u64)>) -> Result<Self, String> {
        if let Given::Toml(DeValue::Boolean(on), _) = given {
            return Ok(*on);
        }
        let told = match given {
            Given::Toml(other, _) if !other.is_str() => {
                return Err(format!("is a TOML {}, not true or false", other.type_str()));
            }
            given => text(given)?,
        };
        match told.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Ok(true),
            "false" | "0" | "off" | "no" => Ok(false),
            _ => Err(format!("is {told:?}, not true or false")),
        }
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::Boolean(*self))
    }
}

impl Kind for String {
    const NAME: &'static str = "TEXT";

    fn read(given: &Given<'_>, _: Option<(u64, u64)>) -> Result<Self, String> {
        text(given)
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::String(self.clone()))
    }
}

impl Kind for Secret {
    const NAME: &'static str = "SECRET";

    fn read(given: &Given<'_>, _: Option<(u64, u64)>) -> Result<Self, String> {
        text(given).map(|text| Self::new(text.trim()))
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::String(Self::MASK.to_owned()))
    }
}

impl Kind for SocketAddr {
    const NAME: &'static str = "ADDRESS:PORT";

    fn read(given: &Given<'_>, _: Option<(u64, u64)>) -> Result<Self, String> {
        let told = text(given)?;
        told.parse().map_err(|_| {
            format!("is {told:?}, not an address with a port: for example 127.0.0.1:8080, or [::]:8080 for all")
        })
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::String(self.to_string()))
    }
}

impl Kind for PathBuf {
    const NAME: &'static str = "PATH";

    fn read(given: &Given<'_>, _: Option<(u64, u64)>) -> Result<Self, String> {
        let told = text(given)?;
        if told.is_empty() {
            return Err("is empty: name a path, or leave it out".to_owned());
        }
        Ok(match given {
            Given::Toml(_, folder) => folder.join(told),
            Given::Text(_) => Self::from(told),
        })
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::String(self.display().to_string()))
    }
}

impl Kind for Network {
    const NAME: &'static str = "NETWORK";

    fn read(given: &Given<'_>, _: Option<(u64, u64)>) -> Result<Self, String> {
        let told = text(given)?;
        told.parse().map_err(|error| format!("{error}"))
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::String(self.to_string()))
    }
}

impl Kind for LogFormat {
    const NAME: &'static str = "auto|json|terminal";

    fn read(given: &Given<'_>, _: Option<(u64, u64)>) -> Result<Self, String> {
        match text(given)?.as_str() {
            "auto" => Ok(Self::Auto),
            "json" => Ok(Self::Json),
            "terminal" => Ok(Self::Terminal),
            told => Err(format!("is {told:?}, not auto, json or terminal")),
        }
    }

    fn write(&self) -> Option<toml::Value> {
        let text = match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Terminal => "terminal",
        };
        Some(toml::Value::String(text.to_owned()))
    }
}

impl Kind for belljar::RecordPolicy {
    const NAME: &'static str = "never|on-failure|always|sampled:N";

    fn read(given: &Given<'_>, _: Option<(u64, u64)>) -> Result<Self, String> {
        let told = text(given)?;
        told.parse()
            .map_err(|_| format!("is {told:?}, not never, on-failure, always, or sampled:N with N of a million"))
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::String(self.to_string()))
    }
}

impl Kind for RequireJail {
    const NAME: &'static str = "strict|best-effort|off";

    fn read(given: &Given<'_>, _: Option<(u64, u64)>) -> Result<Self, String> {
        match text(given)?.as_str() {
            "strict" => Ok(Self::Strict),
            "best-effort" => Ok(Self::BestEffort),
            "off" => Ok(Self::Off),
            told => Err(format!("is {told:?}, not strict, best-effort or off")),
        }
    }

    fn write(&self) -> Option<toml::Value> {
        let text = match self {
            Self::Strict => "strict",
            Self::BestEffort => "best-effort",
            Self::Off => "off",
        };
        Some(toml::Value::String(text.to_owned()))
    }
}

impl<T: Kind> Kind for Option<T> {
    const NAME: &'static str = T::NAME;

    fn read(given: &Given<'_>, range: Option<(u64, u64)>) -> Result<Self, String> {
        T::read(given, range).map(Some)
    }

    fn write(&self) -> Option<toml::Value> {
        self.as_ref().and_then(T::write)
    }
}

impl<T: Kind> Kind for Vec<T> {
    const NAME: &'static str = T::NAME;
    const IS_LIST: bool = true;

    fn read(given: &Given<'_>, range: Option<(u64, u64)>) -> Result<Self, String> {
        match given {
            Given::Text(texts) => texts
                .iter()
                .flat_map(|text| text.split(','))
                .map(str::trim)
                .filter(|text| !text.is_empty())
                .map(|text| T::read(&Given::Text(vec![text.to_owned()]), range))
                .collect(),
            Given::Toml(DeValue::Array(items), folder) => {
                items.iter().map(|item| T::read(&Given::Toml(item.get_ref(), folder), range)).collect()
            }
            Given::Toml(other, _) => Err(format!("is a TOML {}, not an array: put it in brackets", other.type_str())),
        }
    }

    fn write(&self) -> Option<toml::Value> {
        Some(toml::Value::Array(self.iter().filter_map(T::write).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text<T: Kind>(text: &str, range: Option<(u64, u64)>) -> Result<T, String> {
        T::read(&Given::Text(vec![text.to_owned()]), range)
    }

    #[test]
    fn numbers_have_ranges() {
        assert_eq!(of_text::<u64>("1_000", None), Ok(1_000));
        assert_eq!(of_text::<u32>("7", Some((1, 7))), Ok(7));
        for text in ["", "-1", "1.5", "8", "99999999999999999999999", "ten"] {
            assert!(of_text::<u32>(text, Some((1, 7))).is_err(), "{text:?}");
        }
    }

    #[test]
    fn switches_and_lists_are_read_from_text() {
        assert_eq!(of_text::<bool>("On", None), Ok(true));
        assert!(of_text::<bool>("maybe", None).is_err());
        assert_eq!(of_text::<Vec<String>>("a, b,,c", None), Ok(vec!["a".into(), "b".into(), "c".into()]));
        assert_eq!(of_text::<Vec<String>>("", None), Ok(Vec::new()));
        assert_eq!(
            Vec::<Network>::read(&Given::Text(vec!["10.0.0.0/8".into(), "::1".into()]), None).map(|all| all.len()),
            Ok(2)
        );
    }
}

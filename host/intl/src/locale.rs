//! Locales: their canonical form (ECMA-402, 6.2.3), which ones there is data for, and what is chosen for a request (9.2.7).

use icu_datetime::provider::names::WeekdayNamesV1;
use icu_datetime::provider::semantic_skeletons::marker_attrs;
use icu_locale::extensions::unicode::{Key, Value};
use icu_locale::{Locale, LocaleCanonicalizer};
use icu_provider::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{json, read};

/// Bytes of a locale: longer ones are not used by anybody.
const LOCALE_BYTES_MAX: usize = 255;
/// Locales looked at for one request.
const REQUESTED_MAX: usize = 100;

/// The canonical form of a BCP 47 language tag; `None` when it is not well-formed.
pub fn canonical(tag: &str) -> Option<String> {
    if tag.len() > LOCALE_BYTES_MAX || tag.contains('_') {
        return None;
    }
    let mut locale = Locale::try_from_str(tag).ok()?;
    // UTS 35 allows a tag to begin with a script; BCP 47 does not, nor the word "root".
    if locale.id.language.is_unknown() && !tag.get(..3).is_some_and(|t| t.eq_ignore_ascii_case("und")) {
        return None;
    }
    LocaleCanonicalizer::new_extended().canonicalize(&mut locale);
    Some(locale.to_string())
}

/// Whether there is data for the locale's language: ICU4X has the languages of modern coverage in CLDR. `tag` is canonical.
pub fn is_known(tag: &str) -> bool {
    let Ok(locale) = Locale::try_from_str(tag) else { return false };
    if locale.id.language.is_unknown() {
        return false;
    }
    // Weekdays are named in every language that CLDR has; the provider falls back to the root locale when it has none.
    let locale = DataLocale::from(&locale);
    let id = DataIdentifierBorrowed::for_marker_attributes_and_locale(marker_attrs::WIDE, &locale);
    let found: Result<DataResponse<WeekdayNamesV1>, _> =
        icu_datetime::provider::Baked.load(DataRequest { id, metadata: DataRequestMetadata::default() });
    found.is_ok_and(|response| response.metadata.locale.is_none_or(|locale| !locale.is_unknown()))
}

/// Declared locales in the author's order, and the default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Declared {
    declared: Vec<String>,
    default: String,
}

/// What was chosen: a locale without extensions, and the `-u-` keywords of the request.
#[derive(Serialize)]
struct Chosen {
    locale: String,
    /// Whether a requested locale was met, and not the default chosen; then also the tag itself.
    requested: Option<String>,
    keywords: Vec<(String, String)>,
    /// Every requested tag that could be met.
    supported: Vec<String>,
}

/// `value` is a JSON array of canonical tags.
pub(crate) fn negotiate(recipe: &str, value: &str) -> Result<String, String> {
    let declared: Declared = read(recipe)?;
    let requested: Vec<String> = serde_json::from_str(value).map_err(|error| error.to_string())?;
    if requested.len() > REQUESTED_MAX {
        return Err(format!("{} locales were asked for, and Intl looks at {REQUESTED_MAX} at most", requested.len()));
    }
    let mut chosen: Option<Chosen> = None;
    let mut supported = Vec::new();
    for tag in &requested {
        let Ok(locale) = Locale::try_from_str(tag) else { continue };
        let Some(met) = meet(&locale.id.to_string(), &declared.declared) else { continue };
        supported.push(tag.clone());
        if chosen.is_none() {
            let keywords = locale.extensions.unicode.keywords.iter().map(|(key, value)| keyword(key, value)).collect();
            chosen = Some(Chosen { locale: met, requested: Some(tag.clone()), keywords, supported: Vec::new() });
        }
    }
    let default =
        || Chosen { locale: declared.default.clone(), requested: None, keywords: Vec::new(), supported: Vec::new() };
    json(&Chosen { supported, ..chosen.unwrap_or_else(default) })
}

fn keyword(key: &Key, value: &Value) -> (String, String) {
    (key.to_string(), value.to_string())
}

/// A declared locale stands for itself and all that are narrower (`en` for `en-GB`); a wider one is met by the first narrower that is
/// declared (`de` by `de-AT`), as a best fit may (ECMA-402, 9.2.4).
fn meet(tag: &str, declared: &[String]) -> Option<String> {
    if declared.iter().any(|d| within(tag, d)) {
        return Some(tag.to_owned());
    }
    let mut wider = tag;
    loop {
        if let Some(found) = declared.iter().find(|d| within(d, wider)) {
            return Some(found.clone());
        }
        wider = &wider[..wider.rfind('-')?];
    }
}

fn within(narrow: &str, wide: &str) -> bool {
    narrow.strip_prefix(wide).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// A locale with the keywords that ICU4X reads from it.
pub(crate) fn with_keywords(tag: &str, keywords: &[(&str, Option<&str>)]) -> Result<Locale, String> {
    let mut locale =
        Locale::try_from_str(tag).map_err(|_| format!("Incorrect locale information provided: {tag:?}"))?;
    for (key, value) in keywords {
        let Some(value) = value else { continue };
        let key = Key::try_from_str(key).map_err(|error| error.to_string())?;
        let value = Value::try_from_str(value).map_err(|_| format!("{value:?} is not a value of {key}"))?;
        locale.extensions.unicode.keywords.set(key, value);
    }
    Ok(locale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_canonical() {
        let check = |tag, expected: Option<&str>| assert_eq!(canonical(tag).as_deref(), expected, "{tag}");
        check("EN-us", Some("en-US"));
        check("iw", Some("he"));
        check("zh-hant-TW-u-NU-hanidec", Some("zh-Hant-TW-u-nu-hanidec"));
        check("de-DE-u-co-phonebk", Some("de-DE-u-co-phonebk"));
        for wrong in ["", "e", "en_US", "en-", "root", "Latn", "en-US-u", "x", "123", "en\u{0}", &"a-".repeat(200)] {
            check(wrong, None);
        }
    }

    #[test]
    fn languages_of_cldr_are_known() {
        for tag in ["en", "de-AT", "zh-Hant", "pt-BR", "sr-Latn", "ar", "zu", "en-US-u-nu-arab"] {
            assert!(is_known(tag), "{tag}");
        }
        for tag in ["xx", "und", "qaa", "haw"] {
            assert!(!is_known(tag), "{tag}");
        }
    }

    #[test]
    fn requests_meet_declarations() {
        let check = |tag, declared: &[&str], expected: Option<&str>| {
            let declared: Vec<_> = declared.iter().map(|d| (*d).to_owned()).collect();
            assert_eq!(meet(tag, &declared).as_deref(), expected, "{tag} of {declared:?}");
        };
        check("en", &["de", "en"], Some("en"));
        check("en-GB", &["en"], Some("en-GB"));
        check("de", &["de-AT", "de-CH"], Some("de-AT"));
        check("de-DE", &["en", "de-AT"], Some("de-AT"));
        check("fr", &["en"], None);
        check("english", &["en"], None);
    }
}

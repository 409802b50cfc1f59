//! Comparison (ECMA-402, 11).

use std::cmp::Ordering;

use icu_collator::options::{AlternateHandling, CaseLevel, CollatorOptions, Strength};
use icu_collator::preferences::CollationCaseFirst;
use icu_collator::{Collator, CollatorBorrowed};
use serde::{Deserialize, Serialize};

use crate::{json, locale, no_data};

/// Resolved options of an Intl.Collator.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Recipe {
    locale: String,
    usage: Usage,
    collation: Option<String>,
    sensitivity: Sensitivity,
    ignore_punctuation: Option<bool>,
    numeric: bool,
    case_first: Option<String>,
}

#[derive(PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Usage {
    Sort,
    Search,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Sensitivity {
    Base,
    Accent,
    Case,
    Variant,
}

pub(crate) struct Collate(CollatorBorrowed<'static>);

impl Collate {
    pub(crate) fn new(recipe: Recipe) -> Result<Self, String> {
        let collation = if recipe.usage == Usage::Search { Some("search") } else { recipe.collation.as_deref() };
        let numeric = if recipe.numeric { "true" } else { "false" };
        let keywords = [("co", collation), ("kn", Some(numeric)), ("kf", recipe.case_first.as_deref())];
        let locale = locale::with_keywords(&recipe.locale, &keywords)?;
        let mut options = CollatorOptions::default();
        (options.strength, options.case_level) = match recipe.sensitivity {
            Sensitivity::Base => (Some(Strength::Primary), Some(CaseLevel::Off)),
            Sensitivity::Accent => (Some(Strength::Secondary), Some(CaseLevel::Off)),
            Sensitivity::Case => (Some(Strength::Primary), Some(CaseLevel::On)),
            Sensitivity::Variant => (Some(Strength::Tertiary), Some(CaseLevel::Off)),
        };
        options.alternate_handling = recipe.ignore_punctuation.map(|ignore| match ignore {
            true => AlternateHandling::Shifted,
            false => AlternateHandling::NonIgnorable,
        });
        Collator::try_new((&locale).into(), options).map(Self).map_err(no_data("collation"))
    }

    pub(crate) fn compare(&self, left: &str, right: &str) -> Ordering {
        self.0.compare(left, right)
    }

    pub(crate) fn resolved(&self) -> Result<String, String> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Resolved {
            ignore_punctuation: bool,
            case_first: &'static str,
        }
        let options = self.0.resolved_options();
        json(&Resolved {
            ignore_punctuation: options.alternate_handling == AlternateHandling::Shifted,
            case_first: match options.case_first {
                CollationCaseFirst::Upper => "upper",
                CollationCaseFirst::Lower => "lower",
                _ => "false",
            },
        })
    }
}

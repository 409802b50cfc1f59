//! Plural categories (ECMA-402, 17).

use fixed_decimal::Decimal;
use icu_plurals::{PluralCategory, PluralRuleType, PluralRules, PluralRulesOptions, PluralRulesWithRanges};
use serde::{Deserialize, Serialize};

use crate::rounding::{Digits, decimal};
use crate::{json, locale, no_data};

/// Resolved options of an Intl.PluralRules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    locale: String,
    r#type: Type,
    digits: Digits,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Type {
    Cardinal,
    Ordinal,
}

pub(crate) struct Plural {
    rules: PluralRulesWithRanges<PluralRules>,
    digits: Digits,
}

impl Plural {
    pub(crate) fn new(recipe: Recipe) -> Result<Self, String> {
        recipe.digits.check()?;
        let locale = locale::with_keywords(&recipe.locale, &[])?;
        let options = PluralRulesOptions::from(match recipe.r#type {
            Type::Cardinal => PluralRuleType::Cardinal,
            Type::Ordinal => PluralRuleType::Ordinal,
        });
        let rules = PluralRulesWithRanges::try_new((&locale).into(), options).map_err(no_data("plural rules"))?;
        Ok(Self { rules, digits: recipe.digits })
    }

    pub(crate) fn resolved(&self) -> Result<String, String> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Resolved {
            plural_categories: Vec<&'static str>,
        }
        // 17.3.5: in the order of CLDR.
        let mut plural_categories: Vec<_> = self.rules.rules().categories().collect();
        plural_categories.sort();
        json(&Resolved { plural_categories: plural_categories.into_iter().map(name).collect() })
    }

    pub(crate) fn select(&self, value: &str) -> Result<String, String> {
        Ok(name(self.category(value)?).to_owned())
    }

    /// `value` is a JSON array of two numbers as text.
    pub(crate) fn select_range(&self, value: &str) -> Result<String, String> {
        let [from, to]: [String; 2] = serde_json::from_str(value).map_err(|error| error.to_string())?;
        Ok(name(self.rules.resolve_range(self.category(&from)?, self.category(&to)?)).to_owned())
    }

    fn category(&self, value: &str) -> Result<PluralCategory, String> {
        if value.ends_with("Infinity") || value == "NaN" {
            return Ok(PluralCategory::Other);
        }
        let mut value: Decimal = decimal(value)?;
        self.digits.apply(&mut value);
        Ok(self.rules.rules().category_for(&value))
    }
}

fn name(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
}

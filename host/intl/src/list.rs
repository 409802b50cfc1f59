//! Lists (ECMA-402, 14).

use icu_list::ListFormatter;
use icu_list::options::{ListFormatterOptions, ListLength};
use serde::Deserialize;

use crate::number::Width;
use crate::parts::Parts;
use crate::{locale, no_data};

/// Items of one list.
const ITEMS_MAX: usize = 10_000;

/// Resolved options of an Intl.ListFormat.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    locale: String,
    r#type: Type,
    style: Width,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Type {
    Conjunction,
    Disjunction,
    Unit,
}

pub(crate) struct List(ListFormatter);

impl List {
    pub(crate) fn new(recipe: Recipe) -> Result<Self, String> {
        let locale = locale::with_keywords(&recipe.locale, &[])?;
        let options = ListFormatterOptions::default().with_length(match recipe.style {
            Width::Long => ListLength::Wide,
            Width::Short => ListLength::Short,
            Width::Narrow => ListLength::Narrow,
        });
        let preferences = (&locale).into();
        let formatter = match recipe.r#type {
            Type::Conjunction => ListFormatter::try_new_and(preferences, options),
            Type::Disjunction => ListFormatter::try_new_or(preferences, options),
            Type::Unit => ListFormatter::try_new_unit(preferences, options),
        };
        formatter.map(Self).map_err(no_data("lists"))
    }

    /// `value` is a JSON array of texts.
    pub(crate) fn format(&self, value: &str) -> Result<Parts, String> {
        let items: Vec<String> = serde_json::from_str(value).map_err(|error| error.to_string())?;
        if items.len() > ITEMS_MAX {
            return Err(format!("the list has {} items, and Intl takes at most {ITEMS_MAX}", items.len()));
        }
        Ok(Parts::of(&self.0.format(items.iter())))
    }
}

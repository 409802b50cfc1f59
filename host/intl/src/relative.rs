//! Relative times (ECMA-402, 18).

use fixed_decimal::Sign;
use icu_experimental::relativetime::options::Numeric;
use icu_experimental::relativetime::{RelativeTimeFormatter, RelativeTimeFormatterOptions};
use serde::Deserialize;

use crate::number::Width;
use crate::parts::Parts;
use crate::rounding::decimal;
use crate::{locale, no_data};

/// Resolved options of an Intl.RelativeTimeFormat, and the unit of one call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Recipe {
    locale: String,
    numbering_system: Option<String>,
    style: Width,
    numeric: When,
    unit: Unit,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum When {
    Always,
    Auto,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

pub(crate) struct Relative(RelativeTimeFormatter);

impl Relative {
    pub(crate) fn new(recipe: Recipe) -> Result<Self, String> {
        use RelativeTimeFormatter as F;
        let locale = locale::with_keywords(&recipe.locale, &[("nu", recipe.numbering_system.as_deref())])?;
        let options = RelativeTimeFormatterOptions::default().with_numeric(match recipe.numeric {
            When::Always => Numeric::Always,
            When::Auto => Numeric::Auto,
        });
        let make = match (recipe.unit, recipe.style) {
            (Unit::Second, Width::Long) => F::try_new_long_second,
            (Unit::Second, Width::Short) => F::try_new_short_second,
            (Unit::Second, Width::Narrow) => F::try_new_narrow_second,
            (Unit::Minute, Width::Long) => F::try_new_long_minute,
            (Unit::Minute, Width::Short) => F::try_new_short_minute,
            (Unit::Minute, Width::Narrow) => F::try_new_narrow_minute,
            (Unit::Hour, Width::Long) => F::try_new_long_hour,
            (Unit::Hour, Width::Short) => F::try_new_short_hour,
            (Unit::Hour, Width::Narrow) => F::try_new_narrow_hour,
            (Unit::Day, Width::Long) => F::try_new_long_day,
            (Unit::Day, Width::Short) => F::try_new_short_day,
            (Unit::Day, Width::Narrow) => F::try_new_narrow_day,
            (Unit::Week, Width::Long) => F::try_new_long_week,
            (Unit::Week, Width::Short) => F::try_new_short_week,
            (Unit::Week, Width::Narrow) => F::try_new_narrow_week,
            (Unit::Month, Width::Long) => F::try_new_long_month,
            (Unit::Month, Width::Short) => F::try_new_short_month,
            (Unit::Month, Width::Narrow) => F::try_new_narrow_month,
            (Unit::Quarter, Width::Long) => F::try_new_long_quarter,
            (Unit::Quarter, Width::Short) => F::try_new_short_quarter,
            (Unit::Quarter, Width::Narrow) => F::try_new_narrow_quarter,
            (Unit::Year, Width::Long) => F::try_new_long_year,
            (Unit::Year, Width::Short) => F::try_new_short_year,
            (Unit::Year, Width::Narrow) => F::try_new_narrow_year,
        };
        make((&locale).into(), options).map(Self).map_err(no_data("relative times"))
    }

    /// `value` is a finite number as JavaScript writes it.
    pub(crate) fn format(&self, value: &str) -> Result<Parts, String> {
        let mut value = decimal(value)?;
        // 18.5.2: at most three digits after the separator, as Intl.NumberFormat has it by default.
        value.absolute.round(-3);
        value.absolute.trim_end();
        let mut value = value;
        if value.sign == Sign::Positive {
            value.sign = Sign::None;
        }
        Ok(Parts::of(&self.0.format(value)))
    }
}

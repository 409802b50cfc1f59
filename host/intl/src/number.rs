//! Numbers (ECMA-402, 16): rounding is `rounding.rs`, digits and their groups are ICU4X's DecimalFormatter; what stands around them
//! (currency, percent, unit, exponent, sign) is put together here from CLDR's patterns, because ICU4X's own formatters for these round by
//! themselves and tell no parts.

use fixed_decimal::{Decimal, Sign, SignDisplay};
use icu_decimal::options::{DecimalFormatterOptions, GroupingStrategy};
use icu_decimal::provider::{CompactPatterns, DecimalCompactLongV1, DecimalCompactShortV1, DecimalSymbolsV1};
use icu_decimal::{DecimalFormatter, DecimalFormatterPreferences};
use icu_experimental::dimension::currency::CurrencyType;
use icu_experimental::dimension::provider::currency::essentials::CurrencyEssentialsV1;
use icu_experimental::dimension::provider::currency::extended::CurrencyExtendedDataV1;
use icu_experimental::dimension::provider::currency::fractions::CurrencyFractionsV1;
use icu_experimental::dimension::provider::currency::patterns::CurrencyPatternsDataV1;
use icu_experimental::dimension::provider::currency::symbols::CurrencySymbolsV1;
use icu_experimental::dimension::provider::percent::DecimalPercentV1;
use icu_locale::Locale;
use icu_pattern::{DoublePlaceholderPattern, SinglePlaceholder};
use icu_plurals::{PluralOperands, PluralRules};
use icu_provider::marker::ErasedMarker;
use icu_provider::prelude::*;
use serde::{Deserialize, Serialize};

use crate::parts::{LITERAL, Parts};
use crate::pattern::{fill_one, fill_two, literal, symbol};
use crate::rounding::{Digits, decimal};
use crate::supported::{UnitNames, unit_names};
use crate::{json, locale, no_data};

/// Resolved options of an Intl.NumberFormat.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Recipe {
    locale: String,
    numbering_system: Option<String>,
    style: Style,
    currency: Option<String>,
    currency_display: Option<CurrencyDisplay>,
    currency_sign: Option<CurrencySign>,
    unit: Option<String>,
    unit_display: Option<Width>,
    notation: Notation,
    compact_display: Option<CompactDisplay>,
    sign_display: Signs,
    use_grouping: Grouping,
    digits: Digits,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Style {
    Decimal,
    Percent,
    Currency,
    Unit,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum CurrencyDisplay {
    Code,
    Symbol,
    NarrowSymbol,
    Name,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum CurrencySign {
    Standard,
    Accounting,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Width {
    Short,
    Narrow,
    Long,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Notation {
    Standard,
    Scientific,
    Engineering,
    Compact,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum CompactDisplay {
    Short,
    Long,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Signs {
    Auto,
    Never,
    Always,
    ExceptZero,
    Negative,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Grouping {
    Always,
    Auto,
    Min2,
    Never,
}

/// What stands around the digits.
enum Around {
    Nothing,
    Percent(DataPayload<DecimalPercentV1>),
    Symbol {
        patterns: DataPayload<CurrencyEssentialsV1>,
        symbol: String,
        letters: (bool, bool),
        accounting: bool,
    },
    Name {
        pattern: DataPayload<CurrencyPatternsDataV1>,
        name: Option<DataPayload<CurrencyExtendedDataV1>>,
        code: String,
    },
    Unit(UnitNames),
}

type Compact = DataPayload<ErasedMarker<CompactPatterns<'static, SinglePlaceholder>>>;

pub(crate) struct NumberFormatter {
    numbering_system: String,
    decimal: DecimalFormatter,
    /// With grouping as an exponent and a mantissa have it: never.
    plain: DecimalFormatter,
    plurals: PluralRules,
    around: Around,
    compact: Option<Compact>,
    recipe: Recipe,
}

impl NumberFormatter {
    pub(crate) fn new(recipe: Recipe) -> Result<Self, String> {
        recipe.digits.check()?;
        let locale = locale::with_keywords(&recipe.locale, &[("nu", recipe.numbering_system.as_deref())])?;
        let formatter = |grouping: GroupingStrategy| {
            DecimalFormatter::try_new((&locale).into(), DecimalFormatterOptions::from(grouping))
                .map_err(no_data("numbers"))
        };
        let decimal = formatter(match recipe.use_grouping {
            Grouping::Always => GroupingStrategy::Always,
            Grouping::Auto => GroupingStrategy::Auto,
            Grouping::Min2 => GroupingStrategy::Min2,
            Grouping::Never => GroupingStrategy::Never,
        })?;
        let plain = formatter(GroupingStrategy::Never)?;
        let plurals = PluralRules::try_new_cardinal((&locale).into()).map_err(no_data("plural rules"))?;
        let around = around(&recipe, &locale)?;
        let compact = match (recipe.notation, recipe.compact_display) {
            (Notation::Compact, Some(CompactDisplay::Long)) => Some(
                numbers::<DecimalCompactLongV1>(&icu_decimal::provider::Baked, &locale, None)
                    .map_err(no_data("compact numbers"))?
                    .cast(),
            ),
            (Notation::Compact, _) => Some(
                numbers::<DecimalCompactShortV1>(&icu_decimal::provider::Baked, &locale, None)
                    .map_err(no_data("compact numbers"))?
                    .cast(),
            ),
            _ => None,
        };
        let numbering_system = numbering_system(&locale)?;
        Ok(Self { numbering_system, decimal, plain, plurals, around, compact, recipe })
    }

    pub(crate) fn resolved(&self) -> Result<String, String> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Resolved<'a> {
            numbering_system: &'a str,
        }
        json(&Resolved { numbering_system: &self.numbering_system })
    }

    /// `text` is a number as JavaScript writes it, `Infinity` and `NaN` among them.
    pub(crate) fn format(&self, text: &str) -> Result<Parts, String> {
        let (special, mut value) = match text {
            "NaN" => (Some(("nan", "NaN")), Decimal::from(0)),
            "Infinity" => (Some(("infinity", "∞")), Decimal::from(1)),
            "-Infinity" => (Some(("infinity", "∞")), Decimal::from(-1)),
            number => (None, decimal(number)?),
        };
        if self.recipe.style == Style::Percent && special.is_none() {
            value.absolute.multiply_pow10(2);
        }
        let mut exponent = 0;
        if special.is_none() {
            exponent = self.round(&mut value);
        }
        // 16.5.9: the sign is that of the rounded number.
        let zero = value.absolute.is_zero();
        value.apply_sign_display(match self.recipe.sign_display {
            Signs::Auto => SignDisplay::Auto,
            Signs::Never => SignDisplay::Never,
            Signs::Always => SignDisplay::Always,
            Signs::ExceptZero if special.is_some_and(|(kind, _)| kind == "nan") => SignDisplay::Never,
            Signs::ExceptZero => SignDisplay::ExceptZero,
            Signs::Negative => SignDisplay::Negative,
        });
        if zero && self.recipe.sign_display == Signs::Negative {
            value.sign = Sign::None;
        }
        let absolute = Decimal::new(Sign::None, value.absolute.clone());
        let digits = match special {
            Some((kind, text)) => {
                let mut parts = Parts::default();
                parts.push(kind, text);
                parts
            }
            None => self.digits(&absolute, exponent),
        };
        Ok(self.surround(&digits, &absolute, exponent, value.sign))
    }

    /// Rounds, and answers the exponent that the number is written with: the value is then that of the mantissa.
    fn round(&self, value: &mut Decimal) -> i16 {
        let exact = value.clone();
        let magnitude =
            |value: &Decimal| if value.absolute.is_zero() { 0 } else { value.absolute.nonzero_magnitude_start() };
        let mut exponent = self.exponent(magnitude(value));
        value.absolute.multiply_pow10(-exponent);
        self.recipe.digits.apply(value);
        // 16.5.7 ComputeExponent: rounding may carry into a new digit, which may have an exponent of its own.
        let carried = self.exponent(magnitude(value) + exponent);
        if carried != exponent && !value.absolute.is_zero() {
            *value = exact;
            exponent = carried;
            value.absolute.multiply_pow10(-exponent);
            self.recipe.digits.apply(value);
        }
        exponent
    }

    fn exponent(&self, magnitude: i16) -> i16 {
        match self.recipe.notation {
            Notation::Standard => 0,
            Notation::Scientific => magnitude,
            Notation::Engineering => magnitude.div_euclid(3) * 3,
            Notation::Compact => {
                let entry = self
                    .compact
                    .as_ref()
                    .and_then(|compact| compact.get().0.iter().filter(|t| i16::from(t.sized) <= magnitude).last());
                entry.map_or(0, |entry| i16::from(entry.sized - entry.variable.get_default().0.get()))
            }
        }
    }

    /// The digits with what belongs to their notation.
    fn digits(&self, absolute: &Decimal, exponent: i16) -> Parts {
        let mut parts = Parts::of(&self.decimal.format(absolute));
        if self.recipe.style == Style::Currency {
            for (locale, kind, text) in CURRENCY_SEPARATORS {
                if self.recipe.locale == locale {
                    parts.replace(kind, text);
                }
            }
        }
        match self.recipe.notation {
            Notation::Standard => parts,
            Notation::Scientific | Notation::Engineering => {
                parts.push("exponentSeparator", "E");
                if exponent < 0 {
                    parts.push("exponentMinusSign", "-");
                }
                let exponent = Decimal::from(exponent.unsigned_abs());
                parts.push("exponentInteger", &Parts::of(&self.plain.format(&exponent)).text());
                parts
            }
            Notation::Compact => {
                let magnitude = exponent + absolute.absolute.nonzero_magnitude_start();
                let entry = self
                    .compact
                    .as_ref()
                    .and_then(|compact| compact.get().0.iter().filter(|t| i16::from(t.sized) <= magnitude).last());
                match entry.filter(|_| exponent > 0) {
                    Some(entry) => {
                        fill_one(entry.variable.get(absolute.into(), &self.plurals).1, &parts, symbol("compact"))
                    }
                    None => parts,
                }
            }
        }
    }

    fn surround(&self, digits: &Parts, absolute: &Decimal, exponent: i16, sign: Sign) -> Parts {
        let operands =
            || PluralOperands::from_significand_and_exponent(&absolute.absolute, u8::try_from(exponent).unwrap_or(0));
        match &self.around {
            Around::Nothing => self.signed(sign, digits),
            Around::Percent(percent) => {
                let percent = percent.get();
                if sign == Sign::None {
                    return fill_one(&percent.unsigned_pattern, digits, symbol("percentSign"));
                }
                let sign = match sign {
                    Sign::Negative => ("minusSign", &percent.minus_sign),
                    _ => ("plusSign", &percent.plus_sign),
                };
                let mut parts = Parts::default();
                symbol(sign.0)(&mut parts, sign.1);
                fill_two(&percent.signed_pattern, (digits, &parts), symbol("percentSign"))
            }
            Around::Symbol { patterns, symbol, letters: (starts, ends), accounting } => {
                let mut currency = Parts::default();
                currency.push("currency", symbol);
                let patterns = patterns.get();
                let negative = match (sign, accounting) {
                    (Sign::Negative, true) => patterns.get_negative_accounting(*starts, *ends),
                    (Sign::Negative, false) => patterns.get_negative(*starts, *ends),
                    _ => None,
                };
                if let Some(pattern) = negative {
                    return fill_two(pattern, (digits, &currency), signs);
                }
                let positive: &DoublePlaceholderPattern = if *accounting {
                    patterns.get_positive_accounting(*starts, *ends)
                } else {
                    patterns.get_positive(*starts, *ends)
                };
                self.signed(sign, &fill_two(positive, (digits, &currency), literal))
            }
            Around::Name { pattern, name, code } => {
                let mut currency = Parts::default();
                currency.push(
                    "currency",
                    name.as_ref().map_or(code.as_str(), |name| name.get().get(operands(), &self.plurals)),
                );
                self.signed(sign, &fill_two(pattern.get().get(operands(), &self.plurals), (digits, &currency), literal))
            }
            // The sign belongs to the number, not to the unit.
            Around::Unit(names) => {
                fill_one(names.get().get(operands(), &self.plurals), &self.signed(sign, digits), symbol("unit"))
            }
        }
    }

    fn signed(&self, sign: Sign, parts: &Parts) -> Parts {
        if sign == Sign::None {
            return parts.clone();
        }
        // The sign as the locale writes it, taken from a number that has it.
        let sample = Decimal::from(1).with_sign(sign);
        let mut signed = Parts::default();
        for (kind, text) in Parts::of(&self.plain.format(&sample)).list() {
            match *kind {
                "integer" => signed.append(parts),
                kind => symbol(kind)(&mut signed, text),
            }
        }
        signed
    }
}

/// Separators that amounts of money have and other numbers have not (CLDR: currencyGroup, currencyDecimal), which ICU4X has no data for.
const CURRENCY_SEPARATORS: [(&str, &str, &str); 2] = [("de-AT", "group", "."), ("fr-CH", "decimal", ".")];

/// A pattern for negative amounts has its sign as text: a minus sign, or parentheses.
fn signs(parts: &mut Parts, text: &str) {
    for c in text.chars() {
        let kind =
            if matches!(c, '-' | '\u{2212}' | '\u{2012}' | '\u{fe63}' | '\u{ff0d}') { "minusSign" } else { LITERAL };
        parts.push(kind, c.encode_utf8(&mut [0; 4]));
    }
}

fn around(recipe: &Recipe, locale: &Locale) -> Result<Around, String> {
    let experimental = &icu_experimental::provider::Baked;
    match recipe.style {
        Style::Decimal => Ok(Around::Nothing),
        Style::Percent => Ok(Around::Percent(numbers(experimental, locale, None).map_err(no_data("percent"))?)),
        Style::Unit => Ok(Around::Unit(unit_names(locale, recipe.unit.as_deref().unwrap_or(""), recipe.unit_display)?)),
        Style::Currency => {
            let code = recipe.currency.as_deref().unwrap_or("");
            let currency = CurrencyType::try_from_str(code).map_err(|_| format!("Invalid currency code: {code:?}"))?;
            if recipe.currency_display == Some(CurrencyDisplay::Name) {
                let id =
                    DataMarkerAttributes::try_from_str(code).map_err(|_| format!("Invalid currency code: {code:?}"))?;
                let pattern = numbers(experimental, locale, None).map_err(no_data("currency names"))?;
                let name = attributed(experimental, locale, id).map_err(no_data("currency names"))?;
                return Ok(Around::Name { pattern, name, code: code.to_owned() });
            }
            let width = match recipe.currency_display {
                Some(CurrencyDisplay::Code) => None,
                Some(CurrencyDisplay::NarrowSymbol) => Some(CurrencySymbolsV1::NARROW),
                _ => Some(CurrencySymbolsV1::SHORT),
            };
            let mut found: Option<DataPayload<CurrencySymbolsV1>> = None;
            // Without a narrow symbol the ordinary one is used (UTS 35, part 3).
            for width in width.into_iter().chain(width.map(|_| CurrencySymbolsV1::SHORT)) {
                let mut buffer = Default::default();
                let id = CurrencySymbolsV1::make_attributes(currency, width, &mut buffer);
                found = attributed(experimental, locale, id).map_err(no_data("currency symbols"))?;
                if found.is_some() {
                    break;
                }
            }
            let (symbol, letters) = match &found {
                Some(symbol) => (
                    symbol.get().as_str().to_owned(),
                    (symbol.get().starts_with_letter(), symbol.get().ends_with_letter()),
                ),
                None => (code.to_owned(), (true, true)),
            };
            let accounting = recipe.currency_sign == Some(CurrencySign::Accounting);
            let patterns = numbers(experimental, locale, None).map_err(no_data("currencies"))?;
            Ok(Around::Symbol { patterns, symbol, letters, accounting })
        }
    }
}

/// Digits after the decimal separator that a currency usually has (ECMA-402, 16.5.1 CurrencyDigits).
pub(crate) fn currency_digits(code: &str) -> Option<u8> {
    let currency = CurrencyType::try_from_str(code).ok()?;
    let fractions: DataResponse<CurrencyFractionsV1> =
        icu_experimental::provider::Baked.load(DataRequest::default()).ok()?;
    Some(fractions.payload.get().resolve(currency).digits)
}

/// Data that depends on the locale, and on the numbering system where there is such.
fn numbers<M: DataMarker>(
    provider: &impl DataProvider<M>,
    locale: &Locale,
    id: Option<&DataMarkerAttributes>,
) -> Result<DataPayload<M>, DataError> {
    let preferences = DecimalFormatterPreferences::from(locale);
    let data_locale = M::make_locale(preferences.locale_preferences);
    if let Some(id) = preferences.nu_id(&data_locale) {
        let mut metadata = DataRequestMetadata::default();
        metadata.silent = true;
        if let Some(found) = provider.load(DataRequest { id, metadata }).allow_identifier_not_found()? {
            return Ok(found.payload);
        }
    }
    let id = DataIdentifierBorrowed::for_marker_attributes_and_locale(id.unwrap_or_default(), &data_locale);
    Ok(provider.load(DataRequest { id, metadata: DataRequestMetadata::default() })?.payload)
}

/// Data named by more than the locale; `None` when there is none of that name.
fn attributed<M: DataMarker>(
    provider: &impl DataProvider<M>,
    locale: &Locale,
    id: &DataMarkerAttributes,
) -> Result<Option<DataPayload<M>>, DataError> {
    let data_locale = M::make_locale(DecimalFormatterPreferences::from(locale).locale_preferences);
    let id = DataIdentifierBorrowed::for_marker_attributes_and_locale(id, &data_locale);
    let mut metadata = DataRequestMetadata::default();
    metadata.silent = true;
    Ok(provider.load(DataRequest { id, metadata }).allow_identifier_not_found()?.map(|found| found.payload))
}

/// The numbering system that the locale uses, or the one it names when there is one of that name.
pub(crate) fn numbering_system(locale: &Locale) -> Result<String, String> {
    let preferences = DecimalFormatterPreferences::from(locale);
    if let Some(system) = preferences.numbering_system
        && crate::supported::is_numbering_system(system.as_str())
    {
        return Ok(system.as_str().to_owned());
    }
    let symbols =
        numbers::<DecimalSymbolsV1>(&icu_decimal::provider::Baked, locale, None).map_err(no_data("numbers"))?;
    Ok(symbols.get().strings.numsys().to_owned())
}

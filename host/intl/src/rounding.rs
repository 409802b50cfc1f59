//! Rounding and padding of decimal numbers (ECMA-402, 16.5.15 FormatNumericToString).

use fixed_decimal::{Decimal, RoundingIncrement, SignedRoundingMode, UnsignedRoundingMode};
use serde::Deserialize;

/// Digits of a number that has none to lose: a double has at most 17 significant ones, a BigInt or a text as many as it likes.
const VALUE_DIGITS_MAX: usize = 20_000;

/// How a number is rounded; resolved options, in the names of ECMA-402.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Digits {
    pub(crate) minimum_integer_digits: i16,
    pub(crate) minimum_fraction_digits: Option<i16>,
    pub(crate) maximum_fraction_digits: Option<i16>,
    pub(crate) minimum_significant_digits: Option<i16>,
    pub(crate) maximum_significant_digits: Option<i16>,
    pub(crate) rounding_increment: u16,
    pub(crate) rounding_mode: Mode,
    pub(crate) rounding_priority: Priority,
    pub(crate) trailing_zero_display: TrailingZeros,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Mode {
    Ceil,
    Floor,
    Expand,
    Trunc,
    HalfCeil,
    HalfFloor,
    HalfExpand,
    HalfTrunc,
    HalfEven,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Priority {
    Auto,
    MorePrecision,
    LessPrecision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum TrailingZeros {
    Auto,
    StripIfInteger,
}

impl Digits {
    /// The recipe comes from a guest: what guest-js/web checks is checked again.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fraction = [self.minimum_fraction_digits, self.maximum_fraction_digits].into_iter().flatten();
        let significant = [self.minimum_significant_digits, self.maximum_significant_digits].into_iter().flatten();
        let sound = (1..=21).contains(&self.minimum_integer_digits)
            && fraction.into_iter().all(|digits| (0..=100).contains(&digits))
            && significant.into_iter().all(|digits| (1..=21).contains(&digits))
            && self.minimum_fraction_digits.is_some() == self.maximum_fraction_digits.is_some()
            && self.minimum_significant_digits.is_some() == self.maximum_significant_digits.is_some()
            && (self.minimum_fraction_digits.is_some() || self.minimum_significant_digits.is_some())
            && increment(self.rounding_increment).is_some();
        if sound { Ok(()) } else { Err("the numbers of digits are out of range".into()) }
    }

    pub(crate) fn apply(&self, value: &mut Decimal) {
        let by_fraction = self.minimum_fraction_digits.zip(self.maximum_fraction_digits);
        let by_significant = self.minimum_significant_digits.zip(self.maximum_significant_digits);
        match (by_fraction, by_significant) {
            (Some((min, max)), None) => self.round_fraction(value, min, max),
            (None, Some((min, max))) => self.round_significant(value, min, max),
            (Some((min_fraction, max_fraction)), Some((min, max))) => {
                // 16.5.15, step 6: whichever rounds at the finer (or coarser) place.
                let place = significant_place(value, max);
                let significant_is_finer = place < -max_fraction;
                let significant = match self.rounding_priority {
                    Priority::LessPrecision => !significant_is_finer && place != -max_fraction,
                    _ => significant_is_finer || place == -max_fraction,
                };
                if significant {
                    self.round_significant(value, min, max);
                } else {
                    self.round_fraction(value, min_fraction, max_fraction);
                }
            }
            (None, None) => {}
        }
        if self.trailing_zero_display == TrailingZeros::StripIfInteger {
            value.absolute.trim_end_if_integer();
        }
        value.absolute.pad_start(self.minimum_integer_digits);
    }

    fn round_fraction(&self, value: &mut Decimal, min: i16, max: i16) {
        let (step, shift) = increment(self.rounding_increment).unwrap_or((RoundingIncrement::MultiplesOf1, 0));
        value.round_with_mode_and_increment(shift - max, self.mode(), step);
        value.absolute.trim_end();
        value.absolute.pad_end(-min);
    }

    fn round_significant(&self, value: &mut Decimal, min: i16, max: i16) {
        value.round_with_mode(significant_place(value, max), self.mode());
        value.absolute.trim_end();
        let magnitude = if value.absolute.is_zero() { 0 } else { value.absolute.nonzero_magnitude_start() };
        value.absolute.pad_end((magnitude - (min - 1)).min(0));
    }

    fn mode(&self) -> SignedRoundingMode {
        use UnsignedRoundingMode as Unsigned;
        match self.rounding_mode {
            Mode::Ceil => SignedRoundingMode::Ceil,
            Mode::Floor => SignedRoundingMode::Floor,
            Mode::HalfCeil => SignedRoundingMode::HalfCeil,
            Mode::HalfFloor => SignedRoundingMode::HalfFloor,
            Mode::Expand => SignedRoundingMode::Unsigned(Unsigned::Expand),
            Mode::Trunc => SignedRoundingMode::Unsigned(Unsigned::Trunc),
            Mode::HalfExpand => SignedRoundingMode::Unsigned(Unsigned::HalfExpand),
            Mode::HalfTrunc => SignedRoundingMode::Unsigned(Unsigned::HalfTrunc),
            Mode::HalfEven => SignedRoundingMode::Unsigned(Unsigned::HalfEven),
        }
    }
}

fn significant_place(value: &Decimal, max: i16) -> i16 {
    let magnitude = if value.absolute.is_zero() { 0 } else { value.absolute.nonzero_magnitude_start() };
    magnitude - (max - 1)
}

/// A `roundingIncrement` of ECMA-402 as a step at a place so many digits further left.
fn increment(increment: u16) -> Option<(RoundingIncrement, i16)> {
    use RoundingIncrement as Step;
    Some(match increment {
        1 => (Step::MultiplesOf1, 0),
        2 => (Step::MultiplesOf2, 0),
        5 => (Step::MultiplesOf5, 0),
        10 => (Step::MultiplesOf1, 1),
        20 => (Step::MultiplesOf2, 1),
        25 => (Step::MultiplesOf25, 0),
        50 => (Step::MultiplesOf5, 1),
        100 => (Step::MultiplesOf1, 2),
        200 => (Step::MultiplesOf2, 2),
        250 => (Step::MultiplesOf25, 1),
        500 => (Step::MultiplesOf5, 2),
        1000 => (Step::MultiplesOf1, 3),
        2000 => (Step::MultiplesOf2, 3),
        2500 => (Step::MultiplesOf25, 2),
        5000 => (Step::MultiplesOf5, 3),
        _ => return None,
    })
}

/// A number as JavaScript writes it (`-0`, `1e+21`, `0.1`).
pub(crate) fn decimal(text: &str) -> Result<Decimal, String> {
    let too_long = || format!("the number has too many digits to be formatted (at most {VALUE_DIGITS_MAX})");
    if text.len() > VALUE_DIGITS_MAX {
        return Err(too_long());
    }
    // JavaScript writes `1e+21`; the parser wants `1e21`.
    let mut value = Decimal::try_from_str(&text.replace('+', "")).map_err(|_| too_long())?;
    // Far-away digits would be written out, zero by zero.
    if i32::from(value.absolute.nonzero_magnitude_start()).unsigned_abs() as usize > VALUE_DIGITS_MAX {
        return Err(too_long());
    }
    value.absolute.trim_start();
    value.absolute.trim_end();
    Ok(value)
}

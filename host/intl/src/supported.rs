//! What there is data for (Intl.supportedValuesOf).

use icu_decimal::provider::{Baked as DecimalBaked, DecimalDigitsV1};
use icu_experimental::dimension::provider::units::categorized_display_names as names;
use icu_experimental::dimension::provider::units::display_names::UnitsDisplayNames;
use icu_locale::Locale;
use icu_provider::marker::ErasedMarker;
use icu_provider::prelude::*;

use crate::number::Width;
use crate::{json, number, zone};

/// ECMA-402, table 15: systems with ten digits of their own.
const NUMBERING_SYSTEMS: &[&str] = &[
    "adlm", "ahom", "arab", "arabext", "bali", "beng", "bhks", "brah", "cakm", "cham", "deva", "diak", "fullwide",
    "gara", "gong", "gonm", "gujr", "gukh", "guru", "hanidec", "hmng", "hmnp", "java", "kali", "kawi", "khmr", "knda",
    "krai", "lana", "lanatham", "laoo", "latn", "lepc", "limb", "mathbold", "mathdbl", "mathmono", "mathsanb",
    "mathsans", "mlym", "modi", "mong", "mroo", "mtei", "mymr", "mymrepka", "mymrpao", "mymrshan", "mymrtlng", "nagm",
    "newa", "nkoo", "olck", "onao", "orya", "osma", "outlined", "rohg", "saur", "segment", "shrd", "sind", "sinh",
    "sora", "sund", "sunu", "takr", "talu", "tamldec", "telu", "thai", "tibt", "tirh", "tnsa", "tols", "vaii", "wara",
    "wcho",
];

/// Units of ECMA-402, table 2, for which ICU4X has names. Digital sizes, temperatures and angles have none there yet.
const UNITS: &[(&str, Category)] = &[
    ("acre", Category::Area),
    ("centimeter", Category::Length),
    ("day", Category::Duration),
    ("fluid-ounce", Category::Volume),
    ("foot", Category::Length),
    ("gallon", Category::Volume),
    ("gram", Category::Mass),
    ("hectare", Category::Area),
    ("hour", Category::Duration),
    ("inch", Category::Length),
    ("kilogram", Category::Mass),
    ("kilometer", Category::Length),
    ("liter", Category::Volume),
    ("meter", Category::Length),
    ("microsecond", Category::Duration),
    ("mile", Category::Length),
    ("mile-scandinavian", Category::Length),
    ("milliliter", Category::Volume),
    ("millimeter", Category::Length),
    ("millisecond", Category::Duration),
    ("minute", Category::Duration),
    ("month", Category::Duration),
    ("nanosecond", Category::Duration),
    ("ounce", Category::Mass),
    ("pound", Category::Mass),
    ("second", Category::Duration),
    ("stone", Category::Mass),
    ("week", Category::Duration),
    ("yard", Category::Length),
    ("year", Category::Duration),
];

#[derive(Clone, Copy)]
enum Category {
    Area,
    Duration,
    Length,
    Mass,
    Volume,
}

pub(crate) fn values(key: &str) -> Result<String, String> {
    match key {
        "calendar" => json(&["gregory", "iso8601"]),
        "collation" => json(&COLLATIONS),
        "currency" => json(&CURRENCIES.split_ascii_whitespace().collect::<Vec<_>>()),
        "numberingSystem" => {
            json(&NUMBERING_SYSTEMS.iter().filter(|name| is_numbering_system(name)).collect::<Vec<_>>())
        }
        "timeZone" => json(&zone::names()),
        "unit" => json(&UNITS.iter().map(|(name, _)| name).collect::<Vec<_>>()),
        // Not of ECMA-402: `currencyDigits:EUR`.
        _ => match key.strip_prefix("currencyDigits:").and_then(number::currency_digits) {
            Some(digits) => json(&digits),
            None => Err(format!("Invalid key : {key}")),
        },
    }
}

const COLLATIONS: [&str; 12] = [
    "compat", "dict", "emoji", "eor", "phonebk", "pinyin", "searchjl", "sinhala", "stroke", "trad", "zhuyin", "unihan",
];

/// Active currencies of ISO 4217.
const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW \
    CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR \
    ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN \
    NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND \
    TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU XTS XUA XXX \
    YER ZAR ZMW ZWG";

pub(crate) fn is_numbering_system(name: &str) -> bool {
    let Ok(attributes) = DataMarkerAttributes::try_from_str(name) else { return false };
    let id = DataIdentifierBorrowed::for_marker_attributes(attributes);
    let mut metadata = DataRequestMetadata::default();
    metadata.silent = true;
    let found: Result<DataResponse<DecimalDigitsV1>, _> = DecimalBaked.load(DataRequest { id, metadata });
    found.is_ok()
}

/// A unit's patterns by plural category.
pub(crate) type UnitNames = DataPayload<ErasedMarker<UnitsDisplayNames<'static>>>;

/// The patterns of a unit of ECMA-402.
pub(crate) fn unit_names(locale: &Locale, unit: &str, width: Option<Width>) -> Result<UnitNames, String> {
    let missing = || {
        format!(
            "there is no data for unit {unit:?} in the sandbox; an applet that needs it can run on a process engine (engine: node)"
        )
    };
    let (name, category) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(missing)?;
    let width = match width {
        Some(Width::Narrow) => "narrow",
        Some(Width::Long) => "long",
        _ => "short",
    };
    let attributes = format!("{width}-{name}");
    let attributes = DataMarkerAttributes::try_from_str(&attributes).map_err(|_| missing())?;
    let found = match category {
        Category::Area => {
            tiers::<names::UnitsNamesAreaCoreV1, names::UnitsNamesAreaExtendedV1, names::UnitsNamesAreaOutlierV1>(
                locale, attributes,
            )
        }
        Category::Duration => tiers::<
            names::UnitsNamesDurationCoreV1,
            names::UnitsNamesDurationExtendedV1,
            names::UnitsNamesDurationOutlierV1,
        >(locale, attributes),
        Category::Length => {
            tiers::<names::UnitsNamesLengthCoreV1, names::UnitsNamesLengthExtendedV1, names::UnitsNamesLengthOutlierV1>(
                locale, attributes,
            )
        }
        Category::Mass => {
            tiers::<names::UnitsNamesMassCoreV1, names::UnitsNamesMassExtendedV1, names::UnitsNamesMassOutlierV1>(
                locale, attributes,
            )
        }
        Category::Volume => {
            tiers::<names::UnitsNamesVolumeCoreV1, names::UnitsNamesVolumeExtendedV1, names::UnitsNamesVolumeOutlierV1>(
                locale, attributes,
            )
        }
    };
    found.ok_or_else(missing)
}

/// ICU4X keeps a unit's names in one of three places, by how common the unit is in that locale.
fn tiers<A, B, C>(locale: &Locale, attributes: &DataMarkerAttributes) -> Option<UnitNames>
where
    A: DataMarker<DataStruct = UnitsDisplayNames<'static>>,
    B: DataMarker<DataStruct = UnitsDisplayNames<'static>>,
    C: DataMarker<DataStruct = UnitsDisplayNames<'static>>,
    icu_experimental::provider::Baked: DataProvider<A> + DataProvider<B> + DataProvider<C>,
{
    // A name of the root locale ("km") counts only when no place has one of the language.
    let mut found = None;
    for (payload, of_language) in
        [tier::<A>(locale, attributes), tier::<B>(locale, attributes), tier::<C>(locale, attributes)]
            .into_iter()
            .flatten()
    {
        if of_language {
            return Some(payload);
        }
        found = found.or(Some(payload));
    }
    found
}

/// The names, and whether they are of the locale's language.
fn tier<M>(locale: &Locale, attributes: &DataMarkerAttributes) -> Option<(UnitNames, bool)>
where
    M: DataMarker<DataStruct = UnitsDisplayNames<'static>>,
    icu_experimental::provider::Baked: DataProvider<M>,
{
    let data_locale = M::make_locale(locale.into());
    let id = DataIdentifierBorrowed::for_marker_attributes_and_locale(attributes, &data_locale);
    let mut metadata = DataRequestMetadata::default();
    metadata.silent = true;
    let found: Result<DataResponse<M>, _> = icu_experimental::provider::Baked.load(DataRequest { id, metadata });
    found
        .ok()
        .map(|response| (response.payload.cast(), response.metadata.locale.is_none_or(|locale| !locale.is_unknown())))
}

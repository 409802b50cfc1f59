//! Answers beside those of Node 20 (ICU 75, CLDR 44): `node.jsonl` has, line by line, kind, recipe, value and Node's answer; where ours
//! differs, ours and the reason too. Then what nobody should ask.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use belljar_intl::{Formatters, Question, RECIPE_BYTES_MAX, VALUE_BYTES_MAX, canonical, is_known, version};
use serde_json::{Value, json};

#[test]
fn answers_are_nodes() {
    let mut formatters = Formatters::default();
    let mut wrong = Vec::new();
    for line in include_str!("node.jsonl").lines() {
        let row: Vec<Value> = serde_json::from_str(line).unwrap();
        let question = match row[0].as_str().unwrap() {
            "number" => Question::Number,
            "date" => Question::Date,
            "relative-time" => Question::RelativeTime,
            "list" => Question::List,
            "plural" => Question::Plural,
            other => panic!("{other}"),
        };
        assert!(row.len() == 4 || row.len() == 6, "a difference has its reason: {line}");
        let expected = row.get(4).unwrap_or(&row[3]).as_str().unwrap();
        let answer = formatters.answer(question, &row[1].to_string(), row[2].as_str().unwrap());
        if answer.as_deref() != Ok(expected) {
            wrong.push(format!("{line}\n  {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn number(extra: Value) -> String {
    let mut recipe = json!({
        "locale": "en", "style": "decimal", "notation": "standard", "signDisplay": "auto", "useGrouping": "auto",
        "digits": {
            "minimumIntegerDigits": 1, "minimumFractionDigits": 0, "maximumFractionDigits": 3, "roundingIncrement": 1,
            "roundingMode": "halfExpand", "roundingPriority": "auto", "trailingZeroDisplay": "auto"
        }
    });
    for (key, value) in extra.as_object().unwrap() {
        recipe[key] = value.clone();
    }
    recipe.to_string()
}

#[test]
fn parts_are_flat() {
    let mut formatters = Formatters::default();
    let recipe = number(json!({ "style": "currency", "currency": "EUR", "locale": "de" }));
    let parts = formatters.answer(Question::NumberParts, &recipe, "-1234.5").unwrap();
    let expected = json!([
        ["minusSign", "-"],
        ["integer", "1"],
        ["group", "."],
        ["integer", "234"],
        ["decimal", ","],
        ["fraction", "5"],
        ["literal", "\u{a0}"],
        ["currency", "€"]
    ]);
    assert_eq!(serde_json::from_str::<Value>(&parts).unwrap(), expected);
    let date = json!({ "locale": "en", "timeZone": "UTC", "second": "numeric", "fractionalSecondDigits": 2, "minute": "numeric" }).to_string();
    let parts = formatters.answer(Question::DateParts, &date, "61250").unwrap();
    let expected =
        json!([["minute", "01"], ["literal", ":"], ["second", "01"], ["literal", "."], ["fractionalSecond", "25"]]);
    assert_eq!(serde_json::from_str::<Value>(&parts).unwrap(), expected);
}

#[test]
fn ranges_name_what_differs() {
    let mut formatters = Formatters::default();
    let recipe = json!({ "locale": "en", "timeZone": "UTC", "dateStyle": "medium" }).to_string();
    let mut check = |from: &str, to: &str, expected: &str| {
        let value = json!([from, to]).to_string();
        assert_eq!(formatters.answer(Question::DateRange, &recipe, &value).as_deref(), Ok(expected), "{value}");
    };
    check("1704844800000", "1705708800000", "Jan 10 – 20, 2024");
    check("1704844800000", "1708387200000", "Jan 10 – Feb 20, 2024");
    check("1704844800000", "1704844800001", "Jan 10, 2024");
}

#[test]
fn texts_are_compared() {
    let mut formatters = Formatters::default();
    let mut sorted = |locale: &str, extra: Value, list: &[&str]| {
        let mut recipe = json!({ "locale": locale, "usage": "sort", "sensitivity": "variant", "numeric": false });
        for (key, value) in extra.as_object().unwrap() {
            recipe[key] = value.clone();
        }
        let recipe = recipe.to_string();
        let mut list: Vec<_> = list.iter().map(|text| (*text).to_owned()).collect();
        list.sort_by(|a, b| formatters.compare(&recipe, a, b).unwrap());
        list.join(" ")
    };
    assert_eq!(sorted("de", json!({}), &["z", "ä", "a", "Z"]), "a ä z Z");
    assert_eq!(sorted("sv", json!({}), &["z", "ä", "a"]), "a z ä");
    assert_eq!(sorted("en", json!({ "numeric": true }), &["a10", "a9", "a1"]), "a1 a9 a10");
    assert_eq!(sorted("en", json!({ "caseFirst": "upper" }), &["a", "A"]), "A a");
    assert_eq!(sorted("de", json!({ "collation": "phonebk" }), &["af", "äb"]), "äb af");
}

#[test]
fn a_locale_is_chosen_among_those_declared() {
    let mut formatters = Formatters::default();
    let declared = json!({ "declared": ["en", "de-AT"], "default": "en" }).to_string();
    let mut check = |requested: Value, expected: &str| {
        let answer = formatters.answer(Question::Negotiate, &declared, &requested.to_string()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["locale"], expected, "{requested}");
    };
    check(json!([]), "en");
    check(json!(["fr", "de"]), "de-AT");
    check(json!(["en-GB-u-nu-thai"]), "en-GB");
    check(json!(["zz"]), "en");
}

#[test]
fn what_there_is_not_is_refused() {
    let mut formatters = Formatters::default();
    let long = "x".repeat(VALUE_BYTES_MAX + 1);
    let list = json!({ "locale": "en", "type": "conjunction", "style": "long" }).to_string();
    let many = json!(vec!["a"; 20_000]).to_string();
    let date = |extra: &str| format!(r#"{{"locale":"en","timeZone":"UTC"{extra}}}"#);
    let absurd = number(json!({
        "digits": {
            "minimumIntegerDigits": 1, "minimumFractionDigits": 30_000, "maximumFractionDigits": 30_000, "roundingIncrement": 1,
            "roundingMode": "halfExpand", "roundingPriority": "auto", "trailingZeroDisplay": "auto"
        }
    }));
    let cases: &[(Question, &str, &str)] = &[
        (Question::Number, &absurd, "1"),
        (Question::Number, "{}", "1"),
        (Question::Number, "", "1"),
        (Question::Number, &number(json!({ "secret": 1 })), "1"),
        (Question::Number, &number(json!({ "locale": "\u{0}" })), "1"),
        (Question::Number, &number(json!({ "style": "currency", "currency": "€" })), "1"),
        (Question::Number, &number(json!({ "style": "unit", "unit": "kilobyte" })), "1"),
        (Question::Number, &number(json!({})), "1e30000"),
        (Question::Number, &number(json!({})), "1e-30000"),
        (Question::Number, &number(json!({})), "twelve"),
        (Question::Number, &number(json!({})), &long),
        (Question::Number, &"x".repeat(RECIPE_BYTES_MAX + 1), "1"),
        (Question::List, &list, &long),
        (Question::List, &list, &many),
        (Question::List, &list, "[1]"),
        (Question::ResolveDate, &date(r#","timeZone":"Mars/Olympus""#), ""),
        (Question::ResolveDate, r#"{"locale":"en","timeZone":"../../etc/passwd"}"#, ""),
        (Question::Date, &date(r#","dateStyle":"full""#), "NaN"),
        (Question::Date, &date(r#","dateStyle":"full""#), "8.64e15000"),
        (Question::SupportedValues, "", "secrets"),
        (Question::CanonicalLocale, "", "en_US"),
        (Question::Negotiate, "{}", "[]"),
    ];
    for (question, recipe, value) in cases {
        let answer = formatters.answer(*question, recipe, value);
        assert!(
            answer.is_err(),
            "{question:?} {} {}: {answer:?}",
            &recipe[..recipe.len().min(80)],
            &value[..value.len().min(80)]
        );
    }
}

#[test]
fn the_end_of_time_has_a_date() {
    let mut formatters = Formatters::default();
    let recipe =
        json!({ "locale": "en", "timeZone": "Europe/Vienna", "year": "numeric", "month": "short", "day": "numeric" })
            .to_string();
    assert_eq!(formatters.answer(Question::Date, &recipe, "8640000000000000").as_deref(), Ok("Sep 13, 275760"));
    assert!(formatters.answer(Question::Date, &recipe, "-8640000000000000").is_ok());
}

#[test]
fn formatters_are_kept_and_bounded() {
    let mut formatters = Formatters::default();
    let recipe = number(json!({}));
    for _ in 0..10 {
        formatters.answer(Question::Number, &recipe, "1").unwrap();
    }
    assert_eq!(formatters.made(), 1);
    for digits in 1..=21 {
        for priority in ["auto", "morePrecision", "lessPrecision"] {
            for sign in ["auto", "never"] {
                let mut recipe: Value = serde_json::from_str(&number(json!({ "signDisplay": sign }))).unwrap();
                recipe["digits"]["minimumIntegerDigits"] = digits.into();
                recipe["digits"]["roundingPriority"] = priority.into();
                formatters.answer(Question::Number, &recipe.to_string(), "1").unwrap();
            }
        }
    }
    let made = formatters.made();
    formatters.answer(Question::Number, &recipe, "1").unwrap();
    // The oldest went first; what it makes is not kept for ever.
    assert!(made >= 126 && formatters.made() >= made, "{formatters:?}");
    assert!(format!("{formatters:?}").contains("ready: 64"), "{formatters:?}");
}

#[test]
fn every_zone_has_rules_and_every_value_a_use() {
    let mut formatters = Formatters::default();
    let mut values = |key: &str| -> Vec<String> {
        serde_json::from_str(&formatters.answer(Question::SupportedValues, "", key).unwrap()).unwrap()
    };
    let (zones, units, systems, currencies) =
        (values("timeZone"), values("unit"), values("numberingSystem"), values("currency"));
    assert!(zones.len() > 400 && zones.contains(&"Europe/Vienna".into()), "{}", zones.len());
    for list in [&zones, &units, &systems, &currencies] {
        assert!(list.is_sorted(), "{list:?}");
    }
    for zone in &zones {
        let recipe = json!({ "locale": "en", "timeZone": zone, "timeStyle": "full" }).to_string();
        formatters.answer(Question::Date, &recipe, "1720000000000").unwrap_or_else(|error| panic!("{zone}: {error}"));
    }
    for unit in &units {
        for width in ["short", "narrow", "long"] {
            let recipe = number(json!({ "style": "unit", "unit": unit, "unitDisplay": width }));
            formatters.answer(Question::Number, &recipe, "2").unwrap_or_else(|error| panic!("{unit}: {error}"));
        }
    }
    for system in &systems {
        formatters.answer(Question::Number, &number(json!({ "numberingSystem": system })), "2").unwrap();
    }
    for currency in &currencies {
        formatters
            .answer(Question::Number, &number(json!({ "style": "currency", "currency": currency })), "2")
            .unwrap();
    }
}

#[test]
fn the_data_has_a_name() {
    assert!(version().starts_with("icu4x-2.4.0 tzdb-20"), "{}", version());
    assert_eq!(canonical("DE-at").as_deref(), Some("de-AT"));
    assert!(is_known("de-AT"));
}

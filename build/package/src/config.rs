//! What a tenant may set for an applet: the declared fields, and whether a value fits. Build and host use the same rules.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::rules::{self, Rule};

/// Most fields of one applet.
pub const CONFIG_FIELDS_MAX: usize = 256;
/// Longest text a field may hold, bytes.
pub const CONFIG_TEXT_BYTES_MAX: usize = 16 << 10;
/// Most values of an `enum`.
pub const CONFIG_CHOICES_MAX: usize = 256;
/// The largest whole number that JavaScript holds exactly.
const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// One field of an applet's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigField {
    /// Its name: letters, digits and `_`.
    pub name: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub kind: ConfigType,
    /// What it is when the tenant sets nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Installing fails without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// The least number; for a text, the fewest characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The greatest number; for a text, the most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The only values it may have; empty: any.
    #[serde(rename = "enum", default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<Value>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// What a field of a configuration holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfigType {
    /// A text.
    String,
    /// A number.
    Number,
    /// A whole number that JavaScript holds exactly.
    Integer,
    /// True or false.
    Boolean,
}

/// A value that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("config {name}: {message}")]
pub struct ConfigProblem {
    /// The field.
    pub name: String,
    /// What to do, as a lower-case fragment.
    pub message: String,
}

impl ConfigField {
    /// A field without default, bounds and description.
    pub fn new(name: impl Into<String>, kind: ConfigType) -> Self {
        Self {
            name: name.into(),
            kind,
            default: None,
            required: false,
            min: None,
            max: None,
            choices: vec![],
            description: None,
        }
    }

    /// Checks a value.
    ///
    /// # Errors
    /// What the value should be, as a lower-case fragment. The value itself is not in it.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let ok = |ok: bool, text: String| if ok { Ok(()) } else { Err(text) };
        let within = |amount: f64, unit: &str| {
            let (low, high) = (self.min.unwrap_or(f64::NEG_INFINITY), self.max.unwrap_or(f64::INFINITY));
            ok((low..=high).contains(&amount), format!("use {}", range(self.min, self.max, unit)))
        };
        match (self.kind, value) {
            (ConfigType::Boolean, Value::Bool(_)) => {}
            (ConfigType::Boolean, _) => return Err("use true or false".into()),
            (ConfigType::String, Value::String(text)) => {
                ok(text.len() <= CONFIG_TEXT_BYTES_MAX, format!("use at most {CONFIG_TEXT_BYTES_MAX} bytes"))?;
                ok(!text.contains('\0'), "leave out the NUL character".into())?;
                within(text.chars().count() as f64, " characters")?;
            }
            (ConfigType::String, _) => return Err("use a text".into()),
            (ConfigType::Number, Value::Number(number)) => {
                within(number.as_f64().unwrap_or(f64::NAN), "")?;
            }
            (ConfigType::Number, _) => return Err("use a number".into()),
            (ConfigType::Integer, Value::Number(number)) => {
                let size = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
                ok(
                    size.is_some_and(|size| size <= SAFE_INTEGER_MAX),
                    "use a whole number of at most 15 digits".into(),
                )?;
                within(number.as_f64().unwrap_or(f64::NAN), "")?;
            }
            (ConfigType::Integer, _) => return Err("use a whole number".into()),
        }
        let known = self.choices.is_empty() || self.choices.iter().any(|choice| same(choice, value));
        ok(known, format!("use one of {}", Value::Array(self.choices.clone())))
    }

    /// Checks the field itself.
    ///
    /// # Errors
    /// Which part, and the rule it breaks.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        config_name(&self.name).map_err(|text| ("name", text.to_owned()))?;
        const DIGITS: &str = "use a number of at most 15 digits, between 0.0000001 and 1000000000000000";
        if !self.min.into_iter().chain(self.max).all(survives) {
            return Err(("min", DIGITS.into()));
        }
        if self.kind == ConfigType::Boolean && (self.min.is_some() || self.max.is_some()) {
            return Err(("min", "true and false have no bounds".into()));
        }
        if self.kind == ConfigType::String
            && self.min.into_iter().chain(self.max).any(|bound| bound < 0.0 || bound.fract() != 0.0)
        {
            return Err(("min", "a number of characters is a whole number".into()));
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min > max
        {
            return Err(("max", "it is less than min".into()));
        }
        if self.choices.len() > CONFIG_CHOICES_MAX {
            return Err(("enum", "the list is too long".into()));
        }
        for (index, choice) in self.choices.iter().enumerate() {
            self.check(choice).map_err(|text| ("enum", text))?;
            if !is_exact(choice) {
                return Err(("enum", DIGITS.into()));
            }
            if self.choices[..index].iter().any(|other| same(other, choice)) {
                return Err(("enum", "a value is there twice".into()));
            }
        }
        if let Some(default) = &self.default {
            self.check(default).map_err(|text| ("default", text))?;
            if !is_exact(default) {
                return Err(("default", DIGITS.into()));
            }
            if self.required {
                return Err(("required", "with a default nobody has to set it: keep one of the two".into()));
            }
        }
        if let Some(description) = &self.description {
            rules::text(description).map_err(|text| ("description", text.to_owned()))?;
        }
        Ok(())
    }
}

/// Checks what a tenant sets against the declared fields, and fills defaults in. A field without value and default is left out.
///
/// # Errors
/// Everything that does not fit: unknown names, wrong values, required fields without a value.
pub fn resolve(fields: &[ConfigField], set: &Map<String, Value>) -> Result<Map<String, Value>, Vec<ConfigProblem>> {
    let problem = |name: &str, message: String| ConfigProblem { name: name.to_owned(), message };
    let mut problems = Vec::new();
    for name in set.keys().filter(|name| !fields.iter().any(|field| field.name == **name)) {
        let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let message = if known.is_empty() {
            "the applet has no config".into()
        } else {
            format!("it is not declared; there is {}", known.join(", "))
        };
        problems.push(problem(&name.chars().take(64).collect::<String>(), message));
    }
    let mut resolved = Map::new();
    for field in fields {
        match set.get(&field.name) {
            Some(value) => match field.check(value) {
                Ok(()) => drop(resolved.insert(field.name.clone(), value.clone())),
                Err(message) => problems.push(problem(&field.name, message)),
            },
            None => match &field.default {
                Some(default) => drop(resolved.insert(field.name.clone(), default.clone())),
                None if field.required => problems.push(problem(&field.name, "it must be set".into())),
                None => {}
            },
        }
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

/// As [`resolve`], for values that were set for another release: what does not fit is left out, or is the default.
pub fn resolve_leniently(fields: &[ConfigField], set: &Map<String, Value>) -> Map<String, Value> {
    let value = |field: &ConfigField| {
        let set = set.get(&field.name).filter(|value| field.check(value).is_ok());
        set.or(field.default.as_ref()).map(|value| (field.name.clone(), value.clone()))
    };
    fields.iter().filter_map(value).collect()
}

/// The name of a field.
///
/// # Errors
/// The rule, unless it is 1–64 letters, digits and `_`, not starting with a digit.
pub fn config_name(value: &str) -> Rule {
    let ok = (1..=64).contains(&value.len())
        && !value.starts_with(|c: char| c.is_ascii_digit())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if ok { Ok(()) } else { Err("use 1 to 64 letters, digits and '_', not starting with a digit") }
}

/// `1` and `1.0` are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Whether a number is read back as it was written: a package has one form only. A reader of JSON may be off by the last bit for numbers
/// of more digits; those of 15, near enough to 1, are products of two that a double holds exactly.
fn survives(number: f64) -> bool {
    let text = Value::from(number).to_string();
    let digits = text
        .split(['e', 'E'])
        .next()
        .unwrap_or_default()
        .bytes()
        .filter(u8::is_ascii_digit)
        .skip_while(|digit| *digit == b'0')
        .count();
    number == 0.0 || ((1e-7..1e15).contains(&number.abs()) && digits <= 15)
}

/// As [`survives`]; whole numbers and all else are exact.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) if number.is_f64() => number.as_f64().is_some_and(survives),
        _ => true,
    }
}

fn range(min: Option<f64>, max: Option<f64>, unit: &str) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("{min} to {max}{unit}"),
        (Some(min), None) => format!("at least {min}{unit}"),
        (None, Some(max)) => format!("at most {max}{unit}"),
        (None, None) => format!("a finite number{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn field(kind: ConfigType, more: Value) -> ConfigField {
        let mut json = json!({"name": "x", "type": kind});
        json.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        serde_json::from_value(json).expect("a field")
    }

    fn check(field: &ConfigField, good: &[Value], bad: &[Value]) {
        assert_eq!(field.validate(), Ok(()));
        for value in good {
            assert_eq!(field.check(value), Ok(()), "{value}");
        }
        for value in bad {
            assert!(field.check(value).is_err(), "{value}");
        }
    }

    #[test]
    fn types_and_bounds() {
        let bounded = json!({"min": 0, "max": 2});
        check(
            &field(ConfigType::Number, bounded.clone()),
            &[json!(0), json!(0.7), json!(2.0)],
            &[json!(-0.1), json!(2.1), json!("1"), json!(null)],
        );
        check(
            &field(ConfigType::Integer, bounded.clone()),
            &[json!(0), json!(2)],
            &[json!(3), json!(1.5), json!(1.0), json!(u64::MAX)],
        );
        check(&field(ConfigType::String, bounded), &[json!(""), json!("äö")], &[json!("abc"), json!(1), json!("\0")]);
        check(&field(ConfigType::Boolean, json!({})), &[json!(true)], &[json!("true"), json!(1)]);
        check(&field(ConfigType::String, json!({"enum": ["a", "b"]})), &[json!("a")], &[json!("c"), json!("A")]);
        check(
            &field(ConfigType::Integer, json!({})),
            &[json!(9_007_199_254_740_991_u64)],
            &[json!(9_007_199_254_740_992_u64)],
        );
    }

    #[test]
    fn fields_that_contradict_themselves() {
        let check = |kind, more: Value, part: &str| {
            assert_eq!(field(kind, more.clone()).validate().map_err(|(part, _)| part), Err(part), "{more}")
        };
        check(ConfigType::Number, json!({"min": 2, "max": 1}), "max");
        check(ConfigType::Boolean, json!({"min": 2}), "min");
        check(ConfigType::String, json!({"min": 0.5}), "min");
        check(ConfigType::String, json!({"default": 1}), "default");
        check(ConfigType::Number, json!({"default": 3, "max": 2}), "default");
        check(ConfigType::String, json!({"default": "a", "required": true}), "required");
        check(ConfigType::Integer, json!({"enum": [1, 1.0]}), "enum");
        check(ConfigType::Integer, json!({"enum": [1, 1]}), "enum");
    }

    #[test]
    fn defaults_are_filled_in_and_problems_told_together() {
        let fields = [
            ConfigField { default: Some(json!("gpt")), ..ConfigField::new("model", ConfigType::String) },
            ConfigField { required: true, ..ConfigField::new("url", ConfigType::String) },
            ConfigField::new("limit", ConfigType::Integer),
        ];
        let set = |value: Value| value.as_object().expect("a map").clone();
        let resolved = resolve(&fields, &set(json!({"url": "u"}))).expect("it fits");
        assert_eq!(Value::Object(resolved), json!({"model": "gpt", "url": "u"}));
        let problems = resolve(&fields, &set(json!({"limit": "many", "urll": 1}))).expect_err("it does not fit");
        let names: Vec<&str> = problems.iter().map(|problem| problem.name.as_str()).collect();
        assert_eq!(names, ["urll", "url", "limit"]);
        let kept = resolve_leniently(&fields, &set(json!({"limit": "many", "other": 1, "model": "x"})));
        assert_eq!(Value::Object(kept), json!({"model": "x"}));
    }

    /// Any number, and often one that people write.
    fn number() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<f64>(),
            (-1_000_000_000_000_000_i64..1_000_000_000_000_000, 0..22_i32)
                .prop_map(|(digits, places)| digits as f64 / 10_f64.powi(places))
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_within_bounds(low in -1e6..1e6, width in 0.0..1e6, value: f64) {
            let field = ConfigField { min: Some(low), max: Some(low + width), ..ConfigField::new("x", ConfigType::Number) };
            let inside = (low..=low + width).contains(&value);
            let accepted = field.check(&Value::from(value)).is_ok();
            prop_assert!(!accepted || inside);
        }

        #[test]
        fn a_field_is_read_back_as_it_was_written(min in number(), max in number(), default in number()) {
            let field = ConfigField { min: Some(min), max: Some(max), default: Some(default.into()), ..ConfigField::new("x", ConfigType::Number) };
            if field.validate().is_ok() {
                let text = serde_json::to_string(&field).expect("it can be written");
                let read: ConfigField = serde_json::from_str(&text).expect("it can be read");
                prop_assert_eq!(&read, &field);
                prop_assert_eq!(serde_json::to_string(&read).expect("it can be written"), text);
            }
        }

        #[test]
        fn a_resolved_configuration_resolves_to_itself(set in proptest::collection::btree_map("[ab]", prop_oneof![Just(json!(1)), Just(json!("x")), Just(json!(true))], 0..3)) {
            let fields = [ConfigField { default: Some(json!(5)), ..ConfigField::new("a", ConfigType::Integer) }, ConfigField::new("b", ConfigType::String)];
            let set: Map<String, Value> = set.into_iter().collect();
            if let Ok(resolved) = resolve(&fields, &set) {
                prop_assert_eq!(resolve(&fields, &resolved), Ok(resolved.clone()));
                prop_assert_eq!(resolve_leniently(&fields, &set), resolved);
            }
        }
    }
}

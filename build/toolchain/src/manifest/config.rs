//! `config`: what a tenant may set. It knows how a field is written; whether it makes sense is said by the package's rules.

use belljar_package::{CONFIG_CHOICES_MAX, CONFIG_FIELDS_MAX, ConfigField, ConfigType, config_name, rules};

use super::{
    reader::Reader,
    tree::{Key, Node, Value},
};

const TYPES: [(&str, ConfigType); 4] = [
    ("string", ConfigType::String),
    ("number", ConfigType::Number),
    ("integer", ConfigType::Integer),
    ("boolean", ConfigType::Boolean),
];
const FIELD_KEYS: [&str; 7] = ["type", "default", "required", "min", "max", "enum", "description"];

/// Reads the map of fields; what has errors is reported and left out.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<ConfigField> {
    let Value::Map(entries) = &node.value else {
        reader.wrong_type("config", "a map from names to fields", node);
        return Vec::new();
    };
    if entries.len() > CONFIG_FIELDS_MAX {
        let message = format!("config has {} fields", entries.len());
        reader.error("manifest.value", message, (node.start, node.end), "an applet has at most 256");
        return Vec::new();
    }
    let mut seen: Vec<(&Key, Option<ConfigField>)> = Vec::new();
    for (key, value) in entries {
        let span = (key.start, key.end);
        if let Some((first, _)) = seen.iter().find(|(other, _)| other.name == key.name) {
            let (line, column) = reader.file.line_column(first.start);
            let message = format!("key '{}' is there twice, first at {line}:{column}", key.name);
            reader.error("manifest.duplicate-key", message, span, "keep one of the two");
            continue;
        }
        if let Err(help) = config_name(&key.name) {
            let shown: String = key.name.chars().take(80).collect();
            reader.error("manifest.value", format!("config {shown:?} is no name of a field"), span, help);
        }
        let field = field(reader, &key.name, value);
        seen.push((key, field));
    }
    seen.into_iter().filter_map(|(_, field)| field).collect()
}

/// A map of what there is to say, or the type alone.
fn field(reader: &mut Reader<'_>, name: &str, node: &Node) -> Option<ConfigField> {
    let what = format!("config.{name}");
    if let Value::Text(_) = node.value {
        return reader.choice(&what, node, &TYPES).map(|kind| ConfigField::new(name, kind));
    }
    if !matches!(node.value, Value::Map(_)) {
        reader.wrong_type(&what, "a type such as 'string', or a map with 'type'", node);
        return None;
    }
    let fields = reader.map(&what, node, &FIELD_KEYS)?;
    let kind = fields
        .require(reader, &what, "type", "name its type: string, number, integer or boolean")
        .and_then(|node| reader.choice(&format!("{what}.type"), node, &TYPES));
    let default = fields.get("default").and_then(|node| scalar(reader, &format!("{what}.default"), node));
    let required = fields.get("required").and_then(|node| reader.boolean(&format!("{what}.required"), node));
    let mut bound = |key: &str| fields.get(key).and_then(|node| number(reader, &format!("{what}.{key}"), node));
    let (min, max) = (bound("min"), bound("max"));
    let choices = fields.get("enum").map(|node| choices(reader, &what, node)).unwrap_or_default();
    let description = fields
        .get("description")
        .and_then(|node| reader.text_by(&format!("{what}.description"), node, rules::text))
        .map(|text| text.value);
    let field = ConfigField {
        name: name.to_owned(),
        kind: kind?,
        default,
        required: required.unwrap_or(false),
        min,
        max,
        choices,
        description,
    };
    // The name's own rule was told at the key.
    if let Err((part, help)) = field.validate()
        && part != "name"
    {
        let at = fields.get(part).or_else(|| fields.get("max"));
        let span = at.map_or((node.start, node.end), |node| (node.start, node.end));
        reader.error("manifest.value", format!("{what}.{part} is not valid"), span, &help);
        return None;
    }
    Some(field)
}

fn choices(reader: &mut Reader<'_>, what: &str, node: &Node) -> Vec<serde_json::Value> {
    let what = format!("{what}.enum");
    let items = reader.list(&what, node, false).unwrap_or_default();
    if items.len() > CONFIG_CHOICES_MAX {
        reader.error(
            "manifest.value",
            format!("{what} has {} values", items.len()),
            (node.start, node.end),
            "a field has at most 256",
        );
        return Vec::new();
    }
    items.into_iter().filter_map(|item| scalar(reader, &what, item)).collect()
}

fn scalar(reader: &mut Reader<'_>, what: &str, node: &Node) -> Option<serde_json::Value> {
    let value = match &node.value {
        Value::Bool(value) => Some((*value).into()),
        Value::Text(text) => Some(text.as_str().into()),
        Value::Integer(number) => i64::try_from(*number).ok().map(Into::into),
        Value::Float(number) => serde_json::Number::from_f64(*number).map(Into::into),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    };
    if value.is_none() {
        reader.wrong_type(what, "a text, a number, true or false", node);
    }
    value
}

fn number(reader: &mut Reader<'_>, what: &str, node: &Node) -> Option<f64> {
    match node.value {
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) if number.is_finite() => Some(number),
        _ => {
            reader.wrong_type(what, "a number", node);
            None
        }
    }
}

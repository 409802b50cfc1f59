//! `cors` of the manifest, and of an http handler: which pages of other origins browsers let call it.

use belljar_package::{Cors, rules};

use super::{
    reader::Reader,
    tree::{Node, Value},
};

const KEYS: [&str; 5] = ["origins", "methods", "headers", "credentials", "max_age_s"];
/// Seconds a preflight is remembered, when the manifest does not say.
const MAX_AGE_S_DEFAULT: u32 = 600;

/// Reads the rules; `cors: '*'` and `cors: [ORIGIN, …]` are short for the origins alone.
pub(crate) fn read(reader: &mut Reader<'_>, what: &str, node: &Node) -> Option<Cors> {
    let errors = reader.problems.len();
    let mut cors = Cors {
        origins: Vec::new(),
        methods: Vec::new(),
        headers: Vec::new(),
        credentials: false,
        max_age_s: MAX_AGE_S_DEFAULT,
    };
    if matches!(node.value, Value::Text(_) | Value::List(_)) {
        cors.origins = reader.texts(what, node, rules::origin);
    } else {
        let fields = reader.map(what, node, &KEYS)?;
        if let Some(node) =
            fields.require(reader, what, "origins", "name the origins, such as 'origins: [https://app.example.com]'")
        {
            cors.origins = reader.texts(&format!("{what}.origins"), node, rules::origin);
        }
        if let Some(node) = fields.get("methods") {
            let rule = |method: &str| rules::method(&method.to_ascii_uppercase(), false);
            let methods = reader.texts(&format!("{what}.methods"), node, rule);
            cors.methods = methods.into_iter().map(|method| method.to_ascii_uppercase()).collect();
        }
        if let Some(node) = fields.get("headers") {
            let rule = |name: &str| rules::header_name(&name.to_ascii_lowercase());
            let names = reader.texts(&format!("{what}.headers"), node, rule);
            cors.headers = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        }
        if let Some(node) = fields.get("credentials") {
            cors.credentials = reader.boolean(&format!("{what}.credentials"), node).unwrap_or_default();
        }
        if let Some(node) = fields.get("max_age_s") {
            let age = reader.number(&format!("{what}.max_age_s"), node, 0, u64::from(rules::CORS_MAX_AGE_S));
            cors.max_age_s = age.and_then(|age| u32::try_from(age.value).ok()).unwrap_or(MAX_AGE_S_DEFAULT);
        }
    }
    // What is wrong with one value has been said; what is wrong with all of them together has not.
    if reader.problems.len() > errors {
        return None;
    }
    match rules::cors(&cors) {
        Ok(()) => Some(cors),
        Err(help) => {
            reader.error("manifest.value", format!("{what} is not valid"), (node.start, node.end), help);
            None
        }
    }
}

//! `runtime.locales`: the languages that an applet uses through `Intl`, and that its pages are in.

use belljar_package::rules;

use super::{At, reader::Reader, tree::Node};

/// Canonical tags of languages that `Intl` has data for.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<At<String>> {
    let items = reader.list("runtime.locales", node, true).unwrap_or_default();
    if items.len() > rules::LOCALES_MAX {
        let message = format!("runtime.locales has {} items", items.len());
        let help = "name the languages the applet speaks: 'en' stands for 'en-GB' and all others, too";
        reader.error("manifest.value", message, (node.start, node.end), help);
        return Vec::new();
    }
    let mut locales: Vec<At<String>> = Vec::new();
    for item in items {
        let Some(text) = reader.text_by("runtime.locales", item, rules::locale) else { continue };
        let span = (text.start, text.end);
        let canonical = belljar_intl::canonical(&text.value);
        let message = format!("runtime.locales {:?} is not valid", text.value);
        match canonical.as_deref() {
            None => reader.error("manifest.value", message, span, "use a locale such as 'en' or 'pt-BR'"),
            Some(tag) if tag != text.value => reader.error("manifest.value", message, span, &format!("write '{tag}'")),
            Some(tag) if rules::has_extension(tag) => {
                reader.error(
                    "manifest.value",
                    message,
                    span,
                    "write the locale only; extensions (-u-…) go to the Intl constructors",
                );
            }
            Some(tag) if !belljar_intl::is_known(tag) => {
                reader.error(
                    "manifest.unknown-locale",
                    format!("locale '{tag}' is not known"),
                    span,
                    "there is no data for this language in CLDR",
                );
            }
            Some(tag) if locales.iter().any(|other| other.value == tag) => {
                reader.error("manifest.value", format!("locale '{tag}' is there twice"), span, "keep one of the two");
            }
            Some(_) => locales.push(text),
        }
    }
    locales
}

//! Handlers that requests lead to, `type: http` and `type: render`: their routes, and who may call them.

use belljar_package::{Auth, Cors, Trigger, rules};

use super::{
    ManifestPage, cors, plain,
    reader::{Fields, Reader},
};

/// Keys that say who may call a handler, and how often.
const ACCESS_KEYS: [&str; 5] = ["auth", "permissions", "rate_limit_per_minute", "rateLimitPerMinute", "cors"];
/// Extensions that a component's file may have.
const COMPONENTS: [&str; 6] = ["tsx", "jsx", "ts", "js", "mts", "mjs"];

/// `type: http`.
pub(crate) fn http(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>) -> Option<Trigger> {
    let method = match fields.get("method") {
        Some(node) => {
            let rule = |value: &str| rules::method(&value.to_ascii_uppercase(), true);
            reader.text_by(&format!("{what}.method"), node, rule).map(|text| text.value.to_ascii_uppercase())
        }
        None => Some("*".to_owned()),
    };
    let path = fields
        .require(reader, what, "path", "add the route, such as 'path: /hooks/:id'")
        .and_then(|node| reader.text_by(&format!("{what}.path"), node, rules::route));
    let Access { auth, permissions, rate_limit_per_minute, cors } = access(reader, what, fields)?;
    Some(Trigger::Http { method: method?, path: path?.value, auth, permissions, rate_limit_per_minute, cors })
}

/// `type: render`: what the host is told, and what the build needs to know.
pub(crate) fn page(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>) -> Option<(Trigger, ManifestPage)> {
    let component = fields
        .require(reader, what, "component", "name the component's file, such as 'src/page.tsx'")
        .and_then(|node| reader.text_by(&format!("{what}.component"), node, |path| rules::relative_path(plain(path))))
        .map(|text| text.map(|path| plain(&path).to_owned()));
    if let Some(file) = &component
        && !COMPONENTS.contains(&file.value.rsplit_once('.').map_or("", |(_, extension)| extension))
    {
        let message = format!("{what}.component {:?} has an unknown extension", file.value);
        let help = format!("use one of .{}", COMPONENTS.join(", ."));
        reader.error("manifest.value", message, (file.start, file.end), &help);
    }
    if let Some(span) = fields.key("export") {
        let help = "leave it out: what is rendered is the default export of the component's file";
        reader.error(
            "manifest.unknown-key",
            "'export' does not belong to a handler of type 'render'".into(),
            span,
            help,
        );
    }
    let hydrate = fields.get("hydrate").map(|node| reader.boolean(&format!("{what}.hydrate"), node));
    let path = fields.get("path").map(|node| reader.text_by(&format!("{what}.path"), node, rules::route));
    if path.is_none() {
        for key in ACCESS_KEYS {
            if let Some(span) = fields.key(key) {
                let message = format!("'{key}' needs a 'path': without one the page is only called by name");
                reader.error(
                    "manifest.missing-key",
                    message,
                    span,
                    "add the route, such as 'path: /reports/:id', or leave it out",
                );
            }
        }
    }
    let Access { auth, permissions, rate_limit_per_minute, cors } = access(reader, what, fields)?;
    let component = component?;
    let path = match path {
        Some(path) => Some(path?.value),
        None => None,
    };
    let trigger =
        Trigger::Render { component: component.value.clone(), path, auth, permissions, rate_limit_per_minute, cors };
    Some((trigger, ManifestPage { component, hydrate: hydrate.unwrap_or(Some(true))? }))
}

struct Access {
    auth: Auth,
    permissions: Vec<String>,
    rate_limit_per_minute: Option<u32>,
    cors: Option<Cors>,
}

fn access(reader: &mut Reader<'_>, what: &str, fields: &Fields<'_>) -> Option<Access> {
    let words = [("required", Auth::Required), ("optional", Auth::Optional), ("none", Auth::None)];
    let auth = match fields.get("auth") {
        Some(node) => reader.choice(&format!("{what}.auth"), node, &words),
        None => Some(Auth::Required),
    };
    let permissions = fields
        .get("permissions")
        .map(|node| reader.texts(&format!("{what}.permissions"), node, rules::name))
        .unwrap_or_default();
    let rate = fields.get("rate_limit_per_minute").or_else(|| fields.get("rateLimitPerMinute"));
    let rate = rate.and_then(|node| reader.number(&format!("{what}.rate_limit_per_minute"), node, 1, 1_000_000));
    let cors = fields.get("cors").and_then(|node| cors::read(reader, &format!("{what}.cors"), node));
    if let (Some(Auth::None), Some(node), false) = (auth, fields.get("permissions"), permissions.is_empty()) {
        let message = format!("{what} asks for permissions and lets anybody in");
        reader.error(
            "manifest.value",
            message,
            (node.start, node.end),
            "permissions are held by known callers: use 'auth: required'",
        );
    }
    let rate_limit_per_minute = rate.and_then(|rate| u32::try_from(rate.value).ok());
    Some(Access { auth: auth?, permissions, rate_limit_per_minute, cors })
}

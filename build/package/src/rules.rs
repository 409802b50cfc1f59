//! The shapes a descriptor's values may have. The build checks them where the author wrote them, the host checks them
//! again when it reads a package, because a package can come from a stranger. One place, so that the two never differ.

use crate::{
    Auth, CONFIG_FIELDS_MAX, Cors, Cron, Descriptor, EXTERNALS_FOLDER, EXTERNALS_MAX, Engine, FORMAT_VERSION,
    PackageError, Text, Trigger, external,
};

/// Most handlers of one applet.
pub const HANDLERS_MAX: usize = 256;
/// Longest display text (name, description, one locale), bytes.
pub const TEXT_BYTES_MAX: usize = 4096;
/// Longest path inside an applet or package, bytes.
pub const PATH_BYTES_MAX: usize = 200;
/// Most locales of one applet.
pub const LOCALES_MAX: usize = 64;
/// Most items of any other list in a manifest.
pub const LIST_MAX: usize = 1024;
/// Longest time the answer of a CORS preflight may be remembered, seconds: no browser remembers it longer.
pub const CORS_MAX_AGE_S: u32 = 86_400;

/// Most deliveries of one event, or runs of one time of a schedule.
pub const ATTEMPTS_MAX: u32 = 100;
/// The shortest wait before a first retry, milliseconds.
pub const BACKOFF_MS_MIN: u64 = 10;
/// The longest wait before a first retry, milliseconds.
pub const BACKOFF_FIRST_MS_MAX: u64 = 3_600_000;
/// The longest wait before any retry, milliseconds: 7 days.
pub const BACKOFF_CEILING_MS: u64 = 7 * 86_400_000;
/// Most events of one batch.
pub const BATCH_MAX: u32 = 1_000;
/// How long an event may wait for its batch, milliseconds.
pub const BATCH_WAIT_MS_MAX: u64 = 60_000;

/// What is wrong with a value, as a lower-case fragment.
pub type Rule = Result<(), &'static str>;

fn rule(ok: bool, text: &'static str) -> Rule {
    if ok { Ok(()) } else { Err(text) }
}

/// An applet's id.
///
/// # Errors
/// The rule, unless it is 3–50 characters of `a–z 0–9 -`, starting with a letter.
pub fn id(value: &str) -> Rule {
    let ok = (3..=50).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_lowercase())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    rule(ok, "use 3 to 50 characters a-z, 0-9 and '-', starting with a letter")
}

/// A handler's name.
///
/// # Errors
/// The rule, unless it is 1–64 characters of `A–Z a–z 0–9 _ - .`, starting with a letter or `_`.
pub fn handler_name(value: &str) -> Rule {
    let ok = (1..=64).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    rule(ok, "use 1 to 64 letters, digits, '_', '-' and '.', starting with a letter or '_'")
}

/// An export's name.
///
/// # Errors
/// The rule, unless it is 1–128 characters without control characters (JavaScript lets an export have any name).
pub fn export_name(value: &str) -> Rule {
    let ok = (1..=128).contains(&value.len()) && !value.chars().any(char::is_control);
    rule(ok, "use 1 to 128 characters")
}

/// A path that stays inside its folder.
///
/// # Errors
/// The rule: relative, `/` between parts, no empty part, no `.` or `..` part, no backslash, colon or control character.
pub fn relative_path(value: &str) -> Rule {
    rule(!value.is_empty(), "the path is empty")?;
    rule(value.len() <= PATH_BYTES_MAX, "the path is longer than 200 bytes")?;
    rule(!value.starts_with('/'), "the path is absolute: write it relative to the applet's folder")?;
    rule(!value.contains('\\'), "write paths with '/'")?;
    rule(!value.chars().any(|c| c.is_control() || c == ':'), "the path holds ':' or a control character")?;
    rule(value.split('/').all(|part| part != ".."), "the path leaves the applet's folder")?;
    rule(value.split('/').all(|part| !part.is_empty() && part != "."), "the path has an empty or '.' part")
}

/// A path of a file a package carries beside the bundle; `has_externals` is whether npm packages may be among them.
///
/// # Errors
/// The rule of [`relative_path`], or that it is not under `assets/` or `migrations/` (or `node_modules/NAME/`).
pub fn package_file_path(value: &str, has_externals: bool) -> Rule {
    relative_path(value)?;
    if has_externals && value.split('/').next() == Some(EXTERNALS_FOLDER) {
        return external::file_path(value);
    }
    rule(value.starts_with("assets/") || value.starts_with("migrations/"), "files live under assets/ or migrations/")
}

/// A host an applet may call: `api.example.com`, `*.example.com`, `*`, `192.0.2.1` or `[2001:db8::1]`.
///
/// # Errors
/// The rule it breaks. Schemes, ports, paths, user names and upper case are refused, as is `*` anywhere but as the whole
/// first label.
pub fn host(value: &str) -> Rule {
    if value == "*" {
        return Ok(());
    }
    rule(!value.is_empty() && value.len() <= 253, "a host has 1 to 253 characters")?;
    rule(!value.contains("://"), "write the host only, without the scheme")?;
    rule(!value.contains('/'), "write the host only, without a path")?;
    rule(!value.contains('@'), "write the host only, without a user name")?;
    if let Some(address) = value.strip_prefix('[').and_then(|v| v.strip_suffix(']')) {
        return rule(address.parse::<std::net::Ipv6Addr>().is_ok(), "this is not an IPv6 address");
    }
    rule(!value.contains(':'), "write ports in 'ports' (and IPv6 addresses in brackets)")?;
    rule(!value.bytes().any(|b| b.is_ascii_uppercase()), "write hosts in lower case")?;
    rule(value.is_ascii(), "write international names in their xn-- form")?;
    let name = value.strip_prefix("*.").unwrap_or(value);
    rule(!name.contains('*'), "'*' stands for the whole first label: '*.example.com'")?;
    let labels_ok = name.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
    });
    rule(labels_ok, "labels have 1 to 63 characters a-z, 0-9 and '-'")?;
    if name.split('.').next_back().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
        return rule(name == value && name.parse::<std::net::Ipv4Addr>().is_ok(), "this is not an IPv4 address");
    }
    Ok(())
}

/// An HTTP method, upper case; `*` only where `any` allows it.
///
/// # Errors
/// The rule it breaks.
pub fn method(value: &str, any: bool) -> Rule {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "*"];
    rule(KNOWN.contains(&value) && (any || value != "*"), "use GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS")
}

/// A route: starts with `/`; a part is text, `:name`, or, at the end only, `*`.
///
/// # Errors
/// The rule it breaks.
pub fn route(value: &str) -> Rule {
    rule(value.starts_with('/'), "a route starts with '/'")?;
    rule(value.len() <= PATH_BYTES_MAX, "a route has at most 200 bytes")?;
    rule(value.bytes().all(|b| (0x21..0x7f).contains(&b)), "write routes in visible ASCII, the rest percent-encoded")?;
    rule(!value.contains(['?', '#']), "a route has no query and no fragment")?;
    let parts: Vec<&str> = value[1..].split('/').collect();
    rule(
        parts.len() == 1 || parts.iter().all(|p| !matches!(*p, "" | "." | "..")),
        "a route has no empty, '.' or '..' part",
    )?;
    let mut names = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        if let Some(name) = part.strip_prefix(':') {
            let ok = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            rule(ok, "a parameter is ':' and letters, digits or '_'")?;
            rule(!names.contains(&name), "a parameter's name is used twice")?;
            names.push(name);
        } else if *part == "*" {
            rule(index + 1 == parts.len(), "'*' stands at the end of a route")?;
        } else {
            rule(!part.contains(['*', ':']), "':' and '*' stand for a whole part")?;
        }
    }
    Ok(())
}

/// The name of an event, secret or permission.
///
/// # Errors
/// The rule, unless it is 1–128 characters of letters, digits, `_ - . : /`.
pub fn name(value: &str) -> Rule {
    let ok = (1..=128).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':' | b'/'));
    rule(ok, "use 1 to 128 letters, digits and _ - . : /")
}

/// What `sdk` has itself, or may have one day.
const SDK_NAMES: [&str; 15] = [
    "applets",
    "config",
    "crypto",
    "db",
    "env",
    "events",
    "files",
    "http",
    "i18n",
    "jobs",
    "kv",
    "log",
    "secrets",
    "test",
    "websocket",
];
/// Members that every object has, and what promises and JSON look for.
const OBJECT_NAMES: [&str; 9] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "then",
    "toJSON",
    "toLocaleString",
    "toString",
    "valueOf",
];

/// The name of a function of a capability that the embedder of a host has made.
///
/// # Errors
/// The rule, unless it is 1–64 letters and digits, starting with a lower-case letter, and nothing that every object has.
pub fn function_name(value: &str) -> Rule {
    let ok = (1..=64).contains(&value.len())
        && value.starts_with(|c: char| c.is_ascii_lowercase())
        && value.bytes().all(|b| b.is_ascii_alphanumeric());
    rule(ok, "use 1 to 64 letters and digits, starting with a lower-case letter")?;
    rule(!OBJECT_NAMES.contains(&value), "every object of JavaScript has something of this name")
}

/// The name of such a capability: `sdk.NAME`.
///
/// # Errors
/// The rule of [`function_name`], or that `sdk` has something else of this name.
pub fn capability_name(value: &str) -> Rule {
    function_name(value)?;
    rule(!SDK_NAMES.contains(&value), "the name belongs to the sdk itself")
}

/// An event name, where a last `*` may stand for the rest.
///
/// # Errors
/// The rule of [`name`].
pub fn event_pattern(value: &str) -> Rule {
    match value.strip_suffix('*') {
        Some("") => Ok(()),
        Some(stem) => name(stem),
        None => name(value),
    }
}

/// A cron expression: five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
///
/// # Errors
/// The rule it breaks; [`Cron::parse`] says where, too.
pub fn cron(value: &str) -> Rule {
    Cron::parse(value).map(drop).map_err(|problem| problem.rule)
}

/// The shape of an IANA zone: `UTC`, `Europe/Rome`, `Etc/GMT+1`.
///
/// # Errors
/// The rule it breaks.
pub fn time_zone(value: &str) -> Rule {
    let part = |p: &str| {
        p.starts_with(|c: char| c.is_ascii_alphabetic())
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    rule(value.len() <= 64 && value.split('/').all(part), "use an IANA zone such as 'UTC' or 'Europe/Rome'")
}

/// A BCP 47 locale's shape.
///
/// # Errors
/// The rule it breaks.
pub fn locale(value: &str) -> Rule {
    let ok = value.len() <= 35
        && value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value
            .split('-')
            .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    rule(ok, "use a locale such as 'en' or 'pt-BR'")
}

/// Whether a locale has more than language, script, region and variants.
pub fn has_extension(locale: &str) -> bool {
    locale.split('-').any(|part| part.len() == 1)
}

/// A display text.
///
/// # Errors
/// The rule it breaks.
pub fn text(value: &str) -> Rule {
    rule(!value.trim().is_empty(), "the text is empty")?;
    rule(value.len() <= TEXT_BYTES_MAX, "the text is longer than 4096 bytes")?;
    rule(!value.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "the text holds control characters")
}

impl Descriptor {
    /// Checks everything a build would have checked, because a package can come from anywhere.
    ///
    /// # Errors
    /// [`PackageError::FormatVersion`] for another format, [`PackageError::Descriptor`] with the first field that breaks
    /// its rule.
    pub fn validate(&self) -> Result<(), PackageError> {
        if self.format != FORMAT_VERSION {
            return Err(PackageError::FormatVersion { found: self.format.to_string(), supported: FORMAT_VERSION });
        }
        check("id", id(&self.id))?;
        check_text("name", &self.name)?;
        if let Some(description) = &self.description {
            check_text("description", description)?;
        }
        check("runtime.entrypoint", relative_path(&self.runtime.entrypoint))?;
        let locales = &self.runtime.locales;
        check("runtime.locales", rule(locales.len() <= LOCALES_MAX, "the list is too long"))?;
        for (index, tag) in locales.iter().enumerate() {
            check("runtime.locales", locale(tag))?;
            check("runtime.locales", rule(!has_extension(tag), "a locale has no extensions"))?;
            check("runtime.locales", rule(!locales[..index].contains(tag), "a locale is there twice"))?;
        }
        let is_server = self.runtime.is_server;
        check(
            "runtime.server",
            rule(!is_server || self.runtime.engine.is_process(), "only process engines can be servers"),
        )?;
        let has_page = self.handlers.iter().any(|handler| matches!(handler.trigger, Trigger::Render { .. }));
        check("runtime.server", rule(!is_server || !has_page, "a server renders its pages itself"))?;
        let externals = &self.runtime.external;
        let is_component = self.runtime.engine == Engine::Component;
        check("handlers", rule(!is_component || !has_page, "a component renders no pages"))?;
        check("runtime.locales", rule(!is_component || locales.is_empty(), "a component has no Intl"))?;
        check("runtime.external", rule(externals.len() <= EXTERNALS_MAX, "the list is too long"))?;
        check(
            "runtime.external",
            rule(externals.is_empty() || self.runtime.engine.is_process(), "only process engines have packages"),
        )?;
        for (index, name) in externals.iter().enumerate() {
            check("runtime.external", external::package_name(name))?;
            check("runtime.external", rule(!externals[..index].contains(name), "a package is there twice"))?;
        }
        check("handlers", rule(!self.handlers.is_empty(), "there is no handler"))?;
        check("handlers", rule(self.handlers.len() <= HANDLERS_MAX, "there are more than 256 handlers"))?;
        for (index, handler) in self.handlers.iter().enumerate() {
            let at = |field: &str| format!("handlers[{index}].{field}");
            check(&at("name"), handler_name(&handler.name))?;
            let twice = self.handlers[..index].iter().any(|other| other.name == handler.name);
            check(&at("name"), rule(!twice, "the name is used twice"))?;
            check(&at("export"), export_name(&handler.export))?;
            trigger(&handler.trigger).map_err(|(field, text)| invalid(&at(field), text))?;
        }
        if let Some(rules) = &self.cors {
            cors(rules).map_err(|text| invalid("cors", text))?;
        }
        let permissions = &self.permissions;
        check("permissions.http", rule(permissions.http.len() <= LIST_MAX, "the list is too long"))?;
        for http in &permissions.http {
            check("permissions.http.host", host(&http.host))?;
            check("permissions.http.ports", rule(http.ports.iter().all(|p| *p != 0), "port 0 does not exist"))?;
            check_all("permissions.http.methods", &http.methods, |m| method(m, false))?;
        }
        check_all("permissions.events.publish", &permissions.events_publish, name)?;
        check_all("permissions.events.subscribe", &permissions.events_subscribe, event_pattern)?;
        check_all("permissions.custom", &permissions.custom, capability_name)?;
        check("permissions.secrets", rule(permissions.secrets.len() <= LIST_MAX, "the list is too long"))?;
        for secret in &permissions.secrets {
            check("permissions.secrets.name", name(&secret.name))?;
            check_all("permissions.secrets.hosts", &secret.hosts, host)?;
        }
        check("config", rule(self.config.len() <= CONFIG_FIELDS_MAX, "there are more than 256 fields"))?;
        for (index, field) in self.config.iter().enumerate() {
            field.validate().map_err(|(part, text)| invalid(&format!("config[{index}].{part}"), &text))?;
            check(
                "config",
                rule(!self.config[..index].iter().any(|other| other.name == field.name), "a field is there twice"),
            )?;
        }
        Ok(())
    }

    /// Whether the bundle is run by QuickJS in WebAssembly.
    pub fn is_wasm(&self) -> bool {
        self.runtime.engine == Engine::Wasm
    }
}

fn trigger(trigger: &Trigger) -> Result<(), (&'static str, &'static str)> {
    let each = |field: &'static str, values: &[String], f: fn(&str) -> Rule| {
        if values.len() > LIST_MAX {
            return Err((field, "the list is too long"));
        }
        values.iter().try_for_each(|value| f(value)).map_err(|text| (field, text))
    };
    match trigger {
        Trigger::Call {} | Trigger::Lifecycle { .. } => Ok(()),
        Trigger::Http { method: m, path, permissions, cors: rules, .. } => {
            method(m, true).map_err(|text| ("method", text))?;
            route(path).map_err(|text| ("path", text))?;
            rules.iter().try_for_each(cors).map_err(|text| ("cors", text))?;
            each("permissions", permissions, name)
        }
        Trigger::Event { names, attempts, backoff_ms, backoff_ms_max, batch, .. } => {
            rule(!names.is_empty(), "there is no event name").map_err(|text| ("names", text))?;
            rule((1..=ATTEMPTS_MAX).contains(attempts), "use 1 to 100 attempts").map_err(|text| ("attempts", text))?;
            backoff(*backoff_ms)?;
            let longest = rule(*backoff_ms_max <= BACKOFF_CEILING_MS, "a wait has at most 7 days");
            longest.map_err(|text| ("backoff_ms_max", text))?;
            let size = rule((1..=BATCH_MAX).contains(&batch.max), "a batch has 1 to 1000 events");
            size.map_err(|text| ("batch.max", text))?;
            let wait = rule(batch.wait_ms <= BATCH_WAIT_MS_MAX, "a batch waits for at most 60000 ms");
            wait.map_err(|text| ("batch.wait_ms", text))?;
            each("names", names, event_pattern)
        }
        Trigger::Schedule { cron: expression, time_zone: zone, attempts, backoff_ms, .. } => {
            cron(expression).map_err(|text| ("cron", text))?;
            rule((1..=ATTEMPTS_MAX).contains(attempts), "use 1 to 100 attempts").map_err(|text| ("attempts", text))?;
            backoff(*backoff_ms)?;
            time_zone(zone).map_err(|text| ("time_zone", text))
        }
        Trigger::Render { component, path, auth, permissions, rate_limit_per_minute, cors: rules } => {
            relative_path(component).map_err(|text| ("component", text))?;
            let Some(path) = path else {
                let plain = permissions.is_empty() && rate_limit_per_minute.is_none() && rules.is_none();
                return rule(plain && *auth == Auth::Required, "there is no path to reach it by")
                    .map_err(|text| ("path", text));
            };
            route(path).map_err(|text| ("path", text))?;
            rules.iter().try_for_each(cors).map_err(|text| ("cors", text))?;
            each("permissions", permissions, name)
        }
    }
}

/// What a set of CORS rules has to keep.
///
/// # Errors
/// The rule it breaks.
pub fn cors(cors: &Cors) -> Rule {
    rule(!cors.origins.is_empty(), "name at least one origin")?;
    let lists = [&cors.origins, &cors.methods, &cors.headers];
    rule(lists.iter().all(|list| list.len() <= LIST_MAX), "the list is too long")?;
    cors.origins.iter().try_for_each(|value| origin(value))?;
    cors.methods.iter().try_for_each(|value| method(value, false))?;
    cors.headers.iter().try_for_each(|value| header_name(value))?;
    rule(cors.max_age_s <= CORS_MAX_AGE_S, "an answer is remembered for at most 86400 seconds")?;
    let any = cors.origins.iter().any(|origin| origin == "*");
    rule(!(any && cors.credentials), "credentials are not possible with the origin '*': name the origins")
}

/// An origin as browsers send it, or `*`.
///
/// # Errors
/// The rule it breaks.
pub fn origin(value: &str) -> Rule {
    if value == "*" {
        return Ok(());
    }
    let rest = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://"));
    let Some(rest) = rest else { return Err("an origin is 'https://' or 'http://' and a host, or '*'") };
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (rest, None),
    };
    rule(!name.contains('*'), "write each origin out; '*' alone stands for any")?;
    host(name)?;
    let Some(port) = port else { return Ok(()) };
    let own = if value.starts_with("https:") { "443" } else { "80" };
    rule(port.parse::<u16>().is_ok_and(|number| number != 0 && number.to_string() == port), "this is not a port")?;
    rule(port != own, "browsers leave the scheme's own port out of the origin: do so too")
}

/// A header's name in lower case, or `*`.
///
/// # Errors
/// The rule it breaks.
pub fn header_name(value: &str) -> Rule {
    let ok = (1..=128).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&b));
    rule(ok, "a header's name is lower-case letters, digits and '-'")
}

fn backoff(backoff_ms: u64) -> Result<(), (&'static str, &'static str)> {
    let ok = (BACKOFF_MS_MIN..=BACKOFF_FIRST_MS_MAX).contains(&backoff_ms);
    rule(ok, "the first wait has 10 ms to an hour").map_err(|text| ("backoff_ms", text))
}

fn invalid(field: &str, rule: &str) -> PackageError {
    PackageError::Descriptor { field: field.to_owned(), rule: rule.to_owned() }
}

fn check(field: &str, result: Rule) -> Result<(), PackageError> {
    result.map_err(|text| invalid(field, text))
}

fn check_all(field: &str, values: &[String], f: fn(&str) -> Rule) -> Result<(), PackageError> {
    check(field, rule(values.len() <= LIST_MAX, "the list is too long"))?;
    values.iter().try_for_each(|value| check(field, f(value)))
}

fn check_text(field: &str, value: &Text) -> Result<(), PackageError> {
    match value {
        Text::Plain(plain) => check(field, text(plain)),
        Text::ByLocale(map) => {
            check(field, rule(!map.is_empty(), "the map of locales is empty"))?;
            map.iter().try_for_each(|(key, value)| {
                check(field, locale(key))?;
                check(field, text(value))
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_rule(f: impl Fn(&str) -> Rule, good: &[&str], bad: &[&str]) {
        for value in good {
            assert_eq!(f(value), Ok(()), "{value:?} should be accepted");
        }
        for value in bad {
            assert!(f(value).is_err(), "{value:?} should be refused");
        }
    }

    #[test]
    fn ids() {
        check_rule(
            id,
            &["abc", "a-1", &"a".repeat(50)],
            &["ab", "1ab", "-ab", "aBc", "a_b", "a/b", &"a".repeat(51), ""],
        );
    }

    #[test]
    fn paths_stay_inside() {
        check_rule(
            relative_path,
            &["a.ts", "src/main.ts", ".hidden/x", "a..b"],
            &["", "/a", "../a", "a/../b", "a//b", "./a", "a/", "a\\b", "c:/x", "a\0b", &"a/".repeat(150)],
        );
        check_rule(
            |path| package_file_path(path, false),
            &["assets/x", "migrations/1.sql"],
            &["x", "bundle.mjs", "assets", "assets/", "assets/../x", "node_modules/a/i.js"],
        );
        check_rule(
            |path| package_file_path(path, true),
            &["assets/x", "node_modules/a/i.js", "node_modules/@s/a/i.js"],
            &["x", "node_modules/a", "node_modules/a/../../x", "node_modules_/a/i.js", "node_modules/.bin/a"],
        );
    }

    #[test]
    fn hosts() {
        check_rule(
            host,
            &["*", "a.b", "*.a.b", "localhost", "192.0.2.1", "[2001:db8::1]", "xn--bcher-kva.example", "_x.y"],
            &[
                "",
                "https://a.b",
                "a.b/c",
                "a.b:80",
                "A.b",
                "a.*",
                "**.a",
                "*a.b",
                "u@a",
                "-a.b",
                "a..b",
                "1.2.3",
                "[::1",
                "256.1.1.1",
                "ü.de",
                "*.1.2.3.4",
            ],
        );
    }

    #[test]
    fn routes() {
        check_rule(
            route,
            &["/", "/a", "/a/:id", "/a/*", "/*", "/:a/:b"],
            &["", "a", "/a//b", "/a/../b", "/:", "/a*", "/*/a", "/:a/:a", "/a?b", "/a#b", "/a b", "/ü", "/a:b"],
        );
    }

    #[test]
    fn origins() {
        check_rule(
            origin,
            &["*", "https://a.b", "http://localhost:5173", "https://[::1]:8443", "https://a.b:8443"],
            &[
                "",
                "a.b",
                "https://a.b/",
                "https://*.a.b",
                "https://a.b:443",
                "http://a.b:80",
                "https://A.b",
                "https://a.b:0",
                "https://a.b:x",
            ],
        );
        check_rule(header_name, &["*", "x-api-key", "content-type"], &["", "X-Api-Key", "a b", "a:b", "ü"]);
        let any = Cors {
            origins: vec!["*".into()],
            methods: Vec::new(),
            headers: Vec::new(),
            credentials: false,
            max_age_s: 0,
        };
        assert_eq!(cors(&any), Ok(()));
        assert!(cors(&Cors { credentials: true, ..any.clone() }).is_err());
        assert!(cors(&Cors { origins: Vec::new(), ..any.clone() }).is_err());
        assert!(cors(&Cors { max_age_s: 86_401, ..any }).is_err());
    }

    #[test]
    fn cron_shapes() {
        check_rule(
            cron,
            &["* * * * *", "*/5 0-6,12 1 jan mon-fri", "@daily", "0 9 * * 1#2"],
            &[
                "",
                "* * * *",
                "* * * * * *",
                "@often",
                "60 * * * *",
                "* 24 * * *",
                "* * 0 * *",
                "* * * 13 *",
                "a;b * * * *",
            ],
        );
    }

    #[test]
    fn other_shapes() {
        check_rule(time_zone, &["UTC", "Europe/Rome", "Etc/GMT+1"], &["", "/x", "Europe/", "../x", "a b"]);
        check_rule(locale, &["en", "pt-BR", "zh-Hant-TW"], &["", "e_n", "-en", "en-", "aaaaaaaaa"]);
        check_rule(|m| method(m, false), &["GET", "PATCH"], &["get", "*", "TRACE", ""]);
        check_rule(event_pattern, &["a.b", "a.*", "*"], &["", "a*b", "a b", "**x"]);
        check_rule(handler_name, &["a", "on-push", "_x.y"], &["", "1a", "a b", "a/b", &"a".repeat(65)]);
    }
}

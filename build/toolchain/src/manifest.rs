//! The author's `manifest.yaml`: what was written, and where. It knows the fields and their rules; what happens with them
//! is the host's business, and turning them into a descriptor is `manifest/descriptor.rs`.

mod config;
mod cors;
mod descriptor;
mod external;
mod handlers;
mod limits;
mod locales;
mod permissions;
mod reader;
mod routes;
mod tree;

use std::collections::BTreeMap;

use belljar_package::{About, ConfigField, Cors, Engine, HealthCheck, Limits, Permissions, Text, Trigger, rules};

pub(crate) use self::descriptor::{PAGE_EXPORT, page_export};
pub use self::reader::At;
use self::{
    reader::{Fields, Reader},
    tree::{Node, Value},
};
use crate::diagnostic::{BuildError, Problem, Severity, SourceFile};

/// The manifest's possible names, in order of preference.
pub const MANIFEST_NAMES: [&str; 3] = ["manifest.yaml", "manifest.yml", "manifest.json"];
/// Largest manifest, bytes.
pub const MANIFEST_BYTES_MAX: u64 = 256 << 10;
/// Most problems reported for one manifest.
const PROBLEMS_MAX: usize = 50;

/// The manifest as written, with places; [`Manifest::descriptor`] resolves it.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The file itself.
    pub file: SourceFile,
    /// The applet's id.
    pub id: At<String>,
    /// The applet's version.
    pub version: At<semver::Version>,
    /// Display name.
    pub name: Text,
    /// What the applet does, for people.
    pub description: Option<Text>,
    /// Author, licence and so on.
    pub about: About,
    /// The engine; `goja` has become `wasm`.
    pub engine: Engine,
    /// Range over the engine's version.
    pub engine_version: Option<semver::VersionReq>,
    /// The entry file, relative to the applet's folder.
    pub entrypoint: At<String>,
    /// Limits, in whichever spelling.
    pub limits: Limits,
    /// The health check, its defaults filled in.
    pub health_check: Option<HealthCheck>,
    /// Locales for `Intl`, canonical; may be empty.
    pub locales: Vec<At<String>>,
    /// npm packages that are no part of the bundle; process engines only.
    pub external: Vec<At<String>>,
    /// Whether the entry file is a server itself.
    pub is_server: bool,
    /// The handlers as written; may be empty.
    pub handlers: Vec<ManifestHandler>,
    /// Which pages of other origins may call them.
    pub cors: Option<Cors>,
    /// What the applet asks for.
    pub permissions: Permissions,
    /// What a tenant may set.
    pub config: Vec<ConfigField>,
}

/// One handler as written.
#[derive(Debug, Clone)]
pub struct ManifestHandler {
    /// Its name.
    pub name: At<String>,
    /// Its export, if named.
    pub export: Option<At<String>>,
    /// What triggers it, defaults filled in.
    pub trigger: Trigger,
    /// Of a page, what its build needs to know.
    pub page: Option<ManifestPage>,
}

/// A page as written.
#[derive(Debug, Clone)]
pub struct ManifestPage {
    /// The component's file, relative to the applet's folder.
    pub component: At<String>,
    /// Whether it comes to life in the browser: without, no script and no data are sent.
    pub hydrate: bool,
}

impl Manifest {
    /// Reads a manifest's text. `path` is how messages name it. The second value holds notices: what is legal and still
    /// worth a look.
    ///
    /// # Errors
    /// [`BuildError`] with every problem found, each at its line and column.
    pub fn parse(path: &str, text: impl Into<String>) -> Result<(Self, Vec<Problem>), BuildError> {
        let file = SourceFile::new(path, text);
        let root = tree::parse(&file)?;
        let mut reader = Reader { file: &file, problems: Vec::new() };
        let manifest = read(&mut reader, &root, &file);
        let mut problems = reader.problems;
        problems.truncate(PROBLEMS_MAX);
        let failed = problems.iter().any(|problem| problem.severity == Severity::Error);
        match manifest {
            Some(manifest) if !failed => Ok((manifest, problems)),
            _ => Err(BuildError::new(problems)),
        }
    }
}

const ROOT_KEYS: [&str; 18] = [
    "manifestVersion",
    "id",
    "version",
    "name",
    "description",
    "author",
    "license",
    "licence",
    "homepage",
    "icon",
    "keywords",
    "runtime",
    "resources",
    "handlers",
    "permissions",
    "cors",
    "config",
    "manifest_version",
];

fn read(reader: &mut Reader<'_>, root: &Node, file: &SourceFile) -> Option<Manifest> {
    let fields = reader.map("the manifest", root, &ROOT_KEYS)?;
    if let Some(node) = fields.get("manifestVersion").or_else(|| fields.get("manifest_version")) {
        let known = match &node.value {
            Value::Integer(number) => *number == 1,
            Value::Float(number) => *number == 1.0,
            Value::Text(text) => matches!(text.as_str(), "1" | "1.0"),
            _ => false,
        };
        if !known {
            let span = (node.start, node.end);
            reader.error(
                "manifest.value",
                "manifestVersion is not known".into(),
                span,
                "this version reads manifestVersion 1",
            );
        }
    }
    // Everything is read before anything is given up, so that all errors are seen together.
    let id = fields
        .require(reader, "the manifest", "id", "add an id, such as 'id: my-applet'")
        .and_then(|node| reader.text_by("id", node, rules::id));
    let version = fields
        .require(reader, "the manifest", "version", "add a version, such as 'version: 1.0.0'")
        .and_then(|node| semver_of(reader, node));
    let name = fields
        .require(reader, "the manifest", "name", "add a display name, such as 'name: My applet'")
        .and_then(|node| localized(reader, "name", node));
    let description = fields.get("description").and_then(|node| localized(reader, "description", node));
    let about = about(reader, &fields);
    let runtime = fields
        .require(reader, "the manifest", "runtime", "add 'runtime:' with an 'entrypoint'")
        .and_then(|node| Runtime::read(reader, node, fields.get("resources")));
    let handlers = fields.get("handlers").map(|node| handlers::read(reader, node)).unwrap_or_default();
    let cors = fields.get("cors").and_then(|node| cors::read(reader, "cors", node));
    let permissions = fields.get("permissions").map(|node| permissions::read(reader, node)).unwrap_or_default();
    let config = fields.get("config").map(|node| config::read(reader, node)).unwrap_or_default();
    let runtime = runtime?;
    Some(Manifest {
        file: file.clone(),
        id: id?,
        version: version?,
        name: name?,
        description,
        about,
        engine: runtime.engine,
        engine_version: runtime.version,
        entrypoint: runtime.entrypoint?,
        limits: runtime.limits,
        health_check: runtime.health_check,
        locales: runtime.locales,
        external: runtime.external,
        is_server: runtime.is_server,
        handlers,
        cors,
        permissions,
        config,
    })
}

fn semver_of(reader: &mut Reader<'_>, node: &Node) -> Option<At<semver::Version>> {
    let text = reader.text("version", node)?;
    match semver::Version::parse(&text.value) {
        Ok(version) => Some(text.map(|_| version)),
        Err(error) => {
            let message = format!("version {:?} is not a semantic version: {error}", text.value);
            reader.error("manifest.value", message, (node.start, node.end), "use three numbers, such as '1.0.0'");
            None
        }
    }
}

fn localized(reader: &mut Reader<'_>, what: &str, node: &Node) -> Option<Text> {
    match &node.value {
        Value::Text(_) => Some(Text::Plain(reader.text_by(what, node, rules::text)?.value)),
        Value::Map(entries) if !entries.is_empty() => {
            let mut map = BTreeMap::new();
            for (key, value) in entries {
                if let Err(help) = rules::locale(&key.name) {
                    let message = format!("{:?} is not a locale", key.name);
                    reader.error("manifest.value", message, (key.start, key.end), help);
                } else if let Some(text) = reader.text_by(what, value, rules::text)
                    && map.insert(key.name.clone(), text.value).is_some()
                {
                    let message = format!("locale '{}' is there twice", key.name);
                    reader.error("manifest.duplicate-key", message, (key.start, key.end), "keep one of the two");
                }
            }
            Some(Text::ByLocale(map))
        }
        _ => {
            reader.wrong_type(what, "text, or a map from locale to text", node);
            None
        }
    }
}

fn about(reader: &mut Reader<'_>, fields: &Fields<'_>) -> About {
    let mut text =
        |name: &str| fields.get(name).and_then(|node| reader.text_by(name, node, rules::text)).map(|t| t.value);
    let (license, licence) = (text("license"), text("licence"));
    let (homepage, icon) = (text("homepage"), text("icon"));
    let author = fields.get("author").and_then(|node| author(reader, node));
    let keywords = fields.get("keywords").map(|node| reader.texts("keywords", node, rules::text)).unwrap_or_default();
    About { author, license: license.or(licence), homepage, icon, keywords }
}

/// `Ada <ada@example.com>`, or a map of name, email and url.
fn author(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    if !matches!(node.value, Value::Map(_)) {
        return reader.text_by("author", node, rules::text).map(|text| text.value);
    }
    let fields = reader.map("author", node, &["name", "email", "url"])?;
    let name = fields.require(reader, "author", "name", "add the author's name")?;
    let mut author = reader.text_by("author.name", name, rules::text)?.value;
    for (key, open, close) in [("email", '<', '>'), ("url", '(', ')')] {
        if let Some(text) = fields.get(key).and_then(|node| reader.text_by(key, node, rules::text)) {
            author.push_str(&format!(" {open}{}{close}", text.value));
        }
    }
    Some(author)
}

struct Runtime {
    engine: Engine,
    version: Option<semver::VersionReq>,
    entrypoint: Option<At<String>>,
    limits: Limits,
    health_check: Option<HealthCheck>,
    locales: Vec<At<String>>,
    external: Vec<At<String>>,
    is_server: bool,
}

const RUNTIME_KEYS: [&str; 10] = [
    "engine",
    "version",
    "entrypoint",
    "limits",
    "healthCheck",
    "locales",
    "external",
    "server",
    "resources",
    "health_check",
];

impl Runtime {
    fn read(reader: &mut Reader<'_>, node: &Node, resources: Option<&Node>) -> Option<Self> {
        let fields = reader.map("runtime", node, &RUNTIME_KEYS)?;
        let engines = [
            ("wasm", Some(Engine::Wasm)),
            ("component", Some(Engine::Component)),
            ("bun", Some(Engine::Bun)),
            ("node", Some(Engine::Node)),
            ("deno", Some(Engine::Deno)),
            ("goja", None),
        ];
        let engine =
            fields.get("engine").and_then(|node| Some((reader.choice("runtime.engine", node, &engines)?, node)));
        let goja = matches!(engine, Some((None, _)));
        if let Some((None, node)) = engine {
            let help = "write 'engine: wasm', or leave it out; its version is ignored";
            reader.notice(
                "manifest.engine-goja",
                "engine 'goja' means 'wasm' here".into(),
                (node.start, node.end),
                help,
            );
        }
        let engine = engine.and_then(|(engine, _)| engine).unwrap_or(Engine::Wasm);
        let version = if goja { None } else { fields.get("version").and_then(|node| range(reader, node)) };
        let entrypoint = fields
            .require(reader, "runtime", "entrypoint", "name the file to start with, such as 'entrypoint: src/main.ts'")
            .and_then(|node| entrypoint(reader, node, engine));
        let limits = limits::read(reader, fields.get("limits"), &[fields.get("resources"), resources]);
        let health_check = fields
            .get("healthCheck")
            .or_else(|| fields.get("health_check"))
            .and_then(|node| health_check(reader, node));
        let locales = fields.get("locales").map(|node| locales::read(reader, node)).unwrap_or_default();
        let external = external::read(reader, &fields, engine);
        let is_server = external::server(reader, &fields, engine);
        Some(Self { engine, version, entrypoint, limits, health_check, locales, external, is_server })
    }
}

fn range(reader: &mut Reader<'_>, node: &Node) -> Option<semver::VersionReq> {
    let text = reader.text("runtime.version", node)?;
    match semver::VersionReq::parse(&text.value) {
        Ok(range) => Some(range),
        Err(error) => {
            let message = format!("runtime.version {:?} is not a version range: {error}", text.value);
            reader.error(
                "manifest.value",
                message,
                (node.start, node.end),
                "use a range such as '>=0.1, <2' or '^1.2'",
            );
            None
        }
    }
}

fn entrypoint(reader: &mut Reader<'_>, node: &Node, engine: Engine) -> Option<At<String>> {
    let text = reader.text_by("runtime.entrypoint", node, |path| rules::relative_path(plain(path)))?;
    let path = plain(&text.value).to_owned();
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known: &[&str] =
        if engine == Engine::Component { &["wasm"] } else { &["ts", "tsx", "js", "jsx", "mjs", "mts", "cjs", "cts"] };
    if !known.contains(&extension) {
        let message = format!("runtime.entrypoint {path:?} has an unknown extension");
        let help = format!("use one of .{}", known.join(", ."));
        reader.error("manifest.value", message, (node.start, node.end), &help);
        return None;
    }
    Some(text.map(|_| path))
}

/// `./a` means `a`.
pub(crate) fn plain(path: &str) -> &str {
    path.strip_prefix("./").unwrap_or(path)
}

fn health_check(reader: &mut Reader<'_>, node: &Node) -> Option<HealthCheck> {
    let keys = ["path", "interval", "timeout", "interval_ms", "timeout_ms"];
    let fields = reader.map("runtime.healthCheck", node, &keys)?;
    let path = fields
        .require(reader, "runtime.healthCheck", "path", "name the path to ask, such as '/health'")
        .and_then(|node| reader.text_by("runtime.healthCheck.path", node, rules::route));
    let interval_ms = duration(reader, &fields, "interval", "interval_ms", 1_000, 86_400_000).unwrap_or(30_000);
    let timeout_ms = duration(reader, &fields, "timeout", "timeout_ms", 10, 600_000).unwrap_or(5_000);
    Some(HealthCheck { path: path?.value, interval_ms, timeout_ms })
}

/// A time span, either `name: 30s` or `name_ms: 30000`, in milliseconds.
pub(crate) fn duration(
    reader: &mut Reader<'_>,
    fields: &Fields<'_>,
    name: &str,
    name_ms: &str,
    low: u64,
    high: u64,
) -> Option<u64> {
    if let Some(node) = fields.get(name_ms) {
        if let Some(span) = fields.key(name) {
            let message = format!("'{name}' and '{name_ms}' say the same thing");
            reader.error("manifest.value", message, span, "keep one of the two");
        }
        return reader.number(name_ms, node, low, high).map(|number| number.value);
    }
    let node = fields.get(name)?;
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        _ => {
            reader.wrong_type(name, "text with a unit, such as '30s' or '500ms'", node);
            return None;
        }
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match text[digits..].trim() {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" | "min" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let value = text[..digits].parse::<u64>().ok().zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    if value.is_some_and(|value| (low..=high).contains(&value)) {
        return value;
    }
    let help = format!("use a number and a unit (ms, s, m, h), from {low}ms to {high}ms");
    reader.error("manifest.value", format!("{name} {text:?} is not valid"), (node.start, node.end), &help);
    None
}

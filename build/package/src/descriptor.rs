//! What a package says of itself, with every default resolved. It knows nothing of YAML, of tenants or of the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ConfigField;

/// Version of the package format; a host refuses any other.
pub const FORMAT_VERSION: u32 = 1;

/// The descriptor of one package: the author's manifest after all defaults are resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Descriptor {
    /// Always [`FORMAT_VERSION`].
    pub format: u32,
    /// 3–50 characters `a–z 0–9 -`, starting with a letter.
    pub id: String,
    /// The author's version of the applet.
    pub version: semver::Version,
    /// Display name: one text, or one per locale.
    pub name: Text,
    /// What the applet does, for people.
    pub description: Option<Text>,
    /// Author, licence, homepage, icon, keywords: shown, never interpreted.
    #[serde(default, skip_serializing_if = "About::is_empty")]
    pub about: About,
    /// What runs the applet.
    pub runtime: Runtime,
    /// In the manifest's order; never empty.
    pub handlers: Vec<Handler>,
    /// Which pages of other origins may call its http handlers and read its assets, unless a handler has rules of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// What the applet asks for. The tenant grants all of it, or less.
    pub permissions: Permissions,
    /// What a tenant may set, in the manifest's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<ConfigField>,
}

/// What the author says about the applet, for people; nothing here changes how it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Its licence, usually an SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Its home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// A file of the applet, or a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
}

impl About {
    /// Whether the author said nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A text that may exist in several languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// One text for everybody.
    Plain(String),
    /// By BCP 47 locale.
    ByLocale(BTreeMap<String, String>),
}

/// What runs the applet, and within which bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// The engine.
    pub engine: Engine,
    /// Semver range over the engine (for `wasm`: over Belljar itself); `None` accepts any.
    pub version: Option<semver::VersionReq>,
    /// The author's entry file, relative to the applet's folder, with `/`.
    pub entrypoint: String,
    /// Limits the manifest asks for; the host's defaults fill the rest.
    pub limits: Limits,
    /// Interval and time-out of the health check, if the applet has one.
    pub health_check: Option<HealthCheck>,
    /// Locales the applet uses through `Intl`, canonical BCP 47, without extensions; without any it has no `Intl`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locales: Vec<String>,
    /// npm packages that are no part of the bundle: process engines only. Their files, and those of what they depend on, are in the package
    /// under `node_modules/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external: Vec<String>,
    /// Whether the bundle is a server itself: it listens on the socket that `SOCKET_PATH` names, and is asked for every handler
    /// (`docs/process.md`). For process engines only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_server: bool,
}

/// The engines a manifest can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// QuickJS in WebAssembly (the default).
    Wasm,
    /// A WebAssembly component in any language.
    Component,
    /// A jailed Bun process.
    Bun,
    /// A jailed Node process.
    Node,
    /// A jailed Deno process.
    Deno,
}

/// Limits an applet asks for. `None` leaves a limit to the host; the host's own bounds always apply as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Linear memory and tables, MiB.
    pub max_memory_mb: Option<u32>,
    /// Share of one CPU, percent.
    pub max_cpu_percent: Option<u32>,
    /// Wall clock for one invocation, milliseconds.
    pub max_execution_ms: Option<u64>,
    /// Invocations at the same time.
    pub max_concurrent: Option<u32>,
    /// Fuel for one invocation.
    pub fuel_max: Option<u64>,
    /// Outgoing http requests (redirect hops included) of one invocation.
    pub subrequests_max: Option<u32>,
    /// Log bytes kept of one invocation.
    pub log_bytes_max: Option<u64>,
    /// Bytes of the response.
    pub response_bytes_max: Option<u64>,
    /// Rows one query may return.
    pub rows_max: Option<u64>,
}

/// How often a supervised applet is asked for its health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// Path or handler asked.
    pub path: String,
    /// Milliseconds between two checks.
    pub interval_ms: u64,
    /// Milliseconds one check may take.
    pub timeout_ms: u64,
}

/// One handler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handler {
    /// Unique within the package.
    pub name: String,
    /// The export it calls; the default export when the bundle has no such name.
    pub export: String,
    /// What triggers it.
    pub trigger: Trigger,
}

/// What triggers a handler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trigger {
    /// Called by name: from the command line, the API or an embedder.
    Call {},
    /// An HTTP request.
    Http {
        /// Upper case; `*` accepts any.
        method: String,
        /// Starts with `/`; `:param` and a last `*` are placeholders.
        path: String,
        /// Whether the caller must be known.
        auth: Auth,
        /// Permissions the user must hold.
        permissions: Vec<String>,
        /// Requests per minute, if limited.
        rate_limit_per_minute: Option<u32>,
        /// Which pages of other origins may call it; `None` for the applet's rules.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cors: Option<Cors>,
    },
    /// Named events, at least once.
    Event {
        /// Event names subscribed to.
        names: Vec<String>,
        /// Deliveries in all.
        attempts: u32,
        /// Milliseconds before the first retry; doubles from there.
        backoff_ms: u64,
        /// The longest wait before a retry, milliseconds.
        #[serde(default = "backoff_ms_max", skip_serializing_if = "is_backoff_ms_max")]
        backoff_ms_max: u64,
        /// Which events wait for each other.
        #[serde(default, skip_serializing_if = "EventOrder::is_none")]
        order: EventOrder,
        /// How many events one call may get.
        #[serde(default, skip_serializing_if = "Batch::is_single")]
        batch: Batch,
    },
    /// A schedule.
    Schedule {
        /// Five fields, or a descriptor such as `@daily`.
        cron: String,
        /// IANA zone; `UTC` by default.
        time_zone: String,
        /// What happens when the last run is still going.
        overlap: Overlap,
        /// What becomes of runs whose time passed while nothing could run.
        #[serde(default, skip_serializing_if = "Misfire::is_once")]
        misfire: Misfire,
        /// Runs in all for one time of the schedule, when they fail.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        attempts: u32,
        /// Milliseconds before the first retry; doubles from there.
        #[serde(default = "schedule_backoff_ms", skip_serializing_if = "is_schedule_backoff_ms")]
        backoff_ms: u64,
    },
    /// A server-rendered page: with a path an HTTP request by `GET`, without one called by name, with the page's props.
    Render {
        /// The component's file, relative to the applet's folder.
        component: String,
        /// As of an http handler; [`Trigger::route`] shows both alike.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        /// Whether the caller must be known. It and the following mean something only with a path.
        #[serde(default, skip_serializing_if = "Auth::is_required")]
        auth: Auth,
        /// Permissions the user must hold.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        permissions: Vec<String>,
        /// Requests per minute, if limited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate_limit_per_minute: Option<u32>,
        /// Which pages of other origins may call it; `None` for the applet's rules.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cors: Option<Cors>,
    },
    /// A lifecycle hook.
    Lifecycle {
        /// `install`, `update`, `enable`, `disable` or `uninstall`.
        on: LifecycleEvent,
    },
}

/// What browsers let pages of other origins do (CORS, Fetch standard section 3.3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cors {
    /// `https://host`, `http://host`, with a port if it is not the scheme's own; `*` for any. Never empty.
    pub origins: Vec<String>,
    /// Upper case; empty: those that the route has handlers for.
    pub methods: Vec<String>,
    /// Request headers beyond the safelisted ones, lower case; `*` for any.
    pub headers: Vec<String>,
    /// Whether cookies and such are sent along; not together with the origin `*`.
    pub credentials: bool,
    /// Seconds a browser may remember the answer of a preflight.
    pub max_age_s: u32,
}

/// Whether an HTTP handler wants to know its caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Only known callers (the default).
    #[default]
    Required,
    /// Known callers are told apart.
    Optional,
    /// Anybody.
    None,
}

impl Auth {
    fn is_required(&self) -> bool {
        *self == Self::Required
    }
}

/// What a schedule does when its last run is still going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// Leave this one out (the default).
    Skip,
    /// Run it afterwards.
    Queue,
    /// End the last one and run this.
    Replace,
}

/// What becomes of runs of a schedule whose time passed while the server was down or the applet disabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Misfire {
    /// They are left out, and reported.
    Skip,
    /// One run stands for all of them (the default).
    #[default]
    Once,
    /// Each is made up for, the latest [`MISFIRES_MAX`] of them.
    All,
}

/// Missed runs that [`Misfire::All`] makes up for; earlier ones are reported only.
pub const MISFIRES_MAX: usize = 24;

impl Misfire {
    fn is_once(&self) -> bool {
        *self == Self::Once
    }
}

/// Which events of one handler and tenant wait for each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventOrder {
    /// None: they are handled at the same time (the default).
    #[default]
    None,
    /// All: one after the other, as they were published.
    All,
    /// Those with the same order key; events without one wait for nobody.
    Key,
}

impl EventOrder {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// How many events one call of a handler may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// At most this many, 1 to 1,000.
    pub max: u32,
    /// How long an event waits for others to come, milliseconds.
    pub wait_ms: u64,
}

impl Default for Batch {
    fn default() -> Self {
        Self { max: 1, wait_ms: 0 }
    }
}

impl Batch {
    fn is_single(&self) -> bool {
        *self == Self::default()
    }
}

/// The longest wait before a retry, when a package does not say: an hour.
pub const BACKOFF_MS_MAX_DEFAULT: u64 = 3_600_000;
/// The wait before the first retry of a schedule's run, when a package does not say.
pub const SCHEDULE_BACKOFF_MS_DEFAULT: u64 = 10_000;

fn backoff_ms_max() -> u64 {
    BACKOFF_MS_MAX_DEFAULT
}

fn is_backoff_ms_max(value: &u64) -> bool {
    *value == BACKOFF_MS_MAX_DEFAULT
}

fn one() -> u32 {
    1
}

fn is_one(value: &u32) -> bool {
    *value == 1
}

fn schedule_backoff_ms() -> u64 {
    SCHEDULE_BACKOFF_MS_DEFAULT
}

fn is_schedule_backoff_ms(value: &u64) -> bool {
    *value == SCHEDULE_BACKOFF_MS_DEFAULT
}

/// Moments in an applet's life at one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LifecycleEvent {
    Install,
    Update,
    Enable,
    Disable,
    Uninstall,
}

/// What an applet may do, if it is granted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permissions {
    /// Its own database.
    pub db: bool,
    /// Hosts it may call.
    pub http: Vec<HttpRule>,
    /// Event names it may publish.
    pub events_publish: Vec<String>,
    /// Event names it may subscribe to.
    pub events_subscribe: Vec<String>,
    /// Secrets it uses.
    pub secrets: Vec<SecretRule>,
    /// Its own key-value store.
    pub kv: bool,
    /// Enqueueing jobs.
    pub jobs: bool,
    /// Capabilities of the program that embeds the host, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom: Vec<String>,
}

/// Hosts an applet may call over http.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// A host name or address literal in lower case, `*.host` (exactly one label) or `*` (any; high risk).
    pub host: String,
    /// Empty: the scheme's own port.
    pub ports: Vec<u16>,
    /// Upper case; empty: every method.
    pub methods: Vec<String>,
    /// `http:` as well as `https:`.
    pub allow_http: bool,
}

/// A secret an applet uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretRule {
    /// Its name.
    pub name: String,
    /// Installing fails without it.
    pub required: bool,
    /// The only hosts it may be sent to; empty: it may be read.
    pub hosts: Vec<String>,
}

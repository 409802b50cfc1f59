//! Every setting of the server, once: its name, what it does, its default, unit and range. The same table makes the flags of
//! `belljar serve`, the names of the environment, the keys of the file, `--print-config` and `docs/settings.md`.
//!
//! Layers, each over the one before: defaults, one TOML file, the environment, flags (`settings/layers.rs`).

mod args;
mod document;
mod file;
mod kind;
mod layers;
mod secret;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use args::SettingArgs;
pub use document::document;
pub use kind::{LogFormat, RequireJail};
pub use layers::{Layers, Loaded, Origin, SettingsError};
pub use secret::{Secret, SecretFileError, TOKEN_FILE, secret_in_data_dir};

use belljar::process_engine::{Jail, Require};
use belljar::{RecordPolicy, RecordingKey};

use crate::network::Network;
use kind::{Given, Kind};

/// What is known of one setting beside its value.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// What it belongs to.
    pub(crate) group: &'static str,
    /// Lines of its documentation; the first is whole by itself.
    pub(crate) doc: &'static [&'static str],
    /// What kind of value it takes.
    pub(crate) kind: &'static str,
    /// Whether it is given several times, or as a list.
    pub(crate) is_list: bool,
    pub(crate) is_switch: bool,
    pub(crate) about: About,
}

/// Unit, range and the like of one setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct About {
    pub(crate) unit: &'static str,
    /// Least and greatest value, for whole numbers.
    pub(crate) range: Option<(u64, u64)>,
    /// What holds when it is not given and has no default of its own.
    pub(crate) absent: &'static str,
    /// Never shown, and has no flag: other users can read command lines.
    pub(crate) is_secret: bool,
}

impl About {
    const fn new() -> Self {
        Self { unit: "", range: None, absent: "none", is_secret: false }
    }

    const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    const fn range(self, min: u64, max: u64) -> Self {
        Self { range: Some((min, max)), ..self }
    }

    const fn absent(self, absent: &'static str) -> Self {
        Self { absent, ..self }
    }

    const fn secret(self) -> Self {
        Self { is_secret: true, ..self }
    }
}

impl Setting {
    /// The setting of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        TABLE.iter().find(|setting| setting.name == name)
    }

    /// Its name in the environment.
    pub(crate) fn variable(&self) -> String {
        format!("BELLJAR_{}", self.name.to_ascii_uppercase())
    }

    /// Its flag, without the dashes before it.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// What it does, in full.
    pub(crate) fn text(&self) -> String {
        let lines: Vec<&str> = self.doc.iter().map(|line| line.trim()).collect();
        lines.join(" ").replace("  ", "\n\n")
    }

    /// Its default, with the unit.
    pub(crate) fn default_text(&self) -> String {
        match Settings::default().get(self.name) {
            Some(toml::Value::Array(items)) if items.is_empty() => "none".to_owned(),
            Some(toml::Value::String(text)) => text,
            Some(toml::Value::Integer(number)) if self.about.unit.is_empty() => number.to_string(),
            Some(toml::Value::Integer(number)) => format!("{number} {}", self.about.unit),
            Some(value) => value.to_string(),
            None => self.about.absent.to_owned(),
        }
    }
}

macro_rules! settings {
    ($($group:literal { $($(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:expr, $about:expr;)+ })+) => {
        /// The settings in force.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $($($(#[doc = $doc])+ pub $name: $kind,)+)+
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($($name: $default,)+)+ }
            }
        }

        /// All settings, in the order in which they are shown.
        pub(crate) static TABLE: &[Setting] = &[$($(Setting {
            name: stringify!($name),
            group: $group,
            doc: &[$($doc),+],
            kind: <$kind as Kind>::NAME,
            is_list: <$kind as Kind>::IS_LIST,
            is_switch: <$kind as Kind>::IS_SWITCH,
            about: $about,
        },)+)+];

        impl Settings {
            /// Sets one of them.
            pub(crate) fn set(&mut self, setting: &Setting, given: &Given<'_>) -> Result<(), String> {
                match setting.name {
                    $($(stringify!($name) => self.$name = <$kind as Kind>::read(given, setting.about.range)?,)+)+
                    name => return Err(format!("{name} is no setting")),
                }
                Ok(())
            }

            /// The value of one of them; `None` when it has none.
            pub(crate) fn get(&self, name: &str) -> Option<toml::Value> {
                match name {
                    $($(stringify!($name) => self.$name.write(),)+)+
                    _ => None,
                }
            }
        }
    };
}

const ABOUT: About = About::new();
const MIB: u64 = 1 << 20;
const DAY_MS: u64 = 86_400_000;

settings! {
    "Where it listens" {
        /// Address and port on which applets are served
        listen: SocketAddr = loopback(8080), ABOUT;
        /// Address and port of the admin API
        ///
        /// Whoever reaches it still needs the token; it speaks plain HTTP, so keep it on loopback or behind something that adds TLS.
        admin_listen: SocketAddr = loopback(8081), ABOUT;
        /// Certificate chain (PEM) for serving applets over TLS
        ///
        /// Read at start and again on SIGHUP.
        tls_cert_file: Option<PathBuf> = None, ABOUT.absent("none: plain HTTP");
        /// Private key (PEM) of the certificate
        tls_key_file: Option<PathBuf> = None, ABOUT;
        /// Proxies whose `x-forwarded-for`, `x-forwarded-proto` and `x-forwarded-host` are believed: addresses or networks (10.0.0.0/8)
        trusted_proxies: Vec<Network> = Vec::new(), ABOUT;
    }
    "Files" {
        /// Where everything is kept that must not be lost: catalog, packages, databases, history
        ///
        /// One server at a time; folders of mode 0700.
        data_dir: PathBuf = PathBuf::from("belljar-data"), ABOUT;
        /// Where machine code and images are cached; may be deleted at any time
        cache_dir: Option<PathBuf> = None, ABOUT.absent("as for all commands: BELLJAR_CACHE, XDG_CACHE_HOME/belljar or ~/.cache/belljar");
    }
    "Keys" {
        /// File with the token of the admin API
        admin_token_file: Option<PathBuf> = None, ABOUT.absent("DATA_DIR/admin-token, made at the first start");
        /// The token of the admin API itself, at least 16 characters
        admin_token: Option<Secret> = None, ABOUT.secret();
        /// File with the key under which secrets are encrypted: 32 bytes as 64 hexadecimal digits
        ///
        /// Whoever has the key and the data directory can read every secret: keep them on different disks, and back both up.
        secrets_key_file: Option<PathBuf> = None, ABOUT.absent("DATA_DIR/secrets-key, made at the first start");
        /// The key itself, as 64 hexadecimal digits
        secrets_key: Option<Secret> = None, ABOUT.secret();
    }
    "Connections and bodies" {
        /// Connections open at the same time
        connections_max: u32 = 10_000, ABOUT.range(1, 1_000_000);
        /// Connections of one address (IPv4) or network (IPv6 /64) open at the same time; those of trusted proxies do not count
        connections_per_address_max: u32 = 256, ABOUT.range(1, 1_000_000);
        /// Requests under way on one HTTP/2 connection
        http2_streams_max: u32 = 100, ABOUT.range(1, 10_000);
        /// Bytes of the head of a request; more is answered 431
        header_bytes_max: u32 = 32 << 10, ABOUT.unit("bytes").range(1 << 10, 1 << 20);
        /// Headers of a request; more is answered 431
        headers_max: u32 = 100, ABOUT.range(8, 1_000);
        /// Bytes of the target of a request: path and query
        uri_bytes_max: u32 = 8 << 10, ABOUT.unit("bytes").range(256, 64 << 10);
        /// Bytes of the body of a request; more is answered 413
        body_bytes_max: u64 = 10 * MIB, ABOUT.unit("bytes").range(0, 1 << 40);
        /// Time from the opening of a connection, or from the last answer, to the end of the next head
        header_ms_max: u64 = 15_000, ABOUT.unit("ms").range(1, DAY_MS);
        /// Time for the next byte of a body that is read
        body_idle_ms_max: u64 = 15_000, ABOUT.unit("ms").range(1, DAY_MS);
        /// Time until a client takes more of a response
        write_idle_ms_max: u64 = 30_000, ABOUT.unit("ms").range(1, DAY_MS);
        /// Bytes in a second that a client sends or takes on average, when it is waited for; 0 for none
        bytes_per_second_min: u64 = 1_024, ABOUT.unit("bytes/s").range(0, 1 << 30);
        /// Time for a TLS handshake
        tls_handshake_ms_max: u64 = 10_000, ABOUT.unit("ms").range(1, DAY_MS);
        /// Bytes of responses that clients have not taken so far; beyond it requests are answered 503
        response_bytes_held_max: u64 = 256 * MIB, ABOUT.unit("bytes").range(MIB, 1 << 40);
        /// Wrong API keys that one address may present in a minute; then its requests with keys are answered 429
        failed_keys_per_minute_max: u32 = 30, ABOUT.range(1, 1_000_000);
        /// Requests of one address in a minute to a handler that lets anybody in and sets no rate of its own
        anonymous_per_minute_max: Option<u32> = None, ABOUT.range(1, 100_000_000).absent("any number");
        /// Time for requests that are under way when the server is told to stop; then they are answered 503
        grace_ms: u64 = 10_000, ABOUT.unit("ms").range(0, DAY_MS);
        /// Say in headers of the response what the invocation used (`x-belljar-fuel` and others)
        usage_headers: bool = false, ABOUT;
    }
    "Scheduling" {
        /// Invocations that use a processor at the same time
        slots: Option<u32> = None, ABOUT.range(1, 1_024).absent("one for each processor");
        /// Invocations that exist at the same time: running, and waiting for what they asked for
        instances_max: u32 = 1_000, ABOUT.range(1, 20_000);
        /// Images of applets that are kept mapped; others are made from the cache when they are called
        images_max: u32 = 1_000, ABOUT.range(1, 100_000);
        /// Calls that wait to begin, of all tenants together; more are answered 503
        queue_max: u32 = 2_000, ABOUT.range(0, 1_000_000);
        /// Bytes of requests that wait to begin, of all tenants together
        queue_bytes_max: u64 = 64 * MIB, ABOUT.unit("bytes").range(64 << 10, 1 << 40);
        /// Calls that wait to begin, of one tenant; more are answered 429
        tenant_queue_max: u32 = 200, ABOUT.range(0, 1_000_000);
        /// Bytes of requests that wait to begin, of one tenant
        tenant_queue_bytes_max: u64 = 16 * MIB, ABOUT.unit("bytes").range(64 << 10, 1 << 40);
        /// Time that a call waits to begin before it is answered 503; those of events and schedules wait six times as long
        queue_ms_max: u64 = 10_000, ABOUT.unit("ms").range(1, DAY_MS);
        /// Fuel that one processor burns in a second: what `max_cpu_percent` of a manifest is a share of
        fuel_per_cpu_second: u64 = crate::schedule::FUEL_PER_CPU_SECOND, ABOUT.unit("fuel").range(1_000_000, 1 << 50);
    }
    "Events, schedules, jobs" {
        /// Deliveries that run at the same time, beside what is called by HTTP
        worker_calls_max: u32 = 64, ABOUT.range(1, 10_000);
        /// Deliveries of one applet that run at the same time
        worker_calls_per_applet_max: u32 = 32, ABOUT.range(1, 10_000);
        /// Deliveries of one tenant that wait, run or are dead; past that publishing fails
        deliveries_per_tenant_max: u64 = 100_000, ABOUT.range(1, 100_000_000);
        /// Bytes of their payloads
        delivery_bytes_per_tenant_max: u64 = 256 * MIB, ABOUT.unit("bytes").range(64 << 10, 1 << 40);
        /// Time for which dead deliveries are kept
        dead_deliveries_days: u32 = 30, ABOUT.unit("days").range(1, 3_650);
    }
    "Applets in processes" {
        /// Run applets of the engines `bun`, `node` and `deno`, each in a process of its own
        process_engines: bool = true, ABOUT;
        /// Where their bundles are unpacked and their sockets are made; the path may have some 60 bytes
        process_dir: Option<PathBuf> = None, ABOUT.absent("DATA_DIR/process");
        /// The jail of processes: `strict` refuses to start without all of it, `best-effort` takes what the machine has, `off` is for development
        require_jail: RequireJail = RequireJail::BestEffort, ABOUT;
        /// The command `belljar`, which makes the jail
        jail_program: Option<PathBuf> = None, ABOUT.absent("the command itself");
        /// Give processes control groups of their own (cgroup v2), where the server is alone in a group that it may write
        process_control_groups: bool = true, ABOUT;
        /// Bun's program
        bun_program: Option<PathBuf> = None, ABOUT.absent("found in runtime_packages, then by PATH");
        /// Node's program
        node_program: Option<PathBuf> = None, ABOUT.absent("found in runtime_packages, then by PATH");
        /// Deno's program
        deno_program: Option<PathBuf> = None, ABOUT.absent("found in runtime_packages, then by PATH");
        /// Folders with `node_modules` in which runtimes were installed as npm packages (`bun`, `deno`)
        ///
        /// Without any: `runtimes/bun`, `runtimes/node` and `runtimes/deno` beside the cache, where `cargo xtask setup --runtimes` puts them.
        runtime_packages: Vec<PathBuf> = Vec::new(), ABOUT;
        /// Resident memory of one process and its children, before it is killed
        limit_process_memory_bytes_max: u64 = 256 * MIB, ABOUT.unit("bytes").range(32 * MIB, 1 << 40);
        /// Processes of one applet of one tenant
        process_replicas: u32 = 1, ABOUT.range(1, 64);
        /// Start processes with the server, and keep them although nobody calls them; otherwise the first call starts one
        process_keep_alive: bool = false, ABOUT;
        /// Time without a call after which a process is ended
        process_idle_ms_max: u64 = 300_000, ABOUT.unit("ms").range(100, DAY_MS);
        /// Time in which a process has to be ready
        process_ready_ms_max: u64 = 10_000, ABOUT.unit("ms").range(100, 600_000);
        /// Failures of a process in a row after which its applet is left alone for a while (the circuit is open)
        process_failures_max: u32 = 8, ABOUT.range(1, 1_000);
        /// Time for which it is left alone at first; twice as long each time it fails again
        process_open_ms: u64 = 5_000, ABOUT.unit("ms").range(10, 600_000);
        /// Time after which a process that was up has its failures forgiven
        process_sustained_ms: u64 = 10_000, ABOUT.unit("ms").range(0, DAY_MS);
    }
    "Keeping" {
        /// Releases kept of each applet beside the one in force
        releases_kept: u32 = 10, ABOUT.range(1, 1_000);
        /// Time for which the data of an uninstalled applet is kept
        retention_days: u32 = 30, ABOUT.unit("days").range(0, 3_650);
        /// Bytes of packages kept in memory
        packages_bytes_max: u64 = 256 * MIB, ABOUT.unit("bytes").range(MIB, 1 << 40);
    }
    "The most an applet gets" {
        /// Memory of one invocation
        limit_memory_bytes_max: u64 = 64 * MIB, ABOUT.unit("bytes").range(2 * MIB, belljar::MEMORY_SLOT_BYTES);
        /// Fuel of one invocation; a unit is about one WebAssembly instruction
        limit_fuel_max: u64 = 50_000_000_000, ABOUT.unit("fuel").range(1_000_000, 1 << 60);
        /// Wall clock of one invocation
        limit_deadline_ms: u64 = 30_000, ABOUT.unit("ms").range(1, DAY_MS);
        /// Wall clock of what an applet gave to waitUntil, from when the answer to a request is out
        limit_wait_until_ms: u64 = 30_000, ABOUT.unit("ms").range(0, DAY_MS);
        /// Fuel of what an applet gave to waitUntil
        limit_wait_until_fuel_max: u64 = 10_000_000_000, ABOUT.unit("fuel").range(0, 1 << 60);
        /// Bytes that the host holds for one invocation: requests in the queue, results not yet taken
        limit_host_bytes_max: u64 = 64 * MIB, ABOUT.unit("bytes").range(64 << 10, 1 << 40);
        /// Bytes of an answer that comes whole
        limit_response_bytes_max: u64 = 6 * MIB, ABOUT.unit("bytes").range(1, 1 << 40);
        /// Operations of one invocation: calls of capabilities
        limit_operations_max: u32 = 100_000, ABOUT.range(1, u32::MAX as u64);
        /// Log bytes kept of one invocation
        limit_log_bytes_max: u64 = 256 << 10, ABOUT.unit("bytes").range(0, 1 << 30);
        /// Log lines kept of one invocation
        limit_log_lines_max: u32 = 1_000, ABOUT.range(0, 1_000_000);
        /// Rows that one query may return
        limit_db_rows_max: u64 = 10_000, ABOUT.range(1, 1 << 40);
        /// Size of the database of one applet of one tenant
        limit_db_database_bytes_max: u64 = 256 * MIB, ABOUT.unit("bytes").range(64 << 10, 1 << 46);
        /// Outgoing requests of one invocation, redirects included
        limit_http_subrequests_max: u32 = 200, ABOUT.range(0, 100_000);
        /// Bytes of the body of one outgoing request
        limit_http_request_bytes_max: u64 = 8 * MIB, ABOUT.unit("bytes").range(0, 1 << 40);
        /// Bytes of the body of one answer to an outgoing request
        limit_http_response_bytes_max: u64 = 8 * MIB, ABOUT.unit("bytes").range(0, 1 << 40);
        /// Time of one outgoing request, redirects included
        limit_http_request_ms_max: u64 = 30_000, ABOUT.unit("ms").range(1, DAY_MS);
    }
    "Outgoing http" {
        /// HTTP proxy for all outgoing requests of applets: `http://[USER:PASSWORD@]HOST:PORT`
        ///
        /// Every connection is a tunnel (CONNECT) through it, those of `http:` URLs too. Names are looked up here, their addresses checked,
        /// and the proxy is asked for the address that was checked.
        outbound_proxy: Option<Secret> = None, ABOUT.absent("none: directly").secret();
        /// Let the proxy look names up
        ///
        /// For networks whose name servers know no public names, and for proxies that allow hosts by name. Addresses behind names are then not
        /// checked here: the proxy has to refuse private ones.
        outbound_proxy_resolves: bool = false, ABOUT;
        /// Certificates (PEM) of further roots to trust in outgoing TLS, beside Mozilla's
        outbound_ca_file: Option<PathBuf> = None, ABOUT;
        /// Connections to other servers open at the same time, idle ones included
        outbound_connections_max: u32 = 4_096, ABOUT.range(1, 1_000_000);
        /// Hosts on loopback that applets may reach, with `http:` too: `HOST[:PORT]`; for tests, never in production
        outbound_test_hosts: Vec<String> = Vec::new(), ABOUT;
    }
    "History" {
        /// Age at which invocations, log lines and the audit trail are deleted
        history_days: u32 = 30, ABOUT.unit("days").range(1, 3_650);
        /// Size of the history on disk at which the oldest is deleted
        history_bytes_max: u64 = 4 << 30, ABOUT.unit("bytes").range(MIB, 1 << 46);
        /// Age at which daily sums of usage are deleted
        usage_days: u32 = 400, ABOUT.unit("days").range(1, 36_500);
        /// Keep a trail of each use of a capability: who, what, on what, how it ended
        audit: bool = true, ABOUT;
    }
    "Recordings" {
        /// Which invocations in the sandbox are recorded, to be replayed: `never`, `on-failure`, `always`, or `sampled:N` for N of a million and all failures
        ///
        /// A recording holds all that the invocation was given and answered, but for secrets: personal data too. They lie in DATA_DIR/recordings.
        record: RecordPolicy = RecordPolicy::Never, ABOUT;
        /// Bytes that all recordings may take; the oldest go first
        recordings_bytes_max: u64 = 1 << 30, ABOUT.unit("bytes").range(MIB, 1 << 46);
        /// Bytes of calls and answers of one recording, before it is compressed; a longer one is cut, and replays up to there
        recording_bytes_max: u64 = 4 * MIB, ABOUT.unit("bytes").range(64 << 10, 64 * MIB);
        /// File with a key under which recordings are encrypted: 32 bytes as 64 hexadecimal digits
        recordings_key_file: Option<PathBuf> = None, ABOUT.absent("none: they are not encrypted");
    }
    "Logs, metrics, traces" {
        /// Form of the server's own log: `json`, `terminal`, or `auto` for `terminal` where a terminal reads it
        log_format: LogFormat = LogFormat::Auto, ABOUT;
        /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or directives as `info,belljar_server::front=debug`
        log_level: String = "info".to_owned(), ABOUT;
        /// File to which the log is appended
        log_file: Option<PathBuf> = None, ABOUT.absent("none: standard error");
        /// Write the log lines of applets to the server's log as well
        log_applets: bool = false, ABOUT;
        /// Pairs of tenant and applet that metrics tell apart; all others are counted together as `other`
        metrics_applets_max: u32 = 1_000, ABOUT.range(0, 100_000);
        /// Where traces are sent: base URL of an OTLP collector over HTTP, for example `http://127.0.0.1:4318`
        otlp_endpoint: Option<String> = None, ABOUT.absent("none: no traces");
        /// Headers for the collector, each `NAME=VALUE`
        otlp_headers: Vec<Secret> = Vec::new(), ABOUT.secret();
        /// Share of invocations that are traced when the caller has not decided, 0 to 1
        otlp_sample_ratio: f64 = 1.0, ABOUT;
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl Settings {
    /// The most any applet gets.
    pub fn limits(&self) -> belljar::Limits {
        let mut limits = belljar::Limits {
            memory_bytes_max: self.limit_memory_bytes_max,
            process_memory_bytes_max: self.limit_process_memory_bytes_max,
            fuel_max: self.limit_fuel_max,
            deadline_ms: self.limit_deadline_ms,
            wait_until_ms: self.limit_wait_until_ms,
            wait_until_fuel_max: self.limit_wait_until_fuel_max,
            host_bytes_max: self.limit_host_bytes_max,
            response_bytes_max: self.limit_response_bytes_max,
            operations_max: self.limit_operations_max,
            log_bytes_max: self.limit_log_bytes_max,
            log_lines_max: self.limit_log_lines_max,
            ..belljar::Limits::default()
        };
        limits.db.rows_max = self.limit_db_rows_max;
        limits.db.database_bytes_max = self.limit_db_database_bytes_max;
        limits.http.subrequests_max = self.limit_http_subrequests_max;
        limits.http.request_bytes_max = self.limit_http_request_bytes_max;
        limits.http.response_bytes_max = self.limit_http_response_bytes_max;
        limits.http.request_ms_max = self.limit_http_request_ms_max;
        limits
    }

    /// Applets in processes; `None` where they are not wanted, or the operating system has none.
    pub fn processes(&self) -> Option<belljar::ProcessConfig> {
        if !self.process_engines || belljar::process_engine::UNSUPPORTED.is_some() {
            return None;
        }
        let mut config =
            belljar::ProcessConfig::new(self.process_dir.clone().unwrap_or_else(|| self.data_dir.join("process")));
        config.programs = belljar::RuntimePrograms {
            bun: self.bun_program.clone(),
            node: self.node_program.clone(),
            deno: self.deno_program.clone(),
        };
        config.packages.clone_from(&self.runtime_packages);
        config.jail = self.jail();
        config.supervision = belljar::process_engine::Supervision {
            replicas: self.process_replicas as usize,
            keep_alive: self.process_keep_alive,
            idle_ms_max: belljar::process_engine::Bound::At(self.process_idle_ms_max),
            ready_ms_max: self.process_ready_ms_max,
            failures_max: self.process_failures_max,
            open_ms: self.process_open_ms,
            sustained_ms: self.process_sustained_ms,
            ..belljar::process_engine::Supervision::default()
        };
        Some(config)
    }

    /// The jail of processes; `None` without one.
    pub fn jail(&self) -> Option<Jail> {
        let require = match self.require_jail {
            RequireJail::Strict => Require::Strict,
            RequireJail::BestEffort => Require::BestEffort,
            RequireJail::Off => return None,
        };
        let program = self.jail_program.clone().or_else(|| std::env::current_exe().ok())?;
        Some(Jail::new(vec![program.into(), "jail".into()], require))
    }

    /// The queue of events, jobs and runs of schedules.
    pub fn queue(&self) -> crate::queue::QueueConfig {
        crate::queue::QueueConfig {
            deliveries_per_tenant_max: self.deliveries_per_tenant_max,
            bytes_per_tenant_max: self.delivery_bytes_per_tenant_max,
            dead_kept_ms: u64::from(self.dead_deliveries_days) * DAY_MS,
            ..crate::queue::QueueConfig::default()
        }
    }

    /// How much of it is worked off at the same time.
    pub fn worker(&self) -> crate::triggers::worker::WorkerConfig {
        crate::triggers::worker::WorkerConfig {
            calls_max: self.worker_calls_max as usize,
            calls_per_applet_max: self.worker_calls_per_applet_max as usize,
        }
    }

    /// Outgoing http of all applets.
    ///
    /// # Errors
    /// When the file of further roots cannot be read.
    pub fn outgoing(&self) -> Result<belljar::HttpConfig, SettingsError> {
        let extra_roots_pem = match &self.outbound_ca_file {
            None => Vec::new(),
            Some(path) => std::fs::read(path).map_err(|error| {
                SettingsError::one(format!("outbound_ca_file: {} cannot be read: {error}", path.display()))
            })?,
        };
        Ok(belljar::HttpConfig {
            test_hosts: self.outbound_test_hosts.clone(),
            extra_roots_pem,
            connections_max: self.outbound_connections_max as usize,
            proxy: self.outbound_proxy.as_ref().map(|url| belljar::HttpProxy {
                url: url.reveal().to_owned(),
                resolves_names: self.outbound_proxy_resolves,
            }),
        })
    }

    /// The token of the admin API: given, in the file that is named, or in the data directory, where it is made when it is not there.
    ///
    /// # Errors
    /// When the file cannot be read or made, or is no token.
    pub fn admin_token(&self) -> Result<Secret, SecretFileError> {
        secret::admin_token(self.admin_token.as_ref(), self.admin_token_file.as_deref(), &self.data_dir)
    }

    /// The key under which secrets are encrypted: given, in the file that is named, or in the data directory, where it is made when it is
    /// not there.
    ///
    /// # Errors
    /// When the file cannot be read or made, or is no key.
    pub fn secrets_key(&self) -> Result<zeroize::Zeroizing<[u8; 32]>, SecretFileError> {
        secret::secrets_key(self.secrets_key.as_ref(), self.secrets_key_file.as_deref(), &self.data_dir)
    }

    /// The key of recordings, if they are encrypted.
    ///
    /// # Errors
    /// [`SecretFileError`].
    pub fn recordings_key(&self) -> Result<Option<RecordingKey>, SecretFileError> {
        self.recordings_key_file.as_deref().map(secret::recordings_key).transpose()
    }

    /// Whether the key of the secrets lies beside what it protects.
    pub fn secrets_key_is_in_data_dir(&self) -> bool {
        self.secrets_key.is_none()
            && self.secrets_key_file.as_deref().is_none_or(|file: &Path| file.starts_with(&self.data_dir))
    }

    /// What does not go together.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.tls_cert_file.is_some() != self.tls_key_file.is_some() {
            problems.push("tls_cert_file and tls_key_file belong together: give both, or neither".to_owned());
        }
        if self.listen == self.admin_listen && self.listen.port() != 0 {
            problems
                .push(format!("listen and admin_listen are both {}: choose another port for one of them", self.listen));
        }
        if self.admin_token.is_some() && self.admin_token_file.is_some() {
            problems.push("admin_token and admin_token_file are both given: leave one out".to_owned());
        }
        if self.secrets_key.is_some() && self.secrets_key_file.is_some() {
            problems.push("secrets_key and secrets_key_file are both given: leave one out".to_owned());
        }
        if self.outbound_proxy_resolves && self.outbound_proxy.is_none() {
            problems.push("outbound_proxy_resolves is on without outbound_proxy: name the proxy".to_owned());
        }
        if !(0.0..=1.0).contains(&self.otlp_sample_ratio) {
            problems.push(format!("otlp_sample_ratio is {}: it goes from 0 to 1", self.otlp_sample_ratio));
        }
        if let Some(endpoint) = &self.otlp_endpoint
            && !url::Url::parse(endpoint).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        {
            problems
                .push(format!("otlp_endpoint {endpoint:?} is no http or https URL: for example http://127.0.0.1:4318"));
        }
        if self.otlp_headers.iter().any(|header| !header.reveal().contains('=')) {
            problems.push("otlp_headers: each is NAME=VALUE".to_owned());
        }
        if let Err(error) = self.log_level.parse::<tracing_subscriber::EnvFilter>() {
            problems.push(format!("log_level {:?} is not understood ({error}): for example `info`", self.log_level));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_those_of_the_library_by_default() {
        assert_eq!(Settings::default().limits(), belljar::Limits::default());
    }

    #[test]
    fn defaults_are_within_their_ranges_and_go_together() {
        let defaults = Settings::default();
        assert_eq!(defaults.problems(), Vec::<String>::new());
        for setting in TABLE {
            if let (Some((min, max)), Some(toml::Value::Integer(value))) =
                (setting.about.range, defaults.get(setting.name))
            {
                assert!((min..=max).contains(&u64::try_from(value).unwrap_or(0)), "{}", setting.name);
            }
            assert!(!setting.text().is_empty() && !setting.group.is_empty());
        }
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        let settings = Settings {
            tls_cert_file: Some("a.pem".into()),
            admin_listen: loopback(8080),
            outbound_proxy_resolves: true,
            otlp_endpoint: Some("collector:4318".to_owned()),
            otlp_sample_ratio: 2.0,
            log_level: "belljar=verbose".to_owned(),
            ..Settings::default()
        };
        assert_eq!(settings.problems().len(), 6, "{:#?}", settings.problems());
    }
}

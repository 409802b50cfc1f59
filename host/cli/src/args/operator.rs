//! The commands of an operator: the server itself, and what asks its admin API.

use std::path::PathBuf;
use std::str::FromStr;

use belljar_server::settings::SettingArgs;
use clap::{ArgGroup, Args, Subcommand, ValueEnum};

/// `belljar serve`
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The settings file (TOML)
    ///
    /// Without it `belljar.toml` in the data directory is read, or else the one in the working directory, if there is one.
    #[arg(long, value_name = "FILE", env = "BELLJAR_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print the settings in force as TOML, secrets masked, and where each comes from
    #[arg(long)]
    pub(crate) print_config: bool,
    /// All settings.
    #[command(flatten)]
    pub(crate) settings: SettingArgs,
}

/// `belljar dev`
#[derive(Debug, Args)]
pub(crate) struct DevArgs {
    /// The applet's folder, with its manifest.yaml
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Address and port to serve it on
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8787")]
    pub(crate) listen: std::net::SocketAddr,
    /// Where databases and key-value pairs are kept
    #[arg(long, value_name = "DIR", default_value = ".belljar/data")]
    pub(crate) data_dir: PathBuf,
    /// Config and secrets (TOML): tables `config` and `secrets`; read again when it changes
    ///
    /// By default `.belljar/dev.toml` in the applet's folder, if it is there.
    #[arg(long, value_name = "FILE")]
    pub(crate) values: Option<PathBuf>,
    /// Allow this host to be on loopback, with http: (the manifest still has to name it)
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) test_host: Vec<String>,
    /// Who calls when a request has no `authorization: Bearer NAME`, as those of a browser; nobody by default
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Record calls for `belljar replay`: `never`, `on-failure`, `always`, or `sampled:N` for N of a million and all failures
    ///
    /// Recordings are kept in `recordings` of the data directory with their packages, and each is told when it is there. Those older than 30 days go,
    /// and the oldest when all together have more than 1 GiB.
    #[arg(long, value_name = "POLICY", default_value = "never")]
    pub(crate) record: belljar::RecordPolicy,
    /// Print one JSON object for each thing that happens
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which server, and how it is asked.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// URL of the server's admin API
    #[arg(
        long,
        value_name = "URL",
        env = "BELLJAR_SERVER",
        default_value = "http://127.0.0.1:8081",
        help_heading = "Server"
    )]
    pub(crate) server: String,
    /// File with the token of the admin API; the variable BELLJAR_TOKEN can hold the token itself
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub(crate) token_file: Option<PathBuf>,
    /// Data directory of a server on this machine: the token is in it
    #[arg(long, value_name = "DIR", env = "BELLJAR_DATA_DIR", default_value = "belljar-data", help_heading = "Server")]
    pub(crate) data_dir: PathBuf,
    /// Certificates (PEM) of further roots to trust, for https
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Print the server's answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// An applet of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AppletName {
    pub(crate) tenant: String,
    pub(crate) applet: String,
}

impl FromStr for AppletName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((tenant, applet)) if !tenant.is_empty() && !applet.is_empty() && !applet.contains('/') => {
                Ok(Self { tenant: tenant.to_owned(), applet: applet.to_owned() })
            }
            _ => Err("it is TENANT/APPLET, for example acme/pricing".to_owned()),
        }
    }
}

/// `belljar deploy`
#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// A package file, or an applet's folder (which is then built in memory)
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// The tenant to install it for
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: String,
    /// Grant what it asks for: `all`, or a JSON file with the permissions that are granted
    ///
    /// Without it an update keeps what was granted before. When it asks for more, you are asked, on a terminal; elsewhere the
    /// release waits for `belljar approve`, and the exit code is 50.
    #[arg(long, value_name = "all|FILE")]
    pub(crate) grant: Option<String>,
    /// Config of the applet, a JSON object: text, or `@FILE`
    #[arg(long, value_name = "JSON")]
    pub(crate) config: Option<String>,
    /// A secret from the environment: `NAME` (the variable of that name), or `NAME=VARIABLE`; may be repeated
    #[arg(long, value_name = "NAME[=VARIABLE]")]
    pub(crate) secret_env: Vec<String>,
    /// Ask nothing: grant all it asks for
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Show what it would mean, and change nothing
    #[arg(long)]
    pub(crate) plan: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar approve`
#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// The applet that has a release waiting
    #[arg(value_name = "TENANT/APPLET")]
    pub(crate) name: AppletName,
    /// What is granted: `all` it asks for, or a JSON file with permissions
    #[arg(long, value_name = "all|FILE", default_value = "all")]
    pub(crate) grant: String,
    /// Refuse it instead: the release in force stays
    #[arg(long, conflicts_with = "grant")]
    pub(crate) refuse: bool,
    /// Ask nothing
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar list`
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// A tenant, or one applet of it with its releases; without it everything installed
    #[arg(value_name = "TENANT[/APPLET]")]
    pub(crate) what: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Which rows of the history.
#[derive(Debug, Args)]
pub(crate) struct RowArgs {
    /// Of this tenant, or of one applet of it
    #[arg(value_name = "TENANT[/APPLET]")]
    pub(crate) what: Option<String>,
    /// Not older than this: `90s`, `15m`, `6h`, `7d`, or a time as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Older than this
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// How many, the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

/// `belljar logs`
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) rows: RowArgs,
    /// Go on with lines as they come
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// At least this level
    #[arg(long, value_name = "LEVEL", value_parser = ["debug", "info", "warn", "error"])]
    pub(crate) level: Option<String>,
    /// Of this invocation
    #[arg(long, value_name = "ID")]
    pub(crate) invocation: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar invocations`
#[derive(Debug, Args)]
pub(crate) struct InvocationsArgs {
    #[command(flatten)]
    pub(crate) rows: RowArgs,
    /// How they ended: `answered`, `faulted`, `refused`, or the code of a fault
    #[arg(long, value_name = "END")]
    pub(crate) ended: Option<String>,
    /// Of this handler
    #[arg(long, value_name = "NAME")]
    pub(crate) handler: Option<String>,
    /// This one, with all that is known of it
    #[arg(long, value_name = "ID", conflicts_with_all = ["what", "ended", "handler"])]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// What `belljar audit` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trail {
    /// Uses of capabilities by applets.
    Uses,
    /// Changes by operators.
    Changes,
}

/// `belljar audit`
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    pub(crate) rows: RowArgs,
    /// Which trail: `uses` of capabilities by applets, or `changes` by operators
    #[arg(long, value_name = "TRAIL", default_value = "uses")]
    pub(crate) trail: Trail,
    /// Of this capability: `db`, `http`, `kv`, `secrets`, …
    #[arg(long, value_name = "NAME")]
    pub(crate) capability: Option<String>,
    /// How uses ended
    #[arg(long, value_name = "END", value_parser = ["done", "denied", "failed"])]
    pub(crate) ended: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar usage`
#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// Of this tenant, or of one applet of it
    #[arg(value_name = "TENANT[/APPLET]")]
    pub(crate) what: Option<String>,
    /// First day (UTC), 2026-01-31; 30 days ago by default
    #[arg(long, value_name = "DAY")]
    pub(crate) from: Option<String>,
    /// Last day (UTC); today by default
    #[arg(long, value_name = "DAY")]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar rollback`
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    /// The applet
    #[arg(value_name = "TENANT/APPLET")]
    pub(crate) name: AppletName,
    /// The release to go back to; by default the one before
    #[arg(long, value_name = "N")]
    pub(crate) to: Option<u64>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar enable`, `belljar disable`
#[derive(Debug, Args)]
pub(crate) struct SwitchArgs {
    /// The applet
    #[arg(value_name = "TENANT/APPLET")]
    pub(crate) name: AppletName,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar uninstall`
#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// The applet
    #[arg(value_name = "TENANT/APPLET")]
    pub(crate) name: AppletName,
    /// Delete its data now, instead of after 30 days
    #[arg(long)]
    pub(crate) purge: bool,
    /// Write its data into this archive (tar) first
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// Ask nothing
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar secrets`
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Set a secret; its value is read from standard input, or asked for
    Set {
        /// The applet
        #[arg(value_name = "TENANT/APPLET")]
        name: AppletName,
        /// The secret's name, as in the manifest
        #[arg(value_name = "SECRET")]
        secret: String,
        /// Take the value from this variable of the environment
        #[arg(long, value_name = "VARIABLE")]
        env: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List secrets: declared, set, and for which hosts; never their values
    List {
        /// The applet
        #[arg(value_name = "TENANT/APPLET")]
        name: AppletName,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Delete a secret
    Delete {
        /// The applet
        #[arg(value_name = "TENANT/APPLET")]
        name: AppletName,
        /// The secret's name
        #[arg(value_name = "SECRET")]
        secret: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// `belljar config`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show an applet's config, with defaults filled in
    Get {
        /// The applet
        #[arg(value_name = "TENANT/APPLET")]
        name: AppletName,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Replace an applet's config
    Set {
        /// The applet
        #[arg(value_name = "TENANT/APPLET")]
        name: AppletName,
        /// A JSON object: text, `@FILE`, or `-` for standard input
        #[arg(value_name = "JSON", allow_hyphen_values = true)]
        config: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// `belljar keys`
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make an API key for callers of a tenant's applets; it is shown once
    Create {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// On whose behalf calls with it are made
        #[arg(long, value_name = "ID")]
        user: String,
        /// The key's name, for people
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// The user's organisation
        #[arg(long, value_name = "ID")]
        organisation: Option<String>,
        /// A permission the user holds; may be repeated
        #[arg(long, value_name = "NAME")]
        permission: Vec<String>,
        /// BCP 47 locale of the user
        #[arg(long, value_name = "LOCALE")]
        locale: Option<String>,
        /// When it ends: `30d`, `12h`, or a time as 2026-01-31T12:00:00Z
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List a tenant's keys; never the keys themselves
    List {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Revoke a key, at once
    Revoke {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// The key's id, as listed
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// `belljar hosts`
#[derive(Debug, Subcommand)]
pub(crate) enum HostsCommand {
    /// List mapped host names
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Map a host name to a tenant, or to one applet at the root of the host
    Set {
        /// For example notes.example.com
        #[arg(value_name = "HOST")]
        host: String,
        /// Where it leads
        #[arg(value_name = "TENANT[/APPLET]")]
        to: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Take a mapping away
    Delete {
        /// The host name
        #[arg(value_name = "HOST")]
        host: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// `belljar processes`
#[derive(Debug, Subcommand)]
pub(crate) enum ProcessesCommand {
    /// List processes, their states, and why they are in them
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// End an applet's processes, forget its failures and close an open circuit
    Reset {
        /// The applet
        #[arg(value_name = "TENANT/APPLET")]
        applet: AppletName,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// `belljar tenants`
#[derive(Debug, Subcommand)]
pub(crate) enum TenantsCommand {
    /// Make a tenant
    Create {
        /// 1 to 63 characters a-z, 0-9 and '-'
        #[arg(value_name = "TENANT")]
        tenant: String,
        #[command(flatten)]
        quotas: QuotaArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List tenants
    List {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Show a tenant and its quotas
    Show {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Change quotas; those that are not named stay
    Quotas {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        #[command(flatten)]
        quotas: QuotaArgs,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Stop all applets of a tenant: calls are refused until it is resumed
    Suspend {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Let a suspended tenant's applets take calls again
    Resume {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Delete a tenant that has no applets
    Delete {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// Quotas of a tenant; each is a number, or `unlimited`.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Quotas (a number, or `unlimited`)")]
pub(crate) struct QuotaArgs {
    /// Invocations running or waiting for their turn at the same time
    #[arg(long, value_name = "N")]
    pub(crate) concurrent_max: Option<String>,
    /// Fuel that may be burnt in a minute
    #[arg(long, value_name = "N")]
    pub(crate) fuel_per_minute_max: Option<String>,
    /// Bytes of databases and key-value pairs on disk
    #[arg(long, value_name = "N")]
    pub(crate) storage_bytes_max: Option<String>,
    /// Body bytes sent by outgoing http in a day
    #[arg(long, value_name = "N")]
    pub(crate) egress_bytes_per_day_max: Option<String>,
    /// Log bytes kept in a day
    #[arg(long, value_name = "N")]
    pub(crate) log_bytes_per_day_max: Option<String>,
    /// Share of the processors when there is not enough for all, 1 to 1,000 (100 by default)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) weight: Option<u32>,
}

/// `belljar status`
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar backup`
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The archive to write; it must not be there yet
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar restore`
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The archive that `belljar backup` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The data directory to make; it must be new or empty
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `belljar call`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("input").args(["payload", "request"]))]
pub(crate) struct CallArgs {
    /// The applet
    #[arg(value_name = "TENANT/APPLET")]
    pub(crate) name: AppletName,
    /// The handler to call
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub(crate) handler: String,
    /// The payload: JSON, `@FILE` for JSON in a file, or `-` for standard input
    #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
    pub(crate) payload: String,
    /// Call it with an HTTP request read from a file (`-` for standard input)
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,
    /// On whose behalf
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar completions`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// The parts of `TENANT` or `TENANT/APPLET`.
pub(crate) fn tenant_and_applet(what: &str) -> (&str, Option<&str>) {
    what.split_once('/').map_or((what, None), |(tenant, applet)| (tenant, Some(applet)))
}

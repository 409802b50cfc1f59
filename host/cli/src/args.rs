//! The command line. `-h` shows the first line of each comment here, `--help` all of it.

pub(crate) mod conformance;
pub(crate) mod operator;
pub(crate) mod replay;
pub(crate) mod testing;
pub(crate) mod triggers;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

use crate::exit_codes;

/// Runs untrusted JavaScript and TypeScript applets in fresh, metered sandboxes.
///
/// Data goes to standard output, everything else to standard error. Machine code and images are cached in the folder that
/// BELLJAR_CACHE names, or in XDG_CACHE_HOME/belljar, or in ~/.cache/belljar. NO_COLOR is respected.
#[derive(Debug, Parser)]
#[command(name = "belljar", version, after_long_help = exit_codes::HELP, max_term_width = 120)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a folder for a new applet, from a template
    New(NewArgs),
    /// Check an applet's folder: manifest, sources, imports, handlers
    Check(CheckArgs),
    /// Run an applet's tests in the sandbox
    Test(testing::TestArgs),
    /// Run a third-party suite (test262, web-platform-tests, Wycheproof) against the engine, offline
    Conformance(conformance::ConformanceArgs),
    /// Build an applet's folder into a package file
    Build(BuildArgs),
    /// Run one handler of an applet, once
    Run(Box<RunArgs>),
    /// Run recorded invocations again, offline, and prove them equal
    Replay(replay::ReplayArgs),
    /// Show what is in a package file, and what it asks for
    Inspect(InspectArgs),
    /// Show what this machine offers, and what is missing
    Doctor(DoctorArgs),
    /// Evaluate a script or module in a fresh sandbox, as a shell would
    Eval(Box<EvalArgs>),
    /// Serve an applet's folder while it is written
    Dev(operator::DevArgs),
    /// Serve many tenants' applets from one data directory
    Serve(Box<operator::ServeArgs>),
    /// Install an applet on a server, or update it
    Deploy(Box<operator::DeployArgs>),
    /// Approve a release that asks for more than was granted
    Approve(operator::ApproveArgs),
    /// List installed applets, or the releases of one
    List(operator::ListArgs),
    /// Call a handler of an installed applet, once
    Call(Box<operator::CallArgs>),
    /// Show log lines of applets, or follow them
    Logs(operator::LogsArgs),
    /// Show invocations: how they ended, what they used
    Invocations(operator::InvocationsArgs),
    /// Recorded invocations: list, get
    #[command(subcommand)]
    Recordings(replay::RecordingsCommand),
    /// Go back to an earlier release
    Rollback(operator::RollbackArgs),
    /// Let an applet take calls again
    Enable(operator::SwitchArgs),
    /// Stop an applet: calls are refused until it is enabled
    Disable(operator::SwitchArgs),
    /// Uninstall an applet; its data is kept for 30 days
    Uninstall(operator::UninstallArgs),
    /// Secrets of an applet
    #[command(subcommand)]
    Secrets(operator::SecretsCommand),
    /// Config of an applet
    #[command(subcommand)]
    Config(operator::ConfigCommand),
    /// API keys of callers
    #[command(subcommand)]
    Keys(operator::KeysCommand),
    /// Host names that lead to applets
    #[command(subcommand)]
    Hosts(operator::HostsCommand),
    /// Processes of applets with engine bun, node or deno: list, reset
    #[command(subcommand)]
    Processes(operator::ProcessesCommand),
    /// Tenants and their quotas
    #[command(subcommand)]
    Tenants(operator::TenantsCommand),
    /// Events: publish, list, retry, drop, replay
    #[command(subcommand)]
    Events(triggers::EventsCommand),
    /// Schedules: when they fire, pause, run now
    #[command(subcommand)]
    Schedules(triggers::SchedulesCommand),
    /// Jobs, runs of schedules, and calls that nobody waits for
    #[command(subcommand)]
    Jobs(triggers::JobsCommand),
    /// Ask an applet for its health
    Health(triggers::HealthArgs),
    /// Show what tenants and applets used, by day
    Usage(operator::UsageArgs),
    /// Show who used which capability, or who changed what
    Audit(operator::AuditArgs),
    /// Show how a server stands
    Status(operator::StatusArgs),
    /// Write a backup of a running server's data
    Backup(operator::BackupArgs),
    /// Make a data directory from a backup
    Restore(operator::RestoreArgs),
    /// Print a completion script for a shell
    Completions(operator::CompletionsArgs),
}

impl Command {
    /// Whether the answer is to be JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::New(args) => args.json,
            Self::Check(args) => args.json,
            Self::Conformance(args) => args.json,
            Self::Build(args) => args.json,
            Self::Run(args) => args.json,
            Self::Replay(args) => args.json,
            Self::Inspect(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Eval(args) => args.json,
            Self::Dev(args) => args.json,
            Self::Test(args) => args.reporter == testing::Reporter::Json,
            Self::Restore(args) => args.json,
            Self::Serve(_) | Self::Completions(_) => false,
            other => other.server().is_some_and(|server| server.json),
        }
    }

    /// The server that is asked, if one is.
    fn server(&self) -> Option<&operator::ServerArgs> {
        use operator::{ConfigCommand, HostsCommand, KeysCommand, ProcessesCommand, SecretsCommand, TenantsCommand};
        match self {
            Self::Deploy(args) => Some(&args.server),
            Self::Approve(args) => Some(&args.server),
            Self::List(args) => Some(&args.server),
            Self::Call(args) => Some(&args.server),
            Self::Logs(args) => Some(&args.server),
            Self::Invocations(args) => Some(&args.server),
            Self::Recordings(
                replay::RecordingsCommand::List { server } | replay::RecordingsCommand::Get { server, .. },
            ) => Some(server),
            Self::Rollback(args) => Some(&args.server),
            Self::Enable(args) | Self::Disable(args) => Some(&args.server),
            Self::Uninstall(args) => Some(&args.server),
            Self::Secrets(
                SecretsCommand::Set { server, .. }
                | SecretsCommand::List { server, .. }
                | SecretsCommand::Delete { server, .. },
            )
            | Self::Config(ConfigCommand::Get { server, .. } | ConfigCommand::Set { server, .. })
            | Self::Keys(
                KeysCommand::Create { server, .. }
                | KeysCommand::List { server, .. }
                | KeysCommand::Revoke { server, .. },
            )
            | Self::Hosts(
                HostsCommand::List { server } | HostsCommand::Set { server, .. } | HostsCommand::Delete { server, .. },
            )
            | Self::Processes(ProcessesCommand::List { server } | ProcessesCommand::Reset { server, .. })
            | Self::Tenants(
                TenantsCommand::Create { server, .. }
                | TenantsCommand::List { server }
                | TenantsCommand::Show { server, .. }
                | TenantsCommand::Quotas { server, .. }
                | TenantsCommand::Suspend { server, .. }
                | TenantsCommand::Resume { server, .. }
                | TenantsCommand::Delete { server, .. },
            ) => Some(server),
            Self::Events(command) => Some(command.server()),
            Self::Schedules(command) => Some(command.server()),
            Self::Jobs(command) => Some(command.server()),
            Self::Health(args) => Some(&args.server),
            Self::Usage(args) => Some(&args.server),
            Self::Audit(args) => Some(&args.server),
            Self::Status(args) => Some(&args.server),
            Self::Backup(args) => Some(&args.server),
            Self::New(_)
            | Self::Check(_)
            | Self::Conformance(_)
            | Self::Test(_)
            | Self::Build(_)
            | Self::Run(_)
            | Self::Replay(_)
            | Self::Inspect(_)
            | Self::Doctor(_)
            | Self::Eval(_)
            | Self::Dev(_)
            | Self::Serve(_)
            | Self::Restore(_)
            | Self::Completions(_) => None,
        }
    }
}

/// What a new applet begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// Signed deliveries over HTTP, each of them once.
    Webhook,
    /// A nightly job over a database.
    Cron,
    /// Create, read, update and delete over HTTP.
    Crud,
}

impl Template {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Cron => "cron",
            Self::Crud => "crud",
        }
    }
}

/// `belljar new`
#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The folder to make; its name becomes the applet's id
    ///
    /// It must be new or empty: nothing is overwritten.
    #[arg(value_name = "NAME")]
    pub(crate) folder: PathBuf,
    /// What to begin with
    #[arg(long, value_name = "TEMPLATE", default_value = "webhook")]
    pub(crate) template: Template,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `belljar check`
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The applet's folder, with its manifest.yaml
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Check the types as well, with the author's own TypeScript
    ///
    /// Runs `tsc` of the nearest node_modules, from the folder upwards, or else of the PATH, with the folder's tsconfig.json.
    #[arg(long)]
    pub(crate) types: bool,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `belljar build`
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The applet's folder, with its manifest.yaml
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// What to write: a package for Belljar, or a component for other embedders of Wasmtime
    ///
    /// A component has the applet with its JavaScript engine (docs/components.md): for applets that run in the sandbox.
    #[arg(long, value_name = "KIND", default_value = "package")]
    pub(crate) emit: Emit,
    /// Where to write it: a file, or a folder
    ///
    /// By default `<id>-<version>.belljar` (or `.wasm`) in the current folder. The file is replaced as a whole, or not at all.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a build writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Emit {
    /// A package file.
    Package,
    /// A WebAssembly component: the applet and its engine in one.
    Component,
}

impl Emit {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Component => "component",
        }
    }
}

/// `belljar inspect`
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The package file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `belljar doctor`
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// A run that repeats.
#[derive(Debug, Clone, Args)]
pub(crate) struct RepeatArgs {
    /// Run deterministically, with randomness of this seed: the same output and the same fuel each time, on any machine
    ///
    /// Time begins at --now, and passes with fuel and with timers, which are not waited for. Operations are done one after the other.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// When time begins with --seed: RFC 3339 in UTC, by default 2026-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", requires = "seed")]
    pub(crate) now: Option<String>,
}

/// Limits of one invocation.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Most fuel; one unit is about one WebAssembly instruction
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) fuel_max: Option<u64>,
    /// Most memory of the sandbox, MiB (1 to 512; 64 by default)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=512))]
    pub(crate) memory_mb: Option<u64>,
    /// Wall clock, milliseconds (`run`: 30,000 by default; `eval`: 3,000)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    pub(crate) deadline_ms: Option<u64>,
}

/// `belljar run`
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A package file, or an applet's folder (which is then built in memory)
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// The payload: `-` reads JSON from standard input
    #[arg(value_name = "INPUT", value_parser = ["-"], conflicts_with_all = ["payload", "request"])]
    pub(crate) input: Option<String>,
    /// The handler to call
    ///
    /// By default the only one, or the one called `default`; for a request, the one whose method and path fit best.
    #[arg(long, value_name = "NAME")]
    pub(crate) handler: Option<String>,
    /// The payload: JSON, `@FILE` for JSON in a file, or `-` for standard input
    ///
    /// Without it, the payload is read from standard input if that is a pipe or a file; otherwise, and when there is nothing
    /// in it, it is `{}`.
    #[arg(long, value_name = "JSON", conflicts_with = "request", allow_hyphen_values = true)]
    pub(crate) payload: Option<String>,
    /// Call it with an HTTP request read from a file (`-` for standard input)
    ///
    /// The file has the shape of an HTTP/1.1 request: `POST /hook HTTP/1.1`, header lines, an empty line, and then the raw body to
    /// the end of the file, byte for byte.
    #[arg(long, value_name = "FILE")]
    pub(crate) request: Option<PathBuf>,
    /// The tenant to run it for: its database, its log lines
    #[arg(long, value_name = "NAME", default_value = "local")]
    pub(crate) tenant: String,
    /// The user on whose behalf it runs
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<String>,
    /// What the tenant has configured: a JSON object, or `@FILE` for one in a file
    #[arg(long, value_name = "JSON")]
    pub(crate) config: Option<String>,
    /// A secret the applet asks for: `NAME=VALUE` (others on this machine may see it: rather use --secret-file)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) secret: Vec<String>,
    /// A secret from a file, without the line end at its end: `NAME=FILE`
    #[arg(long, value_name = "NAME=FILE")]
    pub(crate) secret_file: Vec<String>,
    /// Where databases, keys and values of applets are kept (made when an applet has some)
    #[arg(long, value_name = "DIR", default_value = ".belljar/data")]
    pub(crate) data_dir: PathBuf,
    /// Record it into a file that `belljar replay` runs again; the package travels along
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Print everything as one JSON object: answer or fault, usage, log
    #[arg(long)]
    pub(crate) json: bool,
    /// Say on standard error what was used
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// How it is made repeatable
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    /// The most the applet gets; its manifest can ask for less, never for more
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Allow this host to be on loopback, with http: (for tests; the manifest still has to name it)
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "Operator")]
    pub(crate) test_host: Vec<String>,
}

/// What `belljar eval` can grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Grant {
    /// `sdk.db`: a database.
    Db,
    /// `sdk.http` and `fetch`: the hosts of --allow-host.
    Http,
    /// `sdk.kv`: keys and values.
    Kv,
    /// `sdk.log`: lines on standard error.
    Log,
}

/// `belljar eval`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("program").args(["code", "script", "module"]))]
pub(crate) struct EvalArgs {
    /// JavaScript to evaluate as a script; `-`, or nothing, reads it from standard input
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// Evaluate a file as a sloppy global script
    ///
    /// Dynamic imports find modules in the file's folder and below; links are followed.
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// Evaluate a file as an ES module
    ///
    /// Imports find modules in the file's folder and below; links are followed.
    #[arg(long, value_name = "FILE")]
    pub(crate) module: Option<PathBuf>,
    /// Parts of the global `sdk` that the program gets
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    pub(crate) grant: Vec<Grant>,
    /// A host it may call over https (with --grant http): `api.example.com`, `*.example.com:8443`, `*`
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) allow_host: Vec<String>,
    /// A locale it may use through Intl, the first one by default; without any there is no Intl
    #[arg(long, value_name = "LOCALE")]
    pub(crate) locale: Vec<String>,
    /// The tenant to run it for
    #[arg(long, value_name = "NAME", default_value = "local")]
    pub(crate) tenant: String,
    /// Where databases, keys and values are kept; without it they are in memory
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Record it into a file that `belljar replay` runs again
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Print everything as one JSON object: fault, usage, log
    #[arg(long)]
    pub(crate) json: bool,
    /// Say on standard error what was used
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// How it is made repeatable
    #[command(flatten)]
    pub(crate) repeat: RepeatArgs,
    /// Limits of the program.
    #[command(flatten)]
    pub(crate) limits: LimitArgs,
    /// Bytes of console output and log, in all and per line (by default 4 MiB, and 128 KiB per line)
    #[arg(long, value_name = "BYTES", help_heading = "Limits", value_parser = clap::value_parser!(u64).range(0..=1 << 30))]
    pub(crate) output_max: Option<u64>,
    /// Allow this host to be on loopback, with http: (for tests; --allow-host still has to name it)
    #[arg(long, value_name = "HOST[:PORT]", help_heading = "Operator")]
    pub(crate) test_host: Vec<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::error::ErrorKind> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command).map_err(|error| error.kind())
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_takes_one_kind_of_input() {
        let Ok(Command::Run(args)) =
            parse("belljar run a.belljar --payload -1 --test-host localhost:1 --test-host [::1]:2")
        else {
            panic!("it parses");
        };
        assert_eq!((args.payload.as_deref(), args.tenant.as_str(), args.test_host.len()), (Some("-1"), "local", 2));
        assert!(matches!(parse("belljar run a -"), Ok(Command::Run(args)) if args.input.is_some()));
        for line in [
            "run a - --payload {}",
            "run a --payload {} --request r",
            "run a b",
            "run",
            "run a --memory-mb 0",
            "run a --memory-mb 513",
        ] {
            assert!(parse(&format!("belljar {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn eval_takes_one_program() {
        let Ok(Command::Eval(args)) = parse("belljar eval --script a.js --grant db,http --grant log --allow-host h:1")
        else {
            panic!("it parses");
        };
        assert_eq!(args.grant, [Grant::Db, Grant::Http, Grant::Log]);
        assert!(matches!(parse("belljar eval -"), Ok(Command::Eval(args)) if args.code.as_deref() == Some("-")));
        assert!(matches!(parse("belljar eval"), Ok(Command::Eval(args)) if args.code.is_none()));
        for line in
            ["eval 1 --script a.js", "eval --script a --module b", "eval --grant everything", "eval --deadline-ms 0"]
        {
            assert!(parse(&format!("belljar {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn operators_name_applets_by_tenant() {
        let Ok(Command::Rollback(args)) = parse("belljar rollback acme/notes --to 3 --json") else {
            panic!("it parses")
        };
        assert_eq!((args.name.tenant.as_str(), args.name.applet.as_str(), args.to), ("acme", "notes", Some(3)));
        assert!(Command::Rollback(args).json());
        let Ok(Command::Deploy(args)) =
            parse("belljar deploy notes --tenant acme --secret-env A --secret-env B=C --plan")
        else {
            panic!("it parses")
        };
        assert_eq!((args.secret_env.len(), args.plan, args.yes), (2, true, false));
        assert!(
            matches!(parse("belljar logs acme/notes -f -n 5"), Ok(Command::Logs(args)) if args.follow && args.rows.limit == 5)
        );
        for line in [
            "rollback acme",
            "rollback acme/",
            "rollback a/b/c",
            "deploy notes",
            "approve a/b --grant all --refuse",
            "logs --level loud",
            "invocations acme --id inv_1",
            "tenants create",
            "tenants quotas acme --weight 0",
            "keys create acme",
            "serve --admin-token secret",
        ] {
            assert!(parse(&format!("belljar {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn settings_are_flags_of_serve() {
        let Ok(Command::Serve(args)) =
            parse("belljar serve --config a.toml --grace-ms 5 --usage-headers --trusted-proxies ::1,10.0.0.0/8")
        else {
            panic!("it parses")
        };
        let nothing = |_: &str| None;
        let layers = belljar_server::settings::Layers { file: None, environment: &nothing, flags: &args.settings };
        let settings = layers.load().expect("they are right").settings;
        assert_eq!((settings.grace_ms, settings.usage_headers, settings.trusted_proxies.len()), (5, true, 2));
    }

    #[test]
    fn help_ends_with_the_exit_codes() {
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("corrupt-package"), "{help}");
        assert!(!Cli::command().render_help().to_string().contains("corrupt-package"));
    }
}

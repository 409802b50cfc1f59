//! The commands for events, schedules and jobs.

use clap::{Args, Subcommand};

use super::operator::{AppletName, ServerArgs};

/// Which deliveries.
#[derive(Debug, Clone, Args)]
pub(crate) struct WhichArgs {
    /// Of this tenant, or for one applet of it
    #[arg(value_name = "TENANT[/APPLET]")]
    pub(crate) what: Option<String>,
    /// In this state
    #[arg(long, value_name = "STATE", value_parser = ["waiting", "ready", "blocked", "running", "done", "dead", "dropped", "cancelled"])]
    pub(crate) state: Option<String>,
    /// Of the event, or for the handler, of this name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How many, the newest
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
    /// Older than this delivery: the last one of the page before
    #[arg(long, value_name = "DELIVERY")]
    pub(crate) before: Option<u64>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Deliveries of one tenant.
#[derive(Debug, Clone, Args)]
pub(crate) struct PickArgs {
    /// The tenant, or one applet of it (with `--dead`)
    #[arg(value_name = "TENANT[/APPLET]")]
    pub(crate) what: String,
    /// The deliveries, by their numbers
    #[arg(value_name = "DELIVERY", required_unless_present = "dead")]
    pub(crate) deliveries: Vec<u64>,
    /// All that are dead instead, up to 1,000
    #[arg(long, conflicts_with = "deliveries")]
    pub(crate) dead: bool,
    /// Of the event, or for the handler, of this name; with `--dead`
    #[arg(long, value_name = "NAME", requires = "dead")]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// An event, a job, a run of a schedule or an asynchronous call.
#[derive(Debug, Clone, Args)]
pub(crate) struct MessageArgs {
    /// The tenant
    #[arg(value_name = "TENANT")]
    pub(crate) tenant: String,
    /// Its id
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar events`
#[derive(Debug, Subcommand)]
pub(crate) enum EventsCommand {
    /// Publish an event for a tenant's applets; once it is acknowledged it will not be lost
    Publish {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// The event's name: one that an applet of the tenant publishes or handles
        #[arg(value_name = "NAME")]
        name: String,
        /// What is published: JSON, `@FILE`, or `-` for standard input
        #[arg(long, value_name = "JSON", default_value = "null", allow_hyphen_values = true)]
        payload: String,
        /// A second event of the same name and key within 24 hours is the same event
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
        /// Events with the same one are delivered one after the other, to handlers that ask for it
        #[arg(long, value_name = "KEY")]
        order_key: Option<String>,
        /// How long it waits, milliseconds
        #[arg(long, value_name = "MS", default_value_t = 0)]
        delay_ms: u64,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// List deliveries of events: who gets them, and where they stand
    List(WhichArgs),
    /// Show an event with its payload and its deliveries
    Show(MessageArgs),
    /// Retry deliveries that wait for their next attempt, now
    Retry {
        /// The tenant
        #[arg(value_name = "TENANT")]
        tenant: String,
        /// The deliveries, by their numbers
        #[arg(value_name = "DELIVERY", required = true)]
        deliveries: Vec<u64>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Give deliveries up; a running one ends
    Drop(PickArgs),
    /// Deliver again what has ended, with all its attempts
    Replay(PickArgs),
    /// Count deliveries of everything by tenant, kind and state
    Counts {
        /// Of this tenant
        #[arg(value_name = "TENANT")]
        tenant: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// One schedule.
#[derive(Debug, Clone, Args)]
pub(crate) struct ScheduleArgs {
    /// The applet
    #[arg(value_name = "TENANT/APPLET")]
    pub(crate) applet: AppletName,
    /// The schedule's handler
    #[arg(value_name = "HANDLER")]
    pub(crate) handler: String,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// `belljar schedules`
#[derive(Debug, Subcommand)]
pub(crate) enum SchedulesCommand {
    /// List schedules: when they fire next, what was missed
    List {
        /// Of this tenant, or of one applet of it
        #[arg(value_name = "TENANT[/APPLET]")]
        what: Option<String>,
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Show the next times of a schedule, and the latest at which nothing ran
    Next {
        #[command(flatten)]
        schedule: ScheduleArgs,
        /// How many times
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        count: u32,
    },
    /// Pause a schedule
    Pause(ScheduleArgs),
    /// Let a paused schedule go on, from now
    Resume(ScheduleArgs),
    /// Run a schedule now, beside its times
    Run(ScheduleArgs),
}

/// `belljar jobs`
#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// List jobs, runs of schedules and asynchronous calls
    List(WhichArgs),
    /// Show one with its payload, its progress and its result
    Show(MessageArgs),
    /// Call one off; a running one ends
    Cancel(MessageArgs),
    /// Call a handler without waiting for it
    Run {
        /// The applet
        #[arg(value_name = "TENANT/APPLET")]
        applet: AppletName,
        /// The handler's name in the manifest
        #[arg(value_name = "HANDLER")]
        handler: String,
        /// What it is called with: JSON, `@FILE`, or `-` for standard input
        #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
        payload: String,
        /// How long it waits, milliseconds
        #[arg(long, value_name = "MS", default_value_t = 0)]
        delay_ms: u64,
        /// Attempts in all
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
        attempts: u32,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// `belljar health`
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// The applet
    #[arg(value_name = "TENANT/APPLET")]
    pub(crate) name: AppletName,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

impl EventsCommand {
    /// The server that is asked.
    pub(crate) fn server(&self) -> &ServerArgs {
        match self {
            Self::Publish { server, .. } | Self::Retry { server, .. } | Self::Counts { server, .. } => server,
            Self::List(args) => &args.server,
            Self::Show(args) => &args.server,
            Self::Drop(args) | Self::Replay(args) => &args.server,
        }
    }
}

impl SchedulesCommand {
    /// The server that is asked.
    pub(crate) fn server(&self) -> &ServerArgs {
        match self {
            Self::List { server, .. } => server,
            Self::Next { schedule, .. } => &schedule.server,
            Self::Pause(args) | Self::Resume(args) | Self::Run(args) => &args.server,
        }
    }
}

impl JobsCommand {
    /// The server that is asked.
    pub(crate) fn server(&self) -> &ServerArgs {
        match self {
            Self::Run { server, .. } => server,
            Self::Show(args) | Self::Cancel(args) => &args.server,
            Self::List(args) => &args.server,
        }
    }
}

//! `belljar`: dispatch and presentation. What the commands do lives in the libraries: building in `belljar-build`, running in
//! `belljar`. Each command has its own file here, and answers with an exit code.

mod applets;
mod args;
mod build;
mod call;
mod check;
mod conformance;
mod console;
mod deploy;
mod dev;
mod doctor;
mod eval;
mod exit_codes;
mod failure;
mod files;
mod hints;
mod hosts;
mod inspect;
mod local;
mod modules;
mod new;
mod operations;
mod past;
mod payload;
mod present;
mod pretty;
mod problems;
mod processes;
mod recordings;
mod remote;
mod replay;
mod report;
mod request_file;
mod routes;
mod run;
mod serve;
mod settings;
mod signals;
mod sources;
mod streamed;
mod table;
mod tenants;
mod terminal;
mod testing;
mod triggers;
mod types;
mod values;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

/// The hidden command that starts a process in its jail (`docs/jail.md`).
pub(crate) const JAIL: &str = "jail";

fn main() -> ExitCode {
    // Becomes the process that it is to jail: nothing may have been started before.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|first| first == JAIL) {
        return belljar_jail::main(args);
    }
    let Cli { command } = Cli::parse();
    let json = command.json();
    let done = match command {
        Command::New(args) => new::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Test(args) => testing::run(&args),
        Command::Conformance(args) => conformance::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Eval(args) => eval::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Deploy(args) => deploy::run(&args),
        Command::Approve(args) => deploy::approve(&args),
        Command::List(args) => applets::list(&args),
        Command::Call(args) => call::run(&args),
        Command::Logs(args) => past::logs(&args),
        Command::Invocations(args) => past::invocations(&args),
        Command::Recordings(command) => recordings::run(&command),
        Command::Rollback(args) => applets::rollback(&args),
        Command::Enable(args) => applets::switch(&args, true),
        Command::Disable(args) => applets::switch(&args, false),
        Command::Uninstall(args) => applets::uninstall(&args),
        Command::Secrets(command) => values::secrets(&command),
        Command::Config(command) => values::config(&command),
        Command::Keys(command) => tenants::keys(&command),
        Command::Hosts(command) => tenants::hosts(&command),
        Command::Processes(command) => processes::run(&command),
        Command::Tenants(command) => tenants::tenants(&command),
        Command::Events(command) => triggers::events(&command),
        Command::Schedules(command) => triggers::schedules(&command),
        Command::Jobs(command) => triggers::jobs(&command),
        Command::Health(args) => triggers::health(&args),
        Command::Usage(args) => past::usage(&args),
        Command::Audit(args) => past::audit(&args),
        Command::Status(args) => operations::status(&args),
        Command::Backup(args) => operations::backup(&args),
        Command::Restore(args) => operations::restore(&args),
        Command::Completions(args) => operations::completions(&args),
    };
    let code = done.unwrap_or_else(|failure| {
        present::failure(&failure, json);
        failure.exit
    });
    // Everything is flushed; unmapping pools and closing databases in order would only take time.
    std::process::exit(code);
}

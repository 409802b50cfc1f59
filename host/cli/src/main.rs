//! `belljar`: dispatch and presentation. What the commands do lives in the libraries: building in `belljar-build`, running in
//! `belljar`. Each command has its own file here, and answers with an exit code.

mod args;
mod build;
mod check;
mod console;
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
mod payload;
mod present;
mod pretty;
mod problems;
mod report;
mod request_file;
mod routes;
mod run;
mod sources;
mod streamed;
mod terminal;
mod types;

use clap::Parser;

use args::{Cli, Command};

fn main() {
    let Cli { command } = Cli::parse();
    let json = command.json();
    let done = match command {
        Command::New(args) => new::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Eval(args) => eval::run(&args),
    };
    let code = done.unwrap_or_else(|failure| {
        present::failure(&failure, json);
        failure.exit
    });
    // Everything is flushed; unmapping pools and closing databases in order would only take time.
    std::process::exit(code);
}

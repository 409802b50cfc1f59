//! The project's own commands. Run them as `cargo xtask COMMAND`; without one, they are listed.

mod command;
mod engine;
#[path = "../../../host/core/engine_inputs.rs"]
#[allow(unreachable_pub, missing_docs, reason = "shared with host/core/build.rs, where it is a module of its own")]
mod engine_inputs;

use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask COMMAND

  engine [--publish]  build the JavaScript engine if these sources have none in the cache
                      (--publish: also copy it into host/core/engine, for the published crate)
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // The crate is only ever run from its repository.
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let repository = repository.canonicalize().unwrap_or(repository);
    let result = match args.as_slice() {
        ["engine"] => engine::build(&repository).map(drop),
        ["engine", "--publish"] => engine::publish(&repository),
        _ => {
            eprint!("{HELP}");
            return if matches!(args.as_slice(), ["help" | "--help" | "-h"]) { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! The project's own commands. Run them as `cargo xtask COMMAND`; without one, they are listed.

mod bench;
mod ci;
mod command;
mod conformance;
mod demo;
mod deny;
mod engine;
#[path = "../../../host/core/engine_inputs.rs"]
#[allow(unreachable_pub, missing_docs, reason = "shared with host/core/build.rs, where it is a module of its own")]
mod engine_inputs;
mod npm;
mod portability;
mod semver;
mod test;
mod tidy;
mod tools;

use std::env;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

const HELP: &str = "\
Usage: cargo xtask COMMAND

  setup --runtimes    install Bun and Deno (npm packages, locked) in the cache folder, where the command finds them
  demo                build everything and show the github-webhook example at work
  test [--quick]      all tests (--quick: only those of the workspace, without node, npm and doctests)
  ci                  tidy, dependencies, lints, rustdoc, portability, the public API, then all tests
  portability         type-check library, server and command for macOS and Windows, without their compilers or linkers
  bench [FOLDER]      every figure the project quotes, measured against native QuickJS in the same run
                      (FOLDER: further applets, NAME.js with NAME.json, and further scripts that run long, NAME.js)
  conformance [SUITE...] [--test262 DIR] [--wpt DIR] [--sample N] [--only TEXT]
                      run test262, wpt, wintertc, npm (or all of them) in the sandbox and write docs/compat.md; checkouts
                      are looked for beside the project. Needs node for wpt and npm. A sample writes nothing
  semver              what embedders would notice of the public API, since the last release
  deny                licences and sources of what this depends on, as deny.toml allows them
  tidy                paths in documents, hosts and machine paths, white space, the form of Rust
  engine [--publish]  build the JavaScript engine if these sources have none in the cache
                      (--publish: also copy it into host/core/engine, for the published crate)

CARGO_TARGET_DIR says where to build; unset, it is `target` in the cache folder (BELLJAR_CACHE, else the user's).
";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // The crate is only ever run from its repository.
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let repository = repository.canonicalize().unwrap_or(repository);
    let command: &dyn Fn() -> Result<()> = match args.as_slice() {
        ["setup", "--runtimes"] => &|| npm::install_runtimes(&repository),
        ["demo"] => &|| demo::run(&repository),
        ["test"] => &|| test::run(&repository, test::Extent::All),
        ["test", "--quick"] => &|| test::run(&repository, test::Extent::Quick),
        ["portability"] => &|| portability::check(&repository),
        ["ci"] => &|| ci::run_all(&repository),
        ["bench"] => &|| bench::report(&repository, None),
        ["bench", folder] => &|| bench::report(&repository, Some(folder)),
        ["conformance", rest @ ..] => &|| conformance::run_suites(&repository, rest),
        ["semver"] => &|| semver::run_checks(&repository),
        ["deny"] => &|| deny::check(&repository),
        ["tidy"] => &|| tidy::run(&repository),
        ["engine"] => &|| engine::build(&repository).map(drop),
        ["engine", "--publish"] => &|| engine::publish(&repository),
        _ => {
            eprint!("{HELP}");
            let asked = matches!(args.as_slice(), ["help" | "--help" | "-h"]);
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    match with_target_dir().and_then(|()| command()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Sees to it that every cargo below builds in one place, by starting this program again with the variable set: a process cannot
/// safely change its own environment.
fn with_target_dir() -> Result<()> {
    if env::var_os("CARGO_TARGET_DIR").is_some() {
        return Ok(());
    }
    let target = engine_inputs::cache_dir().join("target");
    let program = env::current_exe().context("this program's file is not known")?;
    let error = Command::new(program).args(env::args_os().skip(1)).env("CARGO_TARGET_DIR", target).exec();
    Err(error).context("this program cannot be started again")
}

//! The launcher as a program of its own, for the tests of the crate. Operators have it as `belljar jail`.

use std::process::ExitCode;

fn main() -> ExitCode {
    belljar_jail::main(std::env::args_os().skip(1))
}

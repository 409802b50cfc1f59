//! `belljar check`

use belljar::package::Descriptor;
use belljar_build::{Problem, Severity};
use serde_json::json;

use crate::args::CheckArgs;
use crate::exit_codes;
use crate::failure::Failure;
use crate::{problems, terminal, types};

/// Checks a folder; exit code 1 when it cannot be built.
///
/// # Errors
/// When the answer cannot be written.
pub(crate) fn run(args: &CheckArgs) -> Result<i32, Failure> {
    let mut report = belljar_build::check(&args.folder);
    if args.types {
        report.problems.extend(types::check(&args.folder));
        report.problems.sort_by_key(|problem| problem.severity != Severity::Error);
    }
    report.problems.extend(report.descriptor.as_ref().and_then(custom));
    if args.json {
        let problems: Vec<_> = report.problems.iter().map(Problem::to_json).collect();
        let object = json!({
            "ok": report.is_ok(),
            "problems": problems,
            "exports": report.exports,
            "descriptor": report.descriptor,
        });
        terminal::stdout(format!("{}\n", terminal::json(&object.to_string())).as_bytes())?;
    } else {
        problems::show(&report.problems);
        if let (true, Some(descriptor)) = (report.is_ok(), &report.descriptor) {
            terminal::stderr(&format!("{} {} can be built\n", descriptor.id, descriptor.version));
        }
    }
    Ok(if report.is_ok() { exit_codes::OK } else { exit_codes::FAILED })
}

/// What runs in one program only is worth a word before it is run elsewhere.
fn custom(descriptor: &Descriptor) -> Option<Problem> {
    let names = &descriptor.permissions.custom;
    let message = format!(
        "what the applet asks for by permissions.custom is offered by the program of an embedder only: {}",
        names.join(", ")
    );
    let help = "`belljar run`, `belljar dev` and `belljar serve` have none of it: run the applet in that program, and mock it in tests (mock.custom)";
    (!names.is_empty()).then(|| Problem::notice("check.custom", message).with_help(help))
}

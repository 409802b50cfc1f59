//! `belljar eval`: a script or a module in a fresh sandbox, as a shell would run it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use belljar::{Evaluation, Fault, FaultCode, Grants, Host, Limits, MemorySink, Modules, Outcome, Program, ProgramKind};

use crate::args::{EvalArgs, Grant};
use crate::console::Console;
use crate::exit_codes;
use crate::failure::Failure;
use crate::files::{self, INPUT_BYTES_MAX};
use crate::hints;
use crate::modules::{FolderModules, NoModules};
use crate::run::{bounded, write_recording};
use crate::sources::Sources;
use crate::{hosts, local, present, report, terminal};

/// Size of a database in memory: well below what SQLite may use in this process, so that this limit is the one that is told.
const MEMORY_DATABASE_BYTES_MAX: u64 = 64 << 20;
/// Wall clock without `--deadline-ms`.
const DEADLINE_MS: u64 = 3_000;
/// Output without `--output-max`: more than an applet may log, because for a script it is the result.
const OUTPUT_BYTES_MAX: u64 = 4 << 20;
const OUTPUT_LINES_MAX: u32 = 100_000;
const LINE_BYTES_MAX: u64 = 128 << 10;

/// Evaluates a program; the exit code is its fault's.
///
/// # Errors
/// Everything that keeps the program from being evaluated.
pub(crate) fn run(args: &EvalArgs) -> Result<i32, Failure> {
    let tenant = local::tenant(&args.tenant)?;
    let grants = grants(args)?;
    let (mut program, modules) = program(args)?;
    program.locales = locales(args)?;
    let limits = limits(args);

    let mut builder = local::repeating(local::builder(limits.clone(), &args.test_host), &args.repeat)?;
    if let (true, Some(dir)) = (grants.db || grants.kv, &args.data_dir) {
        builder = builder.data_dir(dir);
    }
    let paint = terminal::stderr_paint();
    let (kind, name, source) = (program.kind, program.name.clone(), program.source.clone());
    let evaluation = Evaluation { program, grants, limits, modules: Some(modules), tenant };
    if args.json {
        let sink = MemorySink::new(OUTPUT_LINES_MAX as usize + 1);
        let host = builder.log(Arc::new(sink.clone())).build()?;
        let outcome = bounded(local::wait_for(evaluated(&host, evaluation, args.record.as_deref()))??);
        terminal::stdout(report::of(&outcome, &sink.take(), None).as_bytes())?;
        return Ok(exit_code(&outcome));
    }
    let console = Arc::new(Console::start(paint.on).context("the output cannot be written")?);
    let host = builder.log(console.clone()).build()?;
    let outcome = bounded(local::wait_for(evaluated(&host, evaluation, args.record.as_deref()))??);
    console.finish();
    if let Err(fault) = &outcome.result {
        let no_intl =
            || hints::no_intl(fault).then_some("a script has Intl for the locales it is given: add --locale en");
        let hint = module_hint(kind, fault, &source).or_else(no_intl);
        // Only a whole program has lines of its own; those of imported files are not kept.
        let sources = Sources::of_text(name, source);
        let shown = if is_uncaught(fault) {
            present::uncaught(fault, &sources, paint)
        } else {
            present::fault(fault, &sources, paint)
        };
        terminal::stderr(&shown);
        if let Some(hint) = hint {
            terminal::stderr(&format!("{} {hint}\n", paint.hint("hint:")));
        }
    }
    if args.verbose {
        terminal::stderr(&paint.dim(&present::usage(&outcome.usage)));
    }
    Ok(exit_code(&outcome))
}

/// Evaluates, and writes the recording if one is wanted.
async fn evaluated(host: &Host, evaluation: Evaluation, file: Option<&Path>) -> Result<Outcome, Failure> {
    let Some(file) = file else { return Ok(host.run(evaluation).await) };
    let (outcome, recording) = host.run_recorded(evaluation).await;
    write_recording(file, recording, None)?;
    Ok(outcome)
}

/// A script that does not parse has thrown a `SyntaxError`, as far as a shell's user is concerned.
fn is_uncaught(fault: &Fault) -> bool {
    matches!(fault.code, FaultCode::Threw | FaultCode::Syntax | FaultCode::Preparation)
}

fn exit_code(outcome: &Outcome) -> i32 {
    match &outcome.result {
        Err(fault) if is_uncaught(fault) => exit_codes::THREW,
        _ => crate::run::exit_code(outcome),
    }
}

/// Imports in a script are a common mistake, and the engine's message does not name them.
fn module_hint(kind: ProgramKind, fault: &Fault, source: &str) -> Option<&'static str> {
    let error = fault.errors.first()?;
    let of_module = |line: &str| {
        ["import ", "import{", "export ", "export{"].iter().any(|word| line.trim_start().starts_with(word))
    };
    let mistaken = kind == ProgramKind::Script && error.name == "SyntaxError" && source.lines().any(of_module);
    mistaken.then_some("`import` and `export` need a module: use --module FILE")
}

/// The program, and the modules it can import.
fn program(args: &EvalArgs) -> Result<(Program, Arc<dyn Modules>), Failure> {
    let of_file = |path: &Path, kind| -> Result<(Program, Arc<dyn Modules>), Failure> {
        let shown = path.display().to_string();
        let source = files::text(files::read(path, INPUT_BYTES_MAX)?, &shown)?;
        let modules = FolderModules::beside(path).with_context(|| format!("the folder of {shown} cannot be found"))?;
        // Its path in its folder, as modules are named: so it can be imported by them.
        let name = path.file_name().map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
        Ok((Program { kind, name, source, locales: Vec::new() }, Arc::new(modules)))
    };
    let of_text = |name: &str, source| -> (Program, Arc<dyn Modules>) {
        (Program { kind: ProgramKind::Script, name: name.to_owned(), source, locales: Vec::new() }, Arc::new(NoModules))
    };
    match (&args.script, &args.module, args.code.as_deref()) {
        (Some(path), ..) => of_file(path, ProgramKind::Script),
        (_, Some(path), _) => of_file(path, ProgramKind::Module),
        (.., None | Some("-")) => {
            Ok(of_text("[stdin]", files::text(files::stdin(INPUT_BYTES_MAX)?, "standard input")?))
        }
        (.., Some(code)) => Ok(of_text("[eval]", code.to_owned())),
    }
}

/// Locales for `Intl`, in their canonical form.
fn locales(args: &EvalArgs) -> Result<Vec<String>, Failure> {
    let mut locales = Vec::new();
    for tag in &args.locale {
        let canonical = belljar::intl::canonical(tag).filter(|tag| belljar::intl::is_known(tag));
        match canonical {
            Some(tag) if !locales.contains(&tag) => locales.push(tag),
            Some(_) => {}
            None => {
                return Err(Failure::usage(format!("--locale {tag:?} is not a locale that is known"))
                    .hint("such as en, de-AT or zh-Hant"));
            }
        }
    }
    Ok(locales)
}

fn grants(args: &EvalArgs) -> Result<Grants, Failure> {
    let granted = |part| args.grant.contains(&part);
    let http: Vec<_> =
        args.allow_host.iter().map(|host| hosts::rule(host, &args.test_host)).collect::<Result<_, _>>()?;
    match (granted(Grant::Http), http.is_empty()) {
        (true, true) => {
            Err(Failure::usage("--grant http allows no host").hint("name hosts with --allow-host HOST[:PORT]"))
        }
        (false, false) => Err(Failure::usage("--allow-host without http").hint("add --grant http")),
        _ => Ok(Grants {
            db: granted(Grant::Db),
            http,
            kv: granted(Grant::Kv),
            log: granted(Grant::Log),
            ..Grants::default()
        }),
    }
}

fn limits(args: &EvalArgs) -> Limits {
    let mut limits = local::limits(Limits { deadline_ms: DEADLINE_MS, ..Limits::default() }, &args.limits);
    limits.log_bytes_max = args.output_max.unwrap_or(OUTPUT_BYTES_MAX);
    limits.log_line_bytes_max = args.output_max.unwrap_or(LINE_BYTES_MAX);
    limits.log_lines_max = OUTPUT_LINES_MAX;
    if args.data_dir.is_none() {
        limits.db.database_bytes_max = MEMORY_DATABASE_BYTES_MAX;
    }
    limits
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn eval(line: &str) -> Box<EvalArgs> {
        match Cli::try_parse_from(line.split(' ')).map(|cli| cli.command) {
            Ok(Command::Eval(args)) => args,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn nothing_is_granted_unasked() {
        assert_eq!(grants(&eval("belljar eval 1")).expect("it is sound"), Grants::default());
        let all =
            grants(&eval("belljar eval 1 --grant db,http,kv,log --allow-host a.example --allow-host b.example:1"));
        let all = all.expect("it is sound");
        assert_eq!((all.db, all.kv, all.log, all.http.len()), (true, true, true, 2));
        for line in ["eval 1 --grant http", "eval 1 --allow-host a.example", "eval 1 --grant http --allow-host a:b:c"] {
            assert_eq!(grants(&eval(&format!("belljar {line}"))).expect_err(line).exit, exit_codes::USAGE);
        }
    }

    #[test]
    fn limits_are_a_shells() {
        let limits = limits(&eval("belljar eval 1 --memory-mb 8 --fuel-max 7"));
        assert_eq!((limits.deadline_ms, limits.memory_bytes_max, limits.fuel_max), (3_000, 8 << 20, 7));
        assert_eq!(limits.log_bytes_max, OUTPUT_BYTES_MAX);
    }

    #[test]
    fn a_program_is_named_as_its_imports_name_it() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("main.mjs"), "1").expect("writes");
        std::fs::write(dir.path().join("dep.js"), "2").expect("writes");
        let mut args = eval("belljar eval 1");
        args.module = Some(dir.path().join("main.mjs"));
        let (program, modules) = program(&args).expect("it is read");
        assert_eq!(
            (program.kind, program.name.as_str(), program.source.as_str()),
            (ProgramKind::Module, "main.mjs", "1")
        );
        assert_eq!(modules.load("./dep.js", &program.name), Ok(("dep.js".into(), "2".into())));
        assert_eq!(modules.load("./main.mjs", "dep.js").map(|found| found.0), Ok("main.mjs".into()));
    }

    #[test]
    fn a_program_without_a_file_imports_nothing() {
        let (program, modules) = program(&eval("belljar eval 1+1")).expect("it is read");
        assert_eq!((program.kind, program.name.as_str()), (ProgramKind::Script, "[eval]"));
        assert!(modules.load("./x.js", "[eval]").expect_err("none").contains("--module FILE"));
    }
}

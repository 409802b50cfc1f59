//! Errors as an author sees them: the position in the author's file, whatever was thrown, wherever from, and how the command shows it.

use belljar::{ErrorRole, Fault, FaultCode, LogRecord, Outcome};
use belljar_tests::{applet, cli, host};
use serde_json::json;

fn call(files: &[(&str, &str)]) -> Outcome {
    let manifest = format!("id: author\nversion: 1.0.0\nname: Test\n{}permissions: {{ db: true }}\n", applet::PLAIN);
    let folder = applet::folder(&[&[("manifest.yaml", manifest.as_str())], files].concat());
    let package = applet::package(folder.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let host = host::shared();
        let release = applet::admit(host, applet::tenant(), &package);
        applet::call(host, &release, "default", "null").await
    })
}

fn thrown(main: &str) -> Fault {
    applet::fault(&call(&[("src/main.ts", main)])).clone()
}

/// `function file:line:column` of the frames of one error.
fn frames(fault: &Fault, error: usize) -> Vec<String> {
    fault.errors[error]
        .frames
        .iter()
        .map(|frame| format!("{} {frame}", frame.function).trim_start().to_owned())
        .collect()
}

#[track_caller]
fn check_place(main: &str, expected: &str) {
    let fault = thrown(main);
    assert_eq!(fault.position().map(ToString::to_string).as_deref(), Some(expected), "{fault:#?}");
}

#[test]
fn an_error_is_where_it_was_made() {
    check_place("export default () => {\n  throw new Error('here');\n};", "src/main.ts:2:9");
    check_place("export default () => {\n  (undefined as any).x;\n};", "src/main.ts:2:22");
    check_place(
        "export default (_: any, p: any) => {\n  const a = { b: p };\n  return a.b + a.b.c.d;\n};",
        "src/main.ts:3:20",
    );
    check_place("const parse = (s: string) => JSON.parse(s);\nexport default () => parse('{');", "src/main.ts:1:35");
    check_place("export default (_: any, p: any) => ['ö', '😀', p.x];", "src/main.ts:1:50");
    // What an argument calls is not where the call is.
    check_place(
        "const text = () => 'm';\nexport default () => {\n  throw new Error(\n    text(),\n  );\n};",
        "src/main.ts:3:9",
    );
    check_place(
        "const f = (_: number) => {\n  throw new Error('m');\n};\nconst g = (n: number) => n;\nexport default () => f(g(1));",
        "src/main.ts:2:9",
    );
}

#[test]
fn callers_are_where_they_call() {
    let fault = thrown(
        "const fail = (n: number) => {\n  throw new RangeError(`no ${n}`);\n};\nconst inner = (n: number) => n + 1;\n\
         class Store {\n  load(n: number) {\n    return fail(\n      inner(n),\n    );\n  }\n}\nexport default function handler() {\n  return new Store().load(inner(1));\n}",
    );
    assert_eq!(
        frames(&fault, 0),
        ["fail src/main.ts:2:9", "load src/main.ts:7:12", "handler src/main.ts:13:22"],
        "{fault:#?}"
    );
}

#[test]
fn constructors_of_error_classes_are_no_part_of_the_way() {
    check_place(
        "class AppError extends Error {}\nclass NotFound extends AppError {\n  constructor(what: string) {\n    super(`no ${what}`);\n    this.name = 'NotFound';\n  }\n}\n\
         const find = () => {\n  throw new NotFound('page');\n};\nexport default () => find();",
        "src/main.ts:9:9",
    );
    // A function that makes errors is: it was called.
    check_place("const make = () => new Error('m');\nexport default () => {\n  throw make();\n};", "src/main.ts:1:20");
}

#[test]
fn rejections_and_what_is_awaited_have_places() {
    check_place("export default async () => {\n  await null;\n  throw new Error('later');\n};", "src/main.ts:3:9");
    check_place(
        "const load = async () => {\n  await new Promise((r) => setTimeout(r, 1));\n  throw new TypeError('late');\n};\nexport default async () => {\n  await Promise.all([load(), 1]);\n};",
        "src/main.ts:3:9",
    );
    // A capability's error is where it was asked.
    let fault = thrown("export default async ({ sdk }) => {\n  await sdk.db.query(\n    'SELEKT 1',\n  );\n};");
    assert_eq!(fault.position().map(ToString::to_string).as_deref(), Some("src/main.ts:2:16"), "{fault:#?}");
    assert_eq!((fault.errors[0].name.as_str(), fault.errors[0].code.as_deref()), ("SdkError", Some("invalid")));
}

#[test]
fn values_that_are_no_errors_are_where_they_were_thrown() {
    check_place("export default () => {\n  throw 'text';\n};", "src/main.ts:2:9");
    check_place(
        "const give = () => {\n  throw { status: 404 };\n};\nexport default async () => {\n  await null;\n  give();\n};",
        "src/main.ts:2:9",
    );
    // Thrown on by the platform, and by the author: an object stays where it came from.
    check_place(
        "export default ({ sdk }) => sdk.db.transaction(async () => {\n  await null;\n  throw 42;\n});",
        "src/main.ts:3:9",
    );
    check_place(
        "export default () => {\n  try {\n    throw { a: 1 };\n  } finally {\n    Math.abs(1);\n  }\n};",
        "src/main.ts:3:11",
    );
    let fault = thrown("export default () => Promise.reject(null);");
    assert_eq!((fault.errors[0].name.as_str(), fault.errors[0].message.as_str()), ("Uncaught", "null"), "{fault:#?}");
    assert_eq!(fault.position(), None, "nobody threw it");
}

#[test]
fn causes_and_gathered_errors_have_their_own_places() {
    let fault = thrown(
        "const part = async (n: number) => {\n  throw new Error(`part ${n}`, n === 2 ? { cause: new TypeError('why') } : undefined);\n};\n\
         export default async () => {\n  try {\n    await Promise.any([part(1), part(2)]);\n  } catch (error) {\n    throw new Error('nothing worked', { cause: error });\n  }\n};",
    );
    let told: Vec<_> = fault.errors.iter().map(|e| (e.message.as_str(), e.role, e.parent)).collect();
    assert_eq!(told[0], ("nothing worked", ErrorRole::Thrown, 0));
    assert_eq!((fault.errors[1].name.as_str(), told[1].1, told[1].2), ("AggregateError", ErrorRole::Cause, 0));
    assert_eq!(
        &told[2..],
        [("part 1", ErrorRole::Member, 1), ("part 2", ErrorRole::Member, 1), ("why", ErrorRole::Cause, 3)]
    );
    assert_eq!(frames(&fault, 0)[0].rsplit(' ').next(), Some("src/main.ts:8:11"), "{fault:#?}");
    for error in [2, 3] {
        assert_eq!(frames(&fault, error)[0], "part src/main.ts:2:9", "{fault:#?}");
    }
    assert_eq!(frames(&fault, 4)[0], "part src/main.ts:2:51", "{fault:#?}");
}

#[test]
fn packages_are_told_from_the_authors_files() {
    let outcome = call(&[
        ("src/main.ts", "import { check } from 'checker';\nexport default () => {\n  check(undefined);\n};"),
        ("node_modules/checker/package.json", r#"{ "name": "checker", "main": "index.js", "type": "module" }"#),
        ("node_modules/checker/index.js", "export function check(value) {\n  return value.length;\n}\n"),
    ]);
    let fault = applet::fault(&outcome);
    let all = &fault.errors[0].frames;
    assert_eq!((all[0].file.as_str(), all[0].line, all[0].in_author_file), ("node_modules/checker/index.js", 2, false));
    assert_eq!(fault.position().map(ToString::to_string).as_deref(), Some("src/main.ts:3:3"));
}

#[test]
fn log_lines_have_the_authors_positions() {
    let outcome = call(&[(
        "src/main.ts",
        "export default ({ sdk }) => {\n  const error = new Error('kept', { cause: new TypeError('why') });\n  console.error(error);\n  \
         console.error(`it failed: ${error.stack}`);\n  sdk.log.warn('kept', { error });\n  setTimeout(() => {\n    throw new Error('in a timer');\n  });\n  \
         return new Promise((resolve) => setTimeout(resolve, 5));\n};",
    )]);
    let lines: Vec<LogRecord> = host::log().of(&outcome.id);
    let texts: Vec<String> = lines.iter().map(|line| format!("{} {}", line.message, json!(line.fields))).collect();
    assert_eq!(texts.len(), 4, "{texts:#?}");
    for text in &texts[..3] {
        assert!(text.contains("at default (src/main.ts:2:17)"), "{text}");
    }
    assert!(texts[0].contains("src/main.ts:2:44"), "{texts:#?}");
    assert!(texts[3].contains("in a timer") && texts[3].contains("src/main.ts:7:11"), "{texts:#?}");
    for text in &texts {
        assert!(!text.contains("bundle.mjs") && !text.contains("belljar:"), "{text}");
    }
}

#[test]
fn top_level_code_that_a_limit_ends_says_where() {
    let fault = thrown(
        "const grow = (all: unknown[]): void => {\n  for (;;) all.push(new Array(1000).fill(0));\n};\ngrow([]);\nexport default () => 1;",
    );
    assert_eq!(fault.code, FaultCode::Memory, "{fault}");
    let places: Vec<_> = fault.frames.iter().map(|frame| format!("{} {frame}", frame.function)).collect();
    assert_eq!(places[0], " src/main.ts:2:37", "{places:?}");
    assert!(places.iter().any(|place| place.ends_with(" src/main.ts:4:1")), "{places:?}");
}

#[test]
fn the_command_shows_the_line_and_structures_it_in_json() {
    let folder = applet::folder(&[
        ("manifest.yaml", "id: shown\nversion: 1.0.0\nname: Shown\nruntime: { entrypoint: main.ts }\n"),
        (
            "main.ts",
            "class Missing extends Error {}\nexport default () => {\n  throw new AggregateError(\n    [new Missing('first'), 'second'],\n    'two are missing',\n  );\n};\n",
        ),
    ]);
    let folder = folder.path().to_str().unwrap();
    let shown = cli::run(&["run", folder, "--payload", "{}"]).stderr;
    let expected = "error[threw]: AggregateError: two are missing
  at main.ts:3:9 (default)
    3 |   throw new AggregateError(
      |         ^
  one of its errors: Error: first
    at main.ts:4:6 (default)
      4 |     [new Missing('first'), 'second'],
        |      ^
  one of its errors: Uncaught: second
hint: ";
    assert!(shown.starts_with(expected), "{shown}");
    let json = cli::run(&["run", folder, "--payload", "{}", "--json"]).json();
    let errors = &json["fault"]["errors"];
    assert_eq!((&errors[1]["role"], &errors[1]["parent"]), (&json!("member"), &json!(0)), "{json}");
    assert_eq!(errors[1]["frames"][0]["line"], 4, "{json}");
    let coloured = std::process::Command::new(cli::binary())
        .args(["run", folder, "--payload", "{}"])
        .env("CLICOLOR_FORCE", "1")
        .env_remove("NO_COLOR")
        .output()
        .unwrap();
    let coloured = String::from_utf8(coloured.stderr).unwrap();
    assert!(
        coloured.contains("\u{1b}[1;31merror[threw]\u{1b}[0m") && coloured.contains("\u{1b}[1;31m^\u{1b}[0m"),
        "{coloured}"
    );
    assert!(!shown.contains('\u{1b}'), "NO_COLOR is respected");
}

#[test]
fn a_script_is_shown_as_a_shell_would() {
    let ran = cli::run(&["eval", "const f = () => { throw 'text'; };\nf();"]);
    assert_eq!(ran.code, Some(10), "{ran:#?}");
    assert!(ran.stderr.contains("Uncaught: text\n"), "{ran:#?}");
    assert!(ran.stderr.contains("    at f ([eval]:1:") && ran.stderr.contains("([eval]:2:"), "{ran:#?}");
    let ran = cli::run(&["eval", "setTimeout(() => { null.x; }, 1);"]);
    assert!(ran.code == Some(10) && ran.stderr.contains("TypeError: "), "{ran:#?}");
    assert!(ran.stderr.contains("[eval]:1:"), "{ran:#?}");
}

#[test]
fn columns_are_exact_and_syntax_errors_are_at_their_token() {
    let check = |program: &str, expected: &str| {
        let ran = cli::run(&["eval", program]);
        assert!(ran.stderr.contains(expected), "{program}: {ran:#?}");
    };
    check("let a=1;a.b.c", "([eval]:1:13)");
    check("const f=()=>new Error(String(1));throw f()", "at f ([eval]:1:13)");
    check("\n[1].map(x=>x.y.z)", "at [eval]:2:16");
    check("let a = 1;\nlet b = (a + );", "SyntaxError: unexpected token in expression: ')'\n    at [eval]:2:14");
    check("let = ;", "at [eval]:1:7");
    check("const s = 'öäü 😀'; null.x", "([eval]:1:26)");
    check("f(`\n${1}`, null.x)", "[eval]:");
}

//! Counts which lines of the author's files are executed: before each statement a call is put that says so. It is put into the text of the
//! module as it is loaded, with a source map, so that positions stay the author's; the tree is only read, for where statements begin.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use oxc::{
    allocator::{Allocator, ArenaVec},
    ast::ast::{
        ArrowFunctionBody, Declaration, DoWhileStatement, ExportDefaultDeclarationKind, ForInStatement, ForOfStatement,
        ForStatement, IfStatement, Statement, TSExternalModuleDeclaration, TSGlobalDeclaration, TSNamespaceDeclaration,
        WhileStatement,
    },
    ast_visit::{Visit, walk},
    parser::Parser,
    span::{GetSpan, SourceType, Span},
};
use rolldown::plugin::{
    HookTransformArgs, HookTransformOutput, HookTransformReturn, HookUsage, Plugin, SharedTransformPluginContext,
};
use string_wizard::{Hires, MagicString, SourceMapOptions};

use super::portable;
use crate::testing::is_test_file;

/// The function that is called, with the file's name and the statement's number; guest-js/test/src/coverage.ts makes it.
const HIT: &str = "__belljarHit";

/// The plugin. Clones share what they saw.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    folder: PathBuf,
    seen: Arc<Mutex<BTreeMap<String, Vec<u32>>>>,
}

impl Lines {
    /// `folder` is canonical.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, seen: Arc::default() }
    }

    /// Of each file the line of each of its statements, from 1.
    pub(crate) fn seen(&self) -> BTreeMap<String, Vec<u32>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The name of a file whose lines are counted: the author's own, and no tests.
    fn counted(&self, id: &str) -> Option<String> {
        let path = Path::new(id);
        let script = path.extension().and_then(|extension| extension.to_str());
        if !path.is_absolute() || !script.is_some_and(|extension| super::fence::SCRIPTS.contains(&extension)) {
            return None;
        }
        let name = portable::name(&self.folder, path);
        let is_own =
            path.starts_with(&self.folder) && !name.starts_with("node_modules/") && !name.contains("/node_modules/");
        (is_own && !is_test_file(&name)).then_some(name)
    }
}

impl Plugin for Lines {
    fn name(&self) -> Cow<'static, str> {
        "belljar:lines".into()
    }

    fn register_hook_usage(&self) -> HookUsage {
        HookUsage::Transform
    }

    async fn transform(
        &self,
        _context: SharedTransformPluginContext,
        args: &HookTransformArgs<'_>,
    ) -> HookTransformReturn {
        let Some(name) = self.counted(args.id) else { return Ok(None) };
        // What cannot be parsed is left to the bundler, which says why.
        let Some(marks) = marks(args.id, args.code) else { return Ok(None) };
        let mut text = MagicString::new(args.code.as_str());
        let file = serde_json::Value::from(name.as_str()).to_string();
        for (at, mark) in &marks.opened {
            let opened = match mark {
                Opened::Statement(number) => format!("{HIT}({file},{number});"),
                Opened::Block(number) => format!("{{{HIT}({file},{number});"),
                Opened::Expression(number) => format!("({HIT}({file},{number}),"),
            };
            text.append_right(*at, opened).map_err(anyhow::Error::msg)?;
        }
        // What was opened last is closed first.
        for (at, closed) in marks.closed.iter().rev() {
            text.append_left(*at, *closed).map_err(anyhow::Error::msg)?;
        }
        let map =
            text.source_map(SourceMapOptions { include_content: true, source: args.id.into(), hires: Hires::True });
        let code = text.to_string();
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(name, marks.lines);
        Ok(Some(HookTransformOutput { code: Some(code), map: map.into(), ..HookTransformOutput::default() }))
    }
}

/// What is put before a statement, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opened {
    Statement(usize),
    /// The statement stands where only one may.
    Block(usize),
    /// It is the expression that is an arrow function's body.
    Expression(usize),
}

/// Where something is put into a text, by byte offsets, and the line of each statement.
#[derive(Debug, Default)]
struct Marks {
    line_starts: Vec<u32>,
    opened: Vec<(u32, Opened)>,
    closed: Vec<(u32, &'static str)>,
    lines: Vec<u32>,
}

fn marks(path: &str, code: &str) -> Option<Marks> {
    let allocator = Allocator::default();
    let kind = SourceType::from_path(path).ok()?;
    // As the bundler: JSX is in files whose names say so, and in all JavaScript.
    let kind = if kind.is_javascript() { kind.with_jsx(true) } else { kind };
    let parsed = Parser::new(&allocator, code, kind).parse();
    if parsed.panicked {
        return None;
    }
    let mut marks = Marks { line_starts: line_starts(code), ..Marks::default() };
    marks.visit_program(&parsed.program);
    Some(marks)
}

fn line_starts(code: &str) -> Vec<u32> {
    let after = code.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    std::iter::once(0).chain(after.filter_map(|(at, _)| u32::try_from(at + 1).ok())).collect()
}

impl Marks {
    /// Counts what begins at `span`; answers its number.
    fn count(&mut self, span: Span) -> usize {
        let line = self.line_starts.partition_point(|start| *start <= span.start);
        self.lines.push(u32::try_from(line).unwrap_or(u32::MAX));
        self.lines.len() - 1
    }

    /// A statement that stands where only one may, such as after `if (…)`.
    fn alone(&mut self, statement: &Statement<'_>) {
        if is_executed(statement) {
            let span = statement.span();
            let number = self.count(span);
            self.opened.push((span.start, Opened::Block(number)));
            self.closed.push((span.end, "}"));
        }
    }
}

/// Whether a statement does something when it is reached: functions are there before, types never.
fn is_executed(statement: &Statement<'_>) -> bool {
    match statement {
        Statement::BreakStatement(_)
        | Statement::ContinueStatement(_)
        | Statement::DebuggerStatement(_)
        | Statement::DoWhileStatement(_)
        | Statement::ExpressionStatement(_)
        | Statement::ForInStatement(_)
        | Statement::ForOfStatement(_)
        | Statement::ForStatement(_)
        | Statement::IfStatement(_)
        | Statement::LabeledStatement(_)
        | Statement::ReturnStatement(_)
        | Statement::SwitchStatement(_)
        | Statement::ThrowStatement(_)
        | Statement::TryStatement(_)
        | Statement::WhileStatement(_) => true,
        Statement::VariableDeclaration(declaration) => !declaration.declare,
        Statement::ClassDeclaration(class) => !class.declare,
        Statement::TSEnumDeclaration(declaration) => !declaration.declare,
        Statement::ExportDeclaration(export) => match &export.declaration {
            Declaration::VariableDeclaration(declaration) => !declaration.declare,
            Declaration::ClassDeclaration(class) => !class.declare,
            Declaration::TSEnumDeclaration(declaration) => !declaration.declare,
            _ => false,
        },
        Statement::ExportDefaultDeclaration(export) => !matches!(
            export.declaration,
            ExportDefaultDeclarationKind::FunctionDeclaration(_)
                | ExportDefaultDeclarationKind::TSInterfaceDeclaration(_)
        ),
        _ => false,
    }
}

impl<'a> Visit<'a> for Marks {
    fn visit_statements(&mut self, it: &ArenaVec<'a, Statement<'a>>) {
        for statement in it {
            if is_executed(statement) {
                let span = statement.span();
                let number = self.count(span);
                self.opened.push((span.start, Opened::Statement(number)));
            }
            self.visit_statement(statement);
        }
    }

    fn visit_if_statement(&mut self, it: &IfStatement<'a>) {
        self.visit_expression(&it.test);
        for branch in std::iter::once(&it.consequent).chain(&it.alternate) {
            self.alone(branch);
            self.visit_statement(branch);
        }
    }

    fn visit_for_statement(&mut self, it: &ForStatement<'a>) {
        self.alone(&it.body);
        walk::walk_for_statement(self, it);
    }

    fn visit_for_in_statement(&mut self, it: &ForInStatement<'a>) {
        self.alone(&it.body);
        walk::walk_for_in_statement(self, it);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        self.alone(&it.body);
        walk::walk_for_of_statement(self, it);
    }

    fn visit_while_statement(&mut self, it: &WhileStatement<'a>) {
        self.alone(&it.body);
        walk::walk_while_statement(self, it);
    }

    fn visit_do_while_statement(&mut self, it: &DoWhileStatement<'a>) {
        self.alone(&it.body);
        walk::walk_do_while_statement(self, it);
    }

    fn visit_arrow_function_body(&mut self, it: &ArrowFunctionBody<'a>) {
        if !matches!(it, ArrowFunctionBody::FunctionBody(_)) {
            let span = it.span();
            let number = self.count(span);
            self.opened.push((span.start, Opened::Expression(number)));
            self.closed.push((span.end, ")"));
        }
        walk::walk_arrow_function_body(self, it);
    }

    // What is in them is declared, or becomes a function of the transpiler's: no statement of theirs is counted.
    fn visit_ts_namespace_declaration(&mut self, _: &TSNamespaceDeclaration<'a>) {}

    fn visit_ts_external_module_declaration(&mut self, _: &TSExternalModuleDeclaration<'a>) {}

    fn visit_ts_global_declaration(&mut self, _: &TSGlobalDeclaration<'a>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `^` stands for a statement, `{` and `}` for a block around one, `(` and `)` for an expression.
    fn check(code: &str, expected: &str, lines: &[u32]) {
        let marks = marks("/a.tsx", code).expect("it can be parsed");
        let mut shown = MagicString::new(code);
        for (at, mark) in &marks.opened {
            let mark = match mark {
                Opened::Statement(_) => "^",
                Opened::Block(_) => "{",
                Opened::Expression(_) => "(",
            };
            shown.append_right(*at, mark).expect("an offset of the text");
        }
        for (at, closed) in marks.closed.iter().rev() {
            shown.append_left(*at, *closed).expect("an offset of the text");
        }
        assert_eq!((shown.to_string().as_str(), marks.lines.as_slice()), (expected, lines));
    }

    #[test]
    fn statements_are_found_where_they_begin() {
        check("let a = 1;\na++\nf()\n", "^let a = 1;\n^a++\n^f()\n", &[1, 2, 3]);
        check(
            "import x from 'x';\nexport const a = 1;\nexport { a as b };\n",
            "import x from 'x';\n^export const a = 1;\nexport { a as b };\n",
            &[2],
        );
        check(
            "function f() {\n  'use strict';\n  return 1;\n}",
            "function f() {\n  'use strict';\n  ^return 1;\n}",
            &[3],
        );
        check("export default function f() {}", "export default function f() {}", &[]);
        check("export default { a: 1 };", "^export default { a: 1 };", &[1]);
        check(
            "class A {\n  x = 1;\n  static {\n    f();\n  }\n  m() { g(); }\n}",
            "^class A {\n  x = 1;\n  static {\n    ^f();\n  }\n  m() { ^g(); }\n}",
            &[1, 4, 6],
        );
        check(
            "switch (a) {\n  case 1: b(); break;\n  default:\n}",
            "^switch (a) {\n  case 1: ^b(); ^break;\n  default:\n}",
            &[1, 2, 2],
        );
    }

    #[test]
    fn where_one_statement_stands_a_block_is_made() {
        check("if (a) b(); else c();", "^if (a) {b();} else {c();}", &[1, 1, 1]);
        check("if (a) b()\nelse if (c) d()\n", "^if (a) {b()}\nelse {if (c) {d()}}\n", &[1, 1, 2, 2]);
        check("if (a) { b() }", "^if (a) { ^b() }", &[1, 1]);
        check("for (const a of b) c(a);", "^for (const a of b) {c(a);}", &[1, 1]);
        check("do a(); while (b)", "^do {a();} while (b)", &[1, 1]);
        check("a: for (;;) break a;", "^a: for (;;) {break a;}", &[1, 1]);
        check("while (a) ;", "^while (a) ;", &[1]);
    }

    #[test]
    fn bodies_of_arrow_functions_are_statements() {
        check("const f = (a) => a + 1;", "^const f = (a) => (a + 1);", &[1, 1]);
        check("const f = (a) => (b) =>\n  ({ a, b });", "^const f = (a) => ((b) =>\n  (({ a, b })));", &[1, 1, 2]);
        check("const f = () => { g(); };", "^const f = () => { ^g(); };", &[1, 1]);
        check("if (a) f = () => 1\n", "^if (a) {f = () => (1)}\n", &[1, 1, 1]);
    }

    #[test]
    fn types_are_not_executed() {
        check(
            "type A = 1;\ninterface B {}\ndeclare const c: A;\nexport type { A };\n",
            "type A = 1;\ninterface B {}\ndeclare const c: A;\nexport type { A };\n",
            &[],
        );
        check(
            "enum E { A }\ndeclare module 'x' { const a: 1; }\n",
            "^enum E { A }\ndeclare module 'x' { const a: 1; }\n",
            &[1],
        );
    }

    #[test]
    fn what_cannot_be_parsed_is_left_alone() {
        assert!(marks("/a.ts", "const = ;;; {").is_none_or(|marks| marks.lines.len() < 3));
    }
}

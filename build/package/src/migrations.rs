//! Migrations of a package: files `migrations/NNNN_name.sql`, their order, and the statements in them. It finds where a statement ends,
//! as `sqlite3_complete` does, and knows no more of SQL.

use std::collections::BTreeMap;

/// Where migrations are in a package.
pub const MIGRATIONS_FOLDER: &str = "migrations/";
/// Most migrations of one applet.
pub const MIGRATIONS_MAX: usize = 1_000;
/// Longest statement, bytes.
pub const MIGRATION_STATEMENT_BYTES_MAX: usize = 1 << 20;

/// One migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration<'a> {
    /// 0 to 9,999; migrations are applied in this order.
    pub number: u16,
    /// The file's name, without its folder.
    pub name: &'a str,
    /// Its text.
    pub sql: &'a str,
}

/// What is wrong with a migration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct MigrationProblem {
    /// The file, with its folder.
    pub path: String,
    /// Where in it, bytes from its start, if at one place.
    pub offset: Option<usize>,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

/// The migrations among a package's files, in order.
///
/// # Errors
/// Every problem: names, numbers used twice, texts without a statement, statements that a migration cannot have.
pub fn migrations(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<Migration<'_>>, Vec<MigrationProblem>> {
    let mut problems = Vec::new();
    let mut found: Vec<Migration<'_>> = Vec::new();
    let inside = files.iter().filter_map(|(path, data)| Some((path, path.strip_prefix(MIGRATIONS_FOLDER)?, data)));
    for (path, name, data) in inside {
        let mut problem = |offset: Option<usize>, message: String, help: &'static str| {
            problems.push(MigrationProblem { path: path.clone(), offset, message, help });
        };
        let Some(number) = number_of(name) else {
            problem(
                None,
                "its name is not that of a migration".into(),
                "call it NNNN_name.sql: four digits, '_', then a-z, 0-9, '_' and '-'",
            );
            continue;
        };
        if let Some(other) = found.iter().find(|other| other.number == number) {
            problem(None, format!("{} has the same number", other.name), "give each migration a number of its own");
        }
        let Ok(sql) = std::str::from_utf8(data) else {
            problem(None, "it is not UTF-8".into(), "save it as UTF-8");
            continue;
        };
        if let Some(offset) = sql.find('\0') {
            problem(Some(offset), "it holds a NUL character".into(), "SQLite would read no further: leave it out");
            continue;
        }
        let statements = statements(sql);
        if statements.is_empty() {
            problem(None, "it has no statement".into(), "write SQL into it, or remove it");
        }
        for statement in statements {
            if statement.text.len() > MIGRATION_STATEMENT_BYTES_MAX {
                problem(Some(statement.start), "a statement is longer than 1 MiB".into(), "divide it");
            }
            if let Some((word, help)) = refused(statement.text) {
                problem(Some(statement.start), format!("{word} is not for migrations"), help);
            }
        }
        found.push(Migration { number, name, sql });
    }
    if found.len() > MIGRATIONS_MAX {
        let path = MIGRATIONS_FOLDER.to_owned();
        problems.push(MigrationProblem {
            path,
            offset: None,
            message: format!("there are more than {MIGRATIONS_MAX} migrations"),
            help: "join old ones",
        });
    }
    // Names are sorted, and all numbers have four digits: the order of the files is that of the numbers.
    if problems.is_empty() { Ok(found) } else { Err(problems) }
}

/// The number in `NNNN_name.sql`.
fn number_of(name: &str) -> Option<u16> {
    let (digits, rest) = name.split_at_checked(4)?;
    let stem = rest.strip_prefix('_')?.strip_suffix(".sql")?;
    let ok = !stem.is_empty()
        && stem.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'));
    if !ok || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// Statements that the host's transaction around a migration, or its rules, would refuse: better told to the author.
fn refused(statement: &str) -> Option<(&'static str, &'static str)> {
    const TRANSACTION: &str = "all migrations of an installation are one transaction already";
    const CONNECTION: &str = "a migration changes the applet's own tables and rows only";
    const WORDS: [(&str, &str); 10] = [
        ("BEGIN", TRANSACTION),
        ("COMMIT", TRANSACTION),
        ("END", TRANSACTION),
        ("ROLLBACK", TRANSACTION),
        ("SAVEPOINT", TRANSACTION),
        ("RELEASE", TRANSACTION),
        ("PRAGMA", CONNECTION),
        ("ATTACH", CONNECTION),
        ("DETACH", CONNECTION),
        ("VACUUM", CONNECTION),
    ];
    let end = statement.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(statement.len());
    WORDS.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(&statement[..end]))
}

/// One statement of a text, without what separates it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlStatement<'a> {
    /// From its first word to its last, without the semicolon.
    pub text: &'a str,
    /// Where it starts in the whole text, bytes.
    pub start: usize,
}

/// Divides a text into statements. Comments outside of statements are left out.
pub fn statements(sql: &str) -> Vec<SqlStatement<'_>> {
    let mut statements = Vec::new();
    let mut tokens = Tokens { sql, at: 0 };
    // Where the statement begins, its first words, and where its last token ends.
    let mut open: Option<(usize, Trigger)> = None;
    let mut last = 0;
    while let Some((start, token)) = tokens.next() {
        let end = tokens.at;
        let (_, trigger) = open.get_or_insert((start, Trigger::Begin));
        let is_over = trigger.takes(token);
        let begun = open.map_or(start, |(begun, _)| begun);
        if token == ";" && is_over {
            if begun < start {
                statements.push(SqlStatement { text: &sql[begun..last], start: begun });
            }
            open = None;
        }
        last = end;
    }
    if let Some((begun, _)) = open {
        statements.push(SqlStatement { text: &sql[begun..last], start: begun });
    }
    statements
}

/// How far a statement is towards `CREATE TRIGGER …; END`, inside of which semicolons do not end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    /// Nothing was read.
    Begin,
    /// `EXPLAIN` was read.
    Explain,
    /// `CREATE` was read, and perhaps `TEMP`.
    Create,
    /// It is another statement.
    No,
    /// Inside a trigger.
    Inside,
    /// Inside, after a semicolon.
    Semicolon,
    /// Inside, after a semicolon and `END`.
    End,
}

impl Trigger {
    /// Takes a token; true when a semicolon here ends the statement.
    fn takes(&mut self, token: &str) -> bool {
        let is = |word: &str| token.eq_ignore_ascii_case(word);
        if token == ";" {
            let over = !matches!(self, Self::Inside | Self::Semicolon);
            *self = if over { Self::Begin } else { Self::Semicolon };
            return over;
        }
        *self = match *self {
            Self::Begin | Self::Explain if is("CREATE") => Self::Create,
            Self::Begin if is("EXPLAIN") => Self::Explain,
            Self::Explain if is("QUERY") || is("PLAN") => Self::Explain,
            Self::Create if is("TEMP") || is("TEMPORARY") => Self::Create,
            Self::Create if is("TRIGGER") => Self::Inside,
            Self::Begin | Self::Explain | Self::Create | Self::No => Self::No,
            Self::Semicolon if is("END") => Self::End,
            Self::Inside | Self::Semicolon | Self::End => Self::Inside,
        };
        false
    }
}

/// Words, semicolons and everything else, without white space and comments.
struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Option<(usize, &'a str)> {
        loop {
            let rest = &self.sql[self.at..];
            let first = rest.chars().next()?;
            let length = if first.is_whitespace() || first == '\u{feff}' {
                first.len_utf8()
            } else if rest.starts_with("--") {
                rest.find('\n').map_or(rest.len(), |at| at + 1)
            } else if rest.starts_with("/*") {
                rest[2..].find("*/").map_or(rest.len(), |at| at + 4)
            } else {
                let start = self.at;
                self.at += token_bytes(rest, first);
                return Some((start, &self.sql[start..self.at]));
            };
            self.at += length;
        }
    }
}

fn token_bytes(rest: &str, first: char) -> usize {
    let closed_by = |close: char| rest[1..].find(close).map_or(rest.len(), |at| at + 2);
    match first {
        // A doubled quote within is two tokens here, which end where the one would.
        '\'' | '"' | '`' => closed_by(first),
        '[' => closed_by(']'),
        _ if is_word(first) => rest.find(|c: char| !is_word(c)).unwrap_or(rest.len()),
        _ => first.len_utf8(),
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(sql: &str, expected: &[&str]) {
        let found = statements(sql);
        for statement in &found {
            assert!(sql[statement.start..].starts_with(statement.text));
        }
        assert_eq!(found.iter().map(|statement| statement.text).collect::<Vec<_>>(), expected, "{sql}");
    }

    #[test]
    fn statements_end_at_semicolons_that_count() {
        check("", &[]);
        check(" ;; -- nothing;\n/* ; */ ;", &[]);
        check(
            "CREATE TABLE a (b); -- one\nINSERT INTO a VALUES (';');",
            &["CREATE TABLE a (b)", "INSERT INTO a VALUES (';')"],
        );
        check(
            "SELECT 'it''s; so', \"a;b\", [c;d], `e;f`; SELECT 2",
            &["SELECT 'it''s; so', \"a;b\", [c;d], `e;f`", "SELECT 2"],
        );
        check("SELECT 1 /* a; b", &["SELECT 1"]);
        check("SELECT 'open; end", &["SELECT 'open; end"]);
        check("\u{feff}SELECT 1", &["SELECT 1"]);
    }

    #[test]
    fn a_trigger_is_one_statement() {
        let trigger = "create temp trigger t after insert on a begin\n  update a set b = case when 1 then 2 end;\n  select 1;\nEND";
        check(&format!("{trigger}; SELECT 1;"), &[trigger, "SELECT 1"]);
        check("CREATE TABLE trigger_log (a); SELECT 1", &["CREATE TABLE trigger_log (a)", "SELECT 1"]);
        check("CREATE INDEX i ON a (trigger); SELECT 2", &["CREATE INDEX i ON a (trigger)", "SELECT 2"]);
    }

    fn check_files(files: &[(&str, &str)], expected: Result<&[&str], &[&str]>) {
        let files: BTreeMap<String, Vec<u8>> =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        let found = migrations(&files);
        let names = found.as_ref().map(|found| found.iter().map(|migration| migration.name).collect::<Vec<_>>());
        let messages = names.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>());
        match (&messages, expected) {
            (Ok(names), Ok(expected)) => assert_eq!(names, expected),
            (Err(messages), Err(expected)) => assert_eq!(messages, expected),
            _ => panic!("{messages:?}"),
        }
    }

    #[test]
    fn names_numbers_and_texts_are_checked() {
        check_files(
            &[("assets/x", ""), ("migrations/0002_b.sql", "SELECT 1"), ("migrations/0001_a.sql", "SELECT 1")],
            Ok(&["0001_a.sql", "0002_b.sql"]),
        );
        check_files(
            &[("migrations/1_a.sql", "SELECT 1")],
            Err(&["migrations/1_a.sql: its name is not that of a migration"]),
        );
        check_files(
            &[("migrations/0001_.sql", "SELECT 1")],
            Err(&["migrations/0001_.sql: its name is not that of a migration"]),
        );
        check_files(
            &[("migrations/sub/0001_a.sql", "SELECT 1")],
            Err(&["migrations/sub/0001_a.sql: its name is not that of a migration"]),
        );
        check_files(
            &[("migrations/0001_a.sql", "SELECT 1"), ("migrations/0001_b.sql", "SELECT 1")],
            Err(&["migrations/0001_b.sql: 0001_a.sql has the same number"]),
        );
        check_files(&[("migrations/0001_a.sql", "-- later\n")], Err(&["migrations/0001_a.sql: it has no statement"]));
        check_files(
            &[("migrations/0001_a.sql", "SELECT 1; pragma x;")],
            Err(&["migrations/0001_a.sql: PRAGMA is not for migrations"]),
        );
        check_files(
            &[("migrations/0001_a.sql", "BEGIN; SELECT 1")],
            Err(&["migrations/0001_a.sql: BEGIN is not for migrations"]),
        );
    }

    proptest! {
        #[test]
        fn nothing_but_separators_is_lost(sql in "[a-z'\"\\[\\]`;/*\\- \n]{0,60}") {
            let mut at = 0;
            for statement in statements(&sql) {
                prop_assert!(statement.start >= at && !statement.text.is_empty());
                at = statement.start + statement.text.len();
                prop_assert_eq!(&sql[statement.start..at], statement.text);
            }
        }
    }
}

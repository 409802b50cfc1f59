//! What SQL an applet may run. It decides by what SQLite is about to do, never by the text of the statement, and knows no
//! more than a list: whatever is not listed is refused, so that a newer SQLite brings nothing in unseen.

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use super::watch::{InTransaction, Watch};

/// Pragmas that only tell about the applet's own schema and rows (ALTER TABLE itself uses `quick_check`). All others change the
/// connection or tell about the host.
const PRAGMAS: [&str; 8] = [
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Virtual tables that exist without being created and show more than the applet's rows. A test compares them with SQLite's.
pub(super) const HIDDEN_TABLES: [&str; 4] = ["dbstat", "fts3tokenize", "sqlite_dbpage", "sqlite_stmt"];

/// Functions of SQLite an applet may call. Left out on purpose: `load_extension`, `sqlite_log` and full-text and r-tree helpers
/// (they reach outside or read raw structures), and `json_patch`/`jsonb_patch`, whose time is quadratic within one
/// instruction, where nothing can stop it.
#[rustfmt::skip]
pub(super) const FUNCTIONS: &[&str] = &[
    // operators, and what SQLite calls by itself while it alters a schema
    "->", "->>", "glob", "like", "sqlite_add_constraint", "sqlite_drop_column", "sqlite_drop_constraint", "sqlite_fail", "sqlite_find_constraint",
    "sqlite_rename_column", "sqlite_rename_quotefix", "sqlite_rename_table", "sqlite_rename_test",
    // scalar
    "abs", "char", "coalesce", "concat", "concat_ws", "format", "hex", "if", "ifnull", "iif", "instr", "length", "likelihood", "likely",
    "lower", "ltrim", "max", "min", "nullif", "octet_length", "printf", "quote", "random", "randomblob", "replace", "round", "rtrim",
    "sign", "soundex", "sqlite_source_id", "sqlite_version", "subtype", "substr", "substring", "trim", "typeof", "unhex", "unicode", "unistr",
    "unistr_quote", "unlikely", "upper", "zeroblob",
    // mathematics
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "ceil", "ceiling", "cos", "cosh", "degrees", "exp", "floor", "ln", "log",
    "log10", "log2", "mod", "pi", "pow", "power", "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
    // date and time
    "current_date", "current_time", "current_timestamp", "date", "datetime", "julianday", "strftime", "time", "timediff", "unixepoch",
    // aggregates and windows
    "avg", "count", "cume_dist", "dense_rank", "first_value", "group_concat", "lag", "last_value", "lead", "median", "nth_value", "ntile",
    "percent_rank", "percentile", "percentile_cont", "percentile_disc", "rank", "row_number", "string_agg", "sum", "total",
    // JSON
    "json", "json_array", "json_array_insert", "json_array_length", "json_error_position", "json_extract", "json_group_array", "json_group_object",
    "json_insert", "json_object", "json_pretty", "json_quote", "json_remove", "json_replace", "json_set", "json_type", "json_valid",
    "jsonb", "jsonb_array", "jsonb_array_insert", "jsonb_extract", "jsonb_group_array", "jsonb_group_object", "jsonb_insert", "jsonb_object",
    "jsonb_remove", "jsonb_replace", "jsonb_set",
];

/// Functions that tell what the connection did last. Connections are shared by invocations, so outside a transaction or a
/// trigger the answer would be some other call's.
pub(super) const OF_CONNECTION: [&str; 3] = ["changes", "last_insert_rowid", "total_changes"];

/// The table in which the host keeps what migrations were applied. An applet may read it.
pub(super) const BOOKKEEPING: &str = "_belljar_migrations";

/// Decides, and leaves a refusal's reason with `watch`.
pub(super) fn authorize(context: AuthContext<'_>, watch: &Watch) -> Authorization {
    let Some(in_transaction) = watch.applet() else { return Authorization::Allow };
    match refusal(context, in_transaction) {
        None => {
            if let (AuthAction::Insert { table_name }, None) = (context.action, context.accessor)
                && !table_name.starts_with("sqlite_")
            {
                watch.note_insert();
            }
            Authorization::Allow
        }
        Some(reason) => {
            watch.deny(reason);
            Authorization::Deny
        }
    }
}

/// Why the action is refused; `None` allows it.
fn refusal(context: AuthContext<'_>, InTransaction(in_transaction): InTransaction) -> Option<String> {
    use AuthAction as A;
    let temporary = || Some("temporary tables, views, indexes and triggers".to_owned());
    // `CREATE TABLE temp.t` is reported as an ordinary CREATE in the database `temp`.
    let in_temp = context.database_name.is_some_and(|name| name.eq_ignore_ascii_case("temp"));
    let listed = |list: &[&str], name: &str| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    if written(&context.action).is_some_and(|name| name.eq_ignore_ascii_case(BOOKKEEPING)) {
        return Some(format!("writing {BOOKKEEPING}"));
    }
    match context.action {
        A::Select | A::Recursive => None,
        A::Read { table_name, .. } => {
            let pragma = table_name.get(..7).filter(|start| start.eq_ignore_ascii_case("pragma_"));
            let refused = match pragma {
                Some(_) => !listed(&PRAGMAS, &table_name[7..]),
                None => listed(&HIDDEN_TABLES, table_name),
            };
            refused.then(|| format!("reading {table_name}"))
        }
        // Writes to sqlite_schema are reported for every CREATE and DROP; direct ones are refused by SQLite itself, as the
        // schema is never writable here.
        A::Insert { .. } | A::Update { .. } | A::Delete { .. } => None,
        A::CreateTable { .. } | A::CreateIndex { .. } | A::CreateTrigger { .. } | A::CreateView { .. } => {
            if in_temp {
                temporary()
            } else {
                None
            }
        }
        A::DropTable { .. } | A::DropIndex { .. } | A::DropTrigger { .. } | A::DropView { .. } => None,
        A::AlterTable { .. } | A::Reindex { .. } | A::Analyze { .. } => None,
        A::Function { function_name } => {
            if listed(FUNCTIONS, function_name) {
                return None;
            }
            if !listed(&OF_CONNECTION, function_name) {
                return Some(format!("function {function_name}"));
            }
            let sound = in_transaction || context.accessor.is_some();
            (!sound).then(|| {
                format!("function {function_name} outside a transaction (the result of execute tells, and RETURNING)")
            })
        }
        A::Pragma { pragma_name, .. } => (!listed(&PRAGMAS, pragma_name)).then(|| format!("PRAGMA {pragma_name}")),
        A::Attach { .. } => Some("ATTACH and VACUUM".into()),
        A::Detach { .. } => Some("DETACH".into()),
        A::Transaction { .. } | A::Savepoint { .. } => {
            Some("BEGIN, COMMIT, ROLLBACK and SAVEPOINT (use transaction or batch)".into())
        }
        A::CreateVtable { .. } | A::DropVtable { .. } => Some("virtual tables".into()),
        // They would live on in a pooled connection, for the next invocation to find.
        A::CreateTempTable { .. }
        | A::CreateTempIndex { .. }
        | A::CreateTempTrigger { .. }
        | A::CreateTempView { .. }
        | A::DropTempTable { .. }
        | A::DropTempIndex { .. }
        | A::DropTempTrigger { .. }
        | A::DropTempView { .. } => temporary(),
        _ => Some("this kind of statement".into()),
    }
}

/// The table or view that an action changes.
fn written<'a>(action: &AuthAction<'a>) -> Option<&'a str> {
    use AuthAction as A;
    match action {
        A::Insert { table_name }
        | A::Update { table_name, .. }
        | A::Delete { table_name }
        | A::CreateTable { table_name }
        | A::DropTable { table_name }
        | A::AlterTable { table_name, .. }
        | A::CreateIndex { table_name, .. }
        | A::DropIndex { table_name, .. }
        | A::CreateTrigger { table_name, .. } => Some(table_name),
        A::CreateView { view_name } => Some(view_name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(action: AuthAction<'_>, allowed: bool) {
        let context = AuthContext { action, database_name: Some("main"), accessor: None };
        assert_eq!(refusal(context, InTransaction(false)).is_none(), allowed, "{action:?}");
    }

    #[test]
    fn only_what_is_listed_passes() {
        check(AuthAction::Select, true);
        check(AuthAction::Function { function_name: "UPPER" }, true);
        check(AuthAction::Function { function_name: "Load_Extension" }, false);
        check(AuthAction::Function { function_name: "json_patch" }, false);
        check(AuthAction::Function { function_name: "changes" }, false);
        check(AuthAction::Read { table_name: "users", column_name: "id" }, true);
        check(AuthAction::Read { table_name: "Pragma_Database_List", column_name: "file" }, false);
        check(AuthAction::Read { table_name: "pragma_table_info", column_name: "name" }, true);
        check(AuthAction::Read { table_name: "dbstat", column_name: "pgno" }, false);
        check(AuthAction::Pragma { pragma_name: "table_info", pragma_value: Some("users") }, true);
        check(AuthAction::Pragma { pragma_name: "journal_mode", pragma_value: None }, false);
        check(AuthAction::Unknown { code: 99, arg1: None, arg2: None }, false);
        check(AuthAction::CreateTempTable { table_name: "t" }, false);
        check(AuthAction::Insert { table_name: "_Belljar_Migrations" }, false);
        check(AuthAction::AlterTable { database_name: "main", table_name: BOOKKEEPING }, false);
        check(AuthAction::Read { table_name: BOOKKEEPING, column_name: "number" }, true);
    }

    #[test]
    fn a_transaction_and_a_trigger_know_their_own_changes() {
        let action = AuthAction::Function { function_name: "changes" };
        let top = AuthContext { action, database_name: None, accessor: None };
        assert_eq!(refusal(top, InTransaction(true)), None);
        assert_eq!(refusal(AuthContext { accessor: Some("trigger"), ..top }, InTransaction(false)), None);
    }
}

//! The tools of threads, which Codex keeps a row each.

use std::collections::HashMap;

use serde_json::value::RawValue;
use threadkeep::{DynamicToolSpec, Result, limits};

use super::cell::{Cell, Row};
use super::report::Report;
use super::shape::Table;
use super::source::{Source, quoted};
use super::threads::Thread;

/// The table.
pub(super) const TABLE: &str = "thread_dynamic_tools";
/// Columns without which a row is nothing.
pub(super) const NEEDED: [&str; 2] = ["thread_id", "name"];
/// The columns that have a place in a store.
pub(super) const KNOWN: [&str; 9] = [
    "thread_id",
    "position",
    "namespace",
    "namespace_description",
    "name",
    "description",
    "input_schema",
    "defer_loading",
    "expose_to_context",
];

/// Gives threads their tools.
pub(super) async fn attach(
    source: &mut Source,
    table: &Table,
    threads: &mut [Thread],
    report: &mut Report,
) -> Result<()> {
    let columns = table.those_of(&KNOWN);
    let marks = vec!["?"; threads.len()].join(", ");
    let order = if table.has("position") { "position, " } else { "" };
    let sql = format!(
        "SELECT rowid, {} FROM {} WHERE thread_id IN ({marks}) ORDER BY {order}rowid",
        columns.join(", "),
        quoted(&table.name),
    );
    let ids: Vec<_> = threads.iter().map(|thread| thread.spelled.as_str()).collect();
    let rows = source.all(&sql, &ids).await?;
    let mut lists: HashMap<String, Vec<DynamicToolSpec>> = HashMap::new();
    for mut cells in rows {
        let Cell::Integer(number) = cells.remove(0) else { continue };
        let row = Row { number, columns: &columns, cells };
        let Cell::Text(thread) = row.get("thread_id").clone() else { continue };
        match tool(&row) {
            Ok(tool) => lists.entry(thread).or_default().push(tool),
            Err(reason) => {
                let name = format!("{} of {thread}", row.get("name").shown());
                report.leave_out("tool", reason, name);
            }
        }
    }
    for thread in threads {
        let tools = lists.remove(&thread.spelled).unwrap_or_default();
        if tools.len() > limits::TOOLS {
            let reason = format!("a thread has at most {} tools", limits::TOOLS);
            report.leave_out_all("tool", reason, tools.len() as u64);
            continue;
        }
        if !tools.is_empty() {
            report.tools.threads += 1;
            report.tools.tools += tools.len() as u64;
        }
        thread.tools = tools;
    }
    Ok(())
}

/// Names the rows of threads that are none.
pub(super) async fn report_strays(
    source: &mut Source,
    table: &Table,
    threads: &Table,
    report: &mut Report,
) -> Result<()> {
    let sql = format!(
        "SELECT count(*) FROM {} AS tool WHERE NOT EXISTS \
         (SELECT 1 FROM {} AS thread WHERE thread.id = tool.thread_id)",
        quoted(&table.name),
        quoted(&threads.name),
    );
    let strays = source.number(&sql, &[]).await?;
    report.leave_out_all("tool", "its thread is not there".into(), strays);
    Ok(())
}

/// A tool as an agent would have declared it.
fn tool(row: &Row<'_>) -> std::result::Result<DynamicToolSpec, String> {
    let mut json = String::from("{");
    let mut member = |name: &str, value: &str| {
        if json.len() > 1 {
            json.push(',');
        }
        json.extend(["\"", name, "\":", value]);
    };
    for (column, name) in [
        ("namespace", "namespace"),
        ("namespace_description", "namespaceDescription"),
        ("name", "name"),
        ("description", "description"),
    ] {
        match row.get(column) {
            Cell::Null => {}
            Cell::Text(text) => member(name, &serde_json::Value::from(text.as_str()).to_string()),
            _ => return Err(format!("its {column} is no text")),
        }
    }
    match row.get("input_schema") {
        Cell::Null => {}
        Cell::Text(schema) => match serde_json::from_str::<&RawValue>(schema) {
            Ok(schema) => member("inputSchema", schema.get()),
            Err(_) => return Err("its input_schema is not valid JSON".into()),
        },
        _ => return Err("its input_schema is no text".into()),
    }
    if let Cell::Integer(flag) = row.get("defer_loading") {
        member("deferLoading", if *flag != 0 { "true" } else { "false" });
    }
    // Where nothing is said, a tool is exposed.
    if *row.get("expose_to_context") == Cell::Integer(0) {
        member("exposeToContext", "false");
    }
    json.push('}');
    DynamicToolSpec::from_json(json).map_err(|error| error.message().to_owned())
}

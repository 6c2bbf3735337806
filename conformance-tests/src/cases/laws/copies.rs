//! What is read out of a store can be put into another.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use threadkeep_core::{
    Change, Direction, DynamicToolSpec, LogEntry, LogFilter, LogLevel, LogQuery, SortKey, Store,
    ThreadMetadata, ThreadQuery, ThreadSeed, Timestamp, WriteBatch,
};

use super::in_lab;
use crate::cases::examples::say::{id, put};
use crate::cases::{Tier, group};
use crate::diff::same;
use crate::lab::{Lab, Verdict};
use crate::setting::Setting;

group! { sync Tier::Laws;
    S_13: what_one_store_holds_another_holds_and_a_third,
}

const SEQUENCES: u64 = 8;

/// All that can be read out of a store. Two things differ from store to store and are not in it:
/// revisions, which count the changes of a store, and the numbers of log entries, of which only the
/// order is kept.
#[derive(Clone, PartialEq)]
pub(super) struct Content {
    threads: Vec<(ThreadMetadata, Option<Vec<String>>)>,
    checkpoints: Vec<(String, String)>,
    logs: Vec<LogEntry>,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (row, tools) in &self.threads {
            writeln!(f, "{row:#?}\n  tools: {tools:#?}")?;
        }
        for checkpoint in &self.checkpoints {
            writeln!(f, "checkpoint {checkpoint:?}")?;
        }
        self.logs.iter().try_for_each(|entry| writeln!(f, "{entry:#?}"))
    }
}

pub(super) fn content() -> impl Strategy<Value = Content> {
    let threads = vec((row(), option::of(vec(tool(), 1..4))), 0..6).prop_map(|mut threads| {
        for (number, (row, _)) in (1..).zip(&mut threads) {
            row.id = id(number);
        }
        threads
    });
    let checkpoints = btree_map(text(), text(), 0..4);
    (threads, checkpoints, vec(log_entry(), 0..6)).prop_map(|(threads, checkpoints, logs)| {
        Content { threads, checkpoints: checkpoints.into_iter().collect(), logs }
    })
}

fn row() -> impl Strategy<Value = ThreadMetadata> {
    let times = (time(), time(), option::of(time()), option::of(time()));
    let texts = (text(), text(), text(), text(), text(), text());
    let optional = vec(option::of(text()), 7);
    let counts = (0..=i64::MAX, any::<u64>(), any::<bool>());
    (times, texts, optional, (path(), path()), counts).prop_map(
        |(times, texts, optional, paths, counts)| {
            let mut row = ThreadSeed::new(id(0), paths.0, times.0).cwd(paths.1).into_metadata();
            (_, row.updated_at, row.named_at, row.archived_at) = times;
            (row.source, row.model_provider, row.title, ..) = texts.clone();
            (.., row.sandbox_policy, row.approval_mode, row.applied_file) = texts;
            [
                &mut row.model,
                &mut row.cli_version,
                &mut row.preview,
                &mut row.name,
                &mut row.git_sha,
                &mut row.git_branch,
                &mut row.git_origin_url,
            ]
            .into_iter()
            .zip(optional)
            .for_each(|(field, value)| *field = value);
            (row.tokens_used, row.applied_through, row.has_user_event) = counts;
            row
        },
    )
}

fn time() -> impl Strategy<Value = Timestamp> {
    let edges = select(vec![Timestamp::MIN.as_millis(), Timestamp::MAX.as_millis(), 0, -1]);
    prop_oneof![1 => edges, 2 => Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis()]
        .prop_map(Timestamp::from_millis)
}

fn text() -> impl Strategy<Value = String> {
    let hostile = [
        "",
        "\0",
        "a\0b\0",
        "NULL",
        "bytes:%41",
        "'; --\"\\%_",
        "\r\n\t\u{1F}\u{7F}",
        "\u{202E}עברית",
        "\u{1F980}\u{200D}e\u{301}",
        "\u{FEFF}\u{FFFD}\u{FFFF}\u{10FFFF}",
        "\\u0000\\ud83d",
    ];
    let any = vec(any::<char>(), 0..12).prop_map(String::from_iter);
    prop_oneof![select(hostile.map(str::to_owned).to_vec()), any]
}

fn path() -> impl Strategy<Value = PathBuf> {
    let text = text().prop_map(|text| PathBuf::from(format!("/{text}")));
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = vec(any::<u8>(), 1..12);
        let bytes = bytes.prop_map(|bytes| std::ffi::OsString::from_vec(bytes).into());
        prop_oneof![text, bytes]
    }
    #[cfg(not(unix))]
    text
}

/// The exact text of a tool.
fn tool() -> impl Strategy<Value = String> {
    let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let values = [
        "1.00",
        "-0.0",
        "1e400",
        "\"\\ud83d\"",
        "\"\\u0000\"",
        "{ \"a\" :1,\"a\":2 }",
        &deep,
        "123456789012345678901234567890.10",
    ];
    let tools = (text(), select(values.map(str::to_owned).to_vec()), select(vec!["", " ", "\n\t"]));
    tools.prop_map(|(name, value, space)| {
        let name = serde_json::Value::from(name + "n");
        format!("{{{space}\"x\":{space}{value},\"x\":{value}{space}, \"name\":{name}{space}}}")
    })
}

fn log_entry() -> impl Strategy<Value = LogEntry> {
    let times = prop_oneof![
        select(vec![DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC]),
        any::<i64>().prop_map(|nanos| DateTime::UNIX_EPOCH + TimeDelta::nanoseconds(nanos)),
    ];
    let levels = select(LogLevel::ALL.to_vec());
    let optional = vec(option::of(text()), 5);
    (times, levels, text(), optional, option::of(any::<u32>())).prop_map(
        |(time, level, target, mut optional, line)| {
            let mut entry = LogEntry::new(time, level, target, "");
            entry.message = optional.pop().flatten();
            entry.thread_id = optional.pop().flatten();
            entry.process_id = optional.pop().flatten();
            entry.module_path = optional.pop().flatten();
            entry.file = optional.pop().flatten();
            entry.line = line;
            entry
        },
    )
}

impl Content {
    /// Puts everything into an empty store.
    pub(super) async fn put_into(&self, store: &dyn Store) -> Verdict {
        let mut batch = WriteBatch::new();
        for (row, tools) in &self.threads {
            batch.push(put(row.clone()));
            if let Some(tools) = tools {
                let tools = tools.iter().map(|tool| DynamicToolSpec::from_json(tool.as_str()));
                let tools = tools.collect::<Result<_, _>>()?;
                batch.push(Change::SetTools { id: row.id, tools, replace: false });
            }
        }
        for (key, value) in &self.checkpoints {
            batch.push(Change::SetCheckpoint { key: key.clone(), value: Some(value.clone()) });
        }
        store.write(batch).await?;
        store.append(self.logs.clone()).await?;
        Ok(())
    }

    /// Leaves out what a store remembers of the logs that were copied into it.
    pub(super) fn forget_copies(&mut self) {
        self.checkpoints.retain(|(key, _)| !key.starts_with("copy:"));
    }

    /// Reads everything, in small pages.
    pub(super) async fn read_from(store: &dyn Store) -> Verdict<Self> {
        let mut content = Self { threads: Vec::new(), checkpoints: Vec::new(), logs: Vec::new() };
        let mut query = ThreadQuery::everything().sort(SortKey::CreatedAt).limit(2);
        loop {
            let page = store.list(query.clone()).await?;
            same("rows passed over", &page.skipped, &Vec::new())?;
            for mut row in page.items {
                row.revision = 0;
                let tools = store.dynamic_tools(row.id).await?;
                let tools =
                    tools.map(|tools| tools.iter().map(|tool| tool.json().to_owned()).collect());
                content.threads.push((row, tools));
            }
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        content.threads.sort_by_key(|(row, _)| row.id);
        loop {
            let last = content.checkpoints.last().map(|(key, _)| key.clone());
            let page = store.checkpoints(String::new(), last, 2).await?;
            if page.is_empty() {
                break;
            }
            content.checkpoints.extend(page.into_iter().map(|one| (one.key, one.value)));
        }
        let mut filter = LogFilter::new();
        loop {
            let query = LogQuery::new(filter.clone()).direction(Direction::Ascending).limit(2);
            let page = store.query(query).await?;
            filter = page.items.last().map_or(filter.clone(), |last| filter.after_id(last.id));
            content.logs.extend(page.items.into_iter().map(|row| row.entry));
            if !page.more {
                return Ok(content);
            }
        }
    }
}

fn what_one_store_holds_another_holds_and_a_third(setting: &Setting) -> Verdict {
    in_lab(setting, SEQUENCES, &content(), |lab, content| Box::pin(copy(lab, content)))
}

async fn copy(lab: &Lab, expected: Content) -> Verdict {
    let mut content = expected.clone();
    for name in ["the first store", "the second", "the third"] {
        let folder = lab.beside(name);
        std::fs::create_dir(&folder)?;
        let store = lab.open_at(&folder).await?;
        content.put_into(&*store).await?;
        content = Content::read_from(&*store).await?;
        same(&format!("what {name} holds"), &content, &expected)?;
    }
    Ok(())
}

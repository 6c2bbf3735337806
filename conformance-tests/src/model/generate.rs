//! Random sequences. Everything comes from small pools, so that collisions are likely; what
//! stands first in a pool is what a failing sequence is made smaller to.

use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use threadkeep_core::{
    Archived, Change, Direction, DynamicToolSpec, FieldPatch, LogEntry, LogFilter, LogLevel,
    LogQuery, LogThreads, SortKey, ThreadId, ThreadQuery, TimeRange, Timestamp,
};

use super::ops::{Expectation, Field, Op, Part, Probe, Script, Seed, Step, Wanted};

/// The threads there are. Their order tells whether bytes are compared as unsigned numbers.
pub(crate) const IDS: [ThreadId; 4] = [
    ThreadId::from_bytes([0x01; 16]),
    ThreadId::from_bytes([0x7f; 16]),
    ThreadId::from_bytes([0x80; 16]),
    ThreadId::from_bytes([0xfe; 16]),
];

pub(crate) fn script() -> impl Strategy<Value = Script> {
    vec((op(), vec(probe(), 0..4)).prop_map(|(op, probes)| Step { op, probes }), 1..=40)
        .prop_map(Script)
}

fn op() -> impl Strategy<Value = Op> {
    let named = prop_oneof![6 => Just(None), 1 => (1..4_u8).prop_map(Some)];
    prop_oneof![
        20 => (named, vec((wanted(), expectation()), 0..5))
            .prop_map(|(name, changes)| Op::Write(name, changes)),
        5 => vec(log_entry(), 0..5).prop_map(Op::Append),
        1 => log_time().prop_map(Op::DeleteLogsBefore),
        1 => Just(Op::Maintain),
        1 => Just(Op::Flush),
        2 => any::<bool>().prop_map(|close| Op::Reopen { close }),
    ]
}

fn expectation() -> impl Strategy<Value = Expectation> {
    prop_oneof![
        20 => Just(Expectation::Nothing),
        3 => Just(Expectation::Current),
        1 => Just(Expectation::Absence),
        1 => (0..6_u64).prop_map(Expectation::Revision),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    prop_oneof![
        4 => (id(), vec(field(), 0..6)).prop_map(|(id, fields)| Wanted::Put(id, fields)),
        4 => (id(), seed(), vec(part(), 0..6))
            .prop_map(|(id, seed, parts)| Wanted::Apply(id, seed, parts)),
        1 => (id(), seed(), vec(part(), 0..6))
            .prop_map(|(id, seed, parts)| Wanted::Rebuild(id, seed, parts)),
        3 => (id(), vec(part(), 0..6)).prop_map(|(id, parts)| Wanted::Patch(id, parts)),
        7 => other().prop_map(Wanted::Other),
    ]
}

fn other() -> impl Strategy<Value = Change> {
    prop_oneof![
        (id(), time()).prop_map(|(id, at)| Change::Delete { id, at }),
        (id(), rollout_path(), time()).prop_map(|(id, path, archived_at)| Change::Move {
            id,
            path,
            archived_at
        }),
        (id(), option::of(rollout_path()), time()).prop_map(|(id, path, at)| Change::Archive {
            id,
            path,
            at
        }),
        (id(), option::of(rollout_path())).prop_map(|(id, path)| Change::Unarchive { id, path }),
        (id(), option::of(text()), time()).prop_map(|(id, name, at)| Change::Rename {
            id,
            name,
            at
        }),
        (id(), tools(), any::<bool>()).prop_map(|(id, tools, replace)| Change::SetTools {
            id,
            tools,
            replace
        }),
        (key(), option::of(text())).prop_map(|(key, value)| Change::SetCheckpoint { key, value }),
    ]
}

fn seed() -> impl Strategy<Value = Seed> {
    (rollout_path(), time(), provider(), option::of(time())).prop_map(
        |(path, created_at, provider, archived_at)| Seed {
            path,
            created_at,
            provider,
            archived_at,
        },
    )
}

fn field() -> impl Strategy<Value = Field> {
    prop_oneof![2 => listed_field(), 1 => other_field()]
}

/// What listings sort and choose by.
fn listed_field() -> impl Strategy<Value = Field> {
    prop_oneof![
        time().prop_map(Field::UpdatedAt),
        time().prop_map(Field::CreatedAt),
        option::of(time()).prop_map(Field::ArchivedAt),
        any::<bool>().prop_map(Field::UserEvent),
        source().prop_map(Field::Source),
        provider().prop_map(Field::Provider),
        cwd().prop_map(Field::Cwd),
        text().prop_map(Field::Title),
    ]
}

fn other_field() -> impl Strategy<Value = Field> {
    prop_oneof![
        rollout_path().prop_map(Field::RolloutPath),
        option::of(text()).prop_map(Field::Preview),
        option::of(text()).prop_map(Field::Name),
        option::of(time()).prop_map(Field::NamedAt),
        tokens().prop_map(Field::Tokens),
        (file(), 0..4_u64).prop_map(|(file, through)| Field::Applied(file, through)),
        any_text_field(),
    ]
}

fn any_text_field() -> impl Strategy<Value = Field> {
    let optional = select(vec![
        Field::Model as fn(Option<String>) -> Field,
        Field::CliVersion,
        Field::GitSha,
        Field::GitBranch,
        Field::GitOrigin,
    ]);
    let required = select(vec![Field::Sandbox as fn(String) -> Field, Field::Approval]);
    prop_oneof![
        (optional, option::of(text())).prop_map(|(field, text)| field(text)),
        (required, text()).prop_map(|(field, text)| field(text)),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    let optional = select(vec![
        Part::Preview as fn(FieldPatch<Option<String>>) -> Part,
        Part::Model,
        Part::CliVersion,
        Part::GitSha,
        Part::GitBranch,
        Part::GitOrigin,
    ]);
    let required =
        select(vec![Part::Title as fn(FieldPatch<String>) -> Part, Part::Sandbox, Part::Approval]);
    let texts = prop_oneof![
        (required, field_patch(text())).prop_map(|(part, patch)| part(patch)),
        (optional, field_patch(option::of(text()))).prop_map(|(part, patch)| part(patch)),
        field_patch(source()).prop_map(Part::Source),
        field_patch(provider()).prop_map(Part::Provider),
        field_patch(cwd()).prop_map(Part::Cwd),
    ];
    let others = prop_oneof![
        Just(Part::UserEvent),
        time().prop_map(Part::UpdatedAt),
        time().prop_map(Part::NewestItemAt),
        (file(), 1..5_u64).prop_map(|(file, through)| Part::Mark(file, through)),
        field_patch(tokens()).prop_map(Part::Tokens),
        (option::of(text()), option::of(time())).prop_map(|(name, at)| Part::Name(name, at)),
        tools().prop_map(Part::Tools),
    ];
    prop_oneof![texts, others]
}

fn field_patch<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = FieldPatch<T>> {
    (value, any::<bool>()).prop_map(|(value, if_empty)| {
        if if_empty { FieldPatch::SetIfEmpty(value) } else { FieldPatch::Set(value) }
    })
}

fn probe() -> impl Strategy<Value = Probe> {
    prop_oneof![
        5 => thread_query().prop_map(Probe::List),
        1 => (key(), option::of(key()), 1..4_usize)
            .prop_map(|(prefix, after, limit)| Probe::Checkpoints { prefix, after, limit }),
        2 => (log_filter(), direction(), 1..6_usize).prop_map(|(filter, direction, limit)| {
            Probe::Logs(LogQuery::new(filter).direction(direction).limit(limit))
        }),
        1 => log_filter().prop_map(Probe::MaxLogId),
    ]
}

fn thread_query() -> impl Strategy<Value = ThreadQuery> {
    let sets = (
        rarely(btree_set(source(), 0..3)),
        rarely(btree_set(provider(), 0..3)),
        rarely(btree_set(cwd().prop_map(PathBuf::into_os_string), 0..3)),
    );
    let conditions = (rarely(time_range()), rarely(time_range()), rarely(search_text()));
    let sort = select(vec![SortKey::UpdatedAt, SortKey::CreatedAt]);
    let archived = select(vec![Archived::Any, Archived::Active, Archived::Archived]);
    let size = prop_oneof![5 => 1..5_usize, 1 => Just(1_000)];
    (sets, conditions, archived, any::<bool>(), sort, direction(), size).prop_map(
        |(sets, (created, updated, text), archived, only_shown, sort, direction, size)| {
            let mut query = ThreadQuery::new().sort(sort).direction(direction).limit(size);
            query.filter.archived = archived;
            query.filter.include_empty = !only_shown;
            (query.filter.sources, query.filter.providers, query.filter.cwds) = sets;
            query.filter.created = created.unwrap_or_default();
            query.filter.updated = updated.unwrap_or_default();
            query.filter.text = text;
            query
        },
    )
}

fn rarely<T: std::fmt::Debug>(
    strategy: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    option::weighted(0.2, strategy)
}

fn direction() -> impl Strategy<Value = Direction> {
    select(vec![Direction::Ascending, Direction::Descending])
}

fn time_range() -> impl Strategy<Value = TimeRange> {
    (option::of(time()), option::of(time())).prop_map(|(from, to)| TimeRange { from, to })
}

fn log_entry() -> impl Strategy<Value = LogEntry> {
    let texts =
        (log_text(), option::of(log_text()), option::of(log_text()), option::of(log_text()));
    let owners = (option::of(log_thread()), option::of(log_text()));
    (log_time(), select(LogLevel::ALL.to_vec()), texts, owners, option::of(any::<u32>())).prop_map(
        |(time, level, (target, message, module_path, file), (thread_id, process_id), line)| {
            LogEntry {
                time,
                level,
                target,
                message,
                thread_id,
                process_id,
                module_path,
                file,
                line,
            }
        },
    )
}

fn log_filter() -> impl Strategy<Value = LogFilter> {
    let level = || rarely(select(LogLevel::ALL.to_vec()));
    let parts = || rarely(btree_set(search_text(), 0..3));
    let threads = (btree_set(log_thread(), 0..3), any::<bool>())
        .prop_map(|(ids, threadless)| LogThreads { ids, threadless });
    (
        (level(), level()),
        (rarely(log_time()), rarely(log_time())),
        (parts(), parts(), parts(), parts()),
        (rarely(threads), rarely(log_text())),
        (rarely(0..40_u64), rarely(0..40_u64)),
    )
        .prop_map(|(levels, times, parts, (threads, process_id), ids)| {
            let mut filter = LogFilter::new();
            (filter.level, filter.min_level) = levels;
            (filter.from, filter.to) = times;
            (filter.modules, filter.files, filter.targets, filter.messages) = parts;
            filter.threads = threads;
            filter.process_id = process_id;
            (filter.after_id, filter.before_id) = ids;
            filter
        })
}

fn id() -> impl Strategy<Value = ThreadId> {
    prop_oneof![Just(IDS[0]), select(IDS.to_vec())]
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        3 => select(vec![1_000, 0, 1_001]),
        1 => select(vec![1, 2_000, -1, i64::MIN, i64::MAX])
    ]
    .prop_map(Timestamp::from_millis)
}

fn log_time() -> impl Strategy<Value = DateTime<Utc>> {
    select(vec![0, 1, -1, 999_999_999, 1_000_000_000])
        .prop_map(|nanos| DateTime::UNIX_EPOCH + TimeDelta::nanoseconds(nanos))
}

fn strings(pool: &[&str]) -> impl Strategy<Value = String> + use<> {
    select(pool.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
}

fn source() -> impl Strategy<Value = String> {
    strings(&["cli", "exec", "", "{\"subagent\":\"review\"}"])
}

fn provider() -> impl Strategy<Value = String> {
    strings(&["openai", "", "OpenAI", "p\0"])
}

fn file() -> impl Strategy<Value = String> {
    strings(&["a.jsonl", "b.jsonl"])
}

fn key() -> impl Strategy<Value = String> {
    strings(&["", "a", "a/", "a/1", "b", "a\u{10FFFF}", "a%", "\0"])
}

fn text() -> impl Strategy<Value = String> {
    let short = strings(&[
        "a",
        "",
        "A",
        "ab",
        "100%",
        "a_b",
        "é",
        "É",
        "\0",
        "a\0b",
        "\u{1F980}\u{202E}א",
        "e\u{301}'\"\\",
    ]);
    let long = strings(&[&("x".repeat(511) + "é"), &"\u{1F980}".repeat(1_025)]);
    prop_oneof![30 => short, 1 => long]
}

fn search_text() -> impl Strategy<Value = String> {
    strings(&["a", "", "B", "%", "_", "É", "é", "\0", "\\", "x"])
}

fn log_text() -> impl Strategy<Value = String> {
    strings(&["a", "", "AB", "a%", "a_b", "é", "\0", "\u{1F980}\\"])
}

fn log_thread() -> impl Strategy<Value = String> {
    let known: Vec<String> = IDS.iter().map(ThreadId::to_string).collect();
    prop_oneof![4 => select(known), 1 => strings(&["", "a", "no uuid"])]
}

fn rollout_path() -> impl Strategy<Value = PathBuf> {
    paths(&[
        "/sessions/a",
        "/archived_sessions/a",
        "/sessions/./a",
        "bytes:/a",
        "archived_sessions",
    ])
}

fn cwd() -> impl Strategy<Value = PathBuf> {
    paths(&["/a", "", "/a/", "/A", "bytes:%41"])
}

fn paths(pool: &[&str]) -> impl Strategy<Value = PathBuf> + use<> {
    let mut pool: Vec<PathBuf> = pool.iter().map(PathBuf::from).collect();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        pool.push(std::ffi::OsString::from_vec(b"/not utf8/\xff".to_vec()).into());
    }
    select(pool)
}

fn tokens() -> impl Strategy<Value = i64> {
    select(vec![1, 0, 2, -1, i64::MAX, i64::MIN])
}

fn tools() -> impl Strategy<Value = Vec<DynamicToolSpec>> {
    let pool: Vec<_> = [
        r#"{"name":"a"}"#,
        r#"{"name":"a","b":1.00}"#,
        r#"{ "name" : "é\u0000", "inputSchema":{"z":1,"a":[]} }"#,
    ]
    .into_iter()
    .filter_map(|text| DynamicToolSpec::from_json(text).ok())
    .collect();
    vec(select(pool), 0..3)
}

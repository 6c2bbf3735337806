//! Random sequences, of what the pools hold.

use std::path::PathBuf;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use threadkeep_core::{
    Archived, Change, Direction, FieldPatch, LogEntry, LogFilter, LogLevel, LogQuery, LogThreads,
    SortKey, ThreadQuery, TimeRange,
};

use super::ops::{Expectation, Field, Limits, Op, Part, Probe, Seed, Step, Wanted};
use super::pools::{
    cwd, file, huge_text, id, key, log_text, log_thread, log_time, provider, rollout_path,
    search_text, source, text, time, tokens, tools,
};

/// What may come next. Log entries are asked for by numbers around those given out so far.
pub(crate) fn step(handles: usize, greatest_log_id: u64) -> impl Strategy<Value = Step> {
    (0..handles, op(), vec(probe(greatest_log_id), 0..4)).prop_map(|(handle, op, probes)| Step {
        handle,
        op,
        probes,
    })
}

fn op() -> impl Strategy<Value = Op> {
    let named = prop_oneof![6 => Just(None), 1 => (1..4_u8).prop_map(Some)];
    prop_oneof![
        20 => (named, vec((wanted(), expectation()), 0..5))
            .prop_map(|(name, changes)| Op::Write(name, changes)),
        5 => vec(log_entry(), 0..5).prop_map(Op::Append),
        1 => log_time().prop_map(Op::DeleteLogsBefore),
        1 => limits().prop_map(Op::Prune),
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
        Field::CliVersion as fn(Option<String>) -> Field,
        Field::GitSha,
        Field::GitBranch,
        Field::GitOrigin,
    ]);
    let required = select(vec![Field::Sandbox as fn(String) -> Field, Field::Approval]);
    prop_oneof![
        4 => (optional, option::of(text())).prop_map(|(field, text)| field(text)),
        2 => (required, text()).prop_map(|(field, text)| field(text)),
        1 => option::of(huge_text()).prop_map(Field::Model),
    ]
}

pub(crate) fn part() -> impl Strategy<Value = Part> {
    let optional = select(vec![
        Part::Preview as fn(FieldPatch<Option<String>>) -> Part,
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
        field_patch(option::of(huge_text())).prop_map(Part::Model),
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

fn probe(greatest_log_id: u64) -> impl Strategy<Value = Probe> {
    prop_oneof![
        5 => thread_query().prop_map(Probe::List),
        1 => (key(), option::of(key()), 1..4_usize)
            .prop_map(|(prefix, after, limit)| Probe::Checkpoints { prefix, after, limit }),
        2 => (log_filter(greatest_log_id), direction(), 1..6_usize).prop_map(|(filter, direction, limit)| {
            Probe::Logs(LogQuery::new(filter).direction(direction).limit(limit))
        }),
        1 => log_filter(greatest_log_id).prop_map(Probe::MaxLogId),
        1 => select(vec![0, 10_001, usize::MAX]).prop_map(Probe::BadLimit),
        1 => (thread_query(), thread_query())
            .prop_map(|(from, to)| Probe::ForeignCursor(Box::new((from, to)))),
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

/// Entries have from no byte to some ninety, those of no thread fewer.
fn limits() -> impl Strategy<Value = Limits> {
    (rarely(log_time()), option::of(0..5_u64), rarely(0..200_u64)).prop_map(
        |(before, thread_rows, thread_bytes)| Limits { before, thread_rows, thread_bytes },
    )
}

fn log_filter(greatest_id: u64) -> impl Strategy<Value = LogFilter> {
    let level = || rarely(select(LogLevel::ALL.to_vec()));
    let parts = || rarely(btree_set(search_text(), 0..3));
    let threads = (btree_set(log_thread(), 0..3), any::<bool>())
        .prop_map(|(ids, threadless)| LogThreads { ids, threadless });
    (
        (level(), level(), level()),
        (rarely(log_time()), rarely(log_time())),
        (parts(), parts(), parts(), parts()),
        (rarely(threads), rarely(log_text())),
        (rarely(0..greatest_id + 2), rarely(0..greatest_id + 2)),
    )
        .prop_map(|(levels, times, parts, (threads, process_id), ids)| {
            let mut filter = LogFilter::new();
            (filter.level, filter.min_level, filter.max_level) = levels;
            (filter.from, filter.to) = times;
            (filter.modules, filter.files, filter.targets, filter.messages) = parts;
            filter.threads = threads;
            filter.process_id = process_id;
            (filter.after_id, filter.before_id) = ids;
            filter
        })
}

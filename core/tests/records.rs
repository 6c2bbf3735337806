//! Laws of one write transaction, over arbitrary changes of a few threads and checkpoints.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use threadkeep_core::{
    Change, Changed, Checkpoint, DynamicToolSpec, Effect, ErrorKind, Expect, FieldPatch, Mark,
    Outcome, Record, Records, Subject, ThreadId, ThreadPatch, ThreadSeed, Timestamp, WriteBatch,
};

fn an_id() -> impl Strategy<Value = ThreadId> + Clone {
    (1..3_u8).prop_map(|byte| ThreadId::from_bytes([byte; 16]))
}

fn a_time() -> impl Strategy<Value = Timestamp> + Clone {
    (0..5_i64).prop_map(Timestamp::from_millis)
}

fn a_path() -> impl Strategy<Value = String> + Clone {
    select(vec!["/sessions/a".to_owned(), "/sessions/a/".into(), "/archived_sessions/a".into()])
}

fn a_seed() -> impl Strategy<Value = Box<ThreadSeed>> {
    (an_id(), a_path(), a_time(), option::of(a_time())).prop_map(|(id, path, at, archived)| {
        Box::new(ThreadSeed::new(id, path, at).archived_at(archived))
    })
}

fn some_tools() -> impl Strategy<Value = Vec<DynamicToolSpec>> {
    vec(Just(DynamicToolSpec::function("x", "does", "{}").unwrap()), 0..2)
}

fn a_patch() -> impl Strategy<Value = Box<ThreadPatch>> {
    let title = option::of(select(vec!["", "a", "b"]));
    let mark = option::of((select(vec!["", "1", "2"]), 0..3_u64));
    (title, option::of(a_time()), option::of(some_tools()), mark).prop_map(
        |(title, at, tools, mark)| {
            let mut patch = ThreadPatch::default();
            patch.title =
                title.map_or(FieldPatch::Keep, |title| FieldPatch::SetIfEmpty(title.into()));
            (patch.updated_at, patch.newest_item_at, patch.tools) = (at, at, tools);
            patch.mark = mark.map(|(file, through)| Mark { file: file.into(), through });
            Box::new(patch)
        },
    )
}

fn a_change() -> impl Strategy<Value = Change> {
    let path = || option::of(a_path().prop_map(Into::into));
    let name = option::of(select(vec!["n", "m"]).prop_map(str::to_owned));
    let value = option::of(select(vec!["v", "w"]).prop_map(str::to_owned));
    let key = select(vec!["k", "l"]).prop_map(str::to_owned);
    prop_oneof![
        a_seed().prop_map(|seed| Change::Put(Box::new(seed.into_metadata()))),
        (a_seed(), a_patch()).prop_map(|(seed, patch)| Change::Apply(seed, patch)),
        (a_seed(), a_patch()).prop_map(|(seed, patch)| Change::Rebuild(seed, patch)),
        (an_id(), a_patch()).prop_map(|(id, patch)| Change::Patch(id, patch)),
        (an_id(), a_path(), a_time()).prop_map(|(id, path, archived_at)| Change::Move {
            id,
            path: path.into(),
            archived_at
        }),
        (an_id(), path(), a_time()).prop_map(|(id, path, at)| Change::Archive { id, path, at }),
        (an_id(), path()).prop_map(|(id, path)| Change::Unarchive { id, path }),
        (an_id(), name, a_time()).prop_map(|(id, name, at)| Change::Rename { id, name, at }),
        (an_id(), some_tools(), any::<bool>()).prop_map(|(id, tools, replace)| Change::SetTools {
            id,
            tools,
            replace
        }),
        (an_id(), a_time()).prop_map(|(id, at)| Change::Delete { id, at }),
        (key, value).prop_map(|(key, value)| Change::SetCheckpoint { key, value }),
    ]
}

fn a_batch() -> impl Strategy<Value = WriteBatch> {
    let expect = prop_oneof![
        8 => Just(Expect::Any),
        1 => (0..4_u64).prop_map(Expect::Revision),
        1 => Just(Expect::Absent),
    ];
    vec((expect, a_change()), 1..5).prop_map(|changes| {
        changes
            .into_iter()
            .fold(WriteBatch::new(), |batch, (expect, change)| batch.and_if(expect, change))
    })
}

/// What a backend keeps between transactions.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stored {
    threads: HashMap<ThreadId, Record>,
    checkpoints: HashMap<String, Checkpoint>,
}

impl Stored {
    fn load(&self, batch: &WriteBatch) -> Records {
        let mut records = Records::new();
        for subject in batch.subjects() {
            match &subject {
                Subject::Thread(id) => {
                    records.insert_thread(*id, self.threads.get(id).cloned().unwrap_or_default());
                    assert!(records.contains(&subject));
                }
                Subject::Checkpoint(key) => {
                    if let Some(checkpoint) = self.checkpoints.get(key) {
                        records.insert_checkpoint(checkpoint.clone());
                        assert!(records.contains(&subject));
                    }
                }
            }
        }
        records
    }

    fn store(&mut self, changed: Changed) {
        for thread in changed.threads {
            let stored = self.threads.entry(thread.id).or_default();
            assert_eq!(*stored, thread.before, "what was loaded is handed back");
            // What happens to tools and logs is done by the commit and is not stored.
            *stored = Record { tools_change: None, drop_logs: false, ..thread.after };
        }
        for (key, checkpoint) in changed.checkpoints {
            match checkpoint {
                Some(checkpoint) => self.checkpoints.insert(key, checkpoint),
                None => self.checkpoints.remove(&key),
            };
        }
    }
}

fn answer(records: &mut Records, batch: &WriteBatch) -> Result<Vec<Outcome>, ErrorKind> {
    records.apply(batch.clone()).map_err(|error| error.kind())
}

/// A form of what is to be stored that can be compared.
fn shown(records: Records) -> String {
    format!("{:?}", records.into_changed())
}

proptest! {
    #[test]
    fn batches_of_one_transaction_do_what_they_do_in_many(batches in vec(a_batch(), 1..10)) {
        let (mut one, mut many) = (Records::new(), Stored::default());
        for batch in &batches {
            let mut records = many.load(batch);
            prop_assert_eq!(answer(&mut one, batch), answer(&mut records, batch));
            many.store(records.into_changed());
        }
        let mut all = Stored::default();
        all.store(one.into_changed());
        // A checkpoint that came and went leaves no trace, a thread leaves its tombstone.
        many.threads.retain(|_, record| *record != Record::default());
        prop_assert_eq!(all, many);
    }

    #[test]
    fn a_refused_batch_never_was(before in vec(a_batch(), 0..4), batch in a_batch()) {
        let (mut records, mut untouched) = (Records::new(), Records::new());
        for batch in before {
            prop_assert_eq!(answer(&mut records, &batch), answer(&mut untouched, &batch));
        }
        let checkpoint = Change::SetCheckpoint { key: "never".into(), value: None };
        let refused = batch.and_if(Expect::Revision(1), checkpoint);
        prop_assert!(records.apply(refused).is_err());
        prop_assert_eq!(shown(records), shown(untouched));
    }

    #[test]
    fn a_revision_grows_by_one_exactly_where_something_changed(
        changes in vec(a_change(), 1..20),
    ) {
        let mut records = Records::new();
        let mut revisions: HashMap<Subject, u64> = HashMap::new();
        for change in changes {
            let subject = change.subject();
            let revision = revisions.entry(subject.clone()).or_default();
            let Ok(outcomes) = records.apply(change.into()) else { continue };
            let Outcome { effect, revision: now } = outcomes[0];
            let changed = matches!(effect, Effect::Created | Effect::Updated | Effect::Deleted);
            prop_assert_eq!(now, *revision + u64::from(changed), "{:?}", effect);
            // Only a thread remembers its revisions over its deletion.
            let forgets = effect == Effect::Deleted && matches!(subject, Subject::Checkpoint(_));
            *revision = if forgets { 0 } else { now };
        }
    }
}

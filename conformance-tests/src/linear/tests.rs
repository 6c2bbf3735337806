//! Histories that are right and histories that are wrong.

use threadkeep_core::{
    Archived, Change, DynamicToolSpec, Effect, Error, ErrorKind, Expect, FieldPatch, Outcome,
    ThreadId, ThreadMetadata, ThreadPatch, ThreadQuery, ThreadSeed, Timestamp, WriteBatch,
};

use super::simulate::{Fault, simulate};
use super::{History, When};
use crate::lab::Verdict;

const ID: ThreadId = ThreadId::from_bytes([1; 16]);
const OTHER: ThreadId = ThreadId::from_bytes([2; 16]);

fn row(title: &str, revision: u64) -> ThreadMetadata {
    let mut row = ThreadSeed::new(ID, "/a", Timestamp::from_millis(0)).into_metadata();
    row.title = title.into();
    row.revision = revision;
    row
}

fn put(title: &str) -> Change {
    Change::Put(Box::new(row(title, 0)))
}

fn title(text: &str) -> Change {
    let mut patch = ThreadPatch::default();
    patch.title = FieldPatch::Set(text.into());
    Change::Patch(ID, Box::new(patch))
}

fn delete() -> Change {
    Change::Delete { id: ID, at: Timestamp::from_millis(5) }
}

/// What happened to a change, at which revision.
const fn done(effect: Effect, revision: u64) -> Outcome {
    Outcome { effect, revision }
}

#[allow(clippy::unnecessary_wraps, reason = "it is what a store answers")]
fn updated(revision: u64) -> Result<Vec<Outcome>, Error> {
    Ok(vec![done(Effect::Updated, revision)])
}

/// A history is written down line by line: when it began, when it ended, what it was.
#[derive(Default)]
struct Notes(History);

impl Notes {
    /// The row was put before everything else.
    fn begin() -> Verdict<Self> {
        Self::default().write(0, 1, put("a"), Ok(vec![done(Effect::Created, 1)]))
    }

    #[allow(clippy::needless_pass_by_value, reason = "lines of notes are shorter so")]
    fn write(
        self,
        called: u64,
        returned: u64,
        batch: impl Into<WriteBatch>,
        answer: Result<Vec<Outcome>, Error>,
    ) -> Verdict<Self> {
        self.note(called, returned, &batch.into(), Some(&answer))
    }

    fn given_up(self, called: u64, batch: impl Into<WriteBatch>) -> Verdict<Self> {
        self.note(called, called + 1, &batch.into(), None)
    }

    fn note(
        mut self,
        called: u64,
        returned: u64,
        batch: &WriteBatch,
        answer: Option<&Result<Vec<Outcome>, Error>>,
    ) -> Verdict<Self> {
        self.0.write(When { task: 0, called, returned }, "batch", batch, answer)?;
        Ok(self)
    }

    fn read(self, called: u64, returned: u64, title: &str, revision: u64) -> Self {
        self.rows(called, returned, Some(row(title, revision)))
    }

    fn rows(mut self, called: u64, returned: u64, row: Option<ThreadMetadata>) -> Self {
        self.0.rows(When { task: 1, called, returned }, &[ID], &[row]);
        self
    }

    #[track_caller]
    fn good(self) {
        if let Err(failure) = self.0.check() {
            panic!("{failure}");
        }
    }

    /// Answers what is said of it.
    #[track_caller]
    fn bad(self) -> String {
        match self.0.check() {
            Ok(()) => panic!("some order was found"),
            Err(failure) => failure.to_string(),
        }
    }
}

#[test]
fn one_after_the_other() -> Verdict {
    let notes = || Notes::begin()?.write(2, 3, title("b"), updated(2));
    notes()?.read(4, 5, "b", 2).good();
    let story = notes()?.read(4, 5, "a", 1).bad();
    assert!(story.contains("right would be {revision 2"), "{story}");
    notes()?.read(4, 5, "a", 2).bad();
    notes()?.read(4, 5, "b", 1).bad();
    notes()?.rows(4, 5, None).bad();
    Ok(())
}

#[test]
fn overlapping_calls_may_take_effect_in_either_order() -> Verdict {
    // The read began before the write ended.
    let notes = || Notes::begin()?.write(2, 6, title("b"), updated(2));
    notes()?.read(3, 5, "a", 1).good();
    notes()?.read(3, 5, "b", 2).good();
    notes()?.read(5, 9, "a", 1).good();
    // Once it was seen it stays.
    notes()?.read(3, 4, "b", 2).read(5, 7, "b", 2).good();
    notes()?.read(3, 4, "b", 2).read(5, 7, "a", 1).bad();
    notes()?.read(3, 5, "b", 2).read(4, 7, "a", 1).good();
    // Two writes at once, the later call first.
    let two = notes()?.write(3, 7, title("c"), updated(3))?;
    two.read(8, 9, "c", 3).good();
    let two = Notes::begin()?.write(2, 6, title("b"), updated(3))?;
    let two = two.write(3, 7, title("c"), updated(2))?;
    two.read(8, 9, "b", 3).good();
    Ok(())
}

#[test]
fn a_value_is_not_seen_before_its_write_began() -> Verdict {
    let notes = Notes::begin()?.read(2, 3, "b", 2);
    notes.write(4, 5, title("b"), updated(2))?.bad();
    Ok(())
}

#[test]
fn no_update_is_lost_and_none_is_made_twice() -> Verdict {
    let two = || {
        let notes = Notes::begin()?.write(2, 6, title("b"), updated(2))?;
        // Both say that they are the second.
        notes.write(3, 7, title("c"), updated(2))
    };
    two()?.bad();
    let twice = || Notes::begin()?.write(2, 3, title("b"), updated(2));
    twice()?.read(4, 5, "b", 3).bad();
    twice()?.write(4, 5, title("c"), updated(3))?.read(6, 7, "b", 4).bad();
    twice()?.write(4, 5, title("c"), updated(4))?.bad();
    twice()?.write(4, 5, title("b"), updated(3))?.bad();
    let unchanged = Ok(vec![done(Effect::Unchanged, 2)]);
    twice()?.write(4, 5, title("b"), unchanged)?.good();
    Ok(())
}

#[test]
fn a_write_of_unknown_outcome_takes_effect_at_any_time_or_never() -> Verdict {
    let notes = || Notes::begin()?.given_up(2, title("b"));
    notes()?.good();
    notes()?.read(8, 9, "a", 1).good();
    notes()?.read(8, 9, "b", 2).good();
    notes()?.read(4, 5, "a", 1).read(6, 7, "b", 2).good();
    notes()?.read(4, 5, "b", 2).read(6, 7, "a", 1).bad();
    notes()?.read(0, 1, "b", 2).bad();
    // Only once.
    let after = notes()?.read(4, 5, "b", 2).write(6, 7, title("c"), updated(3))?;
    after.read(8, 9, "b", 4).bad();
    // An error may say the same.
    let lost = Error::new(ErrorKind::Io, "the disk is gone").maybe_applied();
    let notes = Notes::begin()?.write(2, 3, title("b"), Err(lost))?;
    notes.read(4, 5, "a", 1).read(6, 7, "b", 2).good();
    let refused = Error::new(ErrorKind::Busy, "somebody else writes");
    let notes = || Notes::begin()?.write(2, 3, title("b"), Err(refused.duplicate()));
    notes()?.read(4, 5, "a", 1).good();
    notes()?.read(4, 5, "b", 2).bad();
    Ok(())
}

#[test]
fn a_refusal_has_to_be_right() -> Verdict {
    let refused = |kind| Err(Error::new(kind, format!("thread {ID}")));
    let at = |revision| WriteBatch::new().and_if(Expect::Revision(revision), title("b"));
    let conflict =
        |revision| Notes::begin()?.write(2, 5, at(revision), refused(ErrorKind::Conflict));
    conflict(2)?.good();
    conflict(1)?.bad();
    // Somebody else changed it meanwhile, or only afterwards.
    conflict(1)?.write(3, 4, title("c"), updated(2))?.good();
    conflict(1)?.write(6, 7, title("c"), updated(2))?.bad();
    Notes::begin()?.write(2, 3, at(1), updated(2))?.good();
    Notes::begin()?.write(2, 3, at(2), updated(2))?.bad();
    let absent = || WriteBatch::new().and_if(Expect::Absent, put("b"));
    let exists = refused(ErrorKind::AlreadyExists);
    Notes::begin()?.write(2, 3, absent(), exists)?.good();
    let gone = Notes::begin()?.write(2, 3, delete(), Ok(vec![done(Effect::Deleted, 2)]))?;
    gone.write(4, 5, absent(), refused(ErrorKind::AlreadyExists))?.bad();
    let wrong_kind = refused(ErrorKind::NotFound);
    Notes::begin()?.write(2, 3, at(2), wrong_kind)?.bad();
    // What is no refusal, and says that nothing was written, needs a reason.
    let error = Err(Error::new(ErrorKind::Internal, format!("thread {ID}")));
    assert!(Notes::begin()?.write(2, 3, title("b"), error).is_err());
    Ok(())
}

#[test]
fn only_the_thread_that_was_refused_explains_it() -> Verdict {
    let batch = |expect| {
        let rename = Change::Rename { id: OTHER, name: None, at: Timestamp::from_millis(0) };
        WriteBatch::new().and(title("b")).and_if(expect, rename)
    };
    let conflict = Err(Error::new(ErrorKind::Conflict, format!("thread {OTHER}")));
    let notes = || Notes::begin();
    notes()?.write(2, 3, batch(Expect::Revision(1)), conflict)?.read(4, 5, "a", 1).good();
    let conflict = Err(Error::new(ErrorKind::Conflict, format!("thread {OTHER}")));
    notes()?.write(2, 3, batch(Expect::Absent), conflict)?.bad();
    let conflict = Err(Error::new(ErrorKind::Conflict, format!("thread {OTHER}")));
    notes()?.write(2, 3, batch(Expect::Revision(1)), conflict)?.read(4, 5, "b", 2).bad();
    let outcomes = || vec![done(Effect::Updated, 2), done(Effect::Absent, 0)];
    notes()?.write(2, 3, batch(Expect::Any), Ok(outcomes()))?.read(4, 5, "b", 2).good();
    let fewer = Ok(outcomes()[..1].to_vec());
    assert!(notes()?.write(2, 3, batch(Expect::Any), fewer).is_err());
    Ok(())
}

#[test]
fn a_batch_repeated_by_its_name_is_made_once() -> Verdict {
    let named = |text| {
        let id = threadkeep_core::BatchId::from_bytes([1; 16]);
        WriteBatch::new().with_id(id).and(title(text))
    };
    let notes = || Notes::begin()?.given_up(2, named("b"));
    notes()?.write(4, 5, named("b"), updated(2))?.read(6, 7, "b", 2).good();
    let between = notes()?.write(4, 5, title("c"), updated(3))?;
    between.write(6, 7, named("b"), updated(2))?.read(8, 9, "c", 3).good();
    let between = notes()?.write(4, 5, title("c"), updated(2))?;
    between.write(6, 7, named("b"), updated(3))?.read(8, 9, "b", 3).good();
    let between = notes()?.write(4, 5, title("c"), updated(3))?;
    between.write(6, 7, named("b"), updated(4))?.bad();
    Ok(())
}

#[test]
fn listings_and_tools_are_read_at_one_moment_too() -> Verdict {
    let when = |called, returned| When { task: 1, called, returned };
    let archived = || {
        let archive = Change::Archive { id: ID, path: None, at: Timestamp::from_millis(7) };
        Notes::begin()?.write(2, 3, archive, updated(2))
    };
    let list = |mut notes: Notes, archived, rows: &[ThreadMetadata]| {
        let query = ThreadQuery::everything().archived(archived);
        notes.0.listed(when(4, 5), &[ID], &query, rows);
        notes
    };
    let mut now = row("a", 2);
    now.archived_at = Some(Timestamp::from_millis(7));
    list(archived()?, Archived::Active, &[]).good();
    list(archived()?, Archived::Active, &[row("a", 1)]).bad();
    list(archived()?, Archived::Any, &[now.clone()]).good();
    list(archived()?, Archived::Archived, &[]).bad();
    list(archived()?, Archived::Archived, &[now]).good();

    let tool = |name| DynamicToolSpec::function(name, "", "{}").map(|tool| vec![tool]);
    let set = Change::SetTools { id: ID, tools: tool("t")?, replace: false };
    let read = |expected| {
        let mut notes = Notes::begin()?.write(2, 3, set.clone(), updated(2))?;
        notes.0.tools(when(4, 5), ID, expected);
        Ok::<_, crate::lab::Failure>(notes)
    };
    read(Some(tool("t")?))?.good();
    read(Some(tool("u")?))?.bad();
    read(None)?.bad();
    Ok(())
}

#[test]
fn the_story_is_short() -> Verdict {
    let mut notes = Notes::begin()?;
    for nth in 1..40 {
        notes = notes.write(10 * nth, 10 * nth + 3, title(&nth.to_string()), updated(nth + 1))?;
        notes = notes.read(10 * nth + 4, 10 * nth + 5, &nth.to_string(), nth + 1);
    }
    let story = notes.read(54, 56, "4", 5).bad();
    // Six writes and the read; neither what came later nor the reads that fit.
    assert!(story.contains("7. 54 to 56") && !story.contains("  8."), "{story}");
    Ok(())
}

#[test]
fn random_histories_of_a_sound_store_are_explained() -> Verdict {
    for seed in 0..100 {
        let told = simulate(seed, Fault::None)?;
        for history in [told.history, told.sober] {
            history.check().map_err(|failure| failure.at_seed(seed).during(seed))?;
        }
    }
    Ok(())
}

/// At least 95 of 100 planted faults have to be found. One that a write of unknown outcome may have
/// done as well is no fault that anybody can find; without that write it has to be found.
#[test]
fn planted_faults_are_found() -> Verdict {
    for fault in [Fault::StaleRead, Fault::LostWrite, Fault::WrittenTwice] {
        let (mut planted, mut found, mut excused) = (0, 0, 0);
        for seed in 0..100 {
            let told = simulate(seed, fault)?;
            let is_found = told.history.unexplained().is_some();
            let is_found_sober = told.sober.unexplained().is_some();
            if !told.planted {
                assert!(!is_found && !is_found_sober, "{fault:?} is not there, seed {seed}");
                continue;
            }
            planted += 1;
            found += u32::from(is_found_sober);
            excused += u32::from(is_found_sober && !is_found);
        }
        println!("{fault:?}: {found} of {planted} found, {excused} only where more is known");
        assert!(planted >= 60, "{fault:?} was planted only {planted} times");
        assert!(found * 100 >= planted * 95, "{fault:?}: {found} of {planted} were found");
        assert!(excused * 10 <= planted, "{fault:?}: {excused} of {planted} were excused");
    }
    Ok(())
}

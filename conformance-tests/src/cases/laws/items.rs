//! However a history was read, the row is what its lines say, one after the other.

use std::fmt;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use threadkeep_core::rollout::{Fold, RolloutLine, fold, parse_line};
use threadkeep_core::{
    Change, Effect, Mark, Store, ThreadId, ThreadPatch, ThreadSeed, ThreadStoreExt, Timestamp,
};

use super::history::{File, file};
use super::in_lab;
use crate::cases::examples::say::{apply, at, change, id};
use crate::cases::{Tier, group};
use crate::diff::same;
use crate::lab::{Lab, Verdict};
use crate::model::fold::Folded;
use crate::setting::Setting;

group! { sync Tier::Laws;
    R_68: any_split_of_a_history_gives_the_row_its_lines_say,
    R_69: what_was_applied_changes_nothing_when_it_comes_again,
    R_70: folds_of_parts_say_together_what_the_whole_says,
}

const SEQUENCES: u64 = 16;
const PROVIDER: &str = "default";

/// A history of one or two files, where reading them paused, and what happened then.
#[derive(Clone)]
struct Sequence(Vec<(File, Vec<Pause>)>);

/// A place in a file, and what is done when it was read so far.
type Pause = (Index, Vec<Meanwhile>);

#[derive(Clone, Debug)]
enum Meanwhile {
    Rename(Option<String>, Timestamp),
    Archive(Timestamp),
    Unarchive,
    /// What was applied in one piece comes again.
    Repeat(Index),
    /// The file is read again, from its beginning to a place that was reached before.
    ReadAgain(Index),
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (file, pauses) in &self.0 {
            writeln!(f, "the file")?;
            write!(f, "{file:?}")?;
            let length = file.text(id(1)).len();
            for (place, meanwhile) in in_order(pauses, length) {
                writeln!(f, "  read up to byte {place} of {length}, then {meanwhile:?}")?;
            }
        }
        Ok(())
    }
}

fn sequence() -> impl Strategy<Value = Sequence> {
    let minute = 1_772_357_400_000;
    let time = || select(vec![minute, minute + 1, minute + 9, 0]).prop_map(at);
    let meanwhile = prop_oneof![
        (option::of(select(vec!["by hand".to_owned(), String::new()])), time())
            .prop_map(|(name, at)| Meanwhile::Rename(name, at)),
        time().prop_map(Meanwhile::Archive),
        Just(Meanwhile::Unarchive),
        any::<Index>().prop_map(Meanwhile::Repeat),
        any::<Index>().prop_map(Meanwhile::ReadAgain),
    ];
    let pauses = vec((any::<Index>(), vec(meanwhile, 0..3)), 0..5);
    vec((file(), pauses), 1..3).prop_map(Sequence)
}

/// The pauses in the order of their places.
fn in_order(pauses: &[Pause], length: usize) -> Vec<(usize, &[Meanwhile])> {
    let mut pauses: Vec<_> =
        pauses.iter().map(|(at, then)| (at.index(length + 1), then.as_slice())).collect();
    pauses.sort_by_key(|(at, _)| *at);
    pauses
}

/// Reads what is there, as an indexer does, and answers how many bytes of it count.
fn read(text: &[u8]) -> (Vec<RolloutLine>, usize) {
    let (mut lines, mut through) = (Vec::new(), 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let parsed = parse_line(line);
        if !line.ends_with(b"\n") && !matches!(parsed, Ok(Some(_))) {
            break;
        }
        through += line.len();
        lines.extend(parsed.ok().flatten());
    }
    (lines, through)
}

/// A thread whose history is read piece by piece.
struct Reader {
    store: Arc<dyn Store>,
    id: ThreadId,
    began: Timestamp,
    is_marked: bool,
    expected: Folded,
    /// What was applied.
    changes: Vec<Change>,
}

impl Reader {
    fn new(store: &Arc<dyn Store>, id: ThreadId, sequence: &Sequence) -> Self {
        let mut fold = Fold::new(id);
        for (file, _) in &sequence.0 {
            read(&file.text(id)).0.iter().for_each(|line| fold.push(line));
        }
        let began = fold.started_at().unwrap_or(at(7));
        let expected = Folded::new(id, PROVIDER);
        Self { store: Arc::clone(store), id, began, is_marked: true, expected, changes: Vec::new() }
    }

    /// Reads a file from a place on, and answers how far that came.
    async fn read_on(&mut self, number: usize, text: &[u8], from: usize) -> Verdict<usize> {
        let (lines, read) = read(&text[from..]);
        same("bytes read", &read, &self.expected.read(&text[from..]))?;
        let through = from + read;
        if read == 0 || self.expected.readable == 0 {
            return Ok(through);
        }
        let seed = self.seed(number);
        let row = &mut self.expected.row;
        if self.is_marked || row.rollout_path.as_os_str().is_empty() {
            row.rollout_path = seed.rollout_path().into();
        }
        if !self.is_marked {
            self.store.apply_rollout_items(seed, &lines).await?;
            return Ok(through);
        }
        row.applied_file = name(number);
        row.applied_through = through as u64;
        let applied = apply(seed, marked(fold(self.id, &lines), number, through));
        self.changes.push(applied.clone());
        change(&*self.store, applied).await?;
        Ok(through)
    }

    async fn meanwhile(
        &mut self,
        done: &Meanwhile,
        (number, text, through): (usize, &[u8], usize),
    ) -> Verdict {
        let id = self.id;
        let is_there = self.expected.readable > 0;
        let done = match done {
            Meanwhile::Rename(name, at) => {
                if is_there {
                    self.expected.name(name.clone(), Some(*at));
                }
                Change::Rename { id, name: name.clone(), at: *at }
            }
            Meanwhile::Archive(at) => {
                self.expected.row.archived_at = is_there.then_some(*at);
                Change::Archive { id, path: None, at: *at }
            }
            Meanwhile::Unarchive => {
                self.expected.row.archived_at = None;
                Change::Unarchive { id, path: None }
            }
            Meanwhile::Repeat(piece) => {
                if self.changes.is_empty() {
                    return Ok(());
                }
                let piece = self.changes[piece.index(self.changes.len())].clone();
                return self.again(piece, Effect::Unchanged).await;
            }
            Meanwhile::ReadAgain(place) => {
                let (lines, through) = read(&text[..place.index(through + 1)]);
                if !is_there || through == 0 {
                    return Ok(());
                }
                let patch = marked(fold(id, &lines), number, through);
                return self.again(apply(self.seed(number), patch), Effect::Unchanged).await;
            }
        };
        change(&*self.store, done).await?;
        Ok(())
    }

    /// Applies what was applied before, which has no effect.
    async fn again(&self, piece: Change, effect: Effect) -> Verdict {
        let before = self.store.get_thread(self.id).await?;
        let outcome = change(&*self.store, piece).await?;
        same("the effect of what was applied before", &outcome.effect, &effect)?;
        same("the row after it", &self.store.get_thread(self.id).await?, &before)
    }

    /// Compares the row and the tools with what the lines say.
    async fn check(&self) -> Verdict {
        let found = self.store.get_thread(self.id).await?;
        let Some(found) = found.filter(|_| self.expected.readable > 0) else {
            let is_expected = self.expected.readable > 0;
            let is_there = self.store.get_thread(self.id).await?.is_some();
            return same("whether the row is there", &is_there, &is_expected);
        };
        let mut expected = self.expected.row.clone();
        expected.created_at = self.expected.began().unwrap_or(at(7));
        expected.updated_at = expected.updated_at.max(expected.created_at);
        expected.revision = found.revision;
        same("the row", &found, &expected)?;
        let tools = self.store.dynamic_tools(self.id).await?;
        let tools: Option<Vec<_>> =
            tools.map(|tools| tools.iter().map(|tool| tool.json().to_owned()).collect());
        same("the tools", &tools, &self.expected.tools)
    }

    fn seed(&self, file: usize) -> ThreadSeed {
        ThreadSeed::new(self.id, format!("/sessions/{}", name(file)), self.began)
            .model_provider(PROVIDER)
    }
}

/// The names of the files are in the order of the files.
fn name(file: usize) -> String {
    format!("rollout-{file}.jsonl")
}

fn marked(mut patch: ThreadPatch, file: usize, through: usize) -> ThreadPatch {
    patch.mark = Some(Mark { file: name(file), through: through as u64 });
    patch
}

/// Reads every file with its pauses; what `wanted` says is done in them.
async fn read_all(
    reader: &mut Reader,
    sequence: &Sequence,
    wanted: impl Fn(&Meanwhile) -> bool,
) -> Verdict {
    for (number, (file, pauses)) in sequence.0.iter().enumerate() {
        let text = file.text(reader.id);
        let mut through = 0;
        for (place, meanwhile) in in_order(pauses, text.len()) {
            if place > through {
                through = reader.read_on(number, &text[..place], through).await?;
            }
            for done in meanwhile.iter().filter(|done| wanted(done)) {
                reader.meanwhile(done, (number, &text, through)).await?;
            }
        }
        reader.read_on(number, &text, through).await?;
    }
    Ok(())
}

/// Reads the lines of each of these histories at once, and checks what they say together.
pub(super) async fn tell(lab: &Lab, histories: &[&[&str]]) -> Verdict {
    let store = lab.open().await?;
    for (number, lines) in (1..).zip(histories) {
        let sequence = Sequence(vec![(File::of(lines), Vec::new())]);
        let mut reader = Reader::new(&store, id(number), &sequence);
        read_all(&mut reader, &sequence, |_| false).await?;
        reader.check().await.map_err(|failure| failure.during(format!("{lines:#?}")))?;
    }
    Ok(())
}

fn any_split_of_a_history_gives_the_row_its_lines_say(setting: &Setting) -> Verdict {
    in_lab(setting, SEQUENCES, &sequence(), |lab, sequence| Box::pin(split(lab, sequence)))
}

async fn split(lab: &Lab, sequence: Sequence) -> Verdict {
    let store = lab.open().await?;
    let whole = Sequence(sequence.0.iter().map(|(file, _)| (file.clone(), Vec::new())).collect());
    let mut reader = Reader::new(&store, id(1), &whole);
    read_all(&mut reader, &whole, |_| false).await?;
    reader.check().await.map_err(|failure| failure.during("read at once"))?;

    let mut reader = Reader::new(&store, id(2), &sequence);
    let by_others =
        |done: &Meanwhile| !matches!(done, Meanwhile::Repeat(_) | Meanwhile::ReadAgain(_));
    read_all(&mut reader, &sequence, by_others).await?;
    reader.check().await.map_err(|failure| failure.during("read in pieces"))?;

    let mut reader = Reader::new(&store, id(3), &sequence);
    reader.is_marked = false;
    read_all(&mut reader, &sequence, |_| false).await?;
    reader.check().await.map_err(|failure| failure.during("read in pieces without marks"))
}

fn what_was_applied_changes_nothing_when_it_comes_again(setting: &Setting) -> Verdict {
    in_lab(setting, SEQUENCES, &sequence(), |lab, sequence| Box::pin(replay(lab, sequence)))
}

async fn replay(lab: &Lab, sequence: Sequence) -> Verdict {
    let store = lab.open().await?;
    let mut reader = Reader::new(&store, id(1), &sequence);
    read_all(&mut reader, &sequence, |_| true).await?;
    reader.check().await?;
    for piece in reader.changes.clone() {
        reader.again(piece, Effect::Unchanged).await?;
    }
    let Some(row) = store.get_thread(id(1)).await? else {
        return Ok(());
    };
    change(&*store, Change::Delete { id: id(1), at: row.updated_at }).await?;
    for piece in reader.changes.clone() {
        reader.again(piece, Effect::Tombstoned).await?;
    }
    Ok(())
}

fn folds_of_parts_say_together_what_the_whole_says(setting: &Setting) -> Verdict {
    in_lab(setting, SEQUENCES, &sequence(), |lab, sequence| Box::pin(compose(lab, sequence)))
}

async fn compose(lab: &Lab, sequence: Sequence) -> Verdict {
    let store = lab.open().await?;
    let mut reader = Reader::new(&store, id(1), &sequence);
    let (mut patch, mut through) = (ThreadPatch::default(), 0);
    for (number, (file, pauses)) in sequence.0.iter().enumerate() {
        let text = file.text(reader.id);
        through = 0;
        let places = in_order(pauses, text.len()).into_iter().map(|(place, _)| place);
        for place in places.chain([text.len()]) {
            let rest = &text[through.min(place)..place];
            reader.expected.read(rest);
            let (lines, read) = read(rest);
            through += read;
            patch = patch.then(marked(fold(reader.id, &lines), number, through));
        }
    }
    if reader.expected.readable == 0 {
        return Ok(());
    }
    let last = sequence.0.len() - 1;
    let seed = reader.seed(last);
    let row = &mut reader.expected.row;
    row.rollout_path = seed.rollout_path().into();
    row.applied_file = name(last);
    row.applied_through = through as u64;
    change(&*store, apply(seed, patch)).await?;
    reader.check().await
}

//! Patches can be put together in any way.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use threadkeep_core::{
    Effect, FieldPatch, Mark, Store, ThreadMetadata, ThreadPatch, ThreadSeed, ThreadStoreExt,
    WriteBatch,
};

use super::in_lab;
use crate::cases::examples::say::{apply, at, change, id};
use crate::cases::{Tier, group};
use crate::diff::same;
use crate::lab::{Failure, Lab, Verdict};
use crate::model::generate;
use crate::model::ops::{self, Part};
use crate::setting::Setting;

group! { sync Tier::Laws;
    R_71: composing_in_any_order_gives_the_same_row,
    R_72: a_composed_patch_gives_the_row_its_parts_give,
}

const SEQUENCES: u64 = 12;

/// What a row is like at first, if it is there, and three patches for it.
///
/// A patch made by hand may set an empty provider, for which a store puts the default as soon as it
/// is applied; no line of a history says so. Marks grow, as those of a history do: a patch that is
/// behind is passed over whole.
#[derive(Clone)]
struct Patches {
    start: Option<Vec<Part>>,
    patches: [(Vec<Part>, Option<Mark>); 3],
}

impl fmt::Debug for Patches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  1. the row, if it is there: {:?}", self.start)?;
        for (number, (parts, mark)) in (2..).zip(&self.patches) {
            writeln!(f, "  {number}. {parts:?}, {mark:?}")?;
        }
        Ok(())
    }
}

fn patches() -> impl Strategy<Value = Patches> {
    let mark = (0..2_u8, any::<bool>());
    let patch = || (vec(part(), 0..20), mark.clone());
    (proptest::option::of(vec(part(), 0..20)), [patch(), patch(), patch()]).prop_map(
        |(start, patches)| {
            let mut file = 0;
            let mut through = 0;
            let patches = patches.map(|(parts, (files, is_marked))| {
                file += files;
                through += 1;
                let mark = Mark { file: format!("{file}.jsonl"), through };
                (parts, is_marked.then_some(mark))
            });
            Patches { start, patches }
        },
    )
}

fn part() -> impl Strategy<Value = Part> {
    use FieldPatch::{Set, SetIfEmpty};

    generate::part().prop_filter("not of a history, or refused for its size", |part| match part {
        Part::Mark(..) => false,
        Part::Provider(Set(text) | SetIfEmpty(text)) => !text.is_empty(),
        Part::Model(Set(Some(text)) | SetIfEmpty(Some(text))) => text.len() < 10_000,
        _ => true,
    })
}

impl Patches {
    fn each(&self) -> [ThreadPatch; 3] {
        self.patches.clone().map(|(parts, mark)| {
            let mut patch = ops::patch(parts);
            patch.mark = mark;
            patch
        })
    }

    /// Makes the changes on a thread of this number, in one batch or one by one.
    async fn row(&self, store: &dyn Store, number: u32, patches: Vec<ThreadPatch>) -> Verdict<Row> {
        let seed = || ThreadSeed::new(id(number), "/sessions/a.jsonl", at(5));
        if let Some(start) = &self.start {
            change(store, apply(seed(), ops::patch(start.clone()))).await?;
        }
        for patch in patches {
            change(store, apply(seed(), patch)).await?;
        }
        Row::read(store, number).await
    }
}

/// What is stored of a thread, without what tells which it is.
#[derive(Debug, PartialEq)]
struct Row {
    row: ThreadMetadata,
    tools: Option<Vec<String>>,
}

impl Row {
    async fn read(store: &dyn Store, number: u32) -> Verdict<Self> {
        let row = store.get_thread(id(number)).await?;
        let mut row = row.ok_or_else(|| Failure::new("the row is not there"))?;
        row.id = id(0);
        let tools = store.dynamic_tools(id(number)).await?;
        let tools = tools.map(|tools| tools.iter().map(|tool| tool.json().to_owned()).collect());
        Ok(Self { row, tools })
    }

    /// Without the number of changes that made it.
    fn unnumbered(mut self) -> Self {
        self.row.revision = 0;
        self
    }
}

fn composing_in_any_order_gives_the_same_row(setting: &Setting) -> Verdict {
    let patches = vec(patches(), 1..8);
    in_lab(setting, SEQUENCES, &patches, |lab, patches| Box::pin(associate(lab, patches)))
}

async fn associate(lab: &Lab, all: Vec<Patches>) -> Verdict {
    let store = lab.open().await?;
    let nothing = ThreadPatch::default;
    for (first, patches) in (1..).step_by(10).zip(all) {
        let [a, b, c] = patches.each();
        let left = a.clone().then(b.clone()).then(c.clone());
        let expected = patches.row(&*store, first, vec![left]).await?;

        let right = a.clone().then(b.clone().then(c.clone()));
        let found = patches.row(&*store, first + 1, vec![right]).await?;
        same("composed from the right", &found, &expected)?;

        let (a, c) = (nothing().then(a.then(nothing())), c.then(nothing()));
        let strewn = a.then(nothing().then(b)).then(c);
        let found = patches.row(&*store, first + 2, vec![strewn]).await?;
        same("with patches of nothing in between", &found, &expected)?;
    }
    Ok(())
}

fn a_composed_patch_gives_the_row_its_parts_give(setting: &Setting) -> Verdict {
    let patches = vec(patches(), 1..8);
    in_lab(setting, SEQUENCES, &patches, |lab, patches| Box::pin(compose(lab, patches)))
}

async fn compose(lab: &Lab, all: Vec<Patches>) -> Verdict {
    let store = lab.open().await?;
    for (first, patches) in (1..).step_by(10).zip(all) {
        let [a, b, c] = patches.each();
        let parts = vec![a.clone(), b.clone(), c.clone()];
        let expected = patches.row(&*store, first, parts.clone()).await?.unnumbered();

        let (left, right) = (a.clone().then(b.clone()), b.clone().then(c.clone()));
        let whole = left.clone().then(c.clone());
        for (number, composed) in (first + 1..).zip([vec![left, c], vec![a, right], vec![whole]]) {
            let found = patches.row(&*store, number, composed).await?.unnumbered();
            same("some of them as one", &found, &expected)?;
        }

        let number = first + 4;
        let seed = ThreadSeed::new(id(number), "/sessions/a.jsonl", at(5));
        let start = patches.start.clone().map(ops::patch);
        let batch = start.into_iter().chain(parts).map(|patch| apply(seed.clone(), patch));
        store.write(batch.fold(WriteBatch::new(), WriteBatch::and)).await?;
        let found = Row::read(&*store, number).await?.unnumbered();
        same("all in one batch", &found, &expected)?;

        let outcome = change(&*store, apply(seed, ThreadPatch::default())).await?;
        same("the effect of a patch of nothing", &outcome.effect, &Effect::Unchanged)?;
    }
    Ok(())
}

//! Many who write the same thread.

use std::sync::Arc;

use threadkeep_core::{
    Change, DynamicToolSpec, Effect, ErrorKind, Expect, FieldPatch, Store, ThreadPatch,
    ThreadStore, Timestamp, WriteBatch,
};

use super::{Clock, Given, While, handles, must_grow, together};
use crate::cases::examples::say::{at, change, id, patch, patch_of, put, row, thread, title};
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};

group! { Tier::Interleaving;
    P_11: counting_by_expected_revisions_loses_nothing,
    P_11: patches_of_one_field_lose_nothing,
    P_11: what_others_write_leaves_the_other_fields_alone,
    P_13: the_revisions_of_changes_of_every_kind_grow,
}

const TASKS: u32 = 6;
const ROUNDS: u32 = 20;

async fn counting_by_expected_revisions_loses_nothing(lab: &Lab) -> Verdict {
    let handles = handles(lab, 3).await?;
    change(&*handles[0], put(thread(1))).await?;
    let tasks = (0..TASKS).map(|task| {
        let store = Arc::clone(&handles[task as usize % handles.len()]);
        async move {
            for _ in 0..ROUNDS {
                count_one(&*store).await?;
            }
            Ok(())
        }
    });
    together(tasks).await?;
    let total = TASKS * ROUNDS;
    for handle in &handles {
        let found = row(&**handle, 1).await?;
        if (found.tokens_used, found.revision) != (i64::from(total), u64::from(total) + 1) {
            return Err(Failure::new(format!(
                "{total} times 1 was added, and the count is {} at revision {}",
                found.tokens_used, found.revision
            )));
        }
    }
    Ok(())
}

/// Adds one to the tokens, as often as it takes.
async fn count_one(store: &dyn Store) -> Verdict {
    loop {
        let found = row(store, 1).await?;
        let next = found.tokens_used + 1;
        let add = patch_of(1, patch(|patch| patch.tokens_used = FieldPatch::Set(next)));
        let batch = WriteBatch::new().and_if(Expect::Revision(found.revision), add);
        match store.write(batch).await {
            Ok(outcomes) if outcomes[0].revision == found.revision + 1 => return Ok(()),
            Ok(outcomes) => {
                return Err(Failure::new(format!(
                    "a change that expected revision {} led to {outcomes:?}",
                    found.revision
                )));
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {
                let now = row(store, 1).await?.revision;
                if now <= found.revision {
                    return Err(Failure::new(format!(
                        "revision {} was expected, which is {now}, and yet: {error}",
                        found.revision
                    )));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn patches_of_one_field_lose_nothing(lab: &Lab) -> Verdict {
    let handles = handles(lab, 3).await?;
    change(&*handles[0], put(thread(1))).await?;
    let tasks = (0..TASKS).map(|task| {
        let store = Arc::clone(&handles[task as usize % handles.len()]);
        async move {
            for round in 0..ROUNDS {
                let done = change(&*store, patch_of(1, title(&format!("{task}.{round}")))).await?;
                if done.effect != Effect::Updated {
                    return Err(Failure::new(format!("a new title was answered by {done:?}")));
                }
            }
            Ok(())
        }
    });
    together(tasks).await?;
    let total = TASKS * ROUNDS;
    for handle in &handles {
        let revision = row(&**handle, 1).await?.revision;
        if revision != u64::from(total) + 1 {
            return Err(Failure::new(format!("{total} changes led from revision 1 to {revision}")));
        }
    }
    Ok(())
}

/// Every task has a part of the thread that nobody else writes.
async fn what_others_write_leaves_the_other_fields_alone(lab: &Lab) -> Verdict {
    let handles = handles(lab, 3).await?;
    change(&*handles[0], put(thread(1))).await?;
    let tasks = (0..TASKS).map(|task| {
        let store = Arc::clone(&handles[task as usize % handles.len()]);
        async move {
            for round in 1..=ROUNDS {
                change(&*store, own_part(task, round)?).await?;
                must_have(&*store, task, round).await?;
            }
            Ok(())
        }
    });
    together(tasks).await?;
    for handle in &handles {
        for task in 0..TASKS {
            must_have(&**handle, task, ROUNDS).await?;
        }
    }
    Ok(())
}

/// The moment of a round.
fn moment(round: u32) -> Timestamp {
    at(round.into())
}

fn own_part(task: u32, round: u32) -> Verdict<Change> {
    let id = id(1);
    let text = round.to_string();
    let patched = |change: fn(&mut ThreadPatch, String)| {
        patch_of(1, patch(|patch| change(patch, text.clone())))
    };
    Ok(match task {
        0 => patched(|patch, text| patch.title = FieldPatch::Set(text)),
        1 => patched(|patch, text| patch.model = FieldPatch::Set(Some(text))),
        2 => Change::Rename { id, name: Some(text), at: moment(round) },
        3 if round % 2 == 1 => Change::Archive { id, path: None, at: moment(round) },
        3 => Change::Unarchive { id, path: None },
        4 => {
            let tools = vec![DynamicToolSpec::function(&text, "", "{}")?];
            Change::SetTools { id, tools, replace: true }
        }
        _ => patched(|patch, text| patch.git_branch = FieldPatch::Set(Some(text))),
    })
}

/// Fails where the task's own part is not as it was left.
async fn must_have(store: &dyn Store, task: u32, round: u32) -> Verdict {
    let found = row(store, 1).await?;
    let text = round.to_string();
    let part = match task {
        0 => Some(found.title),
        1 => found.model,
        2 => found.name,
        3 => {
            let archived_at = (round % 2 == 1).then(|| moment(round));
            (found.archived_at == archived_at).then(|| text.clone())
        }
        4 => {
            let tools = store.dynamic_tools(id(1)).await?;
            tools.and_then(|tools| Some(tools.first()?.name().into_owned()))
        }
        _ => found.git_branch,
    };
    if part.as_ref() != Some(&text) {
        return Err(Failure::new(format!(
            "what only task {task} writes is {part:?} after it was answered {text:?}"
        )));
    }
    Ok(())
}

async fn the_revisions_of_changes_of_every_kind_grow(lab: &Lab) -> Verdict {
    let handles = handles(lab, 3).await?;
    change(&*handles[0], put(thread(1))).await?;
    let clock = Clock::default();
    let writing = While::new(TASKS as usize);
    let mut tasks = Vec::new();
    for task in 0..TASKS {
        let store = Arc::clone(&handles[task as usize % handles.len()]);
        let (clock, writing) = (clock.clone(), writing.clone());
        tasks.push(Box::pin(async move {
            let mut given = Vec::new();
            for round in 0..ROUNDS {
                let wanted = of_every_kind(task, round);
                let called = clock.now();
                let done = change(&*store, wanted).await?;
                let returned = clock.now();
                if !matches!(done.effect, Effect::Unchanged | Effect::Absent) {
                    let revision = done.revision;
                    given.push(Given { called, returned, first: revision, last: revision });
                }
            }
            writing.one_ended();
            Ok(given)
        }) as super::Task<Vec<Given>>);
    }
    for handle in &handles {
        let (store, writing) = (Arc::clone(handle), writing.clone());
        tasks.push(Box::pin(async move {
            let mut last = 0;
            while writing.goes_on().await {
                let found = store.threads(vec![id(1)]).await?.pop().flatten();
                let revision = found.map_or(last, |row| row.revision);
                if revision < last {
                    return Err(Failure::new(format!("revision {revision} was read after {last}")));
                }
                last = revision;
            }
            Ok(Vec::new())
        }));
    }
    let mut given = together(tasks).await?.concat();
    given.sort_by_key(|given| given.first);
    must_grow("changes", given.clone())?;
    let revisions: Vec<_> = given.iter().map(|given| given.first).collect();
    // The row was put at revision 1.
    if !revisions.iter().copied().eq(2..2 + revisions.len() as u64) {
        return Err(Failure::new(format!("changes were given the revisions {revisions:?}")));
    }
    Ok(())
}

/// Whatever order they come in, nearly all of them change something.
fn of_every_kind(task: u32, round: u32) -> Change {
    let id = id(1);
    let text = format!("{task}.{round}");
    match (task + round) % 8 {
        0 => Change::Delete { id, at: at(5) },
        1 | 2 => {
            let mut row = thread(1);
            row.title = text;
            put(row)
        }
        3 => Change::Rename { id, name: Some(text), at: at(9) },
        4 => Change::Archive { id, path: Some(format!("/{text}").into()), at: at(9) },
        5 => Change::Unarchive { id, path: Some(format!("/{text}").into()) },
        6 => Change::Move { id, path: format!("/{text}").into(), archived_at: at(9) },
        _ => patch_of(1, title(&text)),
    }
}

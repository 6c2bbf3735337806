//! What a refusal says, and what it leaves behind.

use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::hooks::{Fault, Faults, Hooked};
use threadkeep_core::{
    Applied, BatchId, Capability, Change, DynamicToolSpec, Effect, Error, ErrorKind, Expect,
    LogFilter, LogLevel, LogQuery, Result, Retry, SortKey, Store, ThreadId, ThreadQuery,
    ThreadStore, Timestamp, WriteBatch, limits,
};

use super::say::{
    change, delete, fails, id, patch_of, put, row, store_all, thread, thread_with, title,
};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    E_02: a_refused_write_wrote_nothing_and_says_so,
    E_06: a_refusal_names_what_it_is_about,
    E_07: the_text_begins_with_the_kind,
    E_08: a_refusal_says_what_to_do,
    E_09: a_refusal_says_whether_to_try_again,
    E_10: a_refusal_leaves_no_lock,
    E_11: what_is_not_declared_is_refused,
    E_12: a_text_that_is_no_value_is_refused,
    E_13: after_an_unknown_outcome_the_name_gives_the_answer,
}

/// Batches that a store with thread 1 in it refuses, each with the kind of its error.
fn refused() -> Result<Vec<(WriteBatch, ErrorKind)>> {
    let tools = vec![DynamicToolSpec::function("a", "", "{}")?];
    let checkpoint = |expect| {
        let set = Change::SetCheckpoint { key: "the key".into(), value: Some("v".into()) };
        WriteBatch::new().and(put(thread(2))).and_if(expect, set)
    };
    let first = || WriteBatch::new().and(put(thread(2)));
    let long = "x".repeat(limits::TEXT_BYTES + 1);
    Ok(vec![
        (first().and_if(Expect::Revision(9), patch_of(1, title("a"))), ErrorKind::Conflict),
        (first().and_if(Expect::Revision(1), patch_of(3, title("a"))), ErrorKind::Conflict),
        (first().and_if(Expect::Absent, delete(1, 5)), ErrorKind::AlreadyExists),
        (first().and(Change::SetTools { id: id(3), tools, replace: true }), ErrorKind::NotFound),
        (checkpoint(Expect::Revision(1)), ErrorKind::Conflict),
        (
            first().and(put(thread_with(1, |row| row.rollout_path = "".into()))),
            ErrorKind::InvalidInput,
        ),
        (first().and(put(thread_with(1, |row| row.source = long))), ErrorKind::InvalidInput),
    ])
}

async fn a_refused_write_wrote_nothing_and_says_so(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let before = row(&store, 1).await?;
    for (batch, kind) in refused()? {
        let error = fails(store.write(batch).await, kind);
        assert_eq!(error.outcome(), Applied::NotApplied, "{error}");
        assert_eq!(store.threads(vec![id(1), id(2)]).await?, [Some(before.clone()), None]);
        assert_eq!(store.checkpoints(String::new(), None, 1).await?, []);
    }
    Ok(())
}

async fn a_refusal_names_what_it_is_about(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let names = [id(1), id(3), id(1), id(3)].map(|id| id.to_string());
    for ((batch, kind), name) in refused()?.into_iter().zip(names) {
        let error = fails(store.write(batch).await, kind);
        assert!(error.to_string().contains(&name), "{error} does not name {name}");
    }
    for expect in [Expect::Revision(2), Expect::Absent] {
        let set = |value: &str| Change::SetCheckpoint {
            key: "the key".into(),
            value: Some(value.into()),
        };
        change(&store, set("a")).await?;
        let refused = store.write(WriteBatch::new().and_if(expect, set("b"))).await;
        let error = refused.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains("the key"), "{error}");
    }
    Ok(())
}

/// The errors of a store with threads 1 and 2 in it that refuses all kinds of things.
async fn refusals(store: &dyn Store) -> Verdict<Vec<Error>> {
    let mut errors = Vec::new();
    for (batch, kind) in refused()? {
        errors.push(fails(store.write(batch).await, kind));
    }
    store_all(store, [thread(1), thread(2)]).await?;
    let query = ThreadQuery::new().limit(1);
    let cursor = store.list(query.clone()).await?.next;
    let other = query.sort(SortKey::CreatedAt).after(cursor);
    errors.push(fails(store.list(other).await, ErrorKind::InvalidCursor));
    let none = ThreadQuery::new().limit(0);
    errors.push(fails(store.list_ids(none).await, ErrorKind::InvalidInput));
    let none = LogQuery::new(LogFilter::new()).limit(0);
    errors.push(fails(store.query(none).await, ErrorKind::InvalidInput));
    let none = store.checkpoints(String::new(), None, 0).await;
    errors.push(fails(none, ErrorKind::InvalidInput));
    store.close().await?;
    errors.push(fails(store.threads(vec![id(1)]).await, ErrorKind::Closed));
    errors.push(fails(store.write(delete(1, 5).into()).await, ErrorKind::Closed));
    Ok(errors)
}

async fn the_text_begins_with_the_kind(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    for error in refusals(&store).await? {
        let text = error.to_string();
        let start = format!("{}: ", error.kind());
        let rest = text.strip_prefix(&start).unwrap_or_default();
        assert!(!rest.is_empty(), "{text:?} does not begin with {start:?}");
        assert!(!start.contains(char::is_uppercase), "{start}");
    }
    Ok(())
}

async fn a_refusal_says_what_to_do(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    for error in refusals(&store).await? {
        let hint = error.hint_text().unwrap_or_default();
        assert!(!hint.is_empty(), "{error} has no hint");
        assert!(!hint.ends_with('.') && !hint.contains('\n'), "{hint:?}");
    }
    Ok(())
}

async fn a_refusal_says_whether_to_try_again(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    for error in refusals(&store).await? {
        let as_expected = match error.kind() {
            ErrorKind::Conflict => matches!(error.retry(), Retry::After(_)),
            ErrorKind::Closed => error.retry() == Retry::Reopen,
            _ => error.retry() == Retry::Never,
        };
        assert!(as_expected, "{error}: {:?}", error.retry());
    }
    Ok(())
}

async fn a_refusal_leaves_no_lock(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let shared = lab.declares(Capability::Persistent) && lab.declares(Capability::MultiProcess);
    let other = if shared { lab.open().await? } else { Arc::clone(&store) };
    for (round, (batch, kind)) in (1..).zip(refused()?) {
        fails(store.write(batch).await, kind);
        for (store, source) in [(&other, "theirs"), (&store, "ours")] {
            let next = put(thread_with(9, |row| {
                row.tokens_used = round;
                row.source = source.into();
            }));
            let written = tokio::time::timeout(Duration::from_secs(1), change(store, next)).await;
            assert!(matches!(written, Ok(Ok(_))), "after {kind}: {written:?}");
        }
    }
    Ok(())
}

async fn what_is_not_declared_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let copy = lab.beside("copy");
    let result = store.backup(copy.clone()).await;
    if lab.declares(Capability::Backup) {
        assert!(copy.exists(), "a backup is declared, but there is none");
        return Ok(result?);
    }
    let error = fails(result, ErrorKind::Unsupported);
    assert!(error.hint_text().is_some(), "{error} does not say what to do");
    assert_eq!((error.outcome(), error.retry()), (Applied::NotApplied, Retry::Never));
    assert!(!copy.exists(), "a refused backup left something behind");
    Ok(())
}

async fn a_text_that_is_no_value_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let bad = "no such value";
    for error in [
        fails(bad.parse::<ThreadId>(), ErrorKind::InvalidInput),
        fails(bad.parse::<BatchId>(), ErrorKind::InvalidInput),
        fails(bad.parse::<Timestamp>(), ErrorKind::InvalidInput),
        fails("2026-02-30T00:00:00.000Z".parse::<Timestamp>(), ErrorKind::InvalidInput),
        fails(bad.parse::<LogLevel>(), ErrorKind::InvalidInput),
    ] {
        let text = error.to_string();
        assert!(text.contains(bad) || text.contains("2026-02-30"), "{text}");
    }
    // What a value writes of itself it also reads, and so does the store.
    store_all(&store, [thread(1)]).await?;
    let found = row(&store, 1).await?;
    assert_eq!(store.threads(vec![found.id.to_string().parse()?]).await?, [Some(found.clone())]);
    assert_eq!(found.created_at.to_string().parse::<Timestamp>()?, found.created_at);
    Ok(())
}

async fn after_an_unknown_outcome_the_name_gives_the_answer(lab: &Lab) -> Verdict {
    let faults = Arc::new(Faults::default());
    let store = Hooked::new(lab.open().await?).with_faults(Arc::clone(&faults));
    let batch = WriteBatch::new()
        .with_id(BatchId::from_bytes([7; 16]))
        .and_if(Expect::Absent, put(thread(1)))
        .and(patch_of(1, title("named")));
    faults.push("write", Fault::After(ErrorKind::Io));
    let error = fails(store.write(batch.clone()).await, ErrorKind::Io);
    assert_eq!(error.outcome(), Applied::Unknown);
    // What happened since does not change the answer.
    change(&store, delete(1, 5)).await?;
    let answer = store.write(batch).await?;
    let answer: Vec<_> = answer.iter().map(|done| (done.effect, done.revision)).collect();
    assert_eq!(answer, [(Effect::Created, 1), (Effect::Updated, 2)]);
    assert_eq!(store.threads(vec![id(1)]).await?, [None]);
    Ok(())
}

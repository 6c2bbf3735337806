//! Reading rows, and putting them.

use threadkeep_core::{
    Archived, Effect, ThreadMetadata, ThreadPatch, ThreadSeed, ThreadStore, ThreadStoreExt,
};

use super::say::{apply, at, change, id, put, row, store_all, thread, thread_with};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    T_01: a_missing_thread_is_none,
    T_02: threads_come_in_the_order_asked,
    T_03: any_number_of_threads_may_be_asked_for,
    T_04: a_rollout_path_is_found_by_where_the_thread_is,
    T_17: a_row_begins_with_its_defaults,
    T_20: put_creates_then_replaces_every_field,
    T_22: put_of_the_same_row_changes_nothing,
    T_23: put_ignores_the_revision_it_is_given,
    T_24: the_revision_grows_by_one_a_change,
}

async fn a_missing_thread_is_none(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert_eq!(store.get_thread(id(1)).await?, None);
    assert_eq!(store.threads(vec![]).await?, []);
    Ok(())
}

async fn threads_come_in_the_order_asked(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1), thread(2)]).await?;
    let found = store.threads(vec![id(2), id(9), id(1), id(2)]).await?;
    let found: Vec<_> = found.iter().map(|row| row.as_ref().map(|row| row.id)).collect();
    assert_eq!(found, [Some(id(2)), None, Some(id(1)), Some(id(2))]);
    Ok(())
}

async fn any_number_of_threads_may_be_asked_for(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, (0..1_500).map(thread)).await?;
    let found = store.threads((0..40_000).map(id).collect()).await?;
    assert_eq!(found.len(), 40_000);
    assert!(found[..1_500].iter().all(Option::is_some));
    assert!(found[1_500..].iter().all(Option::is_none));
    Ok(())
}

async fn a_rollout_path_is_found_by_where_the_thread_is(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let archived = thread_with(2, |row| row.archived_at = Some(at(5)));
    store_all(&store, [thread(1), archived]).await?;
    for (number, wanted, found) in [
        (1, Archived::Any, true),
        (1, Archived::Active, true),
        (1, Archived::Archived, false),
        (2, Archived::Any, true),
        (2, Archived::Active, false),
        (2, Archived::Archived, true),
        (3, Archived::Any, false),
    ] {
        let path = store.find_rollout_path_by_id(id(number), wanted).await?;
        let expected = found.then(|| format!("/sessions/{number}.jsonl").into());
        assert_eq!(path, expected, "thread {number}, {wanted:?}");
    }
    Ok(())
}

async fn put_creates_then_replaces_every_field(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let first = thread_with(1, |row| {
        row.model = Some("m".into());
        row.archived_at = Some(at(4));
        row.tokens_used = 7;
    });
    let outcome = store.upsert_thread(first).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Created, 1));

    let mut second = thread_with(1, |row| {
        row.rollout_path = "/elsewhere.jsonl".into();
        row.created_at = at(-5);
        row.updated_at = at(-4);
        row.has_user_event = false;
    });
    let outcome = store.upsert_thread(second.clone()).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Updated, 2));
    second.revision = 2;
    assert_eq!(row(&store, 1).await?, second);
    Ok(())
}

async fn put_of_the_same_row_changes_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    change(&store, put(thread(1))).await?;
    let outcome = change(&store, put(thread(1))).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Unchanged, 1));
    assert_eq!(row(&store, 1).await?.revision, 1);
    Ok(())
}

async fn put_ignores_the_revision_it_is_given(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    change(&store, put(thread_with(1, |row| row.revision = 99))).await?;
    assert_eq!(row(&store, 1).await?.revision, 1);
    Ok(())
}

async fn the_revision_grows_by_one_a_change(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for tokens in 1..=5 {
        let outcome = change(&store, put(thread_with(1, |row| row.tokens_used = tokens))).await?;
        assert_eq!(outcome.revision, row(&store, 1).await?.revision);
        assert_eq!(i64::try_from(outcome.revision), Ok(tokens));
    }
    Ok(())
}

async fn a_row_begins_with_its_defaults(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let seed = ThreadSeed::new(id(1), "/sessions/1.jsonl", at(5));
    change(&store, apply(seed, ThreadPatch::default())).await?;
    let expected = ThreadMetadata {
        id: id(1),
        rollout_path: "/sessions/1.jsonl".into(),
        created_at: at(5),
        updated_at: at(5),
        source: "unknown".into(),
        model_provider: "openai".into(),
        model: None,
        cli_version: None,
        cwd: "".into(),
        title: String::new(),
        preview: None,
        name: None,
        named_at: None,
        sandbox_policy: "read-only".into(),
        approval_mode: "on-request".into(),
        tokens_used: 0,
        has_user_event: false,
        archived_at: None,
        git_sha: None,
        git_branch: None,
        git_origin_url: None,
        applied_file: String::new(),
        applied_through: 0,
        revision: 1,
    };
    assert_eq!(row(&store, 1).await?, expected);

    let told = ThreadSeed::new(id(2), "/sessions/2.jsonl", at(5))
        .source("exec")
        .model_provider("p")
        .cwd("/a")
        .cli_version("1")
        .sandbox_policy("full")
        .approval_mode("never")
        .archived_at(at(9));
    change(&store, apply(told, ThreadPatch::default())).await?;
    let expected = ThreadMetadata {
        id: id(2),
        rollout_path: "/sessions/2.jsonl".into(),
        source: "exec".into(),
        model_provider: "p".into(),
        cwd: "/a".into(),
        cli_version: Some("1".into()),
        sandbox_policy: "full".into(),
        approval_mode: "never".into(),
        archived_at: Some(at(9)),
        ..expected
    };
    assert_eq!(row(&store, 2).await?, expected);
    Ok(())
}

//! Lines of a rollout file, applied.

use threadkeep_core::{DynamicToolStore, Effect, FieldPatch, ThreadStoreExt, Timestamp};

use super::history::{lines, meta};
use super::say::{apply, at, change, id, mark, patch, row, seed, store_all, thread_with};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    T_28: items_create_the_thread_and_fill_it,
    T_26: items_patch_a_thread_that_is_there,
    R_60: without_items_nothing_happens,
    R_25: tools_of_the_first_record_are_stored_where_none_are,
    R_58: an_empty_provider_becomes_the_default,
    R_65: a_patch_from_behind_the_mark_does_nothing,
    R_67: a_later_file_of_the_thread_is_where_its_history_is,
    T_29: the_time_of_the_last_change_never_moves_back,
    R_45: the_first_message_stays_the_title,
    T_30: once_a_person_wrote_the_thread_stays_shown,
}

const MESSAGE: &str = r#"{"timestamp":"1970-01-01T00:00:02Z","type":"event_msg",
    "payload":{"type":"user_message","message":"fix the build"}}"#;
const TOKENS: &str = r#"{"timestamp":"1970-01-01T00:00:03Z","type":"event_msg","payload":
    {"type":"token_count","info":{"total_token_usage":{"total_tokens":42}}}}"#;
const TURN: &str = r#"{"timestamp":"1970-01-01T00:00:04Z","type":"turn_context","payload":
    {"cwd":"/elsewhere","approval_policy":"never","model":"m2"}}"#;

async fn items_create_the_thread_and_fill_it(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let meta = meta(1, 1, r#""source":"exec","model_provider":"p","cwd":"/home""#);
    let lines = lines(&[&meta, MESSAGE, TOKENS, TURN])?;
    let outcome = store.apply_rollout_items(seed(1), &lines).await?;
    assert_eq!(
        outcome.map(|outcome| (outcome.effect, outcome.revision)),
        Some((Effect::Created, 1))
    );
    let row = row(&store, 1).await?;
    assert_eq!(row.source, "exec");
    assert_eq!(row.model_provider, "p");
    assert_eq!(row.model.as_deref(), Some("m2"));
    assert_eq!(row.title, "fix the build");
    assert_eq!(row.preview.as_deref(), Some("fix the build"));
    assert_eq!(row.approval_mode, "never");
    assert_eq!(row.tokens_used, 42);
    assert!(row.has_user_event);
    assert_eq!((row.created_at, row.updated_at), (at(1), at(4_000)));
    assert_eq!(row.rollout_path.to_str(), Some("/sessions/1.jsonl"));
    Ok(())
}

async fn items_patch_a_thread_that_is_there(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let before = thread_with(1, |row| {
        row.title = "kept".into();
        row.cwd = "/kept".into();
        row.tokens_used = 100;
        row.git_branch = Some("kept".into());
    });
    store_all(&store, [before]).await?;
    let outcome = store.apply_rollout_items(seed(1), &lines(&[MESSAGE, TOKENS, TURN])?).await?;
    assert_eq!(
        outcome.map(|outcome| (outcome.effect, outcome.revision)),
        Some((Effect::Updated, 2))
    );
    let row = row(&store, 1).await?;
    assert_eq!((row.title.as_str(), row.cwd.to_str()), ("kept", Some("/kept")));
    assert_eq!(row.git_branch.as_deref(), Some("kept"));
    assert_eq!(row.tokens_used, 42);
    assert_eq!(row.updated_at, at(4_000));
    Ok(())
}

async fn without_items_nothing_happens(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert_eq!(store.apply_rollout_items(seed(1), &[]).await?, None);
    assert_eq!(store.get_thread(id(1)).await?, None);
    Ok(())
}

async fn tools_of_the_first_record_are_stored_where_none_are(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let with_tool =
        |name: &str| lines(&[&meta(1, 1, &format!(r#""dynamic_tools":[{{"name":"{name}"}}]"#))]);
    store.apply_rollout_items(seed(1), &with_tool("first")?).await?;
    store.apply_rollout_items(seed(1), &with_tool("second")?).await?;
    let tools = store.dynamic_tools(id(1)).await?.unwrap_or_default();
    assert_eq!(tools.len(), 1);
    assert_eq!(tools[0].json(), r#"{"name":"first"}"#);
    Ok(())
}

async fn an_empty_provider_becomes_the_default(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread_with(1, |row| row.model_provider = String::new())]).await?;
    let lines = lines(&[TOKENS])?;
    for number in [1, 2] {
        store.apply_rollout_items(seed(number).model_provider("mine"), &lines).await?;
        assert_eq!(row(&store, number).await?.model_provider, "mine");
        store.apply_rollout_items(seed(number).model_provider("later"), &lines).await?;
        assert_eq!(row(&store, number).await?.model_provider, "mine");
    }
    Ok(())
}

async fn a_patch_from_behind_the_mark_does_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let reaches = |through, tokens| {
        patch(|patch| {
            patch.tokens_used = FieldPatch::Set(tokens);
            patch.mark = Some(mark("1.jsonl", through));
        })
    };
    change(&store, apply(seed(1), reaches(100, 1))).await?;
    for through in [1, 99, 100] {
        let outcome = change(&store, apply(seed(1), reaches(through, 2))).await?;
        assert_eq!((outcome.effect, outcome.revision), (Effect::Unchanged, 1));
    }
    let outcome = change(&store, apply(seed(1), reaches(101, 3))).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Updated, 2));
    let row = row(&store, 1).await?;
    assert_eq!((row.tokens_used, row.applied_through), (3, 101));
    assert_eq!(row.applied_file, "1.jsonl");
    Ok(())
}

async fn a_later_file_of_the_thread_is_where_its_history_is(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let from = |file: &str, through| patch(|patch| patch.mark = Some(mark(file, through)));
    change(&store, apply(seed(1), from("b.jsonl", 900))).await?;
    let mut next = seed(1).into_metadata();
    next.rollout_path = "/sessions/c.jsonl".into();
    let next = threadkeep_core::ThreadSeed::new(next.id, next.rollout_path, next.created_at);
    change(&store, apply(next, from("c.jsonl", 5))).await?;
    let found = row(&store, 1).await?;
    assert_eq!(found.rollout_path.to_str(), Some("/sessions/c.jsonl"));
    assert_eq!((found.applied_file.as_str(), found.applied_through), ("c.jsonl", 5));
    // The file before it is behind now, however far it reaches.
    let outcome = change(&store, apply(seed(1), from("b.jsonl", 9_000))).await?;
    assert_eq!(outcome.effect, Effect::Unchanged);
    assert_eq!(row(&store, 1).await?, found);
    Ok(())
}

async fn the_time_of_the_last_change_never_moves_back(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let changed = |millis| patch(|patch| patch.updated_at = Some(at(millis)));
    for (millis, expected) in [(50, 50), (40, 50), (60, 60), (-1, 60)] {
        change(&store, apply(seed(1), changed(millis))).await?;
        assert_eq!(row(&store, 1).await?.updated_at, at(expected));
    }
    change(&store, apply(seed(1), patch(|patch| patch.updated_at = Some(Timestamp::MAX)))).await?;
    assert_eq!(row(&store, 1).await?.updated_at, Timestamp::MAX);
    store_all(&store, [thread_with(1, |row| row.updated_at = at(1))]).await?;
    assert_eq!(row(&store, 1).await?.updated_at, at(1), "a replacing change moves it back");
    Ok(())
}

async fn the_first_message_stays_the_title(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let second = MESSAGE.replace("fix the build", "and the tests");
    store.apply_rollout_items(seed(1), &lines(&[MESSAGE])?).await?;
    store.apply_rollout_items(seed(1), &lines(&[&second])?).await?;
    assert_eq!(row(&store, 1).await?.title, "fix the build");
    Ok(())
}

async fn once_a_person_wrote_the_thread_stays_shown(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store.apply_rollout_items(seed(1), &lines(&[TOKENS])?).await?;
    assert!(!row(&store, 1).await?.has_user_event);
    store.apply_rollout_items(seed(1), &lines(&[MESSAGE])?).await?;
    store.apply_rollout_items(seed(1), &lines(&[TOKENS])?).await?;
    assert!(row(&store, 1).await?.has_user_event);
    Ok(())
}

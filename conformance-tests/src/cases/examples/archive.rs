//! Archiving and unarchiving.

use threadkeep_core::{
    Archived, Change, Effect, FieldPatch, ThreadQuery, ThreadStore, ThreadStoreExt,
};

use super::say::{NONE, at, change, id, listed, patch, patch_of, row, store_all, thread};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    T_40: archiving_sets_the_time_and_the_path,
    T_41: unarchiving_clears_the_time_and_sets_the_path,
    T_42: without_a_path_the_path_stays,
    T_44: an_absent_thread_is_false_and_stays_absent,
    T_45: a_patch_survives_archiving_and_archiving_a_patch,
    T_46: archiving_moves_the_thread_between_listings,
    T_43: archiving_again_sets_the_new_time,
}

async fn archiving_sets_the_time_and_the_path(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    assert!(store.mark_archived(id(1), "/archived_sessions/1.jsonl".into(), at(77)).await?);
    let mut expected = thread(1);
    expected.archived_at = Some(at(77));
    expected.rollout_path = "/archived_sessions/1.jsonl".into();
    expected.revision = 2;
    assert_eq!(row(&store, 1).await?, expected);
    Ok(())
}

async fn unarchiving_clears_the_time_and_sets_the_path(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    store.mark_archived(id(1), "/archived_sessions/1.jsonl".into(), at(77)).await?;
    assert!(store.mark_unarchived(id(1), "/sessions/back.jsonl".into()).await?);
    let row = row(&store, 1).await?;
    assert_eq!((row.archived_at, row.revision), (None, 3));
    assert_eq!(row.rollout_path.to_str(), Some("/sessions/back.jsonl"));
    Ok(())
}

async fn without_a_path_the_path_stays(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, Change::Archive { id: id(1), path: None, at: at(1) }).await?;
    assert_eq!(row(&store, 1).await?.rollout_path.to_str(), Some("/sessions/1.jsonl"));
    change(&store, Change::Unarchive { id: id(1), path: None }).await?;
    assert_eq!(row(&store, 1).await?.rollout_path.to_str(), Some("/sessions/1.jsonl"));
    Ok(())
}

async fn an_absent_thread_is_false_and_stays_absent(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert!(!store.mark_archived(id(1), "/a".into(), at(1)).await?);
    assert!(!store.mark_unarchived(id(1), "/a".into()).await?);
    assert_eq!(store.threads(vec![id(1)]).await?, [None]);
    Ok(())
}

async fn a_patch_survives_archiving_and_archiving_a_patch(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let tokens = |count| patch_of(1, patch(|patch| patch.tokens_used = FieldPatch::Set(count)));
    change(&store, tokens(5)).await?;
    store.mark_archived(id(1), "/archived_sessions/1.jsonl".into(), at(9)).await?;
    assert_eq!(row(&store, 1).await?.tokens_used, 5);
    change(&store, tokens(6)).await?;
    let found = row(&store, 1).await?;
    assert_eq!((found.tokens_used, found.archived_at), (6, Some(at(9))));
    assert_eq!(found.rollout_path.to_str(), Some("/archived_sessions/1.jsonl"));
    store.mark_unarchived(id(1), "/sessions/1.jsonl".into()).await?;
    assert_eq!(row(&store, 1).await?.tokens_used, 6);
    Ok(())
}

async fn archiving_moves_the_thread_between_listings(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1), thread(2)]).await?;
    store.mark_archived(id(1), "/a/1.jsonl".into(), at(9)).await?;
    let archived = ThreadQuery::new().archived(Archived::Archived);
    assert_eq!(listed(&store, ThreadQuery::new()).await?, [2]);
    assert_eq!(listed(&store, archived.clone()).await?, [1]);
    store.mark_unarchived(id(1), "/s/1.jsonl".into()).await?;
    assert_eq!(listed(&store, ThreadQuery::new()).await?, [2, 1]);
    assert_eq!(listed(&store, archived).await?, NONE);
    Ok(())
}

async fn archiving_again_sets_the_new_time(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let archive = |millis| Change::Archive { id: id(1), path: None, at: at(millis) };
    for (millis, effect) in [(5, Effect::Updated), (5, Effect::Unchanged), (3, Effect::Updated)] {
        assert_eq!(change(&store, archive(millis)).await?.effect, effect);
        assert_eq!(row(&store, 1).await?.archived_at, Some(at(millis)));
    }
    Ok(())
}

//! An indexer's own texts.

use threadkeep_core::{
    Change, Effect, ErrorKind, Expect, Result, Store, ThreadStore, WriteBatch, limits,
};

use super::say::{apply, change, fails, put, row, seed, thread, title};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    T_80: a_checkpoint_is_stored_changed_and_removed,
    T_81: they_come_by_key_below_a_prefix,
    T_82: nothing_in_a_prefix_is_a_wildcard,
    T_83: they_go_on_after_a_key,
    T_84: a_limit_out_of_range_is_refused,
    T_85: a_revision_or_absence_can_be_expected,
    T_86: they_come_in_the_same_commit_as_their_threads,
    T_87: any_text_is_a_key_and_a_value,
    T_88: they_survive_a_new_handle,
}

fn set(key: &str, value: Option<&str>) -> Change {
    Change::SetCheckpoint { key: key.into(), value: value.map(Into::into) }
}

async fn store_keys(store: &dyn Store, keys: &[&str]) -> Result<()> {
    let mut batch = WriteBatch::new();
    for key in keys {
        batch.push(set(key, Some("v")));
    }
    store.write(batch).await.map(drop)
}

async fn keys(
    store: &dyn Store,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    let found = store.checkpoints(prefix.into(), after.map(Into::into), limit).await?;
    Ok(found.into_iter().map(|checkpoint| checkpoint.key).collect())
}

async fn a_checkpoint_is_stored_changed_and_removed(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for (value, effect, revision) in [
        (None, Effect::Absent, 0),
        (Some("a"), Effect::Created, 1),
        (Some("a"), Effect::Unchanged, 1),
        (Some("b"), Effect::Updated, 2),
        (Some(""), Effect::Updated, 3),
        (None, Effect::Deleted, 4),
        (None, Effect::Absent, 0),
        (Some("c"), Effect::Created, 1),
    ] {
        let outcome = change(&store, set("k", value)).await?;
        assert_eq!((outcome.effect, outcome.revision), (effect, revision), "{value:?}");
        let found = store.checkpoints("k".into(), None, 2).await?;
        let found: Vec<_> =
            found.iter().map(|found| (found.value.as_str(), found.revision)).collect();
        let expected: Vec<_> = value.map(|value| (value, revision)).into_iter().collect();
        assert_eq!(found, expected);
    }
    Ok(())
}

async fn they_come_by_key_below_a_prefix(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_keys(&store, &["b", "a/2", "a/10", "a", "a/", "a0", "A/1", "é"]).await?;
    assert_eq!(keys(&store, "a/", None, 10).await?, ["a/", "a/10", "a/2"]);
    assert_eq!(keys(&store, "a", None, 10).await?, ["a", "a/", "a/10", "a/2", "a0"]);
    assert_eq!(
        keys(&store, "", None, 10).await?,
        ["A/1", "a", "a/", "a/10", "a/2", "a0", "b", "é"]
    );
    assert_eq!(keys(&store, "c", None, 10).await?, [""; 0]);
    Ok(())
}

async fn nothing_in_a_prefix_is_a_wildcard(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_keys(&store, &["a%b", "axb", "a_b", "a*", "a\u{10FFFF}", "a\u{10FFFF}b"]).await?;
    assert_eq!(keys(&store, "a%", None, 10).await?, ["a%b"]);
    assert_eq!(keys(&store, "a_", None, 10).await?, ["a_b"]);
    assert_eq!(keys(&store, "a*", None, 10).await?, ["a*"]);
    let greatest = "a\u{10FFFF}";
    assert_eq!(keys(&store, greatest, None, 10).await?, [greatest, "a\u{10FFFF}b"]);
    Ok(())
}

async fn they_go_on_after_a_key(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_keys(&store, &["a1", "a2", "a3", "b1"]).await?;
    assert_eq!(keys(&store, "a", None, 2).await?, ["a1", "a2"]);
    assert_eq!(keys(&store, "a", Some("a2"), 2).await?, ["a3"]);
    assert_eq!(keys(&store, "a", Some("a15"), 5).await?, ["a2", "a3"]);
    assert_eq!(keys(&store, "b", Some("a"), 5).await?, ["b1"]);
    assert_eq!(keys(&store, "a", Some("b"), 5).await?, [""; 0]);
    assert_eq!(keys(&store, "a", Some(""), 5).await?, ["a1", "a2", "a3"]);
    Ok(())
}

async fn a_limit_out_of_range_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for limit in [0, limits::CHECKPOINTS + 1, usize::MAX] {
        fails(keys(&store, "", None, limit).await, ErrorKind::InvalidInput);
    }
    assert_eq!(keys(&store, "", None, limits::CHECKPOINTS).await?, [""; 0]);
    Ok(())
}

async fn a_revision_or_absence_can_be_expected(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let expecting = |expect, value| WriteBatch::new().and_if(expect, set("k", Some(value)));
    fails(store.write(expecting(Expect::Revision(1), "a")).await, ErrorKind::Conflict);
    store.write(expecting(Expect::Absent, "a")).await?;
    fails(store.write(expecting(Expect::Absent, "b")).await, ErrorKind::AlreadyExists);
    fails(store.write(expecting(Expect::Revision(2), "b")).await, ErrorKind::Conflict);
    store.write(expecting(Expect::Revision(1), "b")).await?;
    let found = store.checkpoints("k".into(), None, 1).await?;
    assert_eq!((found[0].value.as_str(), found[0].revision), ("b", 2));
    Ok(())
}

async fn they_come_in_the_same_commit_as_their_threads(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let batch = WriteBatch::new().and(apply(seed(1), title("a"))).and(set("k", Some("1")));
    store.write(batch).await?;
    assert_eq!(row(&store, 1).await?.title, "a");
    let refused = WriteBatch::new().and(set("k", Some("2"))).and_if(Expect::Absent, put(thread(1)));
    fails(store.write(refused).await, ErrorKind::AlreadyExists);
    assert_eq!(store.checkpoints("k".into(), None, 1).await?[0].value, "1");
    Ok(())
}

async fn any_text_is_a_key_and_a_value(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let texts = ["", "\0", "a\0b", "'; --", "\u{202E}אב", "\u{1F980}", "\u{FEFF}"];
    for text in texts {
        change(&store, set(text, Some(text))).await?;
    }
    let long = "k".repeat(limits::PREVIEW_BYTES);
    change(&store, set(&long, Some(&"v".repeat(100_000)))).await?;
    for text in texts {
        let found = store.checkpoints(text.into(), None, 1).await?;
        assert_eq!((found[0].key.as_str(), found[0].value.as_str()), (text, text));
    }
    assert_eq!(store.checkpoints(long, None, 1).await?[0].value.len(), 100_000);
    let too_long = "k".repeat(limits::PREVIEW_BYTES + 1);
    let refused = store.write(set(&too_long, Some("v")).into()).await;
    fails(refused, ErrorKind::InvalidInput);
    Ok(())
}

async fn they_survive_a_new_handle(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_keys(&store, &["a", "b"]).await?;
    change(&store, set("a", Some("changed"))).await?;
    let before = store.checkpoints(String::new(), None, 10).await?;
    let store = lab.reopen(store).await?;
    assert_eq!(store.checkpoints(String::new(), None, 10).await?, before);
    Ok(())
}

//! Names that people give.

use threadkeep_core::{Change, Effect, NamePatch, ThreadStoreExt};

use super::say::{at, change, id, patch, patch_of, row, store_all, thread};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    T_35: a_thread_is_named_and_loses_its_name,
    T_36: the_later_of_two_namings_wins,
    T_37: a_name_in_the_history_and_one_by_hand_are_alike,
    T_38: taking_the_name_away_is_a_naming,
    T_44: an_absent_thread_is_not_named,
    T_39: a_name_may_be_empty_and_is_not_none,
}

fn rename(name: Option<&str>, millis: i64) -> Change {
    Change::Rename { id: id(1), name: name.map(Into::into), at: at(millis) }
}

fn named_in_history(name: Option<&str>, millis: Option<i64>) -> Change {
    let name = NamePatch { name: name.map(Into::into), at: millis.map(at) };
    patch_of(1, patch(|patch| patch.name = Some(name)))
}

async fn a_thread_is_named_and_loses_its_name(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    assert!(store.rename(id(1), Some("release".into())).await?);
    assert_eq!(row(&store, 1).await?.name.as_deref(), Some("release"));
    assert_eq!(row(&store, 1).await?.title, "thread 1");
    assert!(store.rename(id(1), None).await?);
    assert_eq!(row(&store, 1).await?.name, None);
    Ok(())
}

async fn the_later_of_two_namings_wins(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, rename(Some("second"), 20)).await?;
    let outcome = change(&store, rename(Some("first"), 10)).await?;
    assert_eq!(outcome.effect, Effect::Unchanged);
    let found = row(&store, 1).await?;
    assert_eq!((found.name.as_deref(), found.named_at), (Some("second"), Some(at(20))));
    change(&store, rename(Some("third"), 20)).await?;
    assert_eq!(row(&store, 1).await?.name.as_deref(), Some("third"), "of two at once the last");
    Ok(())
}

async fn a_name_in_the_history_and_one_by_hand_are_alike(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    for (naming, expected) in [
        (named_in_history(Some("no time"), None), "no time"),
        (rename(Some("by hand"), 10), "by hand"),
        (named_in_history(Some("no time"), None), "by hand"),
        (named_in_history(Some("before"), Some(9)), "by hand"),
        (named_in_history(Some("after"), Some(11)), "after"),
        (rename(Some("too late"), 10), "after"),
    ] {
        change(&store, naming).await?;
        assert_eq!(row(&store, 1).await?.name.as_deref(), Some(expected));
    }
    Ok(())
}

async fn taking_the_name_away_is_a_naming(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, rename(Some("a"), 10)).await?;
    change(&store, rename(None, 20)).await?;
    change(&store, named_in_history(Some("b"), Some(15))).await?;
    assert_eq!(row(&store, 1).await?.name, None);
    change(&store, named_in_history(Some("c"), Some(25))).await?;
    change(&store, named_in_history(None, Some(30))).await?;
    assert_eq!(row(&store, 1).await?.name, None);
    Ok(())
}

async fn an_absent_thread_is_not_named(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert!(!store.rename(id(1), Some("a".into())).await?);
    assert_eq!(store.get_thread(id(1)).await?, None);
    Ok(())
}

async fn a_name_may_be_empty_and_is_not_none(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    change(&store, rename(Some(""), 1)).await?;
    assert_eq!(row(&store, 1).await?.name.as_deref(), Some(""));
    Ok(())
}

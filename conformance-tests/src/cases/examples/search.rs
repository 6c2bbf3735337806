//! Searching threads by text.

use threadkeep_core::{Direction, Result, Store, ThreadQuery};

use super::say::{NONE, listed, store_all, thread_with};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    L_25: title_name_and_preview_are_searched,
    L_26: nothing_else_is_searched,
    L_27: ascii_letters_of_either_case_are_alike,
    L_28: other_letters_are_told_apart,
    L_29: nothing_is_a_wildcard,
    L_30: an_empty_text_is_in_every_thread,
    L_29: byte_zero_is_a_character_like_others,
}

async fn titled(store: &dyn Store, titles: &[&str]) -> Result<()> {
    let rows = (1..).zip(titles);
    store_all(
        store,
        rows.map(|(number, title)| thread_with(number, |row| row.title = (*title).into())),
    )
    .await
}

async fn found(store: &dyn Store, text: &str) -> Result<Vec<u32>> {
    listed(store, ThreadQuery::new().direction(Direction::Ascending).text(text)).await
}

async fn title_name_and_preview_are_searched(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let in_title = thread_with(1, |row| row.title = "fix the build".into());
    let in_name = thread_with(2, |row| row.name = Some("fixed".into()));
    let in_preview = thread_with(3, |row| row.preview = Some("please fix it".into()));
    let nowhere = thread_with(4, |row| row.title = "build".into());
    store_all(&store, [in_title, in_name, in_preview, nowhere]).await?;
    assert_eq!(found(&store, "fix").await?, [1, 2, 3]);
    Ok(())
}

async fn nothing_else_is_searched(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let row = thread_with(1, |row| {
        let word = || Some("needle".to_owned());
        row.source = "needle".into();
        row.model_provider = "needle".into();
        row.model = word();
        row.cwd = "/needle".into();
        row.rollout_path = "/needle.jsonl".into();
        row.git_sha = word();
        row.git_branch = word();
        row.git_origin_url = word();
    });
    store_all(&store, [row]).await?;
    assert_eq!(found(&store, "needle").await?, NONE);
    // The end of one field and the beginning of the next are not one text.
    let row = thread_with(2, |row| {
        row.title = "nee".into();
        row.name = Some("dle".into());
        row.preview = Some("nee".into());
    });
    store_all(&store, [row]).await?;
    assert_eq!(found(&store, "needle").await?, NONE);
    Ok(())
}

async fn ascii_letters_of_either_case_are_alike(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    titled(&store, &["Fix THE Build", "fix the building", "fix the boat"]).await?;
    assert_eq!(found(&store, "fIX tHE bUILD").await?, [1, 2]);
    Ok(())
}

async fn other_letters_are_told_apart(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    // A letter with its accent in two code points is another text than that in one.
    titled(&store, &["GROSSE ÄNDERUNG", "große änderung", "cafe\u{301}", "café"]).await?;
    assert_eq!(found(&store, "Änderung").await?, [1]);
    assert_eq!(found(&store, "änderung").await?, [2]);
    assert_eq!(found(&store, "große").await?, [2]);
    assert_eq!(found(&store, "café").await?, [4]);
    assert_eq!(found(&store, "CAFE\u{301}").await?, [3]);
    Ok(())
}

async fn nothing_is_a_wildcard(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    titled(&store, &["100% of it", "100 of it", "a_b", "acb", "a*b", r"a\b", "[a]", "it's \"so\""])
        .await?;
    assert_eq!(found(&store, "100%").await?, [1]);
    assert_eq!(found(&store, "%").await?, [1]);
    assert_eq!(found(&store, "a_b").await?, [3]);
    assert_eq!(found(&store, "a*b").await?, [5]);
    assert_eq!(found(&store, r"a\b").await?, [6]);
    assert_eq!(found(&store, r"\").await?, [6]);
    assert_eq!(found(&store, "[a]").await?, [7]);
    assert_eq!(found(&store, "it's \"").await?, [8]);
    Ok(())
}

async fn an_empty_text_is_in_every_thread(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    titled(&store, &["", "a"]).await?;
    assert_eq!(found(&store, "").await?, [1, 2]);
    Ok(())
}

async fn byte_zero_is_a_character_like_others(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    titled(&store, &["a\0b", "a", "ab", "\0"]).await?;
    assert_eq!(found(&store, "a\0B").await?, [1]);
    assert_eq!(found(&store, "\0").await?, [1, 4]);
    assert_eq!(found(&store, "b").await?, [1, 3]);
    Ok(())
}

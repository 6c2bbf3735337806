//! Which threads a listing holds.

use threadkeep_core::{
    Archived, Direction, Result, SortKey, Store, ThreadQuery, ThreadStore, TimeRange,
};

use super::say::{NONE, at, id, listed, store_all, thread, thread_with};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    L_10: active_archived_or_any,
    L_11: threads_nobody_wrote_in_are_shown_when_asked_for,
    L_12: one_source_several_or_none,
    L_13: one_provider_several_or_none,
    L_14: one_folder_several_or_none,
    L_15: folders_are_told_apart_as_they_are_written,
    L_16: case_matters_in_sources_and_providers,
    L_17: an_absent_set_admits_everything_and_an_empty_one_nothing,
    L_18: conditions_hold_together,
    L_19: a_created_range_includes_both_ends,
    L_20: an_updated_range_includes_both_ends,
    L_18: both_ranges_hold_together,
    L_21: a_range_that_ends_before_it_begins_holds_nothing,
}

async fn oldest_first(store: &dyn Store, query: ThreadQuery) -> Result<Vec<u32>> {
    listed(store, query.direction(Direction::Ascending)).await
}

async fn active_archived_or_any(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let archived = thread_with(2, |row| row.archived_at = Some(at(0)));
    store_all(&store, [thread(1), archived, thread(3)]).await?;
    for (wanted, expected) in
        [(Archived::Active, &[1, 3][..]), (Archived::Archived, &[2]), (Archived::Any, &[1, 2, 3])]
    {
        let query = ThreadQuery::new().archived(wanted);
        assert_eq!(oldest_first(&store, query).await?, expected, "{wanted:?}");
    }
    Ok(())
}

async fn threads_nobody_wrote_in_are_shown_when_asked_for(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let silent = thread_with(2, |row| row.has_user_event = false);
    store_all(&store, [thread(1), silent]).await?;
    assert_eq!(oldest_first(&store, ThreadQuery::new()).await?, [1]);
    assert_eq!(oldest_first(&store, ThreadQuery::new().include_empty()).await?, [1, 2]);
    Ok(())
}

async fn one_source_several_or_none(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let of = |number, source: &str| thread_with(number, |row| row.source = source.into());
    store_all(&store, [of(1, "cli"), of(2, "exec"), of(3, "mcp"), of(4, "")]).await?;
    let query = ThreadQuery::new();
    assert_eq!(oldest_first(&store, query.clone().source("exec")).await?, [2]);
    let two = query.clone().source("mcp").source("cli");
    assert_eq!(oldest_first(&store, two).await?, [1, 3]);
    assert_eq!(oldest_first(&store, query.clone().source("")).await?, [4]);
    assert_eq!(oldest_first(&store, query.clone().source("vscode")).await?, NONE);
    assert_eq!(oldest_first(&store, query.clone().sources([])).await?, NONE);
    assert_eq!(oldest_first(&store, query).await?, [1, 2, 3, 4]);
    Ok(())
}

async fn one_provider_several_or_none(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let of = |number, name: &str| thread_with(number, |row| row.model_provider = name.into());
    store_all(&store, [of(1, "openai"), of(2, "ollama"), of(3, "azure")]).await?;
    let query = ThreadQuery::new();
    assert_eq!(oldest_first(&store, query.clone().provider("ollama")).await?, [2]);
    let two = query.clone().provider("azure").provider("openai");
    assert_eq!(oldest_first(&store, two).await?, [1, 3]);
    assert_eq!(oldest_first(&store, query.clone().provider("none")).await?, NONE);
    assert_eq!(oldest_first(&store, query.providers([])).await?, NONE);
    Ok(())
}

async fn one_folder_several_or_none(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let of = |number, cwd: &str| thread_with(number, |row| row.cwd = cwd.into());
    store_all(&store, [of(1, "/a"), of(2, "/a/b"), of(3, ""), of(4, "bytes:/a")]).await?;
    let query = ThreadQuery::new();
    assert_eq!(oldest_first(&store, query.clone().cwd("/a")).await?, [1]);
    assert_eq!(oldest_first(&store, query.clone().cwd("/a/b").cwd("")).await?, [2, 3]);
    assert_eq!(oldest_first(&store, query.clone().cwd("bytes:/a")).await?, [4]);
    assert_eq!(oldest_first(&store, query.clone().cwd("/b")).await?, NONE);
    let mut none = query;
    none.filter.cwds = Some([].into());
    assert_eq!(oldest_first(&store, none).await?, NONE);
    Ok(())
}

async fn folders_are_told_apart_as_they_are_written(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let of = |number, cwd: &str| thread_with(number, |row| row.cwd = cwd.into());
    store_all(&store, [of(1, "/a"), of(2, "/a/"), of(3, "/A"), of(4, "/./a")]).await?;
    for (cwd, expected) in [("/a", 1), ("/a/", 2), ("/A", 3), ("/./a", 4)] {
        let query = ThreadQuery::new().cwd(cwd);
        assert_eq!(oldest_first(&store, query).await?, [expected], "{cwd:?}");
    }
    let two = ThreadQuery::new().cwd("/a").cwd("/a/");
    assert_eq!(oldest_first(&store, two).await?, [1, 2]);
    Ok(())
}

async fn case_matters_in_sources_and_providers(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    assert_eq!(listed(&store, ThreadQuery::new().source("CLI")).await?, NONE);
    assert_eq!(listed(&store, ThreadQuery::new().provider("OpenAI")).await?, NONE);
    Ok(())
}

async fn an_absent_set_admits_everything_and_an_empty_one_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let blank = thread_with(2, |row| {
        row.source = String::new();
        row.model_provider = String::new();
        row.cwd = "".into();
    });
    store_all(&store, [thread(1), blank]).await?;
    let mut no_folder = ThreadQuery::everything();
    no_folder.filter.cwds = Some([].into());
    for empty in [
        ThreadQuery::everything().sources([]),
        ThreadQuery::everything().providers([]),
        no_folder.clone(),
        no_folder.source("cli").provider("openai"),
        ThreadQuery::everything().sources([]).cwd("/home/mira/project"),
    ] {
        assert_eq!(oldest_first(&store, empty.clone()).await?, NONE, "{empty:?}");
        assert_eq!(store.list_ids(empty.clone()).await?.items, [], "{empty:?}");
    }
    assert_eq!(oldest_first(&store, ThreadQuery::everything()).await?, [1, 2]);
    assert_eq!(oldest_first(&store, ThreadQuery::everything().source("").cwd("")).await?, [2]);
    Ok(())
}

async fn conditions_hold_together(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let rows = (0..64).map(|number| {
        thread_with(number, |row| {
            row.source = ["cli", "exec"][number as usize & 1].into();
            row.model_provider = ["openai", "ollama"][number as usize >> 1 & 1].into();
            row.cwd = ["/a", "/b"][number as usize >> 2 & 1].into();
            row.archived_at = (number >> 3 & 1 == 1).then(|| at(0));
            row.has_user_event = number >> 4 & 1 == 1;
            row.title = ["tests", "docs"][number as usize >> 5 & 1].into();
        })
    });
    store_all(&store, rows).await?;
    let query = ThreadQuery::new();
    let all = query.source("exec").provider("ollama").cwd("/b").text("docs");
    assert_eq!(listed(&store, all.clone()).await?, [0b11_0111]);
    let archived = all.clone().archived(Archived::Archived);
    assert_eq!(listed(&store, archived).await?, [0b11_1111]);
    assert_eq!(oldest_first(&store, all.include_empty()).await?, [0b10_0111, 0b11_0111]);
    let any = ThreadQuery::everything().source("exec").cwd("/b").text("tests");
    let expected = [0b101, 0b111, 0b1101, 0b1111, 0b1_0101, 0b1_0111, 0b1_1101, 0b1_1111];
    assert_eq!(oldest_first(&store, any).await?, expected);
    Ok(())
}

/// Ranges over threads at 1 to 5, each with the threads it holds.
fn ranges() -> [(TimeRange, &'static [u32]); 5] {
    let range =
        |from: Option<i64>, to: Option<i64>| TimeRange { from: from.map(at), to: to.map(at) };
    [
        (range(Some(2), Some(4)), &[2, 3, 4]),
        (range(Some(3), Some(3)), &[3]),
        (range(Some(4), None), &[4, 5]),
        (range(None, Some(2)), &[1, 2]),
        (range(None, None), &[1, 2, 3, 4, 5]),
    ]
}

async fn a_created_range_includes_both_ends(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    // What they were last changed at says nothing here.
    let begun =
        |number| thread_with(number, |row| row.updated_at = at(100 + row.created_at.as_millis()));
    store_all(&store, (1..=5).map(begun)).await?;
    for (range, expected) in ranges() {
        let query = ThreadQuery::new().created(range);
        assert_eq!(oldest_first(&store, query.clone()).await?, expected, "{range:?}");
        let by_creation = query.sort(SortKey::CreatedAt);
        assert_eq!(oldest_first(&store, by_creation).await?, expected, "{range:?}");
    }
    Ok(())
}

async fn an_updated_range_includes_both_ends(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let begun =
        |number| thread_with(number, |row| row.created_at = at(row.created_at.as_millis() - 100));
    store_all(&store, (1..=5).map(begun)).await?;
    for (range, expected) in ranges() {
        let query = ThreadQuery::new().updated(range);
        assert_eq!(oldest_first(&store, query.clone()).await?, expected, "{range:?}");
        let by_creation = query.sort(SortKey::CreatedAt);
        assert_eq!(oldest_first(&store, by_creation).await?, expected, "{range:?}");
    }
    Ok(())
}

async fn both_ranges_hold_together(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let times = [(1, 2, 2), (2, 2, 9), (3, 9, 2), (4, 9, 9)];
    let rows = times.map(|(number, begun, changed)| {
        thread_with(number, |row| {
            row.created_at = at(begun);
            row.updated_at = at(changed);
        })
    });
    store_all(&store, rows).await?;
    let range = TimeRange { from: Some(at(1)), to: Some(at(5)) };
    let query = ThreadQuery::new().created(range).updated(range);
    for sort in [SortKey::CreatedAt, SortKey::UpdatedAt] {
        let query = query.clone().sort(sort);
        assert_eq!(listed(&store, query.clone()).await?, [1], "{sort:?}");
        assert_eq!(store.list_ids(query).await?.items, [id(1)], "{sort:?}");
    }
    Ok(())
}

async fn a_range_that_ends_before_it_begins_holds_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, (1..=5).map(thread)).await?;
    let range = TimeRange { from: Some(at(4)), to: Some(at(2)) };
    assert_eq!(listed(&store, ThreadQuery::new().created(range)).await?, NONE);
    assert_eq!(listed(&store, ThreadQuery::new().updated(range)).await?, NONE);
    Ok(())
}

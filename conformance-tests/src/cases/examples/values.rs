//! Every value returns as it was given.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use threadkeep_core::{FieldPatch, ThreadMetadata, ThreadQuery, ThreadStore, Timestamp, limits};

use super::say::{at, change, id, patch, patch_of, put, row, store_all, thread_with};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    T_05: every_field_returns_as_it_was_put,
    T_06: every_text_returns_as_it_was_put,
    T_07: empty_is_not_none,
    T_08: every_path_returns_as_it_was_put,
    T_09: paths_that_differ_only_in_spelling_are_told_apart,
    T_10: every_time_returns_as_it_was_put,
    T_11: finer_times_are_cut_toward_the_past,
    T_12: great_numbers_return_as_they_were_put,
    T_13: negative_tokens_become_zero,
    T_14: a_long_title_is_cut_between_characters,
    T_15: a_long_preview_is_cut_between_characters,
}

/// A row in which no two fields are alike, so that none can stand for another.
fn full(number: u32) -> ThreadMetadata {
    let mut row = thread_with(number, |row| row.rollout_path = "/rollout_path".into());
    row.created_at = at(1);
    row.updated_at = at(2);
    row.source = r#"{"subagent":"review"}"#.into();
    row.model_provider = "model_provider".into();
    row.model = Some("model".into());
    row.cli_version = Some("cli_version".into());
    row.cwd = "/cwd".into();
    row.title = "title".into();
    row.preview = Some("preview".into());
    row.name = Some("name".into());
    row.named_at = Some(at(3));
    row.sandbox_policy = "sandbox_policy".into();
    row.approval_mode = "approval_mode".into();
    row.tokens_used = 4;
    row.has_user_event = true;
    row.archived_at = Some(at(5));
    row.git_sha = Some("git_sha".into());
    row.git_branch = Some("git_branch".into());
    row.git_origin_url = Some("git_origin_url".into());
    row.applied_file = "applied_file".into();
    row.applied_through = 6;
    row.revision = 1;
    row
}

/// Stores rows and expects each back: alone, in a listing, and on a new handle.
async fn round_trip(lab: &Lab, rows: Vec<ThreadMetadata>) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, rows.clone()).await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let alone: Vec<_> = store.threads(ids.clone()).await?.into_iter().flatten().collect();
    assert_eq!(alone, rows);

    let mut listed = store.list(ThreadQuery::everything().limit(1_000)).await?.items;
    listed.sort_by_key(|row| row.id);
    assert_eq!(listed, rows);

    let store = lab.reopen(store).await?;
    let again: Vec<_> = store.threads(ids).await?.into_iter().flatten().collect();
    assert_eq!(again, rows);
    assert!(store.check().await?.is_sound());
    Ok(())
}

async fn every_field_returns_as_it_was_put(lab: &Lab) -> Verdict {
    let mut bare = full(2);
    for field in [
        &mut bare.model,
        &mut bare.cli_version,
        &mut bare.preview,
        &mut bare.name,
        &mut bare.git_sha,
        &mut bare.git_branch,
        &mut bare.git_origin_url,
    ] {
        *field = None;
    }
    bare.named_at = None;
    bare.archived_at = None;
    bare.has_user_event = false;
    round_trip(lab, vec![full(1), bare]).await
}

async fn every_text_returns_as_it_was_put(lab: &Lab) -> Verdict {
    let texts = [
        "\0",
        "a\0b\0",
        "line\nbreak\r\n\ttab",
        "\u{1F980}\u{1F468}\u{200D}\u{1F469}",
        "\u{202E}right to left עברית العربية",
        "e\u{301}e\u{301} combining",
        "'quoted' \"quoted\" `quoted` \\ % _ ; -- /* */",
        "\u{FEFF}byte order mark",
        "\u{FFFD}\u{FFFF}\u{10FFFF}",
        " around ",
        "NULL",
        "bytes:%FF",
        "123",
        "1e3",
        "{\"json\":[1,2]}",
    ];
    let rows = (1..).zip(texts).map(|(number, text)| {
        let mut row = full(number);
        let some = || Some(text.to_owned());
        row.source = text.into();
        row.model_provider = text.into();
        row.title = text.into();
        row.sandbox_policy = text.into();
        row.approval_mode = text.into();
        row.applied_file = text.into();
        row.model = some();
        row.cli_version = some();
        row.preview = some();
        row.name = some();
        row.git_sha = some();
        row.git_branch = some();
        row.git_origin_url = some();
        row
    });
    round_trip(lab, rows.collect()).await
}

async fn empty_is_not_none(lab: &Lab) -> Verdict {
    let mut row = full(1);
    for field in [
        &mut row.model,
        &mut row.cli_version,
        &mut row.preview,
        &mut row.name,
        &mut row.git_sha,
        &mut row.git_branch,
        &mut row.git_origin_url,
    ] {
        *field = Some(String::new());
    }
    for field in [
        &mut row.source,
        &mut row.model_provider,
        &mut row.title,
        &mut row.sandbox_policy,
        &mut row.approval_mode,
        &mut row.applied_file,
    ] {
        field.clear();
    }
    row.cwd = PathBuf::new();
    round_trip(lab, vec![row]).await
}

fn odd_paths() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = [
        "relative/path",
        "/with space/é/\u{1F980}",
        "bytes:/looks/escaped/%41",
        "/percent/%FF",
        r"C:\Users\ann",
        "/trailing/",
        "/./dots/../here",
    ]
    .map(Into::into)
    .into();
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        for bytes in [&b"/not/utf8/\xff\xfe"[..], b"\xed\xa0\x80", b"/\x01/%/\xc3\x28"] {
            paths.push(std::ffi::OsString::from_vec(bytes.to_vec()).into());
        }
    }
    paths
}

async fn every_path_returns_as_it_was_put(lab: &Lab) -> Verdict {
    let rows = (1..).zip(odd_paths()).map(|(number, path)| {
        let mut row = full(number);
        row.rollout_path.clone_from(&path);
        row.cwd = path;
        row
    });
    round_trip(lab, rows.collect()).await
}

async fn paths_that_differ_only_in_spelling_are_told_apart(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for (cwd, rollout_path) in [("/a", "/r"), ("/a/", "/r"), ("/a/", "//r"), ("/a/.", "//r")] {
        let row_with = thread_with(1, |row| {
            row.cwd = cwd.into();
            row.rollout_path = rollout_path.into();
        });
        change(&store, put(row_with)).await?;
        let found = row(&store, 1).await?;
        assert_eq!(found.cwd.as_os_str(), cwd);
        assert_eq!(found.rollout_path.as_os_str(), rollout_path);
    }
    Ok(())
}

async fn every_time_returns_as_it_was_put(lab: &Lab) -> Verdict {
    let times = [Timestamp::MIN, at(-62_135_596_800_001), at(-1), at(0), at(999), Timestamp::MAX];
    let rows = (1..).zip(times).map(|(number, time)| {
        let mut row = full(number);
        row.created_at = time;
        row.updated_at = time;
        row.named_at = Some(time);
        row.archived_at = Some(time);
        row
    });
    round_trip(lab, rows.collect()).await
}

async fn finer_times_are_cut_toward_the_past(lab: &Lab) -> Verdict {
    let nanos = |nanos| Timestamp::from(DateTime::from_timestamp_nanos(nanos));
    let text = |text: &str| text.parse::<Timestamp>();
    let times = [
        (nanos(1_999_999), at(1)),
        (nanos(-1), at(-1)),
        (nanos(-1_000_001), at(-2)),
        (text("1970-01-01T00:00:00.0019999Z")?, at(1)),
        (text("1969-12-31T23:59:59.9999999Z")?, at(-1)),
        (DateTime::<Utc>::MAX_UTC.into(), Timestamp::MAX),
        (DateTime::<Utc>::MIN_UTC.into(), Timestamp::MIN),
        (at(i64::MAX), Timestamp::MAX),
    ];
    let rows_at = |times: Vec<Timestamp>| -> Vec<_> {
        let rows = (1..).zip(times);
        rows.map(|(number, time)| ThreadMetadata { created_at: time, ..full(number) }).collect()
    };
    let (given, expected): (Vec<_>, Vec<_>) = times.into_iter().unzip();
    let given = rows_at(given);
    assert_eq!(given, rows_at(expected));
    round_trip(lab, given).await
}

async fn great_numbers_return_as_they_were_put(lab: &Lab) -> Verdict {
    let mut row = full(1);
    row.tokens_used = i64::MAX;
    row.applied_through = u64::MAX;
    let mut next = full(2);
    next.applied_through = 1 << 63;
    round_trip(lab, vec![row, next]).await
}

async fn negative_tokens_become_zero(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    change(&store, put(thread_with(1, |row| row.tokens_used = -5))).await?;
    assert_eq!(row(&store, 1).await?.tokens_used, 0);
    let tokens = |count| patch_of(1, patch(|patch| patch.tokens_used = FieldPatch::Set(count)));
    change(&store, tokens(7)).await?;
    change(&store, tokens(i64::MIN)).await?;
    assert_eq!(row(&store, 1).await?.tokens_used, 0);
    Ok(())
}

/// A text of four-byte characters that ends one byte before, at, or after the limit.
fn around(limit: usize) -> [(String, usize); 4] {
    let crabs = |ascii: usize, bytes: usize| {
        "a".repeat(ascii) + &"\u{1F980}".repeat((bytes - ascii).div_ceil(4))
    };
    [
        (crabs(0, limit), limit),
        (crabs(0, limit + 4), limit),
        (crabs(1, limit), limit - 3),
        (crabs(3, limit + 100), limit - 1),
    ]
}

async fn a_long_title_is_cut_between_characters(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for (text, kept) in around(limits::TITLE_BYTES) {
        change(&store, put(thread_with(1, |row| row.title.clone_from(&text)))).await?;
        assert_eq!(row(&store, 1).await?.title, text[..kept]);
        let patch = patch(|patch| patch.title = FieldPatch::Set(text.clone()));
        change(&store, patch_of(1, patch)).await?;
        assert_eq!(row(&store, 1).await?.title, text[..kept]);
    }
    Ok(())
}

async fn a_long_preview_is_cut_between_characters(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for (text, kept) in around(limits::PREVIEW_BYTES) {
        change(&store, put(thread_with(1, |row| row.preview = Some(text.clone())))).await?;
        let found = store.threads(vec![id(1)]).await?.pop().flatten().and_then(|row| row.preview);
        assert_eq!(found.as_deref(), Some(&text[..kept]));
    }
    Ok(())
}

//! Runs after the first: only what changed is read, and the result is that of one run.

use std::fs;

use threadkeep_core::{
    Change, DynamicToolStore as _, ThreadStore as _, ThreadStoreExt as _, Timestamp,
};

use crate::fixture::{
    Fixture, append, id, meta, name, rename, reply, said, segment, thread, tokens, write,
};

#[tokio::test]
async fn an_unchanged_file_is_not_opened() {
    let home = Fixture::new();
    for n in 1..=20 {
        write(&home.active(&name(n)), thread(n), 100);
    }
    let first = home.index().await;
    assert_eq!((first.files_seen, first.files_opened, first.threads), (20, 20, 20));
    let second = home.index().await;
    assert_eq!((second.files_opened, second.bytes_read, second.unchanged), (0, 0, 20));
    assert_eq!((second.threads, second.indexed), (20, 0));
    let full = home.full().await;
    assert_eq!((full.files_opened, full.indexed, full.unchanged), (20, 20, 0));
    assert_eq!(home.rows().await, home.fresh_rows().await);
}

#[tokio::test]
async fn a_grown_file_is_read_from_where_it_ended() {
    let home = Fixture::new();
    let file = home.active(&name(1));
    write(&file, thread(1) + &reply(4, &"x".repeat(100_000)), 100);
    home.index().await;
    append(&file, tokens(5, 77), 50);
    let report = home.index().await;
    assert_eq!((report.files_opened, report.indexed), (1, 1));
    // What a buffer holds was read before and is not read again: the probes and what is new.
    assert!(report.bytes_read < 1_000, "{}", report.bytes_read);
    let row = home.row(1).await.unwrap();
    assert_eq!(row.tokens_used, 77);
    assert_eq!(row.applied_through, fs::metadata(&file).unwrap().len());
    assert_eq!(home.rows().await, home.fresh_rows().await);
}

#[tokio::test]
async fn a_cut_last_line_is_read_when_it_has_grown() {
    let home = Fixture::new();
    let file = home.active(&name(1));
    let cut = tokens(5, 9);
    let (half, rest) = cut.split_at(40);
    write(&file, thread(1) + half, 100);
    let report = home.index().await;
    assert_eq!((report.incomplete_tails, report.malformed_lines), (1, 0));
    assert_eq!(home.row(1).await.unwrap().applied_through, thread(1).len() as u64);
    append(&file, rest, 50);
    let report = home.index().await;
    assert_eq!((report.incomplete_tails, report.malformed_lines), (0, 0));
    assert_eq!(home.row(1).await.unwrap().tokens_used, 9);
}

#[tokio::test]
async fn a_last_line_without_its_end_is_read_if_it_is_whole() {
    let home = Fixture::new();
    let file = home.active(&name(1));
    write(&file, thread(1).trim_end(), 100);
    let report = home.index().await;
    assert_eq!((report.incomplete_tails, report.malformed_lines), (0, 0));
    let row = home.row(1).await.unwrap();
    assert_eq!((row.tokens_used, row.applied_through), (1, thread(1).len() as u64 - 1));
    append(&file, "\n".to_owned() + &tokens(4, 8), 50);
    home.index().await;
    assert_eq!(home.row(1).await.unwrap().tokens_used, 8);
}

#[tokio::test]
async fn a_shrunk_or_replaced_file_is_read_from_the_start() {
    let home = Fixture::new();
    let file = home.active(&name(1));
    write(&file, thread(1) + &said(4, "more") + &tokens(5, 50), 100);
    home.index().await;

    write(&file, meta(1, 0) + &said(1, "short"), 90);
    home.index().await;
    let row = home.row(1).await.unwrap();
    assert_eq!((row.title.as_str(), row.tokens_used), ("short", 0));

    // Longer than before, and with the same beginning.
    let other = meta(1, 0) + &said(1, "other") + &said(2, "words") + &tokens(3, 5);
    write(&file, other, 80);
    home.index().await;
    assert_eq!(home.row(1).await.unwrap().title, "other");

    // As long as before.
    let same_size = meta(1, 0) + &said(1, "OTHER") + &said(2, "words") + &tokens(3, 5);
    write(&file, same_size, 70);
    home.index().await;
    assert_eq!(home.row(1).await.unwrap().title, "OTHER");
    assert_eq!(home.rows().await, home.fresh_rows().await);
}

#[tokio::test]
async fn a_file_that_moves_is_not_read_again() {
    let home = Fixture::new();
    let (active, archived) = (home.active(&name(1)), home.archived(&name(1)));
    write(&active, thread(1), 100);
    home.index().await;
    rename(&active, &archived);
    let report = home.index().await;
    assert_eq!((report.files_opened, report.unchanged, report.archived), (0, 1, 1));
    let row = home.row(1).await.unwrap();
    assert_eq!((&row.rollout_path, row.is_archived()), (&archived, true));
    assert_eq!(home.rows().await, home.fresh_rows().await);

    rename(&archived, &active);
    append(&active, tokens(9, 99), 40);
    let report = home.index().await;
    assert_eq!((report.files_opened, report.archived), (1, 0));
    let row = home.row(1).await.unwrap();
    assert_eq!((&row.rollout_path, row.is_archived(), row.tokens_used), (&active, false, 99));
    assert_eq!(home.rows().await, home.fresh_rows().await);
    assert_eq!(home.index().await.files_opened, 0);
}

#[tokio::test]
async fn what_a_person_did_is_kept() {
    let home = Fixture::new();
    let file = home.active(&name(1));
    write(&file, thread(1), 100);
    home.index().await;
    let at = Timestamp::now();
    let archive = Change::Archive { id: id(1), path: None, at };
    home.store.write(archive.into()).await.unwrap();
    home.store.rename(id(1), Some("mine".into())).await.unwrap();
    append(&file, tokens(9, 99), 40);
    home.index().await;
    home.full().await;
    let row = home.row(1).await.unwrap();
    assert_eq!((row.archived_at, row.name.as_deref()), (Some(at), Some("mine")));
    assert_eq!(row.tokens_used, 99);
}

#[tokio::test]
async fn a_file_that_is_gone_leaves_its_row() {
    let home = Fixture::new();
    write(&home.active(&name(1)), thread(1), 100);
    home.index().await;
    let before = home.rows().await;
    fs::remove_file(home.active(&name(1))).unwrap();
    let report = home.index().await;
    assert_eq!((report.files_seen, report.threads), (0, 0));
    assert_eq!(home.rows().await, before);
}

#[tokio::test]
async fn a_deleted_thread_stays_deleted_until_something_new_is_written() {
    let home = Fixture::new();
    let file = home.active(&name(1));
    write(&file, thread(1), 100);
    home.index().await;
    home.store.delete_threads(vec![id(1)]).await.unwrap();
    home.index().await;
    home.full().await;
    append(&file, tokens(5, 5), 90);
    home.index().await;
    assert_eq!(home.row(1).await, None);

    let later = tokens(6, 6).replace("2026-03-01T", "9000-03-01T");
    append(&file, later, 80);
    home.index().await;
    let row = home.row(1).await.unwrap();
    assert_eq!((row.title.as_str(), row.tokens_used), ("words 1", 6));
}

#[tokio::test]
async fn a_row_that_lost_part_of_its_history_is_made_anew() {
    let home = Fixture::new();
    let file = home.active(&name(1));
    write(&file, thread(1), 100);
    home.index().await;
    let mut row = home.row(1).await.unwrap();
    (row.title, row.applied_through) = (String::new(), 10);
    home.store.upsert_thread(row).await.unwrap();
    append(&file, tokens(5, 5), 90);
    home.index().await;
    assert_eq!(home.rows().await, home.fresh_rows().await);
}

#[tokio::test]
async fn of_two_files_of_a_thread_one_is_taken() {
    let home = Fixture::new();
    let (active, archived) = (home.active(&name(1)), home.archived(&name(1)));
    let other = home.active("b").with_file_name(name(1).replace("09-30", "09-31"));
    write(&active, thread(1), 100);
    write(&archived, thread(1) + &said(5, "x") + &said(6, "y"), 10);
    write(&other, thread(1) + &tokens(5, 8), 200);
    for files_opened in [3, 0] {
        let report = home.index().await;
        assert_eq!((report.threads, report.files_opened), (1, files_opened));
        let lost: Vec<_> = report.duplicates.iter().map(|d| (&d.path, &d.kept)).collect();
        assert_eq!(lost, [(&archived, &other), (&active, &other)]);
        assert_eq!(home.row(1).await.unwrap().rollout_path, other);
    }

    // The other is longer now.
    append(&active, tokens(5, 3) + &tokens(6, 4), 50);
    home.index().await;
    assert_eq!(home.row(1).await.unwrap().tokens_used, 4);
    assert_eq!(home.rows().await[0].rollout_path, active);
    assert_eq!(home.index().await.files_opened, 0);

    // The one that was taken goes.
    fs::remove_file(&active).unwrap();
    let report = home.index().await;
    assert_eq!(report.duplicates.len(), 1);
    let row = home.row(1).await.unwrap();
    assert_eq!((&row.rollout_path, row.tokens_used), (&other, 8));
    assert_eq!(home.index().await.files_opened, 0);
}

#[tokio::test]
async fn segments_are_one_thread() {
    let home = Fixture::new();
    let (first, second, third) =
        (home.active(&name(1)), home.active(&segment(1, 7)), home.archived(&segment(1, 8)));
    write(&first, thread(1), 300);
    home.index().await;
    write(&second, meta(1, 60) + &tokens(61, 100), 200);
    let report = home.index().await;
    assert_eq!((report.files_opened, report.threads, report.unchanged), (1, 1, 1));
    let row = home.row(1).await.unwrap();
    assert_eq!((row.tokens_used, &row.rollout_path), (100, &second));
    assert_eq!(row.title, "words 1");
    assert_eq!(home.rows().await, home.fresh_rows().await);

    append(&second, tokens(70, 200), 100);
    home.index().await;
    assert_eq!(home.row(1).await.unwrap().tokens_used, 200);
    write(&third, tokens(90, 300), 90);
    let report = home.index().await;
    assert_eq!((report.threads, report.archived, report.files_opened), (1, 1, 1));
    assert!(home.row(1).await.unwrap().is_archived());
    assert_eq!(home.rows().await, home.fresh_rows().await);

    // An earlier one grows: order matters, so all are read.
    append(&first, said(30, "between") + &tokens(31, 1), 80);
    assert_eq!(home.index().await.indexed, 3);
    assert_eq!(home.row(1).await.unwrap().tokens_used, 300);
    assert_eq!(home.rows().await, home.fresh_rows().await);

    // A segment whose name comes before the last, but whose lines come after it.
    let odd = home.active(&segment(1, 5));
    write(&odd, tokens(120, 400), 70);
    home.index().await;
    assert_eq!(home.row(1).await.unwrap().tokens_used, 400);
    assert_eq!(home.rows().await, home.fresh_rows().await);
    assert_eq!(home.index().await.files_opened, 0);
}

#[tokio::test]
async fn a_thread_without_an_id_in_its_name_is_found_and_remembered() {
    let home = Fixture::new();
    let file = home.active("rollout-mine.jsonl");
    write(&file, thread(1), 100);
    write(&home.active("rollout-none.jsonl"), reply(1, "x"), 100);
    write(&home.active("rollout-bad.jsonl"), thread(1).replace(&id(1).to_string(), "abc"), 0);
    let first = home.index().await;
    assert_eq!((first.threads, first.files_opened, first.skipped.len()), (1, 3, 2));
    assert!(first.skipped[0].reason.contains("no UUID"), "{:?}", first.skipped);
    assert!(first.skipped[1].reason.contains("no session_meta"), "{:?}", first.skipped);
    let second = home.index().await;
    assert_eq!((second.files_opened, second.unchanged, &second.skipped), (0, 3, &first.skipped));
    append(&file, tokens(9, 12), 50);
    home.index().await;
    assert_eq!(home.row(1).await.unwrap().tokens_used, 12);
}

#[tokio::test]
async fn tools_come_from_the_first_own_record() {
    let home = Fixture::new();
    let file = home.active(&name(1));
    let tools =
        r#""dynamic_tools":[{"name":"t","description":"d","inputSchema":{"b":1.0,"a":2}}],"#;
    let with_tools = |n| meta(n, 0).replace(r#""cwd""#, &format!(r#"{tools}"cwd""#));
    write(&file, with_tools(2) + &with_tools(1) + &said(1, "x"), 100);
    let found = threadkeep_rollouts::first_record_tools(&file, id(1)).unwrap().unwrap();
    assert_eq!(found[0].input_schema().unwrap(), r#"{"b":1.0,"a":2}"#);
    assert_eq!(threadkeep_rollouts::first_record_tools(&file, id(3)).unwrap(), None);
    let error = threadkeep_rollouts::first_record_tools(&home.active("x"), id(1)).unwrap_err();
    assert_eq!(error.kind(), threadkeep_core::ErrorKind::NotFound);
    home.index().await;
    assert_eq!(home.store.dynamic_tools(id(1)).await.unwrap(), Some(found));
}

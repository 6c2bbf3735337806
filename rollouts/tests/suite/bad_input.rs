//! What a run must survive.

use std::fs;
use std::io::Write as _;

use threadkeep_core::ErrorKind;
use threadkeep_rollouts::{FileState, Home, IndexOptions, MAX_LINE_BYTES, index, status};

use crate::fixture::{Fixture, append, id, meta, name, rename, reply, said, thread, tokens, write};

#[tokio::test]
async fn a_home_that_is_not_there_is_named() {
    let home = Fixture::new();
    let absent = Home::new(home.home().root().join("absent"));
    for error in [
        index(&home.store, &absent, IndexOptions::new()).await.unwrap_err(),
        status(&home.store, &absent).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("absent"), "{error}");
    }
    let file = home.active(&name(1));
    write(&file, thread(1), 0);
    let error = index(&home.store, &Home::new(file), IndexOptions::new()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let young = Fixture::new();
    assert_eq!(young.index().await.files_seen, 0);
}

#[tokio::test]
async fn what_is_no_rollout_is_skipped_with_its_reason() {
    let home = Fixture::new();
    write(&home.active(&name(1)), thread(1), 0);
    write(&home.active(&name(2)), "", 0);
    write(&home.active(&name(3)), "version https://example.org/spec/v1\nsize 1\n", 0);
    write(&home.active(&name(4)), [0; 5_000], 0);
    write(&home.active(&(name(5) + ".zst")), "not compressed", 0);
    write(&home.active("notes.jsonl"), "{}", 0);
    write(&home.active("rollout-x.txt"), "{}", 0);
    let report = home.index().await;
    assert_eq!((report.files_seen, report.threads), (5, 1));
    let reasons: Vec<_> = report.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
    assert_eq!(reasons[..3], ["no readable line"; 3]);
    assert_eq!(reasons.len(), 4);
    assert_eq!((report.malformed_lines, report.incomplete_tails), (2, 1));
    // One that becomes a rollout is read then.
    write(&home.active(&name(2)), thread(2), 0);
    assert_eq!(home.index().await.threads, 2);
}

#[tokio::test]
async fn damaged_lines_are_counted_and_placed() {
    let home = Fixture::new();
    let file = home.active(&name(1));
    let torn = &said(5, "torn")[..60];
    let text = format!("{}{torn}\nnot json\n\n{}", thread(1), tokens(6, 60));
    write(&file, "\u{feff}".to_owned() + &text.replace('\n', "\r\n"), 0);
    let report = home.index().await;
    assert_eq!(report.malformed_lines, 2);
    let [damage] = &report.damage[..] else { panic!("{:?}", report.damage) };
    let at = (3 + thread(1).len() + 4) as u64;
    assert_eq!(damage.first_offsets, [at, at + 62]);
    assert_eq!((&damage.path, damage.malformed), (&file, 2));
    assert_eq!(home.row(1).await.unwrap().tokens_used, 60);

    write(&file, thread(1) + &"x\n".repeat(100), 0);
    let report = home.index().await;
    assert_eq!((report.damage[0].malformed, report.damage[0].first_offsets.len()), (100, 20));
}

#[tokio::test]
async fn a_line_too_long_is_passed_over() {
    let home = Fixture::new();
    let long = reply(5, &"x".repeat(MAX_LINE_BYTES));
    write(&home.active(&name(1)), thread(1) + &long + &tokens(6, 60), 0);
    let report = home.index().await;
    assert_eq!((report.oversized_lines, report.malformed_lines), (1, 1));
    assert_eq!(home.row(1).await.unwrap().tokens_used, 60);
}

#[tokio::test]
async fn a_compressed_file_is_read() {
    let home = Fixture::new();
    let (plain, compressed) = (home.active(&name(1)), home.active(&(name(1) + ".zst")));
    let compress = |text: &str| zstd::encode_all(text.as_bytes(), 3).unwrap();
    write(&compressed, compress(&thread(1)), 100);
    home.index().await;
    let row = home.row(1).await.unwrap();
    assert_eq!((row.applied_file, row.applied_through), (name(1), thread(1).len() as u64));
    assert_eq!(home.index().await.files_opened, 0);

    fs::remove_file(&compressed).unwrap();
    write(&plain, thread(1) + &tokens(7, 70), 50);
    home.index().await;
    let row = home.row(1).await.unwrap();
    assert_eq!((row.rollout_path, row.tokens_used), (plain, 70));

    let text = compress(&thread(2));
    write(&home.active(&(name(2) + ".zst")), &text[..text.len() / 2], 0);
    let report = home.index().await;
    assert_eq!((report.skipped.len(), report.threads), (1, 1));
}

#[cfg(unix)]
#[tokio::test]
async fn links_are_followed_once() {
    use std::os::unix::fs::symlink;

    let home = Fixture::new();
    let elsewhere = Fixture::new();
    write(&home.active(&name(1)), thread(1), 0);
    write(&elsewhere.active(&name(2)), thread(2), 0);
    let sessions = home.home().root().join("sessions");
    symlink(&sessions, sessions.join("2026/loop")).unwrap();
    symlink(elsewhere.home().root(), sessions.join("a-linked")).unwrap();
    symlink(sessions.join("2026/03"), sessions.join("a-same")).unwrap();
    symlink("nowhere", sessions.join("rollout-broken.jsonl")).unwrap();
    symlink("nowhere", sessions.join("other-broken")).unwrap();
    let report = home.index().await;
    assert_eq!((report.threads, report.files_seen, report.duplicates.len()), (2, 2, 0));
    assert_eq!(home.row(1).await.unwrap().rollout_path, home.active(&name(1)));
    let skipped: Vec<_> = report.skipped.iter().map(|skipped| skipped.path.clone()).collect();
    assert_eq!(skipped, [sessions.join("2026/loop"), sessions.join("rollout-broken.jsonl")]);
}

#[cfg(unix)]
#[tokio::test]
async fn odd_names_and_files_do_not_stop_a_run() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let home = Fixture::new();
    write(&home.active(&name(1)), thread(1), 0);
    let odd = OsStr::from_bytes(b"rollout-\xff.jsonl");
    let file = home.active("x").with_file_name(odd);
    if fs::create_dir_all(file.parent().unwrap()).and_then(|()| fs::write(&file, "")).is_err() {
        println!("skipped: this file system has no names that are not UTF-8");
        return;
    }
    write(&file, thread(2), 0);
    write(
        &home.active("x").with_file_name(OsStr::from_bytes(b"\xfe/rollout-3.jsonl")),
        thread(3),
        0,
    );
    fs::create_dir(home.active("rollout-folder.jsonl")).unwrap();
    let pipe = home.active("rollout-pipe.jsonl");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    let problems = u64::from(made.is_ok_and(|status| status.success()));
    let report = home.index().await;
    assert_eq!((report.threads, report.skipped.len() as u64), (3, problems));
    assert_eq!(home.row(2).await.unwrap().rollout_path, file);
    assert_eq!(home.index().await.unchanged, 3);
}

#[cfg(unix)]
#[tokio::test]
async fn what_may_not_be_read_keeps_its_row() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Fixture::new();
    let (file, folder) = (home.active(&name(1)), home.home().root().join("sessions/2026/04"));
    write(&file, thread(1), 100);
    write(&folder.join(name(2)), thread(2), 100);
    home.index().await;
    append(&file, tokens(9, 9), 50);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o0)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read(&file).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let before = home.rows().await;
    let report = home.index().await;
    assert_eq!(report.skipped.len(), 2);
    assert!(report.skipped[0].reason.to_lowercase().contains("permission denied"));
    assert_eq!(home.rows().await, before);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    home.index().await;
    assert_eq!(home.rows().await, home.fresh_rows().await);
}

#[tokio::test]
async fn a_thread_that_the_store_refuses_is_skipped_alone() {
    let home = Fixture::new();
    for n in 1..=20 {
        write(&home.active(&name(n)), thread(n), 0);
    }
    let tools: Vec<_> = (0..10_001).map(|n| format!(r#"{{"name":"t{n}"}}"#)).collect();
    let tools = format!(r#""dynamic_tools":[{}],"cwd""#, tools.join(","));
    write(&home.active(&name(9)), meta(9, 0).replace(r#""cwd""#, &tools), 0);
    let report = home.index().await;
    assert_eq!((report.skipped.len(), home.rows().await.len()), (1, 19));
    assert!(report.skipped[0].reason.contains("10001 tools"), "{:?}", report.skipped);
}

#[tokio::test]
async fn status_opens_nothing_and_tells_all() {
    let home = Fixture::new();
    for n in 1..=4 {
        write(&home.active(&name(n)), thread(n), 100);
    }
    write(&home.archived(&name(4)), thread(4), 100);
    write(&home.active(&name(5)), "", 100);
    let status = async || status(&home.store, &home.home()).await.unwrap();
    let unseen =
        async || threadkeep_rollouts::unseen_files(&home.store, &home.home()).await.unwrap();
    assert_eq!((status().await.counts().not_indexed, unseen().await), (6, 6));
    home.index().await;
    let all = status().await;
    assert!(all.is_complete());
    assert_eq!((all.counts().ok, all.counts().skipped, unseen().await), (5, 1, 0));

    fs::File::options().append(true).open(home.active(&name(1))).unwrap().write_all(b"x").unwrap();
    fs::remove_file(home.active(&name(2))).unwrap();
    rename(&home.active(&name(3)), &home.archived(&name(3)));
    write(&home.active(&name(6)), thread(6), 0);
    let all = status().await;
    let state = |n: u8| {
        let found = all.files.iter().find(|file| file.path.ends_with(name(n)));
        found.map(|file| file.state.clone())
    };
    let through = thread(1).len() as u64;
    assert_eq!(state(1), Some(FileState::Behind { through }));
    assert_eq!((state(2), state(3)), (None, Some(FileState::Behind { through })));
    assert_eq!(state(5), Some(FileState::Skipped("no readable line".into())));
    assert_eq!(state(6), Some(FileState::NotIndexed));
    let counts = all.counts();
    assert_eq!((counts.ok, counts.behind, counts.not_indexed, counts.missing), (2, 2, 1, 2));
    let missing: Vec<_> = all.missing.iter().map(|thread| thread.id).collect();
    assert_eq!((missing, unseen().await), (vec![id(2), id(3)], 3));
}

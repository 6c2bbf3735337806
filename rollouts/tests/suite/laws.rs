//! However a home came to be, the index is that of one run over what it is.

use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;
use threadkeep_core::ThreadMetadata;
use threadkeep_core::rollout::{Fold, parse_line};
use threadkeep_core::{FieldPatch, ThreadPatch};

use crate::fixture::{
    Fixture, append, id, meta, name, rename, reply, said, segment, tokens, write,
};

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A line of the first thread.
fn a_line() -> impl Strategy<Value = String> {
    let second = 0..3_000_u32;
    prop_oneof![
        second.clone().prop_map(|at| meta(1, at)),
        second.clone().prop_map(|at| meta(2, at)),
        (second.clone(), "[a-z é]{0,20}").prop_map(|(at, words)| said(at, &words)),
        (second.clone(), "[a-z}{ \\\\n]{0,40}")
            .prop_map(|(at, words)| { reply(at, &words.replace('\\', "\\\\")) }),
        (second, -5..1_000_i64).prop_map(|(at, total)| tokens(at, total)),
        Just("{\"type\":\"message\",\"role\":\"user\",\"content\":[]}\n".to_owned()),
        Just("not a line\n".to_owned()),
        Just("\r\n".to_owned()),
    ]
}

/// Pieces of a text, cut anywhere.
fn pieces<'a>(text: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    cuts.push(text.len());
    cuts.sort_unstable();
    let mut start = 0;
    let piece = |end: usize| {
        let piece = &text[start..end];
        start = end;
        piece
    };
    cuts.into_iter().map(piece).collect()
}

fn without_archive_time(mut rows: Vec<ThreadMetadata>) -> Vec<(bool, ThreadMetadata)> {
    rows.drain(..).map(|mut row| (row.archived_at.take().is_some(), row)).collect()
}

#[derive(Clone, Debug)]
enum Step {
    /// To the n-th file of the thread.
    Append(u8, String),
    /// In full again.
    Rewrite(u8, Vec<String>),
    /// From one folder to the other.
    Move(u8),
    Index,
    Full,
}

fn a_step() -> impl Strategy<Value = Step> {
    let file = 0..3_u8;
    prop_oneof![
        4 => (file.clone(), a_line()).prop_map(|(file, line)| Step::Append(file, line)),
        1 => (file.clone(), vec(a_line(), 1..4)).prop_map(|(file, all)| Step::Rewrite(file, all)),
        1 => file.prop_map(Step::Move),
        3 => Just(Step::Index),
        1 => Just(Step::Full),
    ]
}

/// The files of the first thread.
fn file(home: &Fixture, n: u8, archived: bool) -> PathBuf {
    let name = if n == 0 { name(1) } else { segment(1, 40 + n) };
    if archived { home.archived(&name) } else { home.active(&name) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_split_of_what_is_appended_gives_the_same(
        lines in vec(a_line(), 1..12),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        run(async {
            let home = Fixture::new();
            let text = meta(1, 0) + &lines.concat();
            for (at, piece) in pieces(text.as_bytes(), &cuts).into_iter().enumerate() {
                append(&home.active(&name(1)), piece, 100 - at as u64);
                home.index().await;
            }
            assert_eq!(home.rows().await, home.fresh_rows().await);
        });
    }

    #[test]
    fn any_history_of_files_gives_the_same(steps in vec(a_step(), 1..25)) {
        run(async {
            let home = Fixture::new();
            let mut archived = [false; 3];
            let start = |n: u8| meta(1, u32::from(n) * 900);
            for (at, step) in steps.into_iter().chain([Step::Index]).enumerate() {
                let age = 1_000 - at as u64;
                match step {
                    Step::Append(n, line) => {
                        let path = file(&home, n, archived[usize::from(n)]);
                        let line = if path.exists() { line } else { start(n) + &line };
                        append(&path, line, age);
                    }
                    Step::Rewrite(n, lines) => {
                        let path = file(&home, n, archived[usize::from(n)]);
                        write(&path, start(n) + &lines.concat(), age);
                    }
                    Step::Move(n) => {
                        let slot = &mut archived[usize::from(n)];
                        let from = file(&home, n, *slot);
                        if from.exists() {
                            *slot = !*slot;
                            rename(&from, &file(&home, n, *slot));
                        }
                    }
                    Step::Index => drop(home.index().await),
                    Step::Full => drop(home.full().await),
                }
            }
            let rows = without_archive_time(home.rows().await);
            assert_eq!(rows, without_archive_time(home.fresh_rows().await));
            assert_eq!(home.index().await.files_opened, 0);
        });
    }

    #[test]
    fn damage_costs_only_the_damaged_lines(
        lines in vec(a_line(), 1..12),
        wounds in vec((any::<prop::sample::Index>(), vec(any::<u8>(), 0..6), 0..4_usize), 1..5),
    ) {
        run(async {
            let home = Fixture::new();
            let mut text = (meta(1, 0) + &lines.concat()).into_bytes();
            for (at, put, cut) in wounds {
                let start = at.index(text.len() + 1);
                text.splice(start..(start + cut).min(text.len()), put);
            }
            write(&home.active(&name(1)), &text, 0);
            let report = home.index().await;
            let mut fold = Fold::new(id(1));
            let (mut readable, mut malformed) = (0, 0);
            for line in text.split_inclusive(|&byte| byte == b'\n') {
                match parse_line(line) {
                    Ok(line) => line.iter().for_each(|line| {
                        readable += 1;
                        fold.push(line);
                    }),
                    Err(_) => malformed += u64::from(line.ends_with(b"\n")),
                }
            }
            assert_eq!(report.malformed_lines, malformed);
            let ThreadPatch { title, tokens_used, .. } = fold.into_patch();
            let row = home.row(1).await;
            assert_eq!(row.is_some(), readable > 0);
            if let Some(row) = row {
                assert_eq!(FieldPatch::Set(row.tokens_used), match tokens_used {
                    FieldPatch::Keep => FieldPatch::Set(0),
                    other => other,
                });
                let words = match title {
                    FieldPatch::SetIfEmpty(words) => words,
                    _ => String::new(),
                };
                assert_eq!(row.title, words);
            }
        });
    }
}

//! Times of lines, marks, and what must come out the same by two ways.

use threadkeep_core::rollout::{Fold, RolloutLine, fold};
use threadkeep_core::{
    Change, DynamicToolSpec, Effect, FieldPatch, NamePatch, Store, ThreadMetadata, ThreadPatch,
    ThreadSeed, ThreadStoreExt, WriteBatch,
};

use super::history::{bare_seed, event, line, lines, message, meta, said, tell, told};
use super::say::{apply, at, change, id, mark, patch, row, seed, title};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    R_55: a_thread_began_when_its_own_record_says,
    R_56: the_newest_time_of_the_lines_counts,
    R_57: a_line_without_a_time_leaves_the_times_alone,
    R_66: marks_are_ordered_by_file_and_then_by_bytes,
    R_68: any_split_of_a_history_gives_the_same_row,
    R_69: a_part_told_again_changes_nothing,
    R_70: folding_goes_on_from_any_line,
    R_71: composing_is_associative_and_nothing_is_its_identity,
    R_72: a_composed_patch_does_what_its_parts_do,
    R_72: a_part_with_no_tools_hides_none_of_a_later_part,
}

async fn a_thread_began_when_its_own_record_says(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let began = |number, second| {
        let time = format!(r#""timestamp":"1970-01-01T00:00:{second:02}.250Z""#);
        meta(9, number, &time)
    };
    let untimed = r#"{"type":"reasoning","summary":[]}"#.to_owned();
    for (texts, expected) in [
        (vec![began(1, 7)], Some(7_250)),
        (vec![said(3, r#""a""#), began(1, 7)], Some(7_250)),
        (vec![began(2, 5), began(1, 7), began(1, 8)], Some(7_250)),
        (vec![said(3, r#""a""#), began(2, 5)], Some(3_000)),
        (vec![meta(4, 1, ""), said(5, r#""a""#)], Some(4_000)),
        (vec![untimed, said(3, r#""a""#)], None),
    ] {
        let texts = lines(&texts)?;
        let mut fold = Fold::new(id(1));
        for line in &texts {
            fold.push(line);
        }
        assert_eq!(fold.started_at(), expected.map(at), "{texts:?}");
        let Some(began) = fold.started_at() else { continue };
        store.delete_threads(vec![id(1)]).await?;
        let fresh = ThreadSeed::new(id(1), "/sessions/1.jsonl", began);
        store.upsert_thread(fresh.clone().into_metadata()).await?;
        store.apply_rollout_items(fresh, &texts).await?;
        assert_eq!(row(&store, 1).await?.created_at, began);
    }
    Ok(())
}

async fn the_newest_time_of_the_lines_counts(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let silent = |second| event(second, r#""type":"task_started""#);
    for (texts, expected) in [
        (vec![silent(3), silent(9), silent(1)], 9_000),
        (vec![silent(8)], 9_000),
        (vec![silent(2), silent(10)], 10_000),
    ] {
        tell(&store, &texts).await?;
        assert_eq!(row(&store, 1).await?.updated_at, at(expected));
    }
    Ok(())
}

async fn a_line_without_a_time_leaves_the_times_alone(lab: &Lab) -> Verdict {
    for timestamp in ["", r#""timestamp":null,"#, r#""timestamp":"yesterday","#] {
        let text = format!(
            r#"{{{timestamp}"type":"event_msg","payload":{{"type":"user_message","message":"hello"}}}}"#
        );
        let row = told(lab, &[&text]).await?;
        assert_eq!((row.title.as_str(), row.updated_at), ("hello", at(1)), "{text}");
        let row = told(lab, &[said(5, r#""a""#), text]).await?;
        assert_eq!(row.updated_at, at(5_000));
    }
    Ok(())
}

async fn marks_are_ordered_by_file_and_then_by_bytes(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let mut expected = (String::new(), 0);
    for (place, (file, through, ahead)) in [
        ("b", 5, true),
        ("b", 5, false),
        ("a", 999, false),
        ("B", 999, false),
        ("", 999, false),
        ("b", 6, true),
        ("b.jsonl", 1, true),
        ("b", 999, false),
        ("c", 0, true),
        ("c", 0, false),
        ("é", 1, true),
        ("z", 999, false),
        ("é", u64::MAX, true),
    ]
    .into_iter()
    .enumerate()
    {
        let telling = patch(|patch| {
            patch.model = FieldPatch::Set(Some(place.to_string()));
            patch.mark = Some(mark(file, through));
        });
        change(&store, apply(seed(1), telling)).await?;
        let row = row(&store, 1).await?;
        if ahead {
            expected = (file.to_owned(), through);
        }
        assert_eq!(row.model == Some(place.to_string()), ahead, "{file:?} {through}");
        assert_eq!((row.applied_file, row.applied_through), expected);
    }
    Ok(())
}

/// A history in which the order of the lines and everything before each line matters.
fn history(number: u32) -> Verdict<Vec<RolloutLine>> {
    lines(&[
        meta(1, number, r#""source":"exec","cli_version":"1","dynamic_tools":[{"name":"a"}]"#),
        meta(2, 99, r#""source":"parent","dynamic_tools":[{"name":"p"}]"#),
        line(3, "turn_context", r#"{"cwd":"/a","sandbox_policy":"full","model":"m"}"#),
        event(4, r#""type":"user_message","message":"","images":["i"]"#),
        message(4, "user", r#"{"type":"input_text","text":"<skill>"}"#),
        said(9, r#""first""#),
        event(5, r#""type":"token_count","info":{"total_token_usage":{"total_tokens":-1}}"#),
        event(8, r#""type":"thread_name_updated","thread_name":"named""#),
        event(6, r#""type":"thread_name_updated","thread_name":"earlier""#),
        meta(7, number, r#""git":{"branch":"b"},"cwd":"/own","dynamic_tools":[{"name":"b"}]"#),
        said(7, r#""second""#),
        line(6, "turn_context", r#"{"cwd":"/b","model":"n"}"#),
    ])
}

/// A part of a history as a change, with how far it reaches.
fn part(number: u32, all: &[RolloutLine], from: usize, to: usize) -> Change {
    let mut patch = fold(id(number), &all[from..to]);
    patch.mark = Some(mark("1.jsonl", to as u64));
    apply(ThreadSeed::new(id(number), "/sessions/1.jsonl", at(1)), patch)
}

/// The row with nothing in it that tells which thread it is, or how it came about.
fn anonymous(mut row: ThreadMetadata) -> ThreadMetadata {
    row.id = id(0);
    row.revision = 0;
    row
}

async fn any_split_of_a_history_gives_the_same_row(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let length = history(0)?.len();
    let mut batches = [WriteBatch::new(), WriteBatch::new(), WriteBatch::new()];
    let mut threads = 0;
    for first in 0..=length {
        for second in first..=length {
            let all = history(threads)?;
            let parts = [(0, first), (first, second), (second, length)];
            for (batch, (from, to)) in batches.iter_mut().zip(parts) {
                if from < to {
                    batch.push(part(threads, &all, from, to));
                }
            }
            threads += 1;
        }
    }
    let all = history(threads)?;
    for end in 1..=length {
        store.write(part(threads, &all, end - 1, end).into()).await?;
    }
    for batch in batches {
        store.write(batch).await?;
    }
    let whole = anonymous(row(&store, 0).await?);
    assert_eq!(whole.title, "first");
    for number in 1..=threads {
        assert_eq!(anonymous(row(&store, number).await?), whole, "thread {number}");
        let tools = store.dynamic_tools(id(number)).await?.unwrap_or_default();
        assert_eq!(
            tools.iter().map(DynamicToolSpec::json).collect::<Vec<_>>(),
            [r#"{"name":"a"}"#]
        );
    }
    Ok(())
}

async fn a_part_told_again_changes_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let all = history(1)?;
    for end in 1..=all.len() {
        assert_eq!(change(&store, part(1, &all, end - 1, end)).await?.revision, 2 * end as u64 - 1);
        // Something that a telling of the same lines must not undo.
        let effect = change(&store, rename(end)).await?.effect;
        assert_eq!(effect, Effect::Updated);
        let before = row(&store, 1).await?;
        for from in 0..end {
            for to in from + 1..=end {
                let again = change(&store, part(1, &all, from, to)).await?;
                assert_eq!((again.effect, again.revision), (Effect::Unchanged, before.revision));
            }
        }
        assert_eq!(row(&store, 1).await?, before);
    }
    Ok(())
}

fn rename(round: usize) -> Change {
    Change::Rename { id: id(1), name: Some(round.to_string()), at: at(100_000) }
}

/// Patches of every kind, folded and made by hand.
fn patches() -> Verdict<Vec<ThreadPatch>> {
    let named = |name: Option<&str>, time: Option<i64>| {
        let name = NamePatch { name: name.map(Into::into), at: time.map(at) };
        patch(|patch| patch.name = Some(name))
    };
    let all = history(1)?;
    let mut patches: Vec<_> = all.iter().map(|line| fold(id(1), [line])).collect();
    patches.extend([
        ThreadPatch::default(),
        title(""),
        title("set"),
        patch(|patch| patch.title = FieldPatch::SetIfEmpty(String::new())),
        patch(|patch| patch.tokens_used = FieldPatch::SetIfEmpty(5)),
        patch(|patch| patch.tokens_used = FieldPatch::Set(i64::MIN)),
        patch(|patch| patch.git_sha = FieldPatch::Set(None)),
        patch(|patch| patch.git_sha = FieldPatch::SetIfEmpty(Some(String::new()))),
        patch(|patch| patch.git_sha = FieldPatch::SetIfEmpty(Some("c".into()))),
        named(Some("untimed"), None),
        named(None, Some(7_500)),
        named(Some("late"), Some(8_500)),
    ]);
    Ok(patches)
}

async fn folding_goes_on_from_any_line(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let all = history(1)?;
    let whole = fold(id(1), &all);
    for at in 0..=all.len() {
        let (first, rest) = all.split_at(at);
        let joined = fold(id(1), first).then(fold(id(1), rest));
        assert_eq!(joined, whole, "split before line {at}");
        change(&store, apply(bare_seed(), joined)).await?;
    }
    assert_eq!(row(&store, 1).await?.revision, 1);
    Ok(())
}

async fn composing_is_associative_and_nothing_is_its_identity(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let patches = patches()?;
    let nothing = ThreadPatch::default;
    for a in &patches {
        assert_eq!(&a.clone().then(nothing()), a);
        assert_eq!(&nothing().then(a.clone()), a);
        for b in &patches {
            for c in &patches {
                let left = a.clone().then(b.clone()).then(c.clone());
                assert_eq!(left, a.clone().then(b.clone().then(c.clone())), "{a:?} {b:?} {c:?}");
            }
        }
    }
    tell(&store, &[said(1, r#""a""#)]).await?;
    let outcome = change(&store, Change::Patch(id(1), Box::default())).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Unchanged, 1));
    Ok(())
}

async fn a_composed_patch_does_what_its_parts_do(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let patches = patches()?;
    let of = |number| ThreadSeed::new(id(number), "/sessions/1.jsonl", at(1));
    let mut batch = WriteBatch::new();
    let mut number = 0;
    for a in &patches {
        for b in &patches {
            let c = &patches[number as usize / 2 % patches.len()];
            for part in [a, b, c] {
                batch.push(apply(of(number), part.clone()));
            }
            let composed = a.clone().then(b.clone()).then(c.clone());
            batch.push(apply(of(number + 1), composed));
            number += 2;
        }
    }
    store.write(batch).await?;
    for pair in (0..number).step_by(2) {
        check_alike(&store, pair, pair + 1).await?;
    }
    Ok(())
}

async fn check_alike(store: &dyn Store, one: u32, other: u32) -> Verdict {
    assert_eq!(anonymous(row(store, one).await?), anonymous(row(store, other).await?));
    assert_eq!(store.dynamic_tools(id(one)).await?, store.dynamic_tools(id(other)).await?);
    Ok(())
}

async fn a_part_with_no_tools_hides_none_of_a_later_part(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let no_tools = patch(|patch| patch.tools = Some(Vec::new()));
    let tools = fold(id(1), &lines(&[meta(1, 1, r#""dynamic_tools":[{"name":"a"}]"#)])?);
    let of = |number, patch| apply(ThreadSeed::new(id(number), "/sessions/1.jsonl", at(1)), patch);
    for part in [of(1, no_tools.clone()), of(1, tools.clone()), of(2, no_tools.then(tools))] {
        change(&store, part).await?;
    }
    assert!(store.dynamic_tools(id(1)).await?.is_some());
    check_alike(&store, 1, 2).await
}

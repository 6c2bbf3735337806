//! Short words for the lines of a rollout.

use threadkeep_core::rollout::{RolloutItem, RolloutLine, parse_line};
use threadkeep_core::{Outcome, Store, ThreadMetadata, ThreadSeed, ThreadStoreExt};

use super::say::{at, id, row};
use crate::lab::{Failure, Lab, Verdict};

/// A line as agents write it, so many seconds after 1970 began.
pub(super) fn line(second: u32, kind: &str, payload: &str) -> String {
    format!(
        r#"{{"timestamp":"1970-01-01T00:00:{second:02}.000Z","type":"{kind}","payload":{payload}}}"#
    )
}

/// A line whose payload has these members, the first of which is its type.
pub(super) fn event(second: u32, members: &str) -> String {
    line(second, "event_msg", &format!("{{{members}}}"))
}

/// Something a person wrote, as JSON.
pub(super) fn said(second: u32, message: &str) -> String {
    event(second, &format!(r#""type":"user_message","message":{message}"#))
}

/// The record that begins the thread with this number.
pub(super) fn meta(second: u32, number: u32, members: &str) -> String {
    let id = id(number);
    let comma = if members.is_empty() { "" } else { "," };
    line(second, "session_meta", &format!(r#"{{"id":"{id}"{comma}{members}}}"#))
}

/// A message of this role with these parts of its content.
pub(super) fn message(second: u32, role: &str, parts: &str) -> String {
    let payload = format!(r#"{{"type":"message","role":"{role}","content":[{parts}]}}"#);
    line(second, "response_item", &payload)
}

/// What these texts say as lines, with their line ends and without.
pub(super) fn lines<T: AsRef<str>>(texts: &[T]) -> Verdict<Vec<RolloutLine>> {
    let read = |text: &str| match parse_line(text.as_bytes()) {
        Ok(Some(line)) => Ok(line),
        other => Err(Failure::new(format!("{text}: {other:?}"))),
    };
    let mut lines = Vec::with_capacity(texts.len());
    for text in texts.iter().map(AsRef::as_ref) {
        let line = read(text)?;
        assert_eq!(
            line,
            read(&format!("{text}\n"))?,
            "with its line end {text} says another thing"
        );
        lines.push(line);
    }
    Ok(lines)
}

/// What one line says.
pub(super) fn item(text: &str) -> Verdict<RolloutItem> {
    let line = lines(&[text])?.pop();
    line.map(|line| line.item).ok_or_else(|| Failure::new("a line was lost"))
}

/// Whether this, with or without a line end, is no line of a rollout.
pub(super) fn is_malformed(text: &[u8]) -> bool {
    parse_line(text).is_err() && parse_line(&[text, b"\n"].concat()).is_err()
}

/// What thread 1 starts from: nothing but its file and a time.
pub(super) fn bare_seed() -> ThreadSeed {
    ThreadSeed::new(id(1), "/sessions/1.jsonl", at(1))
}

/// Applies lines to thread 1.
pub(super) async fn tell<T: AsRef<str> + Sync>(
    store: &dyn Store,
    texts: &[T],
) -> Verdict<Option<Outcome>> {
    Ok(store.apply_rollout_items(bare_seed(), &lines(texts)?).await?)
}

/// Thread 1 after these lines, on a store that has nothing else of it.
pub(super) async fn told<T: AsRef<str> + Sync>(lab: &Lab, texts: &[T]) -> Verdict<ThreadMetadata> {
    let store = lab.open().await?;
    store.delete_threads(vec![id(1)]).await?;
    let mut fresh = bare_seed().into_metadata();
    fresh.revision = 0;
    store.upsert_thread(fresh).await?;
    tell(&store, texts).await?;
    Ok(row(&store, 1).await?)
}

/// Checks that each of these lines changes nothing of a thread but its time.
pub(super) async fn nothing_but_the_time<T: AsRef<str> + Sync>(
    lab: &Lab,
    kinds: &[T],
    line_of: impl Fn(u32, &str) -> String + Send + Sync,
) -> Verdict {
    let store = lab.open().await?;
    for full in [false, true] {
        if full {
            let members = r#""source":"exec","model_provider":"p","model":"m","cwd":"/kept""#;
            let text = said(2, r#""kept""#);
            tell(&store, &[meta(1, 1, members), text]).await?;
        }
        let first = if full { 30 } else { 3 };
        for (kind, second) in kinds.iter().zip(first..) {
            let before = store.get_thread(id(1)).await?;
            let mut expected = before.unwrap_or_else(|| bare_seed().into_metadata());
            expected.updated_at = at(1_000 * i64::from(second));
            expected.revision += 1;
            tell(&store, &[line_of(second, kind.as_ref())]).await?;
            assert_eq!(row(&store, 1).await?, expected, "{}", kind.as_ref());
        }
    }
    Ok(())
}

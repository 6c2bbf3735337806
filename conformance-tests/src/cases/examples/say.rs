//! Short words for what the examples say again and again.

use threadkeep_core::{
    Change, Error, ErrorKind, FieldPatch, Mark, Outcome, Page, Result, Store, ThreadId,
    ThreadMetadata, ThreadPatch, ThreadQuery, ThreadSeed, Timestamp, WriteBatch,
};

/// No threads.
pub(super) const NONE: [u32; 0] = [];

/// The thread with this number. Ids are ordered as their numbers are.
pub(in crate::cases) fn id(number: u32) -> ThreadId {
    let mut bytes = [0x01; 16];
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    ThreadId::from_bytes(bytes)
}

/// So many milliseconds after 1970 began.
pub(in crate::cases) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// The row of a thread that every default listing shows. Begun and last changed at its number.
pub(in crate::cases) fn thread(number: u32) -> ThreadMetadata {
    let mut row = seed(number).into_metadata();
    row.title = format!("thread {number}");
    row.has_user_event = true;
    row
}

/// The same, changed.
pub(in crate::cases) fn thread_with(
    number: u32,
    change: impl FnOnce(&mut ThreadMetadata),
) -> ThreadMetadata {
    let mut row = thread(number);
    change(&mut row);
    row
}

/// What a thread's row starts from.
pub(in crate::cases) fn seed(number: u32) -> ThreadSeed {
    ThreadSeed::new(id(number), format!("/sessions/{number}.jsonl"), at(i64::from(number)))
        .source("cli")
        .cwd("/home/mira/project")
}

/// A patch of nothing but this.
pub(in crate::cases) fn patch(change: impl FnOnce(&mut ThreadPatch)) -> ThreadPatch {
    let mut patch = ThreadPatch::default();
    change(&mut patch);
    patch
}

/// A patch that sets the title.
pub(in crate::cases) fn title(text: &str) -> ThreadPatch {
    patch(|patch| patch.title = FieldPatch::Set(text.into()))
}

/// How far a patch reaches into a history file.
pub(in crate::cases) fn mark(file: &str, through: u64) -> Mark {
    Mark { file: file.into(), through }
}

pub(in crate::cases) fn put(row: ThreadMetadata) -> Change {
    Change::Put(Box::new(row))
}

pub(in crate::cases) fn apply(seed: ThreadSeed, patch: ThreadPatch) -> Change {
    Change::Apply(Box::new(seed), Box::new(patch))
}

pub(in crate::cases) fn patch_of(number: u32, patch: ThreadPatch) -> Change {
    Change::Patch(id(number), Box::new(patch))
}

pub(in crate::cases) fn delete(number: u32, millis: i64) -> Change {
    Change::Delete { id: id(number), at: at(millis) }
}

/// Stores rows, in one batch.
pub(in crate::cases) async fn store_all(
    store: &dyn Store,
    rows: impl IntoIterator<Item = ThreadMetadata> + Send,
) -> Result<()> {
    let mut batch = WriteBatch::new();
    for row in rows {
        batch.push(put(row));
    }
    store.write(batch).await.map(drop)
}

/// Makes one change and answers what became of it.
pub(in crate::cases) async fn change(store: &dyn Store, change: Change) -> Result<Outcome> {
    let outcomes = store.write(change.into()).await?;
    assert_eq!(outcomes.len(), 1, "one change has one outcome");
    Ok(outcomes[0])
}

/// The row of a thread that has to be there.
pub(in crate::cases) async fn row(store: &dyn Store, number: u32) -> Result<ThreadMetadata> {
    store
        .threads(vec![id(number)])
        .await?
        .pop()
        .flatten()
        .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("thread {number} is not there")))
}

/// The numbers of the threads of one page, which has to be the last.
pub(super) async fn listed(store: &dyn Store, query: ThreadQuery) -> Result<Vec<u32>> {
    let page = store.list(query).await?;
    assert_eq!(page.next, None, "the listing ends with its first page");
    Ok(numbers(&page))
}

/// The numbers of the threads of a page.
pub(super) fn numbers(page: &Page<ThreadMetadata>) -> Vec<u32> {
    page.items.iter().map(|row| number(row.id)).collect()
}

/// The number of a thread.
pub(in crate::cases) fn number(id: ThreadId) -> u32 {
    let [.., a, b, c, d] = *id.as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The error of a call that has to fail in this way.
#[track_caller]
pub(super) fn fails<T>(result: Result<T>, kind: ErrorKind) -> Error {
    match result {
        Ok(_) => panic!("the call succeeded, expected it to fail with: {kind}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error:?}");
            error
        }
    }
}

//! Reading a store's log from where a target has it.

use super::logs::LogTarget;
use super::pages::LogPages;
use crate::{LogFilter, LogQuery, Result, Store};

/// The entries that the target does not have yet.
///
/// # Errors
///
/// [`Conflict`](crate::ErrorKind::Conflict) where the log is not the one the target has: it was
/// begun anew since, or is another's of the same name.
pub(super) async fn rest_of<'a>(
    store: &'a dyn Store,
    target: &LogTarget<'_>,
) -> Result<LogPages<'a>> {
    let copied = target.copied();
    if copied > 0 {
        let mut filter = LogFilter::new().after_id(copied - 1);
        filter.before_id = copied.checked_add(1);
        let page = store.query(LogQuery::new(filter).limit(1)).await?;
        match page.items.first() {
            Some(row) => target.check(row)?,
            // It may have been deleted since.
            None if page.deleted_through >= copied => {}
            None => return Err(target.another()),
        }
    }
    LogPages::after(store, copied).await
}

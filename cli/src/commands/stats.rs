//! `stats`: counts and sizes.

use serde_json::json;
use threadkeep::Capability;

use crate::app::App;
use crate::exit::{Done, Failure};
use crate::output::text;

pub(super) async fn run(app: &mut App) -> Result<Done, Failure> {
    let store = app.open_filled().await?;
    let stats = store.stats().await?;
    let able = store.capabilities();
    let able: Vec<_> = Capability::ALL
        .into_iter()
        .filter(|capability| able.has(*capability))
        .map(Capability::as_str)
        .collect();
    let url = app.store_url()?;
    let url = threadkeep::without_password(&url).into_owned();
    if app.output.is_json() {
        app.output.object(&json!({
            "store": url,
            "threads": stats.threads,
            "archived": stats.archived,
            "threads_with_tools": stats.threads_with_tools,
            "tombstones": stats.tombstones,
            "log_entries": stats.log_entries,
            "thread_bytes": stats.thread_bytes,
            "log_bytes": stats.log_bytes,
            "live_bytes": stats.live_bytes,
            "free_bytes": stats.free_bytes(),
            "capabilities": able,
        }))?;
        return Ok(Done::Whole);
    }
    app.output.pairs(&[
        ("store", url),
        ("threads", text::number(stats.threads)),
        ("archived", text::number(stats.archived)),
        ("with tools", text::number(stats.threads_with_tools)),
        ("deleted", text::number(stats.tombstones)),
        ("log entries", text::number(stats.log_entries)),
        ("thread files", text::bytes(stats.thread_bytes)),
        ("log files", text::bytes(stats.log_bytes)),
        ("of them free", text::bytes(stats.free_bytes())),
        ("capabilities", able.join(", ")),
    ])?;
    Ok(Done::Whole)
}

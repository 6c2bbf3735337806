//! `show`, `path` and `tools`: one thread.

use threadkeep::{Error, ErrorKind, Store, ThreadId, ThreadMetadata, Timestamp, tools};

use crate::app::App;
use crate::exit::{Done, Failure};
use crate::ids;
use crate::output::json::{self, ThreadObject};
use crate::output::{Format, text};

pub(super) async fn thread(app: &mut App, given: &str) -> Result<Done, Failure> {
    let store = app.open_filled().await?;
    let row = row(&*store, ids::resolve_one(&*store, given).await?).await?;
    if app.output.is_json() {
        app.output.object(&ThreadObject::from(&row))?;
        return Ok(Done::Whole);
    }
    let tools = store.dynamic_tools(row.id).await?.map_or(0, |tools| tools.len());
    app.output.pairs(&pairs(&row, tools))?;
    Ok(Done::Whole)
}

pub(super) async fn path(app: &mut App, given: &str) -> Result<Done, Failure> {
    let store = app.open_filled().await?;
    let row = row(&*store, ids::resolve_one(&*store, given).await?).await?;
    let text = threadkeep::path::to_text(&row.rollout_path);
    match app.output.format() {
        Format::Json => app.output.object(&serde_json::json!({ "id": row.id, "path": text }))?,
        Format::Terminal(_) => app.output.line(text::escape(&text))?,
        // The bytes as they are, so that `cat "$(threadkeep path ID)"` works with any path.
        Format::Tabs => {
            let mut bytes = row.rollout_path.as_os_str().as_encoded_bytes().to_vec();
            bytes.push(b'\n');
            app.output.raw(&bytes)?;
        }
    }
    Ok(Done::Whole)
}

pub(super) async fn tools(app: &mut App, given: &str) -> Result<Done, Failure> {
    let store = app.open_filled().await?;
    let id = ids::resolve_one(&*store, given).await?;
    let found = store.dynamic_tools(id).await?.unwrap_or_default();
    if app.output.is_json() {
        found.iter().try_for_each(|tool| app.output.object(tool))?;
    } else {
        app.output.line(json::indented(&tools::encode(&found)))?;
    }
    Ok(Done::Whole)
}

async fn row(store: &dyn Store, id: ThreadId) -> Result<ThreadMetadata, Error> {
    let row = store.threads(vec![id]).await?.pop().flatten();
    // Another program may have deleted it since its id was looked up.
    row.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("thread {id} is gone")))
}

fn pairs(row: &ThreadMetadata, tools: usize) -> Vec<(&'static str, String)> {
    let state = match row.archived_at {
        Some(at) => format!("archived {at}"),
        None => "active".into(),
    };
    let time = |time: Timestamp| time.to_string();
    let text = |path| threadkeep::path::to_text(path).into_owned();
    let fields = [
        ("id", Some(row.id.to_string())),
        ("name", row.name.clone()),
        ("title", Some(row.title.clone())),
        ("preview", row.preview.clone()),
        ("state", Some(state)),
        ("created", Some(time(row.created_at))),
        ("updated", Some(time(row.updated_at))),
        ("source", Some(row.source.clone())),
        ("provider", Some(row.model_provider.clone())),
        ("model", row.model.clone()),
        ("folder", Some(text(&row.cwd))),
        ("git branch", row.git_branch.clone()),
        ("git commit", row.git_sha.clone()),
        ("git origin", row.git_origin_url.clone()),
        ("sandbox", Some(row.sandbox_policy.clone())),
        ("approval", Some(row.approval_mode.clone())),
        ("tokens", Some(row.tokens_used.to_string())),
        ("tools", (tools > 0).then(|| tools.to_string())),
        ("agent", row.cli_version.clone()),
        ("file", Some(text(&row.rollout_path))),
        ("file read", Some(format!("{} bytes", row.applied_through))),
        ("revision", Some(row.revision.to_string())),
    ];
    let known = |(name, value): (_, Option<String>)| Some((name, value.filter(|v| !v.is_empty())?));
    fields.into_iter().filter_map(known).collect()
}

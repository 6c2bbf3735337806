//! What is too long or too many.

use threadkeep_core::{
    Applied, Change, DynamicToolSpec, DynamicToolStore, ErrorKind, FieldPatch, LogEntry, LogLevel,
    LogStore, Result, Store, ThreadMetadata, ThreadStore, ThreadStoreExt, limits,
};

use super::say::{
    at, change, fails, id, patch, patch_of, put, row, store_all, thread, thread_with,
};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    T_16: a_text_of_16_mib_is_stored,
    E_04: a_longer_text_is_refused_and_named,
    E_03: a_longer_text_in_a_patch_is_refused,
    E_03: a_longer_name_is_refused,
    E_05: an_empty_rollout_path_is_refused,
    D_09: ten_thousand_tools_are_stored_and_no_more,
    G_08: a_longer_log_text_is_refused_with_its_whole_append,
}

type Field = (&'static str, fn(&mut ThreadMetadata, String));

/// Texts that are stored whole, however long.
const FIELDS: [Field; 9] = [
    ("source", |row, text| row.source = text),
    ("model_provider", |row, text| row.model_provider = text),
    ("model", |row, text| row.model = Some(text)),
    ("cwd", |row, text| row.cwd = text.into()),
    ("name", |row, text| row.name = Some(text)),
    ("sandbox_policy", |row, text| row.sandbox_policy = text),
    ("git_branch", |row, text| row.git_branch = Some(text)),
    ("applied_file", |row, text| row.applied_file = text),
    ("rollout_path", |row, text| row.rollout_path = text.into()),
];

async fn a_text_of_16_mib_is_stored(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let longest = "x".repeat(limits::TEXT_BYTES);
    let long = thread_with(1, |row| row.sandbox_policy.clone_from(&longest));
    change(&store, put(long)).await?;
    let store = lab.reopen(store).await?;
    assert!(row(&store, 1).await?.sandbox_policy == longest, "the text is not what was stored");
    Ok(())
}

async fn refused(store: &dyn Store, field: &str, change: Change) {
    let error = fails(store.write(change.into()).await, ErrorKind::InvalidInput);
    assert_eq!(error.outcome(), Applied::NotApplied);
    assert!(error.to_string().contains(field), "{error} does not name {field}");
    assert!(error.to_string().contains("16777216"), "{error} does not name the limit");
    assert!(error.to_string().len() < 1_000, "the error repeats the text");
}

async fn a_longer_text_is_refused_and_named(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let too_long = "x".repeat(limits::TEXT_BYTES + 1);
    for (field, set) in FIELDS {
        refused(&store, field, put(thread_with(1, |row| set(row, too_long.clone())))).await;
    }
    assert_eq!(store.get_thread(id(1)).await?, None);
    Ok(())
}

async fn a_longer_text_in_a_patch_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let too_long = "x".repeat(limits::TEXT_BYTES + 1);
    let model = patch(|patch| patch.model = FieldPatch::Set(Some(too_long.clone())));
    refused(&store, "model", patch_of(1, model)).await;
    let cwd = patch(|patch| patch.cwd = FieldPatch::SetIfEmpty(too_long.into()));
    refused(&store, "cwd", patch_of(1, cwd)).await;
    assert_eq!(row(&store, 1).await?.revision, 1);
    Ok(())
}

async fn a_longer_name_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let name = Some("x".repeat(limits::TEXT_BYTES + 1));
    refused(&store, "name", Change::Rename { id: id(1), name, at: at(1) }).await;
    Ok(())
}

async fn an_empty_rollout_path_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    for change in [
        put(thread_with(1, |row| row.rollout_path = "".into())),
        Change::Move { id: id(1), path: "".into(), archived_at: at(1) },
        Change::Archive { id: id(1), path: Some("".into()), at: at(1) },
        Change::Unarchive { id: id(1), path: Some("".into()) },
    ] {
        fails(store.write(change.into()).await, ErrorKind::InvalidInput);
    }
    assert_eq!(row(&store, 1).await?.revision, 1);
    Ok(())
}

async fn ten_thousand_tools_are_stored_and_no_more(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let tools = (0..=limits::TOOLS)
        .map(|number| DynamicToolSpec::function(&format!("tool {number}"), "", "{}"))
        .collect::<Result<Vec<_>>>()?;
    let too_many = store.replace_dynamic_tools(id(1), tools.clone()).await;
    fails(too_many, ErrorKind::InvalidInput);
    assert_eq!(store.dynamic_tools(id(1)).await?, None);
    let most = tools[1..].to_vec();
    store.replace_dynamic_tools(id(1), most.clone()).await?;
    assert!(store.dynamic_tools(id(1)).await? == Some(most), "the tools are not what was stored");
    Ok(())
}

async fn a_longer_log_text_is_refused_with_its_whole_append(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let good = LogEntry::new(at(0).to_datetime(), LogLevel::Info, "t", "m");
    let mut bad = good.clone();
    bad.file = Some("x".repeat(limits::TEXT_BYTES + 1));
    let error = fails(store.append(vec![good, bad]).await, ErrorKind::InvalidInput);
    assert!(error.to_string().contains("file"), "{error}");
    assert_eq!(store.stats().await?.log_entries, 0);
    Ok(())
}

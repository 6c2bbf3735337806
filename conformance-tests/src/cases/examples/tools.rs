//! Threads' tools.

use threadkeep_core::{
    Change, DynamicToolSpec, DynamicToolStore, DynamicToolStoreExt, Effect, ErrorKind, Result,
    ThreadStore, ThreadStoreExt, WriteBatch, limits,
};

use super::say::{change, fails, id, put, row, store_all, thread, thread_with};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    D_01: none_where_none_were_ever_stored,
    D_02: tools_are_stored_once,
    D_03: replacing_replaces_all_of_them,
    D_04: none_or_an_empty_list_changes_nothing,
    D_05: an_unknown_thread_is_not_found,
    D_06: order_and_exact_json_are_kept,
    T_21: putting_the_row_keeps_the_tools,
    D_07: tools_come_in_the_same_commit_as_their_thread,
    D_08: new_tools_are_a_change_of_the_thread,
    D_10: the_largest_and_the_deepest_tool_are_stored_and_no_more,
    D_11: what_has_no_name_is_no_tool,
}

fn tools(names: &[&str]) -> Result<Vec<DynamicToolSpec>> {
    names.iter().map(|name| DynamicToolSpec::function(name, "does it", "{}")).collect()
}

async fn none_where_none_were_ever_stored(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    assert_eq!(store.get_dynamic_tools(id(1)).await?, None);
    assert_eq!(store.get_dynamic_tools(id(2)).await?, None);
    Ok(())
}

async fn tools_are_stored_once(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    store.persist_dynamic_tools(id(1), Some(tools(&["a", "b"])?)).await?;
    store.persist_dynamic_tools(id(1), Some(tools(&["c"])?)).await?;
    assert_eq!(store.dynamic_tools(id(1)).await?, Some(tools(&["a", "b"])?));
    Ok(())
}

async fn replacing_replaces_all_of_them(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1), thread(2)]).await?;
    store.replace_dynamic_tools(id(1), tools(&["a", "b", "c"])?).await?;
    store.replace_dynamic_tools(id(2), tools(&["other"])?).await?;
    store.replace_dynamic_tools(id(1), tools(&["d"])?).await?;
    assert_eq!(store.dynamic_tools(id(1)).await?, Some(tools(&["d"])?));
    assert_eq!(store.dynamic_tools(id(2)).await?, Some(tools(&["other"])?));
    Ok(())
}

async fn none_or_an_empty_list_changes_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    store.persist_dynamic_tools(id(1), None).await?;
    store.persist_dynamic_tools(id(1), Some(vec![])).await?;
    assert_eq!(store.dynamic_tools(id(1)).await?, None);
    store.persist_dynamic_tools(id(1), Some(tools(&["a"])?)).await?;
    store.replace_dynamic_tools(id(1), vec![]).await?;
    assert_eq!(store.dynamic_tools(id(1)).await?, Some(tools(&["a"])?));
    assert_eq!(row(&store, 1).await?.revision, 2);
    Ok(())
}

async fn an_unknown_thread_is_not_found(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let some = tools(&["a"])?;
    fails(store.persist_dynamic_tools(id(1), Some(some.clone())).await, ErrorKind::NotFound);
    let error = fails(store.replace_dynamic_tools(id(1), some).await, ErrorKind::NotFound);
    assert!(error.to_string().contains(&id(1).to_string()), "{error}");
    assert_eq!(store.get_thread(id(1)).await?, None);
    assert_eq!(store.dynamic_tools(id(1)).await?, None);
    Ok(())
}

async fn order_and_exact_json_are_kept(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let texts = [
        r#"{"name":"z","b":1.00,"a":[1e400,-0.0,12345678901234567890123],"a":2}"#,
        r#"{ "name" : "a", "inputSchema" : {"z":1,"a":{"$ref":"\u0000\ud83d"}} }"#,
        r#"{"name":"z","description":"the same name again","x":4.4444444444445444e+39}"#,
        "{\"name\":\"é\u{1F980}\u{202E}\",\"deferLoading\":true}",
    ];
    let tools = texts.map(DynamicToolSpec::from_json).into_iter().collect::<Result<Vec<_>>>()?;
    store.persist_dynamic_tools(id(1), Some(tools)).await?;
    let store = lab.reopen(store).await?;
    let found = store.dynamic_tools(id(1)).await?.unwrap_or_default();
    let found: Vec<_> = found.iter().map(DynamicToolSpec::json).collect();
    assert_eq!(found, texts);
    Ok(())
}

async fn putting_the_row_keeps_the_tools(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    store.persist_dynamic_tools(id(1), Some(tools(&["a"])?)).await?;
    store.upsert_thread(thread_with(1, |row| row.tokens_used = 9)).await?;
    assert_eq!(store.dynamic_tools(id(1)).await?, Some(tools(&["a"])?));
    Ok(())
}

async fn tools_come_in_the_same_commit_as_their_thread(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let set = |number, tools| Change::SetTools { id: id(number), tools, replace: false };
    let batch = WriteBatch::new().and(put(thread(1))).and(set(1, tools(&["a"])?));
    store.write(batch).await?;
    assert_eq!(store.dynamic_tools(id(1)).await?, Some(tools(&["a"])?));
    let refused = WriteBatch::new().and(put(thread(2))).and(set(3, tools(&["a"])?));
    fails(store.write(refused).await, ErrorKind::NotFound);
    assert_eq!(store.get_thread(id(2)).await?, None);
    Ok(())
}

async fn new_tools_are_a_change_of_the_thread(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let set = |tools| Change::SetTools { id: id(1), tools, replace: false };
    let outcome = change(&store, set(tools(&["a"])?)).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Updated, 2));
    let outcome = change(&store, set(tools(&["b"])?)).await?;
    assert_eq!((outcome.effect, outcome.revision), (Effect::Unchanged, 2));
    assert_eq!(row(&store, 1).await?.revision, 2);
    Ok(())
}

async fn the_largest_and_the_deepest_tool_are_stored_and_no_more(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    let empty = r#"{"name":"n","x":""}"#.len();
    let large = |bytes: usize| format!(r#"{{"name":"n","x":"{}"}}"#, "x".repeat(bytes - empty));
    let deep = |levels: usize| {
        let (open, shut) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
        format!(r#"{{"name":"n","x":{open}"[[["{shut}}}"#)
    };
    for (text, limit) in
        [(large(limits::TOOL_BYTES + 1), "4194304"), (deep(limits::TOOL_DEPTH + 1), "128")]
    {
        let error = fails(DynamicToolSpec::from_json(text), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(limit), "{error}");
    }
    let most = [large(limits::TOOL_BYTES), deep(limits::TOOL_DEPTH)];
    let most = most.map(DynamicToolSpec::from_json).into_iter().collect::<Result<Vec<_>>>()?;
    store.replace_dynamic_tools(id(1), most.clone()).await?;
    let store = lab.reopen(store).await?;
    assert!(store.dynamic_tools(id(1)).await? == Some(most), "the tools are not what was stored");
    Ok(())
}

async fn what_has_no_name_is_no_tool(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1)]).await?;
    for text in
        ["", "{", "null", "5", r#""n""#, "[]", r#"["n"]"#, "{}", r#"{"name":""}"#, r#"{"name":5}"#]
    {
        fails(DynamicToolSpec::from_json(text), ErrorKind::InvalidInput);
    }
    // A value that came about by another way is looked at when it is stored.
    let unchecked = serde_json::from_str(r#"{"title":"no name"}"#).map_err(std::io::Error::from)?;
    let tools = vec![DynamicToolSpec::function("a", "", "{}")?, unchecked];
    fails(store.replace_dynamic_tools(id(1), tools).await, ErrorKind::InvalidInput);
    assert_eq!(store.dynamic_tools(id(1)).await?, None);
    assert_eq!(row(&store, 1).await?.revision, 1);
    Ok(())
}

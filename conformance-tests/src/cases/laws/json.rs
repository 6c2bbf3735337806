//! Random JSON texts: their spelling, and the values that agents, people and accidents put in them.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;

/// An object that begins with its type.
pub(super) fn typed(
    kind: &'static str,
    members: Vec<BoxedStrategy<Option<String>>>,
) -> BoxedStrategy<String> {
    let usual = members.clone().prop_map(move |members| {
        let kind = format!(r#""type":"{kind}""#);
        let members = members.into_iter().flatten();
        format!("{{{}}}", std::iter::once(kind).chain(members).collect::<Vec<_>>().join(","))
    });
    let mut all = vec![member("type", text(kind))];
    all.extend(members);
    prop_oneof![4 => usual, 1 => object(all)].boxed()
}

/// An object of these members in any order, spaced in one way or another.
pub(super) fn object(members: Vec<BoxedStrategy<Option<String>>>) -> BoxedStrategy<String> {
    let in_order = members.clone().prop_map(|members| {
        format!("{{{}}}", members.into_iter().flatten().collect::<Vec<_>>().join(","))
    });
    let shuffled = members.prop_shuffle().prop_map(|members| {
        format!("{{ {} }}", members.into_iter().flatten().collect::<Vec<_>>().join(" ,\t"))
    });
    prop_oneof![2 => in_order, 1 => shuffled].boxed()
}

/// A member that may be absent, null, or, rarely, of a type it must not have.
pub(super) fn member(
    key: &'static str,
    value: BoxedStrategy<String>,
) -> BoxedStrategy<Option<String>> {
    let wrong = any_of(&["7", "true", "[[]]", "{\"a\":{}}", "\"\""]);
    prop_oneof![
        6 => Just(None),
        4 => Just(Some("null".to_owned())),
        40 => value.prop_map(Some),
        1 => wrong.prop_map(Some),
    ]
    .prop_map(move |value| Some(format!("\"{key}\":{}", value?)))
    .boxed()
}

/// A member that nobody asked for.
pub(super) fn anything() -> BoxedStrategy<Option<String>> {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let values = any_of(&["{}", "1e400", "-0.0", "\"\\ud83d\"", "{\"a\":[{\"b\":\"}}\"}]}", &deep]);
    prop_oneof![3 => Just(None), 1 => values.prop_map(Some)]
        .prop_map(|value| Some(format!("\"more\":{}", value?)))
        .boxed()
}

/// A member whose name nobody can have asked for.
pub(super) fn odd_member() -> BoxedStrategy<Option<String>> {
    let odd = any_of(&["\"\":{}", "\"\\u0000\":[]", "\"a\\\"total_tokens\":8"]);
    prop_oneof![12 => Just(None), 1 => odd.prop_map(Some)].boxed()
}

pub(super) fn times() -> BoxedStrategy<String> {
    any_of(&[
        "\"2026-03-01T09:30:00.001Z\"",
        "\"2026-03-01T09:30:00.000Z\"",
        "\"2026-03-01T09:30:00.002Z\"",
        "\"2026-03-01T10:30:00.0019+01:00\"",
        "\"2026-03-01T09:30:00Z\"",
        "\"1969-12-31T23:59:59.9985Z\"",
        "\"0000-01-01T00:00:00+23:59\"",
        "\"9999-12-31T23:59:59.999-23:59\"",
        "\"2026-02-30T00:00:00.000Z\"",
        "\"2026-03-01\"",
        "\"\"",
        "\"\\ud83d\"",
        "\"2026-03-01T09:30:00\\u002e003Z\"",
    ])
}

/// What a person, or an agent in a person's place, may have written.
pub(super) fn words() -> BoxedStrategy<String> {
    let long = "é".repeat(2_100);
    let plain: Vec<String> = [
        "a",
        "",
        "b",
        " \n\u{2003}",
        "\0",
        "a\0b",
        "\u{202E}עברית",
        "\u{1F980}\u{1F468}\u{200D}\u{1F469}",
        "e\u{301}'\"\\/\t",
        "before ## My request for Codex:\n words ## My request for Codex: more",
        "## My request for Codex:",
        "<environment_context>x",
        " \n<permissions instructions>",
        "<skill>",
        "<skil",
        "# AGENTS.md instructions for /a",
        "<image>",
        "<image name=[Image #1]>",
        " </image>\n",
        "<images>",
        "{\"a\":[1,2]}",
        &long,
    ]
    .map(Into::into)
    .into();
    let literal = any_of(&[
        "\"\\ud83d\"",
        "\"a\\udc00b\"",
        "\"\\udc00\\ud83d\"",
        "\"\\ud83d\\ud83d\\ude00\"",
        "\"\\ud83dé\"",
        "\"\\/\\b\\f\"",
    ]);
    let plain = select(plain);
    prop_oneof![
        6 => plain.clone().prop_map(|text| serde_json::Value::from(text).to_string()),
        1 => plain.prop_map(|text| escaped(&text)),
        1 => literal,
    ]
    .boxed()
}

/// A string, sometimes with all its characters escaped.
pub(super) fn text(text: &'static str) -> BoxedStrategy<String> {
    prop_oneof![8 => Just(format!("\"{text}\"")), 1 => Just(escaped(text))].boxed()
}

fn escaped(text: &str) -> String {
    let mut quoted = String::from("\"");
    for unit in text.encode_utf16() {
        // Writing to a string does not fail.
        let _ = write!(quoted, "\\u{unit:04x}");
    }
    quoted + "\""
}

pub(super) fn any_of<T: AsRef<str>>(pool: &[T]) -> BoxedStrategy<String> {
    let pool: Vec<String> = pool.iter().map(|text| text.as_ref().to_owned()).collect();
    select(pool).boxed()
}

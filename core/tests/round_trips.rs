//! What has a text form comes back from it as it was.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use threadkeep_core::{
    Cursor, Direction, DynamicToolSpec, ErrorKind, SortKey, ThreadId, ThreadQuery, Timestamp,
    limits, tools,
};

fn a_time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        any::<i64>().prop_map(Timestamp::from_millis),
        (Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis()).prop_map(Timestamp::from_millis),
        (-2_000..2_000_i64).prop_map(Timestamp::from_millis),
    ]
}

fn a_query() -> impl Strategy<Value = ThreadQuery> {
    (".{0,8}", ".{0,8}", any::<[bool; 4]>()).prop_map(|(source, text, [a, b, c, d])| {
        let mut query = ThreadQuery::new();
        query = if a { query.source(source) } else { query };
        query = if b { query.text(text) } else { query };
        query = if c { query.direction(Direction::Ascending) } else { query };
        if d { query.sort(SortKey::CreatedAt) } else { query }
    })
}

/// JSON as text, with the spellings that reading into numbers and maps would lose.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "1.00", "1e400", "-0.0", "18446744073709551616", "true"])
            .prop_map(str::to_owned),
        ".{0,6}".prop_map(|text| serde_json::Value::from(text).to_string()),
        Just(r#""\ud83d \u00e9\/""#.to_owned()),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        let members = vec((prop::sample::select(vec!["b", "a", "a b"]), inner.clone()), 0..4);
        let member = |(name, value)| format!("\"{name}\" :{value}");
        prop_oneof![
            vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(", "))),
            members.prop_map(move |members| {
                let members: Vec<_> = members.into_iter().map(member).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_time_comes_back_and_texts_are_ordered_as_times(a in a_time(), b in a_time()) {
        prop_assert_eq!(a.to_string().parse::<Timestamp>().unwrap(), a);
        prop_assert_eq!(a.to_string().cmp(&b.to_string()), a.cmp(&b));
        let json = serde_json::to_string(&a).unwrap();
        prop_assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), a);
    }

    #[test]
    fn a_time_from_any_text_is_an_error_or_a_time(text in ".{0,30}", digits in "[0-9:TZ.-]{24}") {
        for text in [text, digits] {
            if let Ok(time) = text.parse::<Timestamp>() {
                prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
            }
        }
    }

    #[test]
    fn a_cursor_comes_back_and_fits_its_query(
        query in a_query(),
        value in a_time(),
        id in any::<[u8; 16]>(),
    ) {
        let cursor = Cursor::new(&query, value, ThreadId::from_bytes(id));
        let read: Cursor = cursor.to_string().parse().unwrap();
        prop_assert_eq!(read, cursor);
        prop_assert_eq!(read.value(), value);
        prop_assert_eq!(read.id(), ThreadId::from_bytes(id));
        prop_assert!(query.after(read).validate().is_ok());
    }

    #[test]
    fn no_other_text_is_a_cursor(text in "[A-Za-z0-9_-]{0,60}|.{0,60}") {
        prop_assert!(text.parse::<Cursor>().is_err());
    }

    #[test]
    fn an_id_comes_back(bytes in any::<[u8; 16]>()) {
        let id = ThreadId::from_bytes(bytes);
        prop_assert_eq!(id.to_string().parse::<ThreadId>().unwrap(), id);
        prop_assert_eq!(id.as_bytes(), &bytes);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_of_any_bytes_comes_back(
        bytes in prop_oneof![
            vec(any::<u8>(), 0..40),
            "(bytes:|%|%4|%FF|/|é|a){0,12}".prop_map(String::into_bytes),
        ],
    ) {
        use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
        use threadkeep_core::path;

        let given = std::path::PathBuf::from(std::ffi::OsString::from_vec(bytes.clone()));
        let read = path::from_text(&path::to_text(&given));
        prop_assert_eq!(read.as_os_str().as_bytes(), &bytes[..]);
    }

    #[test]
    fn tools_come_back_to_the_byte(values in vec(json(), 0..4)) {
        let texts = values.iter().map(|value| format!("{{\"x\":{value}, \"name\":\"n\"}}"));
        let list: Vec<_> = texts.map(|text| DynamicToolSpec::from_json(text).unwrap()).collect();
        let read = tools::decode(&tools::encode(&list)).unwrap();
        let texts = |tools: &[DynamicToolSpec]| -> Vec<String> {
            tools.iter().map(|tool| tool.json().to_owned()).collect()
        };
        prop_assert_eq!(texts(&read), texts(&list));
    }

    #[test]
    fn a_schema_comes_back_to_the_byte(schema in json(), name in ".{1,8}", about in ".{0,8}") {
        let tool = DynamicToolSpec::function(&name, &about, &schema).unwrap();
        prop_assert_eq!(tool.name(), name);
        prop_assert_eq!(tool.description().unwrap(), about);
        let read = tool.input_schema();
        // A schema that is null counts as absent.
        prop_assert_eq!(read.as_deref(), Some(&*schema).filter(|schema| *schema != "null"));
    }
}

#[test]
fn a_tool_as_deep_as_the_limit_comes_back_from_a_list() {
    let levels = limits::TOOL_DEPTH - 1;
    let deep = format!(r#"{{"name":"n","x":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let tool = DynamicToolSpec::from_json(deep).unwrap();
    assert_eq!(
        tools::decode(&tools::encode(&[tool.clone(), tool.clone()])).unwrap(),
        [tool.clone(), tool]
    );
}

#[test]
fn only_an_object_with_a_name_is_a_tool() {
    // The members of a tool in their order make no tool either.
    for text in ["[]", r#"["n",null,null,null,null]"#, "{}", r#"{"name":""}"#, "null", "{"] {
        let error = DynamicToolSpec::from_json(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
    }
    assert_eq!(DynamicToolSpec::from_json(r#" {"name":"n"} "#).unwrap().name(), "n");
}

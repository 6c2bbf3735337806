//! What the words of people do to a row.

use threadkeep_core::{ThreadStoreExt, limits};

use super::history::{
    bare_seed, event, line, message, meta, nothing_but_the_time, said, tell, told,
};
use super::say::{at, id, row};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    R_40: a_message_makes_title_and_preview,
    R_41: the_words_follow_the_marker,
    R_42: blank_words_are_no_title,
    R_43: images_alone_make_a_preview,
    R_44: long_words_are_cut_between_characters,
    R_46: a_response_item_of_a_person_counts_alike,
    R_47: injected_context_says_nothing,
    R_48: image_tags_are_no_words,
    R_49: nobody_elses_words_count,
    R_50: a_naming_in_the_history_has_the_time_of_its_line,
}

/// A text as JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn text_part(text: &str) -> String {
    format!(r#"{{"type":"input_text","text":{}}}"#, quoted(text))
}

async fn a_message_makes_title_and_preview(lab: &Lab) -> Verdict {
    let row = told(lab, &[said(2, r#""fix the build""#)]).await?;
    let mut expected = bare_seed().into_metadata();
    expected.title = "fix the build".into();
    expected.preview = Some("fix the build".into());
    expected.has_user_event = true;
    expected.updated_at = at(2_000);
    expected.revision = row.revision;
    assert_eq!(row, expected);
    Ok(())
}

async fn the_words_follow_the_marker(lab: &Lab) -> Verdict {
    for (text, words) in [
        (
            "# Context from my IDE\n\n## Open tabs:\n- a.rs\n\n## My request for Codex:\nfix it",
            "fix it",
        ),
        ("## My request for Codex:fix it", "fix it"),
        (
            "## My request for Codex: say\n## My request for Codex: x",
            "say\n## My request for Codex: x",
        ),
        ("## My request for codex: fix it", "## My request for codex: fix it"),
        ("plain", "plain"),
    ] {
        for line in [said(1, &quoted(text)), message(1, "user", &text_part(text))] {
            let row = told(lab, &[&line]).await?;
            assert_eq!(
                (row.title.as_str(), row.preview.as_deref()),
                (words, Some(words)),
                "{line}"
            );
        }
    }
    Ok(())
}

async fn blank_words_are_no_title(lab: &Lab) -> Verdict {
    for blank in ["", "  \n\t ", "# Context\n## My request for Codex:\n \n"] {
        let row = told(lab, &[said(1, &quoted(blank))]).await?;
        assert!(row.has_user_event, "{blank:?}");
        assert_eq!((row.title.as_str(), row.preview), ("", None), "{blank:?}");
        let row = told(lab, &[said(1, &quoted(blank)), said(2, r#"" \n hello \t""#)]).await?;
        assert_eq!((row.title.as_str(), row.preview.as_deref()), ("hello", Some("hello")));
    }
    Ok(())
}

async fn images_alone_make_a_preview(lab: &Lab) -> Verdict {
    let image = r#"{"type":"input_image","image_url":"data:image/png;base64,AA=="}"#;
    let first = |members: &str| event(1, &format!(r#""type":"user_message",{members}"#));
    for line in [
        first(r#""message":"","images":["data:image/png;base64,AA=="]"#),
        first(r#""message":" \n","images":[],"local_images":["/a.png"]"#),
        first(r#""local_images":["/a.png"]"#),
        message(1, "user", image),
    ] {
        let row = told(lab, &[&line]).await?;
        assert_eq!((row.title.as_str(), row.preview.as_deref()), ("", Some("[Image]")), "{line}");
        assert!(row.has_user_event);
        let row = told(lab, &[line, said(2, r#""hello""#)]).await?;
        assert_eq!((row.title.as_str(), row.preview.as_deref()), ("hello", Some("[Image]")));
    }
    let row = told(lab, &[first(r#""message":"hello","images":["a"]"#)]).await?;
    assert_eq!((row.title.as_str(), row.preview.as_deref()), ("hello", Some("hello")));
    assert_eq!(told(lab, &[first(r#""message":"","images":[]"#)]).await?.preview, None);
    Ok(())
}

async fn long_words_are_cut_between_characters(lab: &Lab) -> Verdict {
    for (text, title, preview) in [
        ("\u{1F980}".repeat(2_000), limits::TITLE_BYTES, limits::PREVIEW_BYTES),
        (format!("a{}", "\u{1F980}".repeat(2_000)), 509, 4_093),
        ("x".repeat(100_000), limits::TITLE_BYTES, limits::PREVIEW_BYTES),
    ] {
        for line in [said(1, &quoted(&text)), message(1, "user", &text_part(&text))] {
            let row = told(lab, &[line]).await?;
            assert_eq!(row.title, text[..title]);
            assert_eq!(row.preview.as_deref(), Some(&text[..preview]));
        }
    }
    Ok(())
}

async fn a_response_item_of_a_person_counts_alike(lab: &Lab) -> Verdict {
    let parts = [
        text_part("fix"),
        r#"{"type":"output_text","text":"not this"}"#.into(),
        r#"{"type":"input_text"}"#.into(),
        text_part("the build"),
    ];
    let row = told(lab, &[message(2, "user", &parts.join(","))]).await?;
    assert_eq!(
        (row.title.as_str(), row.preview.as_deref()),
        ("fix\nthe build", Some("fix\nthe build"))
    );
    assert!(row.has_user_event);
    // The two records of one message make one title.
    let row = told(lab, &[message(1, "user", &text_part("one")), said(2, r#""two""#)]).await?;
    assert_eq!(row.title, "one");
    Ok(())
}

async fn injected_context_says_nothing(lab: &Lab) -> Verdict {
    let injected = [
        "<environment_context>\n  <cwd>/a</cwd>\n</environment_context>",
        "<user_instructions>be kind</user_instructions>",
        "<permissions instructions>read only</permissions instructions>",
        "<collaboration_mode>plan</collaboration_mode>",
        "<INSTRUCTIONS>be kind</INSTRUCTIONS>",
        "<turn_aborted>by the user</turn_aborted>",
        "<subagent_notification>done</subagent_notification>",
        "<recommended_plugins>none</recommended_plugins>",
        "<user_shell_command>ls</user_shell_command>",
        "<skill name=\"a\">…</skill>",
        "# AGENTS.md instructions for /a\n\nbe kind",
        " \n\t<environment_context>",
    ];
    nothing_but_the_time(lab, &injected, |second, text| message(second, "user", &text_part(text)))
        .await?;
    for words in ["<environment>", "see <environment_context>", "# AGENTS.md is wrong", "<Skill>"] {
        let row = told(lab, &[message(1, "user", &text_part(words))]).await?;
        assert_eq!(row.title, words);
    }
    Ok(())
}

async fn image_tags_are_no_words(lab: &Lab) -> Verdict {
    for (parts, words) in [
        (&["<image>", "</image>", "what is this?"][..], "what is this?"),
        (&["<image name=[Image #1]>", "</image>\n", "and", "<image>", "this?"], "and\nthis?"),
        (&["<image> of a cat"], "<image> of a cat"),
        (&["<images>"], "<images>"),
    ] {
        let parts: Vec<_> = parts.iter().map(|part| text_part(part)).collect();
        let row = told(lab, &[message(1, "user", &parts.join(","))]).await?;
        assert_eq!(row.title, words);
    }
    Ok(())
}

async fn nobody_elses_words_count(lab: &Lab) -> Verdict {
    let words = text_part("not a title");
    let kinds = [
        ("assistant", message(99, "assistant", &words)),
        ("developer", message(99, "developer", &words)),
        ("system", message(99, "system", &words)),
        ("nobody", message(99, "", &words)),
        ("call", line(99, "response_item", r#"{"type":"function_call","name":"user"}"#)),
        ("reasoning", line(99, "response_item", r#"{"type":"reasoning","role":"user"}"#)),
        ("agent", event(99, r#""type":"agent_message","message":"not a title""#)),
        ("start", event(99, r#""type":"task_started","message":"not a title""#)),
        ("compacted", line(99, "compacted", r#"{"message":"not a title"}"#)),
    ];
    let texts: Vec<_> = kinds.iter().map(|(_, text)| text).collect();
    nothing_but_the_time(lab, &texts, |second, text| {
        text.replacen("00:99.000Z", &format!("00:{second:02}.000Z"), 1)
    })
    .await
}

async fn a_naming_in_the_history_has_the_time_of_its_line(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let named = |second, name: &str| {
        event(second, &format!(r#""type":"thread_name_updated","thread_name":{name}"#))
    };
    for (line, name, at_second) in [
        (named(3, r#""release""#), Some("release"), 3),
        (named(2, r#""too late""#), Some("release"), 3),
        (named(4, r#""""#), None, 4),
        (named(5, r#""again""#), Some("again"), 5),
        (named(6, "null"), None, 6),
        (event(7, r#""type":"thread_name_updated""#), None, 7),
    ] {
        tell(&store, &[meta(1, 1, ""), line]).await?;
        let row = row(&store, 1).await?;
        assert_eq!((row.name.as_deref(), row.named_at), (name, Some(at(1_000 * at_second))));
        assert_eq!(row.title, "");
    }
    // Of two in one batch the later wins too.
    let two = [named(9, r#""later""#), named(8, r#""earlier""#)];
    assert_eq!(told(lab, &two).await?.name.as_deref(), Some("later"));
    assert!(store.get_thread(id(1)).await?.is_some());
    Ok(())
}

//! What the laws found once: lines that were read otherwise than the contract says, and patches
//! that were composed otherwise than they apply.

use threadkeep_core::DynamicToolSpec;

use super::items::tell;
use crate::cases::examples::say::{apply, change, id, patch, seed};
use crate::cases::{Tier, group};
use crate::diff::same;
use crate::lab::{Lab, Verdict};

group! { Tier::Laws;
    R_11: a_control_character_in_a_string_spoils_the_line,
    R_11: a_number_that_is_no_json_spoils_the_line,
    R_12: a_member_that_does_not_matter_may_be_of_any_type,
    R_14: half_a_surrogate_spoils_no_line,
    R_20: the_own_id_may_be_spelled_in_any_usual_way,
    R_26: half_a_surrogate_spoils_no_tool,
    R_32: a_name_that_ends_like_another_is_another,
    R_72: an_empty_list_of_tools_gives_way_to_the_next,
}

/// A line of a usual kind, by the time, the type and the payload.
fn line(time: &str, kind: &str, payload: &str) -> String {
    format!(r#"{{"timestamp":"{time}","type":"{kind}","payload":{payload}}}"#)
}

fn event(payload: &str) -> String {
    line(TIME, "event_msg", payload)
}

fn meta(members: &str) -> String {
    line(TIME, "session_meta", &format!(r#"{{"id":"{OWN}",{members}}}"#))
}

/// The id that stands for the thread's own.
const OWN: &str = "abababab-abab-abab-abab-abababababab";
const TIME: &str = "2026-03-01T09:30:00.001Z";
const SAID: &str = r#"{"type":"user_message","message":"words"}"#;

fn total(number: &str) -> String {
    format!(
        r#"{{"type":"token_count","info":{{"total_token_usage":{{"total_tokens":{number}}}}}}}"#
    )
}

async fn a_control_character_in_a_string_spoils_the_line(lab: &Lab) -> Verdict {
    let zero = event(&SAID.replace("wor", "wor\0"));
    let tab = event(&SAID.replace("wor", "wor\t"));
    let time = line("\u{1}", "event_msg", SAID);
    tell(lab, &[&[&zero, &event(SAID)], &[&tab, &event(SAID)], &[&time, &event(SAID)]]).await
}

async fn a_number_that_is_no_json_spoils_the_line(lab: &Lab) -> Verdict {
    let seven = event(&total("7"));
    tell(lab, &[&[&seven, &event(&total("008"))], &[&seven, &event(&total("+8"))]]).await
}

async fn a_member_that_does_not_matter_may_be_of_any_type(lab: &Lab) -> Verdict {
    let parts = r#"{"text":7},{"type":"input_image","text":[]},{"type":"input_text","text":"a"}"#;
    let message = format!(r#"{{"type":"message","role":"user","content":[{parts}]}}"#);
    tell(lab, &[&[&line(TIME, "response_item", &message)]]).await
}

async fn half_a_surrogate_spoils_no_line(lab: &Lab) -> Verdict {
    let half = r"\ud83d";
    let lines = [
        line(half, "event_msg", SAID),
        line(TIME, half, "{}"),
        event(&format!(r#"{{"type":"{half}"}}"#)),
        line(TIME, "response_item", &format!(r#"{{"type":"message","role":"{half}"}}"#)),
        meta(&format!(r#""timestamp":"{half}""#)),
    ];
    let lines = lines.each_ref().map(|line| [line.as_str()]);
    tell(lab, &lines.each_ref().map(<[_; 1]>::as_slice)).await
}

async fn the_own_id_may_be_spelled_in_any_usual_way(lab: &Lab) -> Verdict {
    let own = meta(r#""source":"exec","dynamic_tools":[{"name":"a"}]"#);
    let [plain, upper] = [OWN.replace('-', ""), OWN.to_uppercase()];
    tell(lab, &[&[&own.replace(OWN, &plain)], &[&own.replace(OWN, &upper)]]).await
}

async fn half_a_surrogate_spoils_no_tool(lab: &Lab) -> Verdict {
    let tools = r#""dynamic_tools":[{"name":"\udc00"},{"name":"b","description":"\ud83d"}]"#;
    tell(lab, &[&[&meta(tools)]]).await
}

async fn a_name_that_ends_like_another_is_another(lab: &Lab) -> Verdict {
    let usage = total("9").replace(r#""total_tokens""#, r#""a\"total_tokens":8,"total_tokens""#);
    tell(lab, &[&[&event(&usage)]]).await
}

async fn an_empty_list_of_tools_gives_way_to_the_next(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let tool = DynamicToolSpec::from_json(r#"{"name":"a"}"#)?;
    let none = patch(|patch| patch.tools = Some(Vec::new()));
    let one = patch(|patch| patch.tools = Some(vec![tool.clone()]));
    change(&*store, apply(seed(1), none.clone())).await?;
    change(&*store, apply(seed(1), one.clone())).await?;
    change(&*store, apply(seed(2), none.then(one))).await?;
    for number in [1, 2] {
        let tools = store.dynamic_tools(id(number)).await?;
        same(&format!("the tools of thread {number}"), &tools, &Some(vec![tool.clone()]))?;
    }
    Ok(())
}

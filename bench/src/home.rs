//! A synthetic Codex home with the mix of lines that real ones have.
//!
//! Of the bytes of real homes about nine tenths are tool output, reasoning and patches, in lines
//! of 100 bytes to 50 KB; a thread begins with a record of about 20 KB.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Result;
use threadkeep_core::ThreadId;

const OUTPUT: &str = "error[E0382]: borrow of moved value: `store`\\n  --> src/main.rs:42:9\\n   |\\n42 |     store.list(\\\"all\\\")\\n   |     ^^^^^ value borrowed here after move\\n";
const CIPHER: &str =
    "gAAAAABpQ2x9Zt7kVn0qYb3JmW8sRf5Lc1HdXeTgUoIiPpAaSsDdFfGgHhJjKkLlZzXxCcVvBbNnMm012345";

/// Writes a home of this many files and about this many bytes.
pub(crate) fn write(root: &Path, files: u64, bytes: u64) -> Result<()> {
    for number in 0..files {
        let folder =
            root.join(format!("sessions/2026/{:02}/{:02}", number % 12 + 1, number % 28 + 1));
        fs::create_dir_all(&folder)?;
        // A version 7 UUID with the number where the time belongs.
        let id = (u128::from(number) << 80) | 0x7000_8000_0000_0000_0000;
        let id = ThreadId::from_bytes(id.to_be_bytes());
        let name = format!(
            "rollout-2026-{:02}-{:02}T10-00-00-{id}.jsonl",
            number % 12 + 1,
            number % 28 + 1
        );
        let mut file = BufWriter::new(fs::File::create(folder.join(name))?);
        thread(&mut file, id, number, bytes / files)?;
        file.flush()?;
    }
    Ok(())
}

fn thread(file: &mut impl std::io::Write, id: ThreadId, number: u64, bytes: u64) -> Result<()> {
    let mut written = 0;
    let mut turn = 0_u64;
    let mut line = |kind: &str, payload: &str| -> Result<u64> {
        let text = format!(
            "{{\"timestamp\":\"2026-03-01T10:{:02}:{:02}.{:03}Z\",\"type\":\"{kind}\",\"payload\":{{{payload}}}}}\n",
            number % 60,
            turn % 60,
            turn % 1000
        );
        turn += 1;
        file.write_all(text.as_bytes())?;
        Ok(text.len() as u64)
    };
    let cwd = format!("/home/ann/src/project-{}", number % 100);
    let instructions = "You are a coding agent. Be precise and honest. ".repeat(400);
    written += line(
        "session_meta",
        &format!(
            "\"id\":\"{id}\",\"timestamp\":\"2026-03-01T10:00:00.000Z\",\"cwd\":\"{cwd}\",\"originator\":\"codex_cli_rs\",\
         \"cli_version\":\"0.104.0\",\"source\":\"cli\",\"model_provider\":\"openai\",\
         \"base_instructions\":{{\"text\":\"{instructions}\"}},\"git\":{{\"commit_hash\":\"f4685d03\",\"branch\":\"main\"}}"
        ),
    )?;
    while written < bytes {
        written += line(
            "turn_context",
            &format!(
                "\"cwd\":\"{cwd}\",\"approval_policy\":\"on-request\",\"sandbox_policy\":{{\"type\":\"read-only\"}},\"model\":\"gpt-5.3-codex\""
            ),
        )?;
        let words = format!("Please look at issue {number} and tell me why step {written} fails");
        written += line(
            "response_item",
            &format!(
                "\"type\":\"message\",\"role\":\"user\",\"content\":[{{\"type\":\"input_text\",\"text\":\"{words}\"}}]"
            ),
        )?;
        written += line(
            "event_msg",
            &format!("\"type\":\"user_message\",\"message\":\"{words}\",\"images\":[]"),
        )?;
        for call in 0..8 {
            written += line(
                "response_item",
                &format!(
                    "\"type\":\"reasoning\",\"summary\":[],\"encrypted_content\":\"{}\"",
                    CIPHER.repeat(18)
                ),
            )?;
            written += line(
                "response_item",
                &format!(
                    "\"type\":\"function_call\",\"name\":\"shell\",\"arguments\":\"{{\\\"command\\\":[\\\"cargo\\\",\\\"check\\\"]}}\",\"call_id\":\"call_{call}\""
                ),
            )?;
            written += line(
                "response_item",
                &format!(
                    "\"type\":\"function_call_output\",\"call_id\":\"call_{call}\",\"output\":\"{}\"",
                    OUTPUT.repeat(1 + usize::try_from((number + call * 7) % 60)?)
                ),
            )?;
            written += line(
                "event_msg",
                &format!(
                    "\"type\":\"token_count\",\"info\":{{\"total_token_usage\":{{\"input_tokens\":{written},\"total_tokens\":{written}}}}},\"rate_limits\":null"
                ),
            )?;
        }
    }
    Ok(())
}

//! Threads for people: a table fitted to the terminal, and the words that stand for a thread.

use std::borrow::Cow;
use std::collections::HashSet;

use owo_colors::OwoColorize as _;
use threadkeep::{SortKey, ThreadMetadata, Timestamp};
use unicode_width::UnicodeWidthStr as _;

use super::text;

/// Narrower tables show neither source nor folder.
const NARROW: usize = 72;
const SOURCE: usize = 12;
const GAP: &str = "  ";

/// What people call the thread: its name, else its first words.
pub(crate) fn title(row: &ThreadMetadata) -> &str {
    match (&row.name, row.title.as_str(), &row.preview) {
        (Some(name), ..) => name,
        (None, "", preview) => preview.as_deref().unwrap_or_default(),
        (None, title, _) => title,
    }
}

/// A time in UTC to the minute, in a form that flags take.
fn time(time: Timestamp) -> String {
    time.to_datetime().format("%Y-%m-%d %H:%M").to_string()
}

/// The heading and one line for each thread, at most `width` wide.
pub(crate) fn threads(
    rows: &[ThreadMetadata],
    sort: SortKey,
    width: usize,
    with_state: bool,
) -> Vec<String> {
    let wide = width >= NARROW;
    let time = match sort {
        SortKey::CreatedAt => "CREATED (UTC)",
        SortKey::UpdatedAt => "UPDATED (UTC)",
    };
    let headings = ["ID", time, "STATE", "SOURCE", "FOLDER", "TITLE"];
    let shown = [true, true, with_state, wide, wide, true];
    let ids = short_ids(rows);
    let mut lines = vec![headings.map(str::to_owned)];
    lines.extend(rows.iter().zip(ids).map(|(row, id)| cells(row, id, sort, width)));
    // Titles take what the other columns leave.
    let mut left = width;
    let widths: [usize; 5] = std::array::from_fn(|column| {
        let width = lines.iter().map(|cells| cells[column].width()).max().unwrap_or(0);
        if shown[column] {
            left = left.saturating_sub(width + GAP.len());
        }
        width
    });
    let line = |(number, cells): (usize, &[String; 6])| {
        let [others @ .., title] = cells;
        let mut line = String::new();
        for (column, cell) in others.iter().enumerate().filter(|(column, _)| shown[*column]) {
            let fill = " ".repeat(widths[column].saturating_sub(cell.width()));
            match column {
                0 if number > 0 => line.push_str(&cell.yellow().to_string()),
                _ => line.push_str(cell),
            }
            line.push_str(&fill);
            line.push_str(GAP);
        }
        line.push_str(&text::keep_start(title, left));
        if number == 0 { line.bold().to_string() } else { line }
    };
    lines.iter().enumerate().map(line).collect()
}

fn cells(row: &ThreadMetadata, id: String, sort: SortKey, width: usize) -> [String; 6] {
    let folder = text::path(&row.cwd);
    let title = match title(row) {
        "" => "(nothing written yet)",
        title => title,
    };
    [
        id,
        time(sort.of(row)),
        if row.is_archived() { "archived" } else { "active" }.to_owned(),
        text::keep_start(&text::one_line(&short_source(&row.source)), SOURCE).into_owned(),
        text::keep_end(&text::one_line(&folder), width / 4).into_owned(),
        text::one_line(title).into_owned(),
    ]
}

/// The last part of each id, which no two threads share by accident as they share beginnings, or
/// the whole ids should two be alike all the same.
fn short_ids(rows: &[ThreadMetadata]) -> Vec<String> {
    let full: Vec<_> = rows.iter().map(|row| row.id.to_string()).collect();
    let short: Vec<_> =
        full.iter().map(|id| id.rsplit('-').next().unwrap_or(id).to_owned()).collect();
    let distinct: HashSet<_> = short.iter().collect();
    if distinct.len() == short.len() { short } else { full }
}

/// A sub-agent's source is an object; the name of its only member says enough in a table.
fn short_source(source: &str) -> Cow<'_, str> {
    if !source.starts_with('{') {
        return Cow::Borrowed(source);
    }
    match serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(source) {
        Ok(members) if !members.is_empty() => {
            Cow::Owned(members.into_iter().map(|(name, _)| name).take(1).collect())
        }
        _ => Cow::Borrowed(source),
    }
}

#[cfg(test)]
mod tests {
    use threadkeep::{ThreadId, ThreadSeed};

    use super::*;

    fn thread(byte: u8, title: &str) -> ThreadMetadata {
        let id = ThreadId::from_bytes([byte; 16]);
        let mut row = ThreadSeed::new(id, "/r", Timestamp::from_millis(0))
            .cwd("/home/mira/src/tide-table")
            .source(r#"{"subagent":{"depth":1}}"#)
            .into_metadata();
        row.title = title.into();
        row
    }

    fn plain(lines: &[String]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect()
    }

    #[test]
    fn every_thread_is_one_line_within_the_width() {
        let long = "words ".repeat(60);
        let rows = [thread(1, &long), thread(2, "多行\n题目\x1b[31m"), thread(3, "")];
        for width in [40, 72, 80, 120, 200] {
            let lines = plain(&threads(&rows, SortKey::UpdatedAt, width, false));
            assert_eq!(lines.len(), 4, "{lines:#?}");
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:#?}");
            assert!(lines.iter().all(|line| !line.contains('\x1b')), "{lines:#?}");
        }
        let lines = plain(&threads(&rows, SortKey::CreatedAt, 120, true));
        assert!(lines[1].contains("subagent") && lines[1].contains("active"), "{lines:#?}");
        assert!(lines[3].ends_with("(nothing written yet)"), "{lines:#?}");
    }

    #[test]
    fn ids_that_end_alike_are_shown_whole() {
        let rows = [thread(1, ""), thread(1, "")];
        assert_eq!(short_ids(&rows)[0].len(), 36);
        assert_eq!(short_ids(&rows[..1]), ["010101010101"]);
    }
}

//! Appending, reading and deleting log entries.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use threadkeep_core::{
    Direction, ErrorKind, LogEntry, LogFilter, LogLevel, LogQuery, LogStore, LogStoreExt, Result,
    Retention, Store, ThreadQuery, ThreadStore, limits,
};

use super::PERSISTENT;
use super::entries::{entry, rows};
use super::say::{at, fails, id, store_all, thread};
use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    G_01: entries_are_appended_in_order_and_numbered,
    G_02: an_empty_append_does_nothing,
    G_03: every_field_returns_as_it_was_appended,
    G_04: a_time_keeps_its_nanoseconds,
    G_10: entries_come_by_number_whatever_their_times,
    G_11: pages_go_on_by_number_in_both_directions,
    G_12: a_limit_out_of_range_is_refused,
    G_13: a_page_says_whether_there_are_more,
    G_14: the_greatest_number_is_zero_where_there_is_none,
    G_30: deleting_keeps_what_is_at_the_time_or_later,
    G_31: pruning_by_nothing_deletes_nothing,
    G_32: numbers_grow_over_deletions,
    G_33: numbers_grow_over_a_new_handle_of_an_emptied_log [PERSISTENT],
    G_07: a_long_message_is_cut_and_marked,
    G_09: an_entry_may_be_of_no_known_thread,
    G_34: pruning_leaves_threads_alone,
    G_05: any_number_of_entries_may_be_appended_at_once,
    G_06: concurrent_appends_stay_whole,
}

fn at_nanos(nanos: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::nanoseconds(nanos)
}

async fn messages(store: &dyn Store, query: LogQuery) -> Result<Vec<String>> {
    let page = store.query(query).await?;
    Ok(page.items.into_iter().filter_map(|row| row.entry.message).collect())
}

async fn entries_are_appended_in_order_and_numbered(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let first = store.insert_log(entry("a")).await?;
    assert!(first > 0);
    let ids = store.insert_logs(vec![entry("b"), entry("c"), entry("d")]).await?;
    let found = rows(&store, LogFilter::new()).await?;
    let texts: Vec<_> = found.iter().filter_map(|row| row.entry.message.as_deref()).collect();
    assert_eq!(texts, ["a", "b", "c", "d"]);
    assert!(found.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(ids.map(|ids| (ids.first, ids.last)), Some((found[1].id, found[3].id)));
    assert_eq!(found[0].id, first);
    Ok(())
}

async fn an_empty_append_does_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert_eq!(store.append(vec![]).await?, None);
    assert_eq!(store.max_log_id(LogFilter::new()).await?, 0);
    Ok(())
}

async fn every_field_returns_as_it_was_appended(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let text = |name: &str| Some(format!("{name} \0 \u{1F980} \u{202E}אב '%_\\"));
    let full = LogEntry {
        time: at_nanos(5),
        level: LogLevel::Warn,
        target: "tar\0get".into(),
        message: text("message"),
        thread_id: text("thread"),
        process_id: text("process"),
        module_path: text("module"),
        file: text("file"),
        line: Some(u32::MAX),
    };
    let bare = LogEntry {
        target: String::new(),
        message: None,
        thread_id: None,
        process_id: None,
        module_path: None,
        file: None,
        line: None,
        ..full.clone()
    };
    let empty = LogEntry {
        message: Some(String::new()),
        thread_id: Some(String::new()),
        process_id: Some(String::new()),
        module_path: Some(String::new()),
        file: Some(String::new()),
        line: Some(0),
        ..bare.clone()
    };
    let mut entries = vec![full, bare, empty];
    entries.extend(LogLevel::ALL.map(|level| LogEntry { level, ..entry("m") }));
    store.append(entries.clone()).await?;
    let store = lab.reopen(store).await?;
    let found: Vec<_> =
        rows(&store, LogFilter::new()).await?.into_iter().map(|row| row.entry).collect();
    assert_eq!(found, entries);
    Ok(())
}

async fn a_time_keeps_its_nanoseconds(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let times = [
        at_nanos(0),
        at_nanos(1),
        at_nanos(-1),
        at_nanos(999_999_999),
        at_nanos(1_700_000_000_123_456_789),
        at(i64::MIN).to_datetime(),
        at(i64::MAX).to_datetime() + TimeDelta::nanoseconds(999_999),
    ];
    store.append(times.map(|time| LogEntry { time, ..entry("m") }).into()).await?;
    let found: Vec<_> =
        rows(&store, LogFilter::new()).await?.into_iter().map(|row| row.entry.time).collect();
    assert_eq!(found, times);
    Ok(())
}

async fn entries_come_by_number_whatever_their_times(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for (nanos, message) in [(30, "a"), (10, "b"), (20, "c")] {
        store.insert_log(LogEntry { time: at_nanos(nanos), ..entry(message) }).await?;
    }
    let query = LogQuery::new(LogFilter::new());
    assert_eq!(messages(&store, query.clone()).await?, ["c", "b", "a"]);
    let ascending = query.direction(Direction::Ascending);
    assert_eq!(messages(&store, ascending).await?, ["a", "b", "c"]);
    Ok(())
}

async fn pages_go_on_by_number_in_both_directions(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store.append((0..23).map(|number| entry(&number.to_string())).collect()).await?;
    let whole: Vec<_> = rows(&store, LogFilter::new()).await?.iter().map(|row| row.id).collect();
    for limit in [1, 4, 23, 24] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let mut filter = LogFilter::new();
            let mut found = Vec::new();
            loop {
                let query = LogQuery::new(filter.clone()).direction(direction).limit(limit);
                let page = store.query(query).await?;
                found.extend(page.items.iter().map(|row| row.id));
                assert!(found.len() <= whole.len(), "the pages never end");
                match direction {
                    Direction::Ascending => filter.after_id = found.last().copied(),
                    Direction::Descending => filter.before_id = found.last().copied(),
                }
                if !page.more {
                    break;
                }
            }
            if direction == Direction::Descending {
                found.reverse();
            }
            assert_eq!(found, whole, "limit {limit}, {direction:?}");
        }
    }
    Ok(())
}

async fn a_limit_out_of_range_is_refused(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for limit in [0, LogQuery::MAX_LIMIT + 1, usize::MAX] {
        let query = LogQuery::new(LogFilter::new()).limit(limit);
        fails(store.query(query).await, ErrorKind::InvalidInput);
    }
    Ok(())
}

async fn a_page_says_whether_there_are_more(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store.append(vec![entry("a"), entry("x"), entry("a"), entry("x")]).await?;
    let query = LogQuery::new(LogFilter::new().message("a"));
    for direction in [Direction::Ascending, Direction::Descending] {
        for (limit, more) in [(1, true), (2, false), (3, false)] {
            let query = query.clone().direction(direction).limit(limit);
            assert_eq!(store.query(query).await?.more, more, "limit {limit}, {direction:?}");
        }
    }
    Ok(())
}

async fn the_greatest_number_is_zero_where_there_is_none(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    assert_eq!(store.max_log_id(LogFilter::new()).await?, 0);
    let ids = store.append(vec![entry("a"), entry("b"), entry("a"), entry("c")]).await?;
    let found = rows(&store, LogFilter::new()).await?;
    assert_eq!(store.max_log_id(LogFilter::new()).await?, ids.map_or(0, |ids| ids.last));
    assert_eq!(store.max_log_id(LogFilter::new().message("a")).await?, found[2].id);
    assert_eq!(store.max_log_id(LogFilter::new().message("z")).await?, 0);
    let beyond = LogFilter::new().after_id(found[3].id);
    assert_eq!(store.max_log_id(beyond).await?, 0);
    Ok(())
}

async fn deleting_keeps_what_is_at_the_time_or_later(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let times = [30, 9, 10, 11, -5];
    let entries = times.map(|nanos| LogEntry { time: at_nanos(nanos), ..entry("m") });
    store.append(entries.into()).await?;
    assert_eq!(store.delete_logs_before(at_nanos(10)).await?, 2);
    let left: Vec<_> =
        rows(&store, LogFilter::new()).await?.into_iter().map(|row| row.entry.time).collect();
    assert_eq!(left, [30, 10, 11].map(at_nanos));
    assert_eq!(store.delete_logs_before(at_nanos(10)).await?, 0);
    Ok(())
}

async fn pruning_by_nothing_deletes_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store.insert_log(entry("a")).await?;
    let pruned = store.prune(Retention::default(), Duration::from_secs(1)).await?;
    assert_eq!(pruned.rows, 0);
    assert_eq!(store.stats().await?.log_entries, 1);
    Ok(())
}

async fn numbers_grow_over_deletions(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let mut greatest = 0;
    for _ in 0..3 {
        let first = store.insert_log(entry("a")).await?;
        assert!(first > greatest, "{first} was given out before");
        greatest = store.insert_log(entry("b")).await?;
        assert_eq!(store.delete_logs_before(DateTime::<Utc>::MAX_UTC).await?, 2);
    }
    Ok(())
}

async fn numbers_grow_over_a_new_handle_of_an_emptied_log(lab: &Lab) -> Verdict {
    let mut store = lab.open().await?;
    let mut greatest = 0;
    for _ in 0..3 {
        let next = store.insert_log(entry("a")).await?;
        assert!(next > greatest, "{next} was given out before");
        greatest = next;
        store.delete_logs_before(DateTime::<Utc>::MAX_UTC).await?;
        store.maintain(Duration::from_secs(1)).await?;
        store = lab.reopen(store).await?;
        assert_eq!(store.max_log_id(LogFilter::new()).await?, 0);
    }
    Ok(())
}

async fn a_long_message_is_cut_and_marked(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let longest = "x".repeat(limits::LOG_MESSAGE_BYTES);
    let too_long = "\u{1F980}".repeat(limits::LOG_MESSAGE_BYTES / 4 + 1);
    store.append(vec![entry(&longest), entry(&too_long)]).await?;
    let found = rows(&store, LogFilter::new()).await?;
    assert!(found[0].entry.message.as_ref() == Some(&longest), "a whole message was changed");
    let cut = found[1].entry.message.as_deref().unwrap_or_default();
    assert!(cut.len() <= limits::LOG_MESSAGE_BYTES && cut.len() > limits::LOG_MESSAGE_BYTES - 8);
    let kept = cut.strip_suffix(limits::CUT_MARK).unwrap_or_default();
    assert!(!kept.is_empty() && too_long.starts_with(kept), "the cut message has no mark");
    Ok(())
}

async fn any_number_of_entries_may_be_appended_at_once(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let ids = store.append((0..5_000).map(|number| entry(&number.to_string())).collect()).await?;
    let found = rows(&store, LogFilter::new()).await?;
    assert_eq!(found.len(), 5_000);
    for (number, row) in found.iter().enumerate() {
        assert_eq!(row.entry.message.as_deref(), Some(number.to_string().as_str()));
    }
    assert_eq!(ids.map(|ids| (ids.first, ids.last)), Some((found[0].id, found[4_999].id)));
    Ok(())
}

async fn concurrent_appends_stay_whole(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let tasks: Vec<_> = (0..6)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..10 {
                    let message = format!("{task} {round}");
                    store.append(vec![entry(&message); 5]).await?;
                }
                Ok::<_, threadkeep_core::Error>(())
            })
        })
        .collect();
    for task in tasks {
        match task.await {
            Ok(result) => result?,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    let found = rows(&store, LogFilter::new()).await?;
    assert_eq!(found.len(), 300);
    for append in found.chunks(5) {
        assert!(append.iter().all(|row| row.entry == append[0].entry), "an append was split");
    }
    Ok(())
}

async fn an_entry_may_be_of_no_known_thread(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    for thread in [id(1).to_string(), "not a uuid".into(), "\0".into(), String::new()] {
        let number =
            store.insert_log(LogEntry { thread_id: Some(thread.clone()), ..entry("m") }).await?;
        let of = LogFilter::new().thread(thread.clone());
        assert_eq!(store.max_log_id(of).await?, number, "{thread:?}");
    }
    assert_eq!(store.threads(vec![id(1)]).await?, [None]);
    Ok(())
}

async fn pruning_leaves_threads_alone(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    store_all(&store, [thread(1), thread(2)]).await?;
    let of = |number| LogEntry { thread_id: Some(id(number).to_string()), ..entry("m") };
    store.append(vec![of(1), of(2), of(1)]).await?;
    let before = store.list(ThreadQuery::everything()).await?;
    assert_eq!(store.delete_logs_before(DateTime::<Utc>::MAX_UTC).await?, 3);
    store.maintain(Duration::from_secs(1)).await?;
    assert_eq!(store.list(ThreadQuery::everything()).await?, before);
    assert_eq!(before.items.len(), 2);
    Ok(())
}

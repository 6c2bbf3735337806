//! Times return as they were given, or cut in the one way there is.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use threadkeep_core::rollout::parse_line;
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogLevel, LogQuery, SortKey, ThreadQuery, ThreadSeed,
    ThreadStoreExt, Timestamp,
};

use super::in_lab;
use crate::cases::examples::say::{at, change, id, put, row, store_all, thread_with};
use crate::cases::{Tier, group};
use crate::diff::same;
use crate::lab::{Failure, Lab, Verdict};
use crate::setting::Setting;

group! { sync Tier::Laws;
    T_10: every_millisecond_of_a_thread_returns,
    T_11: what_is_finer_or_out_of_range_is_cut,
    G_04: every_nanosecond_of_a_log_entry_returns,
}

const SEQUENCES: u64 = 6;

/// The milliseconds of 0000-01-01T00:00:00.000Z and of 9999-12-31T23:59:59.999Z.
const RANGE: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

fn millis() -> impl Strategy<Value = i64> {
    let edges = [0, -1, 1, 999, -999, -1_000, 951_782_400_000, *RANGE.start(), *RANGE.end()];
    prop_oneof![3 => select(edges.to_vec()), 2 => -5_000..5_000_i64, 5 => RANGE]
}

fn every_millisecond_of_a_thread_returns(setting: &Setting) -> Verdict {
    let times = vec(millis(), 1..20);
    in_lab(setting, SEQUENCES, &times, |lab, times| Box::pin(return_exactly(lab, times)))
}

async fn return_exactly(lab: &Lab, times: Vec<i64>) -> Verdict {
    let store = lab.open().await?;
    let rows = (1..).zip(&times).map(|(number, time)| {
        thread_with(number, |row| {
            row.created_at = at(*time);
            row.updated_at = at(*time);
            row.named_at = Some(at(*time));
            row.archived_at = Some(at(*time));
        })
    });
    store_all(&*store, rows).await?;
    let mut places = Vec::new();
    for (number, time) in (1..).zip(&times) {
        let row = row(&*store, number).await?;
        let named = row.named_at.map(Timestamp::as_millis);
        let archived = row.archived_at.map(Timestamp::as_millis);
        let found = (row.created_at.as_millis(), row.updated_at.as_millis(), named, archived);
        same("the times of a thread", &found, &(*time, *time, Some(*time), Some(*time)))?;
        places.push((*time, id(number)));
    }
    places.sort_unstable();
    for sort in [SortKey::CreatedAt, SortKey::UpdatedAt] {
        let query = ThreadQuery::everything().sort(sort).direction(Direction::Ascending);
        let listed: Vec<_> = store
            .list(query)
            .await?
            .items
            .iter()
            .map(|row| (sort.of(row).as_millis(), row.id))
            .collect();
        same("the listing by time", &listed, &places)?;
    }
    Ok(())
}

fn what_is_finer_or_out_of_range_is_cut(setting: &Setting) -> Verdict {
    let finer = select(vec![0, 1, 999_999, 500_000, 1_000]);
    let far = -8_000_000_000_000_000..8_000_000_000_000_000_i64;
    let times = vec((millis(), finer, far, any::<i64>()), 1..8);
    in_lab(setting, SEQUENCES, &times, |lab, times| Box::pin(cut(lab, times)))
}

async fn cut(lab: &Lab, times: Vec<(i64, i64, i64, i64)>) -> Verdict {
    let store = lab.open().await?;
    for (millis, finer, far, wild) in times {
        let time = at(millis).to_datetime() + TimeDelta::nanoseconds(finer);
        let text = time.to_rfc3339_opts(SecondsFormat::Nanos, true);
        let nearest = |millis: i64| millis.max(*RANGE.start()).min(*RANGE.end());
        // Every form in which a time comes in.
        let mut forms = vec![
            (Timestamp::from(time), millis),
            (text.parse()?, millis),
            (Timestamp::from_millis(wild), nearest(wild)),
        ];
        let far = DateTime::<Utc>::from_timestamp_millis(far);
        forms.extend(far.map(|far| (Timestamp::from(far), nearest(far.timestamp_millis()))));
        for (given, expected) in forms {
            let begun = ThreadSeed::new(id(1), "/sessions/a.jsonl", given).into_metadata();
            change(&*store, put(begun)).await?;
            let found = row(&*store, 1).await?.created_at.as_millis();
            same(&format!("when a thread began: {given}"), &found, &expected)?;
        }
        let line = format!(r#"{{"timestamp":"{text}","type":"event_msg","payload":{{}}}}"#);
        let line = parse_line(line.as_bytes()).map_err(|error| Failure::new(error.to_string()))?;
        let lines: Vec<_> = line.into_iter().collect();
        let before = ThreadSeed::new(id(1), "/sessions/a.jsonl", Timestamp::MIN);
        store.upsert_thread(before.clone().into_metadata()).await?;
        store.apply_rollout_items(before, &lines).await?;
        let found = row(&*store, 1).await?.updated_at.as_millis();
        same(&format!("{text} in a line"), &found, &millis)?;
    }
    Ok(())
}

fn every_nanosecond_of_a_log_entry_returns(setting: &Setting) -> Verdict {
    let nanos = prop_oneof![select(vec![0, 1, 999_999, 999_999_999]), 0..1_000_000_000_i64];
    let times = vec((millis(), nanos), 1..20);
    in_lab(setting, SEQUENCES, &times, |lab, times| Box::pin(keep_nanoseconds(lab, times)))
}

async fn keep_nanoseconds(lab: &Lab, times: Vec<(i64, i64)>) -> Verdict {
    let store = lab.open().await?;
    let times: Vec<DateTime<Utc>> = times
        .into_iter()
        .map(|(millis, nanos)| at(millis).to_datetime() + TimeDelta::nanoseconds(nanos))
        .collect();
    let entries = times.iter().map(|time| LogEntry::new(*time, LogLevel::Info, "t", ""));
    store.append(entries.collect()).await?;
    let query = |filter| LogQuery::new(filter).direction(Direction::Ascending);
    let found = store.query(query(LogFilter::new())).await?.items;
    let found: Vec<_> = found.into_iter().map(|row| row.entry.time).collect();
    same("the times of the entries", &found, &times)?;
    for time in &times {
        let mut filter = LogFilter::new();
        (filter.from, filter.to) = (Some(*time), Some(*time));
        let found = store.query(query(filter)).await?.items.len();
        let expected = times.iter().filter(|other| *other == time).count();
        same(&format!("how many entries are of {time:?}"), &found, &expected)?;
    }
    Ok(())
}

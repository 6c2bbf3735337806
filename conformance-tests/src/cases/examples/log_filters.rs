//! Which log entries a question is about.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta};
use threadkeep_core::{
    Direction, LogEntry, LogFilter, LogLevel, LogQuery, LogThreads, Result, Store,
};

use crate::cases::{Tier, group};
use crate::lab::{Lab, Verdict};

group! { Tier::Examples;
    G_15: one_level_exactly_or_a_least_level,
    G_25: a_greatest_level_alone_or_with_a_least_one,
    G_16: a_time_range_includes_both_ends,
    G_17: substrings_of_target_module_file_and_message,
    G_18: any_of_several_substrings,
    G_19: substrings_ignore_ascii_case_and_know_no_wildcards,
    G_18: an_empty_set_of_substrings_matches_nothing,
    G_20: an_absent_field_contains_nothing,
    G_21: threads_threadless_or_both,
    G_22: one_process,
    G_23: numbers_between_two,
    G_24: conditions_hold_together,
}

/// No entries.
const NONE: [usize; 0] = [];

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn filter(change: impl FnOnce(&mut LogFilter)) -> LogFilter {
    let mut filter = LogFilter::new();
    change(&mut filter);
    filter
}

/// Stores entries and answers the places, from 0 on, of those that match.
struct Entries<'a> {
    store: &'a dyn Store,
    ids: Vec<u64>,
}

impl<'a> Entries<'a> {
    async fn append(
        store: &'a dyn Store,
        count: usize,
        change: impl Fn(usize, &mut LogEntry) + Send,
    ) -> Result<Self> {
        let entries: Vec<_> = (0..count)
            .map(|place| {
                let mut entry =
                    LogEntry::new(DateTime::UNIX_EPOCH, LogLevel::Info, "target", "message");
                change(place, &mut entry);
                entry
            })
            .collect();
        store.append(entries).await?;
        let all = LogQuery::new(LogFilter::new()).direction(Direction::Ascending);
        let page = store.query(all.limit(LogQuery::MAX_LIMIT)).await?;
        Ok(Self { store, ids: page.items.iter().map(|row| row.id).collect() })
    }

    async fn matching(&self, filter: LogFilter) -> Result<Vec<usize>> {
        let query = LogQuery::new(filter.clone()).direction(Direction::Ascending);
        let page = self.store.query(query).await?;
        let greatest = page.items.last().map_or(0, |row| row.id);
        assert_eq!(self.store.max_log_id(filter).await?, greatest);
        Ok(page
            .items
            .iter()
            .filter_map(|row| self.ids.iter().position(|id| *id == row.id))
            .collect())
    }
}

async fn one_level_exactly_or_a_least_level(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let entries =
        Entries::append(&store, 5, |place, entry| entry.level = LogLevel::ALL[place]).await?;
    for (place, level) in LogLevel::ALL.into_iter().enumerate() {
        let exactly = filter(|filter| filter.level = Some(level));
        assert_eq!(entries.matching(exactly).await?, [place]);
        let least = LogFilter::new().min_level(level);
        assert_eq!(entries.matching(least).await?, (place..5).collect::<Vec<_>>());
    }
    let neither = filter(|filter| {
        filter.level = Some(LogLevel::Info);
        filter.min_level = Some(LogLevel::Warn);
    });
    assert_eq!(entries.matching(neither).await?, NONE);
    Ok(())
}

async fn a_greatest_level_alone_or_with_a_least_one(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let entries =
        Entries::append(&store, 10, |place, entry| entry.level = LogLevel::ALL[place % 5]).await?;
    let levels = |range: std::ops::RangeInclusive<usize>| {
        (0..10).filter(|place| range.contains(&(place % 5))).collect::<Vec<_>>()
    };
    for (most, graver) in LogLevel::ALL.into_iter().enumerate() {
        let alone = filter(|filter| filter.max_level = Some(graver));
        assert_eq!(entries.matching(alone.clone()).await?, levels(0..=most), "{graver}");
        for (least, level) in LogLevel::ALL.into_iter().enumerate() {
            let between = alone.clone().min_level(level);
            assert_eq!(entries.matching(between).await?, levels(least..=most), "{level} {graver}");
        }
    }
    // An exact level that is graver leaves nothing.
    let neither = filter(|filter| {
        filter.level = Some(LogLevel::Error);
        filter.max_level = Some(LogLevel::Warn);
    });
    assert_eq!(entries.matching(neither).await?, NONE);
    Ok(())
}

async fn a_time_range_includes_both_ends(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let time = |nanos| DateTime::UNIX_EPOCH + TimeDelta::nanoseconds(nanos);
    let times = [-1, 0, 1, 999_999_999, 1_000_000_000];
    let entries =
        Entries::append(&store, 5, |place, entry| entry.time = time(times[place])).await?;
    for (from, to, expected) in [
        (Some(0), Some(1), &[1, 2][..]),
        (Some(1), None, &[2, 3, 4]),
        (None, Some(-1), &[0]),
        (Some(999_999_999), Some(999_999_999), &[3]),
        (Some(2), Some(999_999_998), &[]),
        (Some(5), Some(-5), &[]),
    ] {
        let range = filter(|filter| {
            filter.from = from.map(time);
            filter.to = to.map(time);
        });
        assert_eq!(entries.matching(range).await?, expected, "{from:?} {to:?}");
    }
    Ok(())
}

async fn substrings_of_target_module_file_and_message(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let entries = Entries::append(&store, 4, |place, entry| {
        let word = "a needle b".to_owned();
        match place {
            0 => entry.target = word,
            1 => entry.module_path = Some(word),
            2 => entry.file = Some(word),
            _ => entry.message = Some(word),
        }
    })
    .await?;
    let needle = || Some(set(&["needle"]));
    for (place, filter) in [
        filter(|filter| filter.targets = needle()),
        filter(|filter| filter.modules = needle()),
        filter(|filter| filter.files = needle()),
        filter(|filter| filter.messages = needle()),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(entries.matching(filter).await?, [place]);
    }
    Ok(())
}

async fn any_of_several_substrings(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let files = ["src/a.rs", "src/b.rs", "tests/a.rs", "c.rs"];
    let entries =
        Entries::append(&store, 4, |place, entry| entry.file = Some(files[place].into())).await?;
    let either = filter(|filter| filter.files = Some(set(&["tests", "b.rs"])));
    assert_eq!(entries.matching(either).await?, [1, 2]);
    let overlapping = filter(|filter| filter.files = Some(set(&["src", "a.rs"])));
    assert_eq!(entries.matching(overlapping).await?, [0, 1, 2]);
    Ok(())
}

async fn substrings_ignore_ascii_case_and_know_no_wildcards(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let texts = ["Needle", "nXedle", "n%dle", "n_edle", "NÄDEL", "nädel", "a\0b", "a\\b"];
    let entries = Entries::append(&store, texts.len(), |place, entry| {
        let text = texts[place].to_owned();
        entry.target.clone_from(&text);
        entry.module_path = Some(text.clone());
        entry.file = Some(text.clone());
        entry.message = Some(text);
    })
    .await?;
    for (part, expected) in [
        ("nEEDLE", &[0][..]),
        ("%", &[2]),
        ("n_e", &[3]),
        ("nÄ", &[4]),
        ("nä", &[5]),
        ("A\0B", &[6]),
        ("\\", &[7]),
        ("", &[0, 1, 2, 3, 4, 5, 6, 7]),
    ] {
        for filter in [
            filter(|filter| filter.targets = Some(set(&[part]))),
            filter(|filter| filter.modules = Some(set(&[part]))),
            filter(|filter| filter.files = Some(set(&[part]))),
            LogFilter::new().message(part),
        ] {
            assert_eq!(entries.matching(filter).await?, expected, "{part:?}");
        }
    }
    Ok(())
}

async fn an_empty_set_of_substrings_matches_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let entries = Entries::append(&store, 2, |_, entry| {
        entry.module_path = Some("m".into());
        entry.file = Some("f".into());
    })
    .await?;
    for filter in [
        filter(|filter| filter.targets = Some(set(&[]))),
        filter(|filter| filter.modules = Some(set(&[]))),
        filter(|filter| filter.files = Some(set(&[]))),
        filter(|filter| filter.messages = Some(set(&[]))),
        filter(|filter| filter.threads = Some(LogThreads::default())),
    ] {
        assert_eq!(entries.matching(filter.clone()).await?, NONE, "{filter:?}");
    }
    assert_eq!(entries.matching(LogFilter::new()).await?, [0, 1]);
    Ok(())
}

async fn an_absent_field_contains_nothing(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let entries = Entries::append(&store, 2, |place, entry| {
        let text = (place == 1).then(String::new);
        entry.message.clone_from(&text);
        entry.module_path.clone_from(&text);
        entry.file = text;
    })
    .await?;
    for filter in [
        filter(|filter| filter.modules = Some(set(&[""]))),
        filter(|filter| filter.files = Some(set(&[""]))),
        filter(|filter| filter.messages = Some(set(&[""]))),
    ] {
        assert_eq!(entries.matching(filter.clone()).await?, [1], "{filter:?}");
    }
    Ok(())
}

async fn threads_threadless_or_both(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let threads = [Some("a"), Some("b"), None, Some(""), Some("A")];
    let entries = Entries::append(&store, 5, |place, entry| {
        entry.thread_id = threads[place].map(Into::into);
    })
    .await?;
    for (filter, expected) in [
        (LogFilter::new().thread("a"), &[0][..]),
        (LogFilter::new().thread("a").thread("b"), &[0, 1]),
        (LogFilter::new().threadless(), &[2]),
        (LogFilter::new().thread("b").threadless(), &[1, 2]),
        (LogFilter::new().thread(""), &[3]),
        (LogFilter::new().thread("c"), &[]),
    ] {
        assert_eq!(entries.matching(filter.clone()).await?, expected, "{filter:?}");
    }
    Ok(())
}

async fn one_process(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let processes = [Some("1"), Some("12"), None, Some("")];
    let entries = Entries::append(&store, 4, |place, entry| {
        entry.process_id = processes[place].map(Into::into);
    })
    .await?;
    for (process, expected) in [("1", &[0][..]), ("12", &[1]), ("", &[3]), ("2", &[])] {
        let of = filter(|filter| filter.process_id = Some(process.into()));
        assert_eq!(entries.matching(of).await?, expected, "{process:?}");
    }
    Ok(())
}

async fn numbers_between_two(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let entries = Entries::append(&store, 5, |_, _| ()).await?;
    let ids = entries.ids.clone();
    let between = |after: Option<u64>, before: Option<u64>| {
        filter(|filter| {
            filter.after_id = after;
            filter.before_id = before;
        })
    };
    for (filter, expected) in [
        (between(Some(ids[1]), None), &[2, 3, 4][..]),
        (between(None, Some(ids[1])), &[0]),
        (between(Some(ids[0]), Some(ids[3])), &[1, 2]),
        (between(Some(ids[2]), Some(ids[2])), &[]),
        (between(Some(ids[3]), Some(ids[1])), &[]),
        (between(Some(0), Some(u64::MAX)), &[0, 1, 2, 3, 4]),
        (between(Some(u64::MAX), None), &[]),
        (between(None, Some(0)), &[]),
    ] {
        assert_eq!(entries.matching(filter.clone()).await?, expected, "{filter:?}");
    }
    Ok(())
}

async fn conditions_hold_together(lab: &Lab) -> Verdict {
    let store = lab.open().await?;
    let entries = Entries::append(&store, 64, |place, entry| {
        let bit = |bit: usize| place >> bit & 1 == 1;
        entry.level = if bit(0) { LogLevel::Error } else { LogLevel::Debug };
        entry.target = if bit(1) { "net" } else { "disk" }.into();
        entry.message = Some(if bit(2) { "lost" } else { "found" }.into());
        entry.thread_id = bit(3).then(|| "t".into());
        entry.process_id = bit(4).then(|| "p".into());
        entry.file = bit(5).then(|| "f".into());
    })
    .await?;
    let all = filter(|filter| {
        filter.min_level = Some(LogLevel::Warn);
        filter.targets = Some(set(&["net"]));
        filter.messages = Some(set(&["lost"]));
        filter.process_id = Some("p".into());
        filter.files = Some(set(&["f"]));
    });
    assert_eq!(entries.matching(all.clone()).await?, [0b11_0111, 0b11_1111]);
    assert_eq!(entries.matching(all.clone().thread("t")).await?, [0b11_1111]);
    assert_eq!(entries.matching(all.threadless()).await?, [0b11_0111]);
    Ok(())
}

//! What the log does not tell of yet.

use std::fmt::Display;

/// Entries that are lost and that no entry of the log says so of.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    pub(crate) queue_full: u64,
    pub(crate) panicked: u64,
    refused: Loss,
    uncertain: Loss,
}

/// So many entries, for the reason given last.
#[derive(Debug, Default)]
struct Loss {
    entries: u64,
    why: String,
}

impl Loss {
    fn add(&mut self, entries: u64, why: &dyn Display) {
        if entries > 0 {
            self.entries += entries;
            self.why = why.to_string();
        }
    }
}

impl Losses {
    pub(crate) fn refused(&mut self, entries: u64, why: &dyn Display) {
        self.refused.add(entries, why);
    }

    pub(crate) fn uncertain(&mut self, entries: u64, why: &dyn Display) {
        self.uncertain.add(entries, why);
    }

    /// Also those.
    pub(crate) fn merge(&mut self, others: &Self) {
        self.queue_full += others.queue_full;
        self.panicked += others.panicked;
        self.refused.add(others.refused.entries, &others.refused.why);
        self.uncertain.add(others.uncertain.entries, &others.uncertain.why);
    }

    /// What the log is to say of them.
    pub(crate) fn notices(&self) -> Vec<String> {
        let mut notices = Vec::new();
        if self.queue_full > 0 {
            notices.push(queue_full(self.queue_full));
        }
        if self.panicked > 0 {
            let were = were(self.panicked);
            notices.push(format!("{were} dropped: formatting panicked"));
        }
        let Loss { entries, why } = &self.refused;
        if *entries > 0 {
            notices.push(format!("{} dropped: the store refused them: {why}", were(*entries)));
        }
        let Loss { entries, why } = &self.uncertain;
        if *entries > 0 {
            let of = noun(*entries);
            notices.push(format!("{entries} log {of} may be missing: {why}"));
        }
        notices
    }
}

/// What the log says of a gap.
pub(crate) fn queue_full(entries: u64) -> String {
    format!("{} dropped: the queue was full", were(entries))
}

fn were(entries: u64) -> String {
    format!("{entries} log {} {}", noun(entries), if entries == 1 { "was" } else { "were" })
}

fn noun(entries: u64) -> &'static str {
    if entries == 1 { "entry" } else { "entries" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_with_their_reasons() {
        let mut losses = Losses::default();
        assert!(losses.notices().is_empty());
        losses.refused(0, &"not even one");
        assert!(losses.notices().is_empty());
        losses.queue_full = 187;
        losses.panicked = 1;
        losses.refused(2, &"read-only: a");
        let mut later = Losses::default();
        later.refused(1, &"read-only: b");
        later.uncertain(1, &"i/o error: c");
        losses.merge(&later);
        losses.merge(&Losses::default());
        assert_eq!(
            losses.notices(),
            [
                "187 log entries were dropped: the queue was full",
                "1 log entry was dropped: formatting panicked",
                "3 log entries were dropped: the store refused them: read-only: b",
                "1 log entry may be missing: i/o error: c",
            ]
        );
    }
}

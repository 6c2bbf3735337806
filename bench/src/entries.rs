//! Log entries like those of agents.

use chrono::{DateTime, TimeDelta, Utc};
use threadkeep_core::{LogEntry, LogLevel};

const WORDS: [&str; 24] = [
    "request", "thread", "apply", "patch", "tokens", "sandbox", "exec", "stream", "turn", "model",
    "response", "retry", "queue", "bytes", "write", "approval", "delta", "session", "rollout",
    "compact", "history", "tool", "call", "output",
];

/// Entries one after the other: messages of 120 bytes on average, 300 call sites, 50 threads.
pub(crate) struct Entries {
    random: u64,
    time: DateTime<Utc>,
}

impl Entries {
    pub(crate) fn new() -> Self {
        Self { random: 0x2545_f491_4f6c_dd1d, time: DateTime::UNIX_EPOCH + TimeDelta::days(20_000) }
    }

    pub(crate) fn batch(&mut self, size: usize) -> Vec<LogEntry> {
        (0..size).map(|_| self.entry()).collect()
    }

    fn entry(&mut self) -> LogEntry {
        let pause = self.next(2_000) as i64;
        self.time += TimeDelta::microseconds(pause);
        let site = self.next(300);
        let level = LogLevel::ALL[[2, 2, 2, 1, 1, 3, 2, 4][site as usize % 8]];
        let length = 60 + self.next(120) as usize;
        let mut message = String::new();
        while message.len() < length {
            message.push_str(WORDS[self.next(24) as usize]);
            match self.next(4) {
                0 => message.extend(["=", &self.next(1_000_000).to_string(), " "]),
                _ => message.push(' '),
            }
        }
        let module = format!("codex_core::part_{}", site % 40);
        let mut entry = LogEntry::new(self.time, level, module.clone(), message);
        entry.module_path = Some(module);
        entry.file = Some(format!("core/src/part_{}.rs", site % 40));
        entry.line = Some(site as u32);
        let thread = self.next(55);
        entry.thread_id =
            (thread < 50).then(|| format!("019d2308-c368-7ca0-8331-65a7d47035{thread:02}"));
        entry.process_id = Some("pid:4711:a6f1".into());
        entry
    }

    fn next(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }
}

//! What the process that is killed writes: lanes of numbered steps.
//!
//! A lane is one task that makes step 1, 2, 3 and so on, each after the one before was acknowledged.
//! What a step leaves behind follows from its number alone.

use chrono::DateTime;
use threadkeep_core::{Change, DynamicToolSpec, LogEntry, LogLevel, Result, WriteBatch};

use crate::cases::examples::say::{delete, id, patch_of, put, thread, thread_with, title};

/// How a process toils.
#[derive(Clone, Copy, Debug)]
pub(in crate::cases) struct Plan {
    /// What it is told to do it.
    pub(in crate::cases) name: &'static str,
    /// Tasks that write batches. The lane after them appends to the logs.
    pub(in crate::cases) lanes: u32,
    /// Threads that a batch makes, and log entries of an append.
    pub(in crate::cases) width: u32,
    /// Whether a batch deletes the threads of the batch before it, while the store is maintained.
    pub(in crate::cases) churns: bool,
}

/// Small batches, so that many are acknowledged.
pub(in crate::cases) const NARROW: Plan =
    Plan { name: "narrow", lanes: 3, width: 1, churns: false };
/// Batches of many threads, so that many can be cut in the middle.
pub(in crate::cases) const BROAD: Plan = Plan { name: "broad", lanes: 3, width: 12, churns: false };
/// Threads come and go.
pub(in crate::cases) const CHURN: Plan = Plan { name: "churn", lanes: 3, width: 4, churns: true };

/// Threads that a lane can make.
const LANE: u32 = 100_000_000;

impl Plan {
    /// The plan that a process was told.
    pub(in crate::cases) fn named(name: &str) -> Option<Self> {
        [NARROW, BROAD, CHURN].into_iter().find(|plan| plan.name == name)
    }

    /// Every lane; the last is that of the logs.
    pub(in crate::cases) fn all_lanes(self) -> std::ops::RangeInclusive<u32> {
        0..=self.lanes
    }

    pub(in crate::cases) fn is_logs(self, lane: u32) -> bool {
        lane == self.lanes
    }

    /// The thread that every step of a lane writes.
    pub(in crate::cases) fn head(lane: u32) -> u32 {
        lane * LANE
    }

    /// The threads that a step makes.
    pub(in crate::cases) fn made(self, lane: u32, step: u32) -> std::ops::Range<u32> {
        let first = Self::head(lane) + step * self.width;
        first..first + self.width
    }

    /// The threads a lane has made that are there after a step.
    pub(in crate::cases) fn kept(self, lane: u32, step: u32) -> std::ops::Range<u32> {
        let first = if self.churns { step.max(1) } else { 1 };
        self.made(lane, first).start..self.made(lane, step + 1).start
    }

    /// The lane of a thread, and the step that made it: 0 for the lane's head.
    pub(in crate::cases) fn origin(self, number: u32) -> (u32, u32) {
        (number / LANE, number % LANE / self.width)
    }

    /// One step of a lane.
    pub(in crate::cases) fn batch(self, lane: u32, step: u32) -> Result<WriteBatch> {
        let head = Self::head(lane);
        // From the second on a patch, which is all that most writes of an agent are.
        let written = match step {
            1 => put(thread_with(head, |row| row.title = step.to_string())),
            _ => patch_of(head, title(&step.to_string())),
        };
        let mut batch = WriteBatch::new().and(written).and(Change::SetTools {
            id: id(head),
            tools: vec![tool(step)?],
            replace: true,
        });
        for number in self.made(lane, step) {
            batch.push(put(thread(number)));
        }
        if self.churns && step > 1 {
            for number in self.made(lane, step - 1) {
                batch.push(delete(number, i64::from(number)));
            }
        }
        Ok(batch.and(Change::SetCheckpoint { key: key(lane), value: Some(step.to_string()) }))
    }

    /// One step of the lane of logs.
    pub(in crate::cases) fn entries(self, step: u32) -> Vec<LogEntry> {
        let entry = |text| LogEntry::new(DateTime::UNIX_EPOCH, LogLevel::Info, "toil", text);
        self.messages(step).map(entry).collect()
    }

    /// What these entries say.
    pub(in crate::cases) fn messages(self, step: u32) -> impl Iterator<Item = String> {
        (1..=self.width).map(move |number| format!("{step} {number}"))
    }
}

/// The checkpoint that every step of a lane sets.
pub(in crate::cases) fn key(lane: u32) -> String {
    format!("lane {lane}")
}

/// The tool whose name is the step.
pub(in crate::cases) fn tool(step: u32) -> Result<DynamicToolSpec> {
    DynamicToolSpec::from_json(format!(
        r#"{{"name":"{step}","description":"A step.","inputSchema":{{"type":"object"}}}}"#
    ))
}

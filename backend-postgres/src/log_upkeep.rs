//! Keeping the logs as small as they are to be, when the writer has time.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use threadkeep_core::{LogsHeld, Result, Retention, Thrift, plan_prune};

use crate::connection::{Connection, number, optional_number};
use crate::errors::Failed;
use crate::log_append::{Appended, CHANNEL, Group};
use crate::log_partitions;
use crate::log_prune::{Doomed, Pruning, Step, over_limit};
use crate::log_writer::LogEngine;
use crate::namespace::key;
use crate::sql::Sql;

/// How long it is from one look at what is there to the next, at least.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Looking takes at most one part in so many of the writer's time.
const SHARE: u32 = 20;
/// How long it is from one look for entries that became too old to the next.
const LOOK_AT_AGE: Duration = Duration::from_mins(1);
/// Owners that are remembered between two looks. Of more, all that there are are looked at.
const OWNERS: usize = 10_000;
/// So long a transaction of upkeep may take before it is given up.
const PATIENCE: Duration = Duration::from_secs(5);
/// From one notice to the next. A transaction with a notice waits for all others of the server that
/// have one.
const NOTICE_REST: Duration = Duration::from_millis(20);

/// What is left to do, and when to look for more.
pub(crate) struct Upkeep {
    retention: Retention,
    work: VecDeque<Pruning>,
    look_at: Option<Instant>,
    look_at_age: Option<Instant>,
    /// Bytes of texts appended since the last look, and whose they were.
    appended: u64,
    owners: BTreeSet<i64>,
    /// The server's day when something was appended last, and what it was when partitions were made.
    day: Option<i64>,
    made_on: Option<i64>,
}

impl Upkeep {
    pub(crate) fn new(retention: Retention) -> Self {
        Self {
            retention,
            work: VecDeque::new(),
            look_at: None,
            look_at_age: None,
            appended: 0,
            owners: BTreeSet::new(),
            day: None,
            made_on: None,
        }
    }

    /// Takes note of what was appended.
    pub(crate) fn appended(&mut self, group: &Group, appended: Appended) {
        self.appended += group.bytes();
        if self.retention.limits_threads() && self.owners.len() < OWNERS {
            self.owners.extend(group.owners());
        }
        if self.day < appended.day {
            self.day = appended.day;
            self.look_at_age = None;
        }
        if self.is_urgent() {
            self.look_at = None;
        }
    }

    /// Whether so much was appended that looking cannot wait for a pause.
    pub(crate) fn is_urgent(&self) -> bool {
        self.retention.max_bytes.is_some_and(|most| self.appended > most / 16)
    }

    /// Does all of it that can be done in so long.
    pub(crate) fn catch_up(engine: &mut LogEngine, budget: Duration) {
        let begun = Instant::now();
        while Self::run(engine) == Some(Duration::ZERO) && begun.elapsed() < budget {}
    }

    /// Does a little of it; answers how long to rest.
    pub(crate) fn run(engine: &mut LogEngine) -> Option<Duration> {
        match Self::step(engine) {
            Ok(rest) => rest,
            Err(error) => {
                tracing::debug!(%error, "the logs were not tended");
                engine.upkeep.work.clear();
                // Where nothing is appended any more, others will see to it.
                None
            }
        }
    }

    fn step(engine: &mut LogEngine) -> Result<Option<Duration>> {
        engine.send_notice()?;
        if engine.make_partitions(Instant::now() + PATIENCE) {
            engine.drop_empty_days(Instant::now() + PATIENCE)?;
        }
        if engine.upkeep.retention == Retention::default() {
            return Ok(None);
        }
        if let Some(mut pruning) = engine.upkeep.work.pop_front() {
            if let Step::Took(_) = engine.prune_step(&mut pruning, Instant::now() + PATIENCE)? {
                engine.upkeep.work.push_front(pruning);
            }
            return Ok(Some(Duration::ZERO));
        }
        let now = Instant::now();
        if let Some(wait) = engine.upkeep.look_at.and_then(|at| at.checked_duration_since(now)) {
            return Ok(Some(wait));
        }
        if engine.upkeep.appended == 0 {
            return Ok(None);
        }
        engine.look()?;
        engine.upkeep.look_at = Some(Instant::now() + LOOK_AGAIN.max(now.elapsed() * SHARE));
        Ok((!engine.upkeep.work.is_empty()).then_some(Duration::ZERO))
    }
}

impl LogEngine {
    /// Tells of entries that were appended without a notice.
    fn send_notice(&mut self) -> Result<()> {
        let Some(last) = self.notices.take_untold() else { return Ok(()) };
        let payload = format!("{} {last}", key(&self.namespace));
        self.read("append", Instant::now() + PATIENCE, async |connection| {
            let notice = Sql::new("SELECT pg_notify(?, ?)").text(CHANNEL).text(&payload);
            connection.run(notice, Instant::now() + PATIENCE).await.map(drop)
        })
    }

    /// Makes the partitions of today and tomorrow, where that was not done today. Whether it was now.
    pub(crate) fn make_partitions(&mut self, until: Instant) -> bool {
        // Before the first append the day is not known.
        let day = self.upkeep.day.unwrap_or(0);
        if self.upkeep.made_on == Some(day) {
            return false;
        }
        // Where it does not work out, or the day is another one by then, appending makes them.
        self.upkeep.made_on = Some(day);
        let made = self.read("append", until, async |connection| {
            log_partitions::make(connection, &[], until).await
        });
        made.inspect_err(|error| tracing::debug!(%error, "no partitions were made ahead")).is_ok()
    }

    /// Finds out whether something is too much.
    fn look(&mut self) -> Result<()> {
        let upkeep = &mut self.upkeep;
        upkeep.appended = 0;
        let owners = std::mem::take(&mut upkeep.owners);
        let retention = upkeep.retention;
        let now = Instant::now();
        let by_age = upkeep.look_at_age.is_none_or(|at| at <= now);
        if by_age {
            upkeep.look_at_age = Some(now + LOOK_AT_AGE);
        }
        let namespace = self.namespace.clone();
        let held = self.read("prune", now + PATIENCE, async |connection| {
            let some = (owners.len() < OWNERS).then_some(&owners);
            held(connection, &namespace, &retention, some, now + PATIENCE).await
        })?;
        let plan = plan_prune(&retention, held, Thrift::Lazy, SystemTime::now().into());
        let mut work = VecDeque::new();
        if !plan.threads.is_empty() {
            let owners = plan.threads.into_iter().map(|(owner, _)| owner).collect();
            work.push_back(Doomed::Surplus { owners, retention });
        }
        if let Some(most) = retention.max_bytes
            && plan.oldest > 0
        {
            work.push_back(Doomed::Bytes { most: Thrift::Lazy.aim(most) });
        }
        if let Some(time) = plan.before
            && by_age
        {
            // Looking through a day for its oldest entries each minute would cost more than keeping
            // them until the whole day can go.
            work.push_back(Doomed::Before { time, whole_days: true });
        }
        self.upkeep.work = work.into_iter().map(Pruning::new).collect();
        Ok(())
    }
}

/// What there is in all, and of these owners, or all, those that have more than they may.
async fn held(
    connection: &mut Connection,
    namespace: &str,
    retention: &Retention,
    owners: Option<&BTreeSet<i64>>,
    until: Instant,
) -> Result<LogsHeld<i64>, Failed> {
    let all = Sql::new(
        "SELECT sum(rows)::bigint, sum(bytes)::bigint FROM threadkeep.log_days WHERE namespace = ?",
    );
    let all = connection.rows(all.text(namespace), until).await?;
    let all = all.first().ok_or(Failed::decode("a sum is missing"))?;
    let count = |column| optional_number(all, column).map(|sum| sum.unwrap_or(0).cast_unsigned());
    let mut held = LogsHeld { rows: count(0)?, bytes: count(1)?, threads: Vec::new() };
    if retention.limits_threads() && owners.is_none_or(|owners| !owners.is_empty()) {
        let owners = owners.map(|owners| owners.iter().copied());
        let rows = connection.rows(over_limit(namespace, retention, owners), until).await?;
        for row in &rows {
            let of = |column| number(row, column).map(i64::cast_unsigned);
            held.threads.push((number(row, 0)?, of(1)?, of(2)?));
        }
    }
    Ok(held)
}

/// Which appended entries others were told of.
#[derive(Default)]
pub(crate) struct Notices {
    last: Option<Instant>,
    untold: Option<i64>,
}

impl Notices {
    /// Whether what is appended now may come with a notice.
    pub(crate) fn is_due(&self) -> bool {
        self.last.is_none_or(|last| last.elapsed() >= NOTICE_REST)
    }

    pub(crate) fn appended(&mut self, last_id: i64, told: bool) {
        if told {
            *self = Self { last: Some(Instant::now()), untold: None };
        } else {
            self.untold = Some(last_id);
        }
    }

    fn take_untold(&mut self) -> Option<i64> {
        let untold = self.untold.take();
        if untold.is_some() {
            self.last = Some(Instant::now());
        }
        untold
    }
}

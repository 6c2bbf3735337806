//! Random histories that some order has to explain.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use threadkeep_core::{Archived, Error, Outcome, Store, Subject, ThreadId, WriteBatch};
use tokio::time::timeout;

use super::{Clock, handles, together};
use crate::cases::{Tier, group};
use crate::lab::{Failure, Lab, Verdict};
use crate::linear::plan::{Manner, Plan, Request, Step, plan};
use crate::linear::{History, When};

/// How many histories are played where nobody says otherwise.
const HISTORIES: u64 = 60;

group! { Tier::Interleaving;
    P_10: some_order_explains_every_answer,
}

async fn some_order_explains_every_answer(lab: &Lab) -> Verdict {
    let handles = handles(lab, 3).await?;
    for (number, seed) in (0..).zip(lab.setting().seeds(HISTORIES)) {
        let handles = &handles[..=number as usize % handles.len()];
        let history = play(plan(seed, number)?, handles);
        let verdict = match history.await {
            // The search has no await.
            Ok(history) => tokio::task::block_in_place(|| history.check()),
            Err(failure) => Err(failure),
        };
        verdict.map_err(|failure| failure.at_seed(seed))?;
    }
    Ok(())
}

/// Plays a plan and answers what was asked and answered.
async fn play(plan: Plan, handles: &[Arc<dyn Store>]) -> Verdict<History> {
    let plan = Arc::new(plan);
    let clock = Clock::default();
    let player = |task: usize| Player {
        task,
        plan: Arc::clone(&plan),
        clock: clock.clone(),
        store: Arc::clone(&handles[task % handles.len()]),
        other: Arc::clone(&handles[(task + 1) % handles.len()]),
        seen: BTreeMap::new(),
        history: History::default(),
        asked: 0,
    };
    let tasks = (0..plan.tasks.len()).map(|task| player(task).play());
    let mut history = History::default();
    for told in together(tasks).await? {
        history.merge(told);
    }
    // Every handle has to agree on what came of it.
    for task in 0..handles.len() {
        let mut reader = player(task);
        reader.rows().await?;
        for thread in plan.threads() {
            reader.tools(thread).await?;
        }
        history.merge(reader.history);
    }
    Ok(history)
}

/// What a batch was answered, and when.
type Answered = (When, Result<Vec<Outcome>, Error>);

/// A task that plays its part of a plan.
struct Player {
    task: usize,
    plan: Arc<Plan>,
    clock: Clock,
    store: Arc<dyn Store>,
    /// The handle that repeats what this one was told.
    other: Arc<dyn Store>,
    /// The revisions seen last.
    seen: BTreeMap<ThreadId, u64>,
    history: History,
    asked: usize,
}

impl Player {
    async fn play(mut self) -> Verdict<History> {
        let plan = Arc::clone(&self.plan);
        for Step { yields, request } in &plan.tasks[self.task] {
            if *yields {
                tokio::task::yield_now().await;
            }
            match request {
                Request::Rows => self.rows().await?,
                Request::Tools(number) => self.tools(plan.thread(*number)).await?,
                Request::List(archived) => self.list(*archived).await?,
                Request::Write(changes, manner) => {
                    self.asked += 1;
                    let unique = format!("{}.{}", self.task, self.asked);
                    let (words, batch) = plan.batch(changes, *manner, &unique, &self.seen)?;
                    Box::pin(self.hand_over(&words, batch, *manner)).await?;
                }
            }
        }
        Ok(self.history)
    }

    async fn hand_over(&mut self, words: &str, batch: WriteBatch, manner: Manner) -> Verdict {
        let (store, other) = (Arc::clone(&self.store), Arc::clone(&self.other));
        let first = self.write(store, &batch);
        match manner {
            Manner::Once => {
                let answer = first.await?;
                self.answered(words, &batch, answer)
            }
            Manner::Twice => {
                for answer in together([first, self.write(other, &batch)]).await? {
                    self.answered(words, &batch, answer)?;
                }
                Ok(())
            }
            Manner::GivenUp { after, repeated } => {
                let called = self.clock.now();
                if let Ok(answer) = timeout(Duration::from_millis(after), first).await {
                    self.answered(words, &batch, answer?)?;
                } else {
                    self.history.write(self.when(called), words, &batch, None)?;
                }
                if repeated {
                    let answer = self.write(other, &batch).await?;
                    self.answered(words, &batch, answer)?;
                }
                Ok(())
            }
        }
    }

    fn write(
        &self,
        store: Arc<dyn Store>,
        batch: &WriteBatch,
    ) -> impl Future<Output = Verdict<Answered>> + Send + use<> {
        let (task, clock, batch) = (self.task, self.clock.clone(), batch.clone());
        async move {
            let called = clock.now();
            let answer = store.write(batch).await;
            Ok((When { task, called, returned: clock.now() }, answer))
        }
    }

    fn answered(&mut self, words: &str, batch: &WriteBatch, (when, answer): Answered) -> Verdict {
        self.history.write(when, words, batch, Some(&answer))?;
        for ((change, _), outcome) in batch.changes().iter().zip(answer.iter().flatten()) {
            if let Subject::Thread(id) = change.subject() {
                self.seen.insert(id, outcome.revision);
            }
        }
        Ok(())
    }

    async fn rows(&mut self) -> Verdict {
        let ids = self.plan.threads();
        let called = self.clock.now();
        let rows = self.store.threads(ids.clone()).await?;
        let when = self.when(called);
        if rows.len() != ids.len() {
            return Err(Failure::new(format!("{} rows of {} threads", rows.len(), ids.len())));
        }
        for row in rows.iter().flatten() {
            self.seen.insert(row.id, row.revision);
        }
        self.history.rows(when, &ids, &rows);
        Ok(())
    }

    async fn tools(&mut self, thread: ThreadId) -> Verdict {
        let called = self.clock.now();
        let tools = self.store.dynamic_tools(thread).await?;
        self.history.tools(self.when(called), thread, tools);
        Ok(())
    }

    async fn list(&mut self, archived: Archived) -> Verdict {
        let query = self.plan.listing(archived);
        let called = self.clock.now();
        let page = self.store.list(query.clone()).await?;
        self.history.listed(self.when(called), &self.plan.threads(), &query, &page.items);
        Ok(())
    }

    fn when(&self, called: u64) -> When {
        When { task: self.task, called, returned: self.clock.now() }
    }
}

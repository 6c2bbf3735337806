//! An agent that keeps its logs in a store, for somebody to follow meanwhile.
//!
//! ```sh
//! cargo run -p threadkeep --example logging_agent --features tracing -- sqlite:/tmp/threads.db 30
//! threadkeep --store sqlite:/tmp/threads.db logs -f -p warn
//! ```

use std::time::{Duration, Instant};

use threadkeep::log_layer::LogLayer;
use threadkeep::{Error, ThreadId};
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The threads that the agent works on at once.
const THREADS: usize = 3;
/// How long each of its steps takes.
const STEP: Duration = Duration::from_millis(150);

/// Works on one thread until the time is over. Each line has the number of its step, so that
/// whoever follows sees whether one is missing or comes twice.
async fn work(until: Instant) -> u64 {
    let mut step = 0;
    while Instant::now() < until {
        step += 1;
        match step % 10 {
            0 => tracing::error!(step, command = "cargo test", code = 101, "the command failed"),
            3 | 6 => tracing::warn!(step, "the model answers slowly"),
            1 => tracing::debug!(step, "not kept: below the level"),
            _ => tracing::info!(step, tokens = 120 * step, "a turn is over"),
        }
        tokio::time::sleep(STEP).await;
    }
    step
}

#[tokio::main]
async fn main() -> threadkeep::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "memory:".into());
    let seconds = arguments.next().map_or(Ok(10), |seconds| {
        seconds.parse().map_err(|_| {
            Error::invalid_input(format!("{seconds:?} is no number of seconds"))
                .hint("give the URL of a store, then for how many seconds to work")
        })
    })?;

    let store = threadkeep::open(&url).await?;
    let (layer, guard) = LogLayer::builder(store.clone()).build()?;
    tracing_subscriber::registry().with(layer).init();

    let until = Instant::now() + Duration::from_secs(seconds);
    tracing::info!(threads = THREADS, "the agent starts");
    let agents: Vec<_> = (1..=THREADS)
        .map(|number| {
            // Whatever is logged inside is of this thread.
            let span = tracing::info_span!("agent", thread_id = %ThreadId::new(), number);
            tokio::spawn(work(until).instrument(span))
        })
        .collect();
    let mut steps = 0;
    for agent in agents {
        steps += agent.await.unwrap_or_default();
    }
    tracing::info!(steps, "the agent has finished");

    let counts = guard.close();
    println!("{steps} steps; {} entries kept, {} lost", counts.written, counts.dropped());
    store.close().await
}

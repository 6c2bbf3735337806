//! Benchmarks, printed as ratios against a peer measured in the same run.
//!
//! `cargo run --release -p threadkeep-bench -- all` runs them all; see `README.md` beside this
//! crate for what each measures and for figures.

mod entries;
mod home;
mod index;
mod list;
mod logs;
mod measure;
mod moving;
mod open;
mod postgres;
mod raw;
mod redb;
mod rows;
mod write;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about)]
struct Args {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Index a home, against only reading its bytes and counting lines
    Index {
        /// A Codex home; without one, a synthetic one is made
        #[arg(long)]
        home: Option<PathBuf>,
        /// Size of the synthetic home, in MB
        #[arg(long, default_value_t = 2_000)]
        megabytes: u64,
        /// Files of the synthetic home
        #[arg(long, default_value_t = 10_000)]
        files: u64,
    },
    /// List pages of 50 at 1,000 and at many threads, and against plain SQLite
    List {
        /// How many are many
        #[arg(long, default_value_t = 100_000)]
        threads: usize,
    },
    /// Write one-item batches from 16 tasks, against a pool that reads, changes and writes back
    Write {
        /// Writes of each task
        #[arg(long, default_value_t = 200)]
        writes: usize,
    },
    /// Open a store that is up to date
    Open {
        /// Threads in it
        #[arg(long, default_value_t = 100_000)]
        threads: usize,
    },
    /// redb: write one-item batches from 32 tasks, against a blocking transaction a call
    RedbWrite {
        /// Writes of each task
        #[arg(long, default_value_t = 100)]
        writes: u64,
    },
    /// redb: list pages of 50 at 1,000 and at many threads, and get threads by id
    RedbList {
        /// How many are many
        #[arg(long, default_value_t = 1_000_000)]
        threads: usize,
    },
    /// redb: append log entries in batches of 128
    RedbAppend {
        /// Entries
        #[arg(long, default_value_t = 1_000_000)]
        entries: u64,
    },
    /// redb: load logs under a cap, with segments as files and as tables of one file
    RedbCap {
        /// Bytes of texts to load, in MB
        #[arg(long, default_value_t = 1_000)]
        megabytes: u64,
        /// The cap, in MB
        #[arg(long, default_value_t = 100)]
        cap: u64,
    },
    /// redb: open a large store whose process was killed
    RedbReopen {
        /// Threads in it
        #[arg(long, default_value_t = 120_000)]
        threads: usize,
    },
    /// Part of `redb-reopen`: write to a store until killed
    #[command(hide = true)]
    RedbVictim {
        /// The store
        path: PathBuf,
    },
    /// Logs: bytes on disk, against one plain table
    LogsDisk {
        /// Entries
        #[arg(long, default_value_t = 1_000_000)]
        entries: u64,
    },
    /// Logs: append from eight tasks, against one plain table
    LogsAppend {
        /// Entries
        #[arg(long, default_value_t = 400_000)]
        entries: u64,
    },
    /// Logs: ask at 10,000 and at many entries
    LogsQuery {
        /// How many are many
        #[arg(long, default_value_t = 1_000_000)]
        entries: u64,
    },
    /// Logs: bytes written while as much goes as comes, against inserting and pruning at once
    LogsSteady {
        /// The cap, in MB
        #[arg(long, default_value_t = 32)]
        cap: u64,
    },
    /// Logs: what an event costs with the layer in front of a store
    LogsLayer {
        /// Events of each kind
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
    },
    /// Logs: many minutes under a cap
    LogsCap {
        /// For so long
        #[arg(long, default_value_t = 600)]
        seconds: u64,
        /// The cap, in MiB
        #[arg(long, default_value_t = 64)]
        cap: u64,
    },
    /// PostgreSQL: one-item batches from 64 tasks over 1 ms, against a transaction a call
    PostgresLatency {
        /// Seconds of each round
        #[arg(long, default_value_t = 4)]
        seconds: u64,
    },
    /// PostgreSQL: how often a call goes to the server and back
    PostgresRoundTrips,
    /// PostgreSQL: list pages of 50 at 1,000 and at many threads, and by a prepared statement
    PostgresList {
        /// How many are many
        #[arg(long, default_value_t = 1_000_000)]
        threads: usize,
    },
    /// PostgreSQL: load threads, against COPY of the same rows
    PostgresLoad {
        /// Threads
        #[arg(long, default_value_t = 500_000)]
        threads: usize,
        /// Threads of a batch
        #[arg(long, default_value_t = 5_000)]
        batch: usize,
        /// Times that all of it is done
        #[arg(long, default_value_t = 1)]
        rounds: usize,
    },
    /// PostgreSQL: append log entries from eight tasks, against one plain table
    PostgresAppend {
        /// Entries of a round
        #[arg(long, default_value_t = 400_000)]
        entries: u64,
    },
    /// Copy a store to redb, PostgreSQL, memory and back to SQLite
    CopyChain {
        /// Threads
        #[arg(long, default_value_t = 100_000)]
        threads: usize,
        /// Of these, threads with tools
        #[arg(long, default_value_t = 20_000)]
        tools: usize,
        /// Log entries
        #[arg(long, default_value_t = 1_000_000)]
        entries: usize,
    },
    /// Everything, with the defaults
    All,
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let index = Bench::Index { home: None, megabytes: 2_000, files: 10_000 };
    let benches = match Args::parse().bench {
        Bench::All => vec![
            index,
            Bench::List { threads: 100_000 },
            Bench::Write { writes: 200 },
            Bench::Open { threads: 100_000 },
            Bench::RedbWrite { writes: 100 },
            Bench::RedbList { threads: 1_000_000 },
            Bench::RedbAppend { entries: 1_000_000 },
            Bench::RedbCap { megabytes: 1_000, cap: 100 },
            Bench::RedbReopen { threads: 120_000 },
            Bench::LogsDisk { entries: 1_000_000 },
            Bench::LogsAppend { entries: 400_000 },
            Bench::LogsQuery { entries: 1_000_000 },
            Bench::LogsSteady { cap: 32 },
            Bench::LogsLayer { events: 1_000_000 },
            Bench::LogsCap { seconds: 600, cap: 64 },
            Bench::PostgresLatency { seconds: 4 },
            Bench::PostgresRoundTrips,
            Bench::PostgresList { threads: 1_000_000 },
            Bench::PostgresLoad { threads: 500_000, batch: 5_000, rounds: 1 },
            Bench::PostgresAppend { entries: 400_000 },
            Bench::CopyChain { threads: 100_000, tools: 20_000, entries: 1_000_000 },
        ],
        one => vec![one],
    };
    for bench in benches {
        runtime.block_on(async {
            match bench {
                Bench::Index { home, megabytes, files } => index::run(home, megabytes, files).await,
                Bench::List { threads } => list::run(threads).await,
                Bench::Write { writes } => write::run(writes).await,
                Bench::Open { threads } => open::run(threads).await,
                Bench::RedbWrite { writes } => redb::write::run(writes).await,
                Bench::RedbList { threads } => redb::list::run(threads).await,
                Bench::RedbAppend { entries } => redb::append::run(entries).await,
                Bench::RedbCap { megabytes, cap } => redb::cap::run(megabytes, cap).await,
                Bench::RedbReopen { threads } => redb::reopen::run(threads).await,
                Bench::RedbVictim { path } => redb::reopen::play_victim(&path).await,
                Bench::LogsDisk { entries } => logs::disk::run(entries).await,
                Bench::LogsAppend { entries } => logs::append::run(entries).await,
                Bench::LogsQuery { entries } => logs::query::run(entries).await,
                Bench::LogsSteady { cap } => logs::steady::run(cap).await,
                Bench::LogsLayer { events } => logs::layer::run(events),
                Bench::LogsCap { seconds, cap } => logs::cap::run(seconds, cap).await,
                Bench::PostgresLatency { seconds } => postgres::latency::run(seconds).await,
                Bench::PostgresRoundTrips => postgres::round_trips::run().await,
                Bench::PostgresList { threads } => postgres::list::run(threads).await,
                Bench::PostgresLoad { threads, batch, rounds } => {
                    postgres::load::run(threads, batch, rounds).await
                }
                Bench::PostgresAppend { entries } => postgres::append::run(entries).await,
                Bench::CopyChain { threads, tools, entries } => {
                    moving::run(threads, tools, entries).await
                }
                Bench::All => Ok(()),
            }
        })?;
    }
    Ok(())
}

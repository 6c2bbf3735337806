//! Writes numbers to a store for as long as it is let, whatever happens to its servers, and notes each
//! one that was acknowledged: `docs/ha/` counts by it what a failover costs.
//!
//! `steady_writer write URL WRITER FILE STOP` goes on until the file `STOP` is there;
//! `steady_writer present URL WRITER` prints the numbers that are stored.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use threadkeep_core::{BatchId, Change, Error, ErrorKind, Result, ThreadStore as _, WriteBatch};
use threadkeep_postgres::PostgresStore;

/// Between two writes, so that what is measured is the failover and not the load.
const PAUSE: Duration = Duration::from_millis(20);
/// Before a failed write is repeated.
const REST: Duration = Duration::from_millis(250);
const PAGE: usize = 10_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["write", url, writer, file, stop] => write(url, writer, file, Path::new(stop)).await,
        ["present", url, writer] => present(url, writer).await,
        _ => Err(Error::invalid_input("wrong arguments")
            .hint("steady_writer write URL WRITER FILE STOP, or present URL WRITER")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn write(url: &str, writer: &str, file: &str, stop: &Path) -> Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(file).map_err(io)?;
    let mut store = None;
    let mut number = 1_u64;
    // The same name over all tries: it is applied once.
    let mut name = BatchId::new();
    while !stop.exists() {
        let store = match &store {
            Some(store) => store,
            None => match PostgresStore::open(url).await {
                Ok(opened) => store.insert(opened),
                Err(error) => {
                    eprintln!("{error}");
                    tokio::time::sleep(REST).await;
                    continue;
                }
            },
        };
        let (key, value) = (format!("ha/{writer}/{number:012}"), Some(String::new()));
        let batch = WriteBatch::from(Change::SetCheckpoint { key, value }).with_id(name);
        match store.write(batch).await {
            Ok(_) => {
                note(&mut file, number)?;
                number += 1;
                name = BatchId::new();
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                eprintln!("{number}: {:?}: {error}", error.outcome());
                tokio::time::sleep(REST).await;
            }
        }
    }
    Ok(())
}

/// "MICROSECONDS NUMBER", at once.
fn note(file: &mut File, number: u64) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    writeln!(file, "{now} {number}").map_err(io)
}

async fn present(url: &str, writer: &str) -> Result<()> {
    // Only the primary is sure to have everything.
    let store = PostgresStore::open(url).await?;
    let prefix = format!("ha/{writer}/");
    let mut after = None;
    loop {
        let page = store.checkpoints(prefix.clone(), after, PAGE).await?;
        let is_last = page.len() < PAGE;
        for checkpoint in &page {
            println!("{}", checkpoint.key[prefix.len()..].trim_start_matches('0'));
        }
        after = page.last().map(|checkpoint| checkpoint.key.clone());
        if is_last {
            return Ok(());
        }
    }
}

fn io(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot write to the file of what was acknowledged")
        .with_source(error)
}

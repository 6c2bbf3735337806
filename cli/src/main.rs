//! The program `threadkeep`: indexes a Codex home, lists, shows and keeps its threads.

mod app;
mod args;
mod commands;
mod exit;
mod home;
mod ids;
mod interrupt;
mod output;
mod report;
mod when;

use std::future::pending;
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser as _;
use futures_util::future::{Either, select};
use threadkeep::{Error, ErrorKind};

use app::App;
use args::{Args, Command};
use exit::Failure;
use output::{Output, text};

/// How long a store may take to let go of its files.
const CLOSING: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return report::usage(&error),
    };
    args.global.color.write_global();
    let output = Output::new(args.global.json, args.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = Error::new(ErrorKind::Io, "no threads to work with").with_source(error);
            return report::failed(&error.into(), &output);
        }
    };
    let code = runtime.block_on(run(App::new(args.global, output), args.command));
    // A thread that still waits for an answer on the terminal must not keep the program alive.
    runtime.shutdown_background();
    code
}

/// Runs a command until it ends or is interrupted, and closes the store either way.
async fn run(mut app: App, command: Command) -> ExitCode {
    let start = Instant::now();
    let opened = app.opened();
    let interrupt = app.interrupt();
    let result = {
        let mut work = pin!(commands::run(&mut app, command));
        loop {
            match select(work.as_mut(), pin!(interrupted())).await {
                Either::Left((result, _)) => break result,
                Either::Right(_) if interrupt.pass_on() => {}
                Either::Right(_) => break Err(Failure::Interrupted),
            }
        }
    };
    let result = result.and_then(|done| Ok(app.output.finish().map(|()| done)?));
    let closed = match opened.get() {
        Some(store) => tokio::time::timeout(CLOSING, store.close()).await.unwrap_or(Ok(())),
        None => Ok(()),
    };
    app.output.detail(format_args!("ended after {}", text::duration(start.elapsed())));
    match result.and_then(|done| closed.map(|()| done).map_err(Failure::from)) {
        Ok(done) => done.code(),
        Err(failure) => report::failed(&failure, &app.output),
    }
}

/// Ends when the person at the terminal presses Ctrl-C.
async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler the system ends the program on its own.
        pending::<()>().await;
    }
}

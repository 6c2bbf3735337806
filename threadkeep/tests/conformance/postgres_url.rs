//! The conformance suite on this store, by this way.

mod through;

use std::process::ExitCode;

use through::{Backend, Way};

fn main() -> ExitCode {
    threadkeep_test_server::with_server(|| through::run(Backend::Postgres, Way::Url))
}

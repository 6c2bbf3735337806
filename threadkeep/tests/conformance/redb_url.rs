//! The conformance suite on this store, by this way.

mod through;

use std::process::ExitCode;

use through::{Backend, Way};

fn main() -> ExitCode {
    through::run(Backend::Redb, Way::Url)
}

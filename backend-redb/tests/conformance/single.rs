//! The conformance suite on redb with `sharing=single`.

mod fixture;

use std::process::ExitCode;

use threadkeep_redb::Sharing;

use crate::fixture::Redb;

fn main() -> ExitCode {
    threadkeep_conformance::run(Redb { name: "redb single", sharing: Sharing::Single })
}

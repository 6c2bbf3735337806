//! The conformance suite on redb with `sharing=exclusive`.

mod fixture;

use std::process::ExitCode;

use threadkeep_redb::Sharing;

use crate::fixture::Redb;

fn main() -> ExitCode {
    threadkeep_conformance::run(Redb { name: "redb exclusive", sharing: Sharing::Exclusive })
}

//! One readable example for each rule of the contract.

mod archive;
mod batches;
mod checkpoints;
mod damage;
mod deletes;
mod filters;
mod histories;
mod items;
mod lifecycle;
mod limits;
mod lists;
mod log_filters;
mod logs;
mod names;
mod pages;
mod say;
mod search;
mod threads;
mod tools;
mod values;

use super::Case;
use crate::fixture::Need;

pub(crate) fn all() -> Vec<Case> {
    [
        threads::cases(),
        values::cases(),
        limits::cases(),
        lists::cases(),
        filters::cases(),
        search::cases(),
        pages::cases(),
        items::cases(),
        histories::cases(),
        tools::cases(),
        archive::cases(),
        names::cases(),
        deletes::cases(),
        batches::cases(),
        checkpoints::cases(),
        logs::cases(),
        log_filters::cases(),
        lifecycle::cases(),
        damage::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

const PERSISTENT: Need = Need::Backend(threadkeep_core::Capability::Persistent);
const MULTI_PROCESS: Need = Need::Backend(threadkeep_core::Capability::MultiProcess);

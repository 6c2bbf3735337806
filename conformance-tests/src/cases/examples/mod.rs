//! One readable example for each rule of the contract.

mod archive;
mod batches;
mod changes;
mod checkpoints;
mod conflicts;
mod copies;
mod damage;
mod deleted;
mod deletes;
pub(in crate::cases) mod entries;
mod errors;
mod filters;
pub(in crate::cases) mod follow;
mod histories;
mod history;
mod items;
mod keeping;
mod lifecycle;
mod limits;
mod lists;
mod log_filters;
mod log_sizes;
mod logs;
mod moving;
mod names;
mod pages;
mod read_only;
mod retention;
mod rollout_forms;
mod rollout_laws;
mod rollout_lines;
mod rollout_names;
mod rollout_words;
pub(in crate::cases) mod say;
mod search;
pub(in crate::cases) mod spoiled;
mod threads;
mod tools;
mod values;

use super::{Case, MULTI_PROCESS, PERSISTENT};
use crate::fixture::Need;

const BACKUP: Need = Need::Backend(threadkeep_core::Capability::Backup);

pub(crate) fn all() -> Vec<Case> {
    [
        threads::cases(),
        values::cases(),
        limits::cases(),
        lists::cases(),
        filters::cases(),
        search::cases(),
        pages::cases(),
        rollout_names::cases(),
        rollout_forms::cases(),
        rollout_lines::cases(),
        rollout_words::cases(),
        rollout_laws::cases(),
        items::cases(),
        histories::cases(),
        tools::cases(),
        archive::cases(),
        names::cases(),
        deletes::cases(),
        batches::cases(),
        checkpoints::cases(),
        logs::cases(),
        log_sizes::cases(),
        log_filters::cases(),
        retention::cases(),
        deleted::cases(),
        keeping::cases(),
        changes::cases(),
        follow::cases(),
        read_only::cases(),
        spoiled::cases(),
        lifecycle::cases(),
        damage::cases(),
        copies::cases(),
        moving::cases(),
        conflicts::cases(),
        errors::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

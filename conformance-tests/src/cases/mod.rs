//! The cases, a folder or a file a tier.

mod examples;
mod faults;
mod interleaving;
mod kill;
mod laws;
mod power;
mod processes;
mod runtime;

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use threadkeep_core::Capability;

use crate::fixture::Need;
use crate::lab::Verdict;
use crate::model;
use crate::role::Role;
use crate::rules::Rule;
use crate::setting::Setting;

/// What kind of proof a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Tier {
    /// One readable example for each rule.
    Examples,
    /// Random operations, answered by the backend and by a naive model alike.
    Model,
    /// What must come out the same by two ways.
    Laws,
    /// Tasks and handles at once, whose answers some order must explain.
    Interleaving,
    /// Several processes on one store.
    Processes,
    /// Processes killed at any moment.
    Kill,
    /// The machine's power cut at any moment.
    Power,
    /// A disk that fails at any call, is full at any byte, and loses its power at any moment.
    Faults,
    /// What the store does to the runtime it is called on.
    Runtime,
}

/// The backend keeps what it was given, whoever opens it next.
const PERSISTENT: Need = Need::Backend(Capability::Persistent);
/// Several processes may have it open.
const MULTI_PROCESS: Need = Need::Backend(Capability::MultiProcess);

/// A proof of one rule.
pub(crate) struct Case {
    pub(crate) tier: Tier,
    pub(crate) rule: Rule,
    /// What it shows; the last part of its whole name.
    pub(crate) name: &'static str,
    /// What it cannot do without.
    pub(crate) needs: &'static [Need],
    pub(crate) run: fn(&Setting) -> Verdict,
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    [
        examples::all(),
        model::cases(),
        laws::cases(),
        interleaving::cases(),
        processes::cases(),
        kill::cases(),
        power::cases(),
        faults::cases(),
        runtime::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The parts that other processes play in some of them.
pub(crate) fn roles() -> Vec<Role> {
    [
        laws::roles(),
        interleaving::roles(),
        processes::roles(),
        kill::roles(),
        power::roles(),
        runtime::roles(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl fmt::Display for Case {
    /// The name a test has: tier, rule and case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}::{}::{}", self.tier, self.rule.id, self.name)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Examples => "examples",
            Self::Model => "model",
            Self::Laws => "laws",
            Self::Interleaving => "interleaving",
            Self::Processes => "processes",
            Self::Kill => "kill",
            Self::Power => "power",
            Self::Faults => "faults",
            Self::Runtime => "runtime",
        })
    }
}

/// Makes the `cases` of a module from its functions: of each the rule it proves, its name, and what
/// it needs. An `async` case is given a [`Lab`](crate::lab::Lab), any other, after the word `sync`,
/// the [`Setting`] to make its own.
macro_rules! group {
    (sync $tier:expr; $($rule:ident: $case:ident $([$($need:expr),+])?),+ $(,)?) => {
        pub(crate) fn cases() -> Vec<crate::cases::Case> {
            vec![$(crate::cases::Case {
                tier: $tier,
                rule: crate::rules::$rule,
                name: stringify!($case),
                needs: &[$($($need),+)?],
                run: $case,
            }),+]
        }
    };
    ($tier:expr; $($rule:ident: $case:ident $([$($need:expr),+])?),+ $(,)?) => {
        pub(crate) fn cases() -> Vec<crate::cases::Case> {
            vec![$(crate::cases::Case {
                tier: $tier,
                rule: crate::rules::$rule,
                name: stringify!($case),
                needs: &[$($($need),+)?],
                run: |setting| crate::lab::run_case(setting, |lab| Box::pin($case(lab))),
            }),+]
        }
    };
}

pub(crate) use group;

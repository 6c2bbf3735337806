//! The rules of the contract, each a constant named like its id.

/// A rule of `CONTRACT.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// Such as `T-07`; never given to another rule.
    pub(crate) id: &'static str,
    /// What holds.
    pub(crate) sentence: &'static str,
    /// Why it matters.
    pub(crate) reason: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/rules.rs"));

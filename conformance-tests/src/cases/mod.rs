//! The cases that are written down one by one, a folder a tier.

mod examples;

use std::future::Future;
use std::pin::Pin;

use crate::fixture::Need;
use crate::lab::{Lab, Verdict};

/// A named case.
pub(crate) struct Case {
    /// Tier, group and rule.
    pub(crate) name: &'static str,
    /// What it cannot do without.
    pub(crate) needs: &'static [Need],
    pub(crate) run: for<'a> fn(&'a Lab) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>,
}

/// Every case.
pub(crate) fn all() -> Vec<Case> {
    examples::all()
}

/// Makes the `cases` of a module from its functions, each with what it needs.
macro_rules! group {
    ($name:literal: $($case:ident $([$($need:expr),+])?),+ $(,)?) => {
        pub(crate) fn cases() -> Vec<crate::cases::Case> {
            vec![$(crate::cases::Case {
                name: concat!($name, "::", stringify!($case)),
                needs: &[$($($need),+)?],
                run: |lab| Box::pin($case(lab)),
            }),+]
        }
    };
}

use group;

//! What a test counted, in one line and one for each kind of error.

use super::verdict::Verdict;

/// Prints what a test counted: `what` is its own numbers.
pub(crate) fn say(test: &str, what: &str, verdict: &Verdict) {
    println!(
        "{test}: {what}; acknowledged {}, lost {}, doubled {}, not acknowledged and there {}",
        verdict.acknowledged,
        verdict.lost.len(),
        verdict.doubled.len(),
        verdict.there_all_the_same,
    );
    for (error, count) in &verdict.errors {
        println!("{test}: {count} × {error}, such as {}", verdict.examples[error]);
    }
}

//! Which calls the layer is there for.

use tracing_core::{LevelFilter, Metadata, subscriber::Interest};
use tracing_subscriber::layer::{Context, Filter};

use crate::fields::THREAD_ID;

/// What the layer admits: events and spans at its level or graver, but none of what a store does
/// to keep them.
///
/// It is a filter of this layer alone. Other layers see what they ask for, and a filter around all
/// of them, or around this one, narrows what comes here. A span that names a thread is admitted
/// at every level, so that the entries inside are known to be of that thread.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub(crate) level: LevelFilter,
    pub(crate) excluded: Vec<String>,
}

impl Admitted {
    fn admits(&self, metadata: &Metadata<'_>) -> bool {
        if self.level == LevelFilter::OFF || self.excludes(metadata.target()) {
            return false;
        }
        *metadata.level() <= self.level
            || (metadata.is_span() && metadata.fields().field(THREAD_ID).is_some())
    }

    /// Whether what has this target comes from a store, or was excluded by name.
    pub(crate) fn excludes(&self, target: &str) -> bool {
        is_of_a_store(target) || self.excluded.iter().any(|excluded| is_within(target, excluded))
    }
}

/// What stores, the engines underneath and the hooks around them trace.
fn is_of_a_store(target: &str) -> bool {
    let root = target.split("::").next().unwrap_or_default();
    matches!(root, "sqlx" | "redb")
        || root.starts_with("sqlx_")
        || root.starts_with("threadkeep_")
        || is_within(target, "threadkeep::store")
}

fn is_within(target: &str, module: &str) -> bool {
    target.strip_prefix(module).is_some_and(|below| below.is_empty() || below.starts_with("::"))
}

impl<S> Filter<S> for Admitted {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.admits(metadata)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Nothing but the call itself decides, so that the answer is remembered there.
        if self.admits(metadata) { Interest::always() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        // Spans that name a thread may be of any level.
        Some(if self.level == LevelFilter::OFF { LevelFilter::OFF } else { LevelFilter::TRACE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_does_is_excluded_with_its_modules() {
        let filter = Admitted { level: LevelFilter::INFO, excluded: vec!["mine::net".into()] };
        for target in [
            "sqlx",
            "sqlx::query",
            "sqlx_core::pool",
            "redb::db",
            "threadkeep_sqlite::threads",
            "threadkeep_tracing",
            "threadkeep::store",
            "mine::net",
            "mine::net::tls",
        ] {
            assert!(filter.excludes(target), "{target}");
        }
        for target in ["", "sqlxx", "threadkeep::runtime", "threadkeeper", "mine", "mine::network"]
        {
            assert!(!filter.excludes(target), "{target}");
        }
    }
}

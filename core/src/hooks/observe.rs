//! Hooks that watch.

use std::time::Duration;

use super::{Call, Hook};
use crate::{Error, Result};

/// Reports every call to [`tracing`], target `threadkeep::store`: a failure as a warning,
/// anything else at level trace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace;

impl Hook for Trace {
    fn after(&self, call: &Call, took: Duration, error: Option<&Error>) -> Result<()> {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let Call { operation, items, .. } = *call;
        match error {
            None => {
                tracing::trace!(target: "threadkeep::store", operation, items, micros, "done");
            }
            Some(error) => tracing::warn!(
                target: "threadkeep::store", operation, items, micros, %error, "failed"
            ),
        }
        Ok(())
    }
}

/// Counts and times every call through [`metrics`].
///
/// | name | kind | labels |
/// |---|---|---|
/// | `threadkeep_calls_total` | counter | `operation` |
/// | `threadkeep_errors_total` | counter | `operation`, `kind` |
/// | `threadkeep_call_seconds` | histogram | `operation` |
#[derive(Clone, Copy, Debug, Default)]
pub struct Metrics;

impl Hook for Metrics {
    fn after(&self, call: &Call, took: Duration, error: Option<&Error>) -> Result<()> {
        let operation = call.operation;
        metrics::counter!("threadkeep_calls_total", "operation" => operation).increment(1);
        metrics::histogram!("threadkeep_call_seconds", "operation" => operation).record(took);
        if let Some(error) = error {
            let kind = error.kind().as_str();
            metrics::counter!("threadkeep_errors_total", "operation" => operation, "kind" => kind)
                .increment(1);
        }
        Ok(())
    }
}

//! What may be done with a store of some format.

use threadkeep_core::{Error, ErrorKind, Result};

/// One step of a stored format; `S` says what it does in the words of the engine.
#[derive(Clone, Copy, Debug)]
pub struct Migration<S: 'static = &'static str> {
    /// Its number: date and time, `YYYYMMDDhhmmss`.
    pub version: u64,
    /// What it does: SQL, where the engine knows it.
    pub step: S,
    /// The oldest format whose readers understand a store after this step.
    pub min_reader: u64,
    /// The oldest format whose writers may write to a store after this step.
    pub min_writer: u64,
}

/// What a store says of its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// The number of the last step.
    pub schema: u64,
    /// The oldest format whose readers understand it.
    pub min_reader: u64,
    /// The oldest format whose writers may write to it.
    pub min_writer: u64,
}

/// What is to be done on opening.
#[derive(Clone, Copy, Debug)]
pub enum Plan<S: 'static = &'static str> {
    /// Nothing: read and write.
    Ready,
    /// Nothing: a newer version wrote it, and allows reading only.
    ReadOnly,
    /// These steps, in order, in one transaction.
    Upgrade(&'static [Migration<S>]),
}

/// Decides what to do with a store, given all steps this version knows, in order; `None` is a
/// store still empty.
///
/// # Errors
///
/// [`SchemaTooNew`](ErrorKind::SchemaTooNew) where this version cannot read it.
pub fn plan<S>(found: Option<Meta>, known: &'static [Migration<S>]) -> Result<Plan<S>> {
    let newest = known.last().map_or(0, |step| step.version);
    let Some(meta) = found else {
        return Ok(Plan::Upgrade(known));
    };
    if meta.min_reader > newest {
        return Err(Error::new(
            ErrorKind::SchemaTooNew,
            format!(
                "the store has format {}, which needs a reader of {} or newer; this one is {newest}",
                meta.schema, meta.min_reader
            ),
        )
        .hint("use the version of threadkeep that wrote it, or a newer one"));
    }
    if meta.min_writer > newest {
        return Ok(Plan::ReadOnly);
    }
    let pending = known.partition_point(|step| step.version <= meta.schema);
    Ok(if pending == known.len() { Plan::Ready } else { Plan::Upgrade(&known[pending..]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &[Migration] = &[
        Migration { version: 10, step: "", min_reader: 10, min_writer: 10 },
        Migration { version: 20, step: "", min_reader: 10, min_writer: 20 },
    ];

    fn meta(schema: u64, min_reader: u64, min_writer: u64) -> Meta {
        Meta { schema, min_reader, min_writer }
    }

    #[test]
    fn pending_steps_follow_the_stored_format() {
        for (found, steps) in [(None, 2), (Some(meta(10, 10, 10)), 1)] {
            let planned = plan(found, STEPS).unwrap();
            assert!(matches!(planned, Plan::Upgrade(pending) if pending.len() == steps));
        }
        assert!(matches!(plan(Some(meta(20, 10, 20)), STEPS).unwrap(), Plan::Ready));
    }

    #[test]
    fn newer_stores_are_opened_as_far_as_they_allow() {
        assert!(matches!(plan(Some(meta(30, 20, 20)), STEPS).unwrap(), Plan::Ready));
        assert!(matches!(plan(Some(meta(30, 20, 30)), STEPS).unwrap(), Plan::ReadOnly));
        let error = plan(Some(meta(30, 30, 30)), STEPS).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SchemaTooNew);
    }
}

//! Named batches: what they were answered, so that a repeated one is answered alike.

use threadkeep_core::{Effect, Outcome};

use crate::errors::Failed;
use crate::sql::Sql;

/// Named batches of a namespace that are remembered.
const REMEMBERED: i64 = 10_000;
/// Of those beyond it, so many are forgotten at once.
const STEP: i64 = 2_000;

/// Outcomes as they are stored: for each the effect's code and the revision.
pub(crate) fn encode(outcomes: &[Outcome]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(outcomes.len() * 9);
    for outcome in outcomes {
        bytes.push(outcome.effect.code());
        bytes.extend(outcome.revision.to_be_bytes());
    }
    bytes
}

/// Outcomes from the hexadecimal form of what is stored.
pub(crate) fn decode(hex: &str) -> Result<Vec<Outcome>, Failed> {
    let wrong = || Failed::decode("outcomes of a batch are not readable");
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>().ok_or_else(wrong)?;
    let (outcomes, cut) = bytes.as_chunks::<9>();
    if !rest.is_empty() || !cut.is_empty() {
        return Err(wrong());
    }
    let outcome = |&[code, revision @ ..]: &[u8; 9]| {
        let effect = Effect::from_code(code).map_err(|_| wrong())?;
        Ok(Outcome { effect, revision: u64::from_be_bytes(revision) })
    };
    outcomes.iter().map(outcome).collect()
}

/// Forgets some of the oldest batches of a namespace beyond those that are remembered, but not
/// those that another handle is about to forget. Answers a row for each.
pub(crate) fn forget(namespace: &str) -> Sql {
    Sql::new(
        "DELETE FROM threadkeep.batches WHERE namespace = ? AND seq IN (
             SELECT seq FROM threadkeep.batches WHERE namespace = ? AND seq <= (
                 SELECT seq FROM threadkeep.batches WHERE namespace = ?
                 ORDER BY seq DESC OFFSET ? LIMIT 1)
             ORDER BY seq LIMIT ? FOR UPDATE SKIP LOCKED)
         RETURNING 1",
    )
    .text(namespace)
    .text(namespace)
    .text(namespace)
    .number(REMEMBERED)
    .number(STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_are_read_back() {
        let outcomes = vec![
            Outcome { effect: Effect::Created, revision: 1 },
            Outcome { effect: Effect::Deleted, revision: u64::MAX },
        ];
        let hex = "01000000000000000104ffffffffffffffff";
        assert_eq!(encode(&outcomes)[..9], [1, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(encode(&outcomes)[9..], [4, 255, 255, 255, 255, 255, 255, 255, 255]);
        assert_eq!(decode(hex).unwrap(), outcomes);
        assert_eq!(decode("").unwrap(), []);
        for wrong in [&hex[1..], &hex[2..], "zz", "00"] {
            assert!(decode(wrong).is_err(), "{wrong}");
        }
    }
}

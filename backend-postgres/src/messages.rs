//! Statements packed into as few round trips as they fit.

use crate::sql::Sql;

/// Bytes of text in one statement, about. The server keeps the rows of a statement in memory up to its
/// `work_mem`, 4 MB where nobody says otherwise, and beyond it in a file, which takes a third longer.
const STATEMENT: usize = 2 << 20;
/// Bytes of text in one round trip, about. The server takes 1 GiB, and needs several times as much
/// memory.
const MESSAGE: usize = 32 << 20;

/// What is sent, in one round trip each: nearly always there is one.
#[derive(Default)]
pub(crate) struct Messages(Vec<Sql>);

impl Messages {
    pub(crate) fn push(&mut self, statement: Sql) {
        match self.0.pop() {
            Some(last) if last.len() + statement.len() <= MESSAGE => {
                self.0.push(last.and(statement));
            }
            full => self.0.extend(full.into_iter().chain([statement])),
        }
    }

    /// A statement for all rows of a kind, or several where they are large; none for no rows.
    pub(crate) fn push_rows<T>(
        &mut self,
        rows: &[T],
        bytes: impl Fn(&T) -> usize,
        statement: impl Fn(&[T]) -> Sql,
    ) {
        let mut rest = rows;
        while !rest.is_empty() {
            let mut sum = 0;
            let fitting = rest.iter().take_while(|row| {
                sum += bytes(row);
                sum <= STATEMENT
            });
            let (now, later) = rest.split_at(fitting.count().max(1));
            self.push(statement(now));
            rest = later;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Sql::len).sum()
    }

    /// Ends with this statement. Answers all but the last message, and the last.
    pub(crate) fn end(mut self, statement: Sql) -> (Vec<Sql>, Sql) {
        let last = match self.0.pop() {
            Some(last) => last.and(statement),
            None => statement,
        };
        (self.0, last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rows_are_parted() {
        let mut messages = Messages::default();
        let parted = std::cell::RefCell::new(Vec::new());
        let sizes = [1, STATEMENT - 1, 1, STATEMENT * 2, 5];
        messages.push_rows(
            &sizes,
            |size| *size,
            |rows| {
                parted.borrow_mut().push(rows.len());
                Sql::new("SELECT ?").number(1)
            },
        );
        assert_eq!(*parted.borrow(), [2, 1, 1, 1]);
        let (before, last) = messages.end(Sql::new("COMMIT"));
        assert!(before.is_empty());
        assert_eq!(last.finish(), "SELECT (1); SELECT (1); SELECT (1); SELECT (1); COMMIT");
    }

    #[test]
    fn a_long_text_takes_several_round_trips() {
        let mut messages = Messages::default();
        let long = "x".repeat(MESSAGE / 2);
        for _ in 0..3 {
            messages.push(Sql::new("SELECT ?").text(&long));
        }
        let (before, last) = messages.end(Sql::new("COMMIT"));
        assert_eq!(before.len(), 2);
        assert!(last.finish().ends_with("; COMMIT"));
    }
}

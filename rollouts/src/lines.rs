//! The lines of a text, in constant memory.

use std::io::{ErrorKind, Read, Result};

use memchr::memchr;

use crate::MAX_LINE_BYTES;

/// Small enough to stay in the cache while a line is looked at several times.
const USUAL_BYTES: usize = 256 * 1024;

/// A buffer for lines, kept from file to file.
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    pub(crate) fn new() -> Self {
        Self(vec![0; USUAL_BYTES])
    }

    /// Gives back what an unusually long line needed.
    fn shrink(&mut self) {
        if self.0.len() > USUAL_BYTES {
            self.0 = vec![0; USUAL_BYTES];
        }
    }
}

/// The lines of a source, one at a time.
pub(crate) struct Lines<'a, R> {
    source: R,
    buffer: &'a mut Buffer,
    /// What was read and not yet given out lies in `start..end` of the buffer.
    start: usize,
    end: usize,
    /// How much of that is known to hold no line end.
    searched: usize,
    /// Where in the text `start` is.
    offset: u64,
    at_end: bool,
}

/// One line.
pub(crate) struct Line<'a> {
    /// Where it begins in the text, in bytes.
    pub(crate) at: u64,
    /// Where the next one begins.
    pub(crate) end: u64,
    /// Its bytes with its line end; `None` where it is longer than [`MAX_LINE_BYTES`].
    pub(crate) text: Option<&'a [u8]>,
    /// Whether it has a line end.
    pub(crate) is_complete: bool,
}

impl<'a, R: Read> Lines<'a, R> {
    /// The lines of a source whose first byte is the byte `offset` of the text.
    pub(crate) fn new(source: R, offset: u64, buffer: &'a mut Buffer) -> Self {
        Self { source, buffer, start: 0, end: 0, searched: 0, offset, at_end: false }
    }

    /// The next line; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Line<'_>>> {
        let mut passed = 0;
        loop {
            let unread = &self.buffer.0[self.start..self.end];
            let found = memchr(b'\n', &unread[self.searched..]);
            if let Some(found) = found {
                let length = self.searched + found + 1;
                return Ok(Some(self.take(length, passed, true)));
            }
            let length = unread.len();
            self.searched = length;
            if self.at_end {
                let is_rest = length > 0 || passed > 0;
                return Ok(is_rest.then(|| self.take(length, passed, false)));
            }
            if length >= MAX_LINE_BYTES || passed > 0 {
                self.take(length, 0, false);
                passed += length as u64;
            }
            self.fill()?;
        }
    }

    /// Gives out the next `length` bytes, the end of a line of which `passed` bytes are gone.
    fn take(&mut self, length: usize, passed: u64, is_complete: bool) -> Line<'_> {
        let start = self.start;
        let at = self.offset - passed;
        self.start += length;
        self.offset += length as u64;
        self.searched = 0;
        let text = (passed == 0).then(|| &self.buffer.0[start..start + length]);
        Line { at, end: self.offset, text, is_complete }
    }

    fn fill(&mut self) -> Result<()> {
        if self.start > 0 {
            self.buffer.0.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let size = self.buffer.0.len();
        if self.end == size {
            self.buffer.0.resize((size * 2).min(MAX_LINE_BYTES), 0);
        }
        loop {
            match self.source.read(&mut self.buffer.0[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(bytes) => self.end += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
    }
}

impl<R> Drop for Lines<'_, R> {
    fn drop(&mut self) {
        self.buffer.shrink();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], offset: u64) -> Vec<(u64, u64, Option<usize>, bool)> {
        let mut buffer = Buffer::new();
        let mut lines = Lines::new(text, offset, &mut buffer);
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.at, line.end, line.text.map(<[u8]>::len), line.is_complete));
        }
        found
    }

    #[test]
    fn lines_know_where_they_are() {
        assert_eq!(read(b"", 0), []);
        let lines = [(7, 10, Some(3), true), (10, 11, Some(1), true), (11, 12, Some(1), false)];
        assert_eq!(read(b"ab\n\nc", 7), lines);
    }

    #[test]
    fn a_line_too_long_is_passed_over() {
        let long = MAX_LINE_BYTES as u64;
        for more in [0, 1, 5, long] {
            let mut text = vec![b'x'; usize::try_from(long + more).unwrap()];
            text.extend(b"\nab\n");
            let end = long + more + 1;
            assert_eq!(read(&text, 0), [(0, end, None, true), (end, end + 3, Some(3), true)]);
            text.truncate(usize::try_from(long + more).unwrap());
            assert_eq!(read(&text, 0).last(), Some(&(0, long + more, None, false)));
        }
        let mut text = vec![b'x'; MAX_LINE_BYTES - 1];
        text.push(b'\n');
        assert_eq!(read(&text, 0), [(0, long, Some(MAX_LINE_BYTES), true)]);
    }
}

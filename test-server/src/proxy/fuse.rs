//! A cut that was asked for and happens once, at a chosen point.

/// Where the cut happens, counted down as things pass.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Fuse {
    #[default]
    None,
    /// After so many more bytes to the server.
    Bytes(u64),
    /// Instead of the answer to a request so many requests on.
    Requests(u64),
    /// Instead of the answer to a request with these bytes.
    Words(Vec<u8>),
}

/// What becomes of bytes on their way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Pass,
    /// The first so many pass, then the connection is cut.
    PassThenCut(usize),
    /// They pass, and the connection is cut when they are answered.
    CutBeforeReply,
}

impl Fuse {
    /// Counts `bytes` in; the verdict other than [`Verdict::Pass`] is given once.
    pub(super) fn judge(&mut self, bytes: &[u8], new_request: bool) -> Verdict {
        let verdict = match self {
            Self::Bytes(left) => match usize::try_from(*left) {
                Ok(left) if left <= bytes.len() => Verdict::PassThenCut(left),
                _ => {
                    *left -= bytes.len() as u64;
                    Verdict::Pass
                }
            },
            Self::Requests(1) if new_request => Verdict::CutBeforeReply,
            Self::Requests(left) => {
                *left -= u64::from(new_request);
                Verdict::Pass
            }
            Self::Words(words) if contains(bytes, words) => Verdict::CutBeforeReply,
            Self::None | Self::Words(_) => Verdict::Pass,
        };
        if verdict != Verdict::Pass {
            *self = Self::None;
        }
        verdict
    }
}

fn contains(bytes: &[u8], words: &[u8]) -> bool {
    words.is_empty() || bytes.windows(words.len()).any(|part| part == words)
}

#[cfg(test)]
mod tests {
    use super::{Fuse, Verdict};

    #[test]
    fn bytes_are_counted_over_pieces() {
        let mut fuse = Fuse::Bytes(5);
        assert_eq!(fuse.judge(b"abc", true), Verdict::Pass);
        assert_eq!(fuse.judge(b"def", false), Verdict::PassThenCut(2));
        assert_eq!(fuse.judge(b"ghi", true), Verdict::Pass);
    }

    #[test]
    fn requests_are_counted_by_their_first_piece() {
        let mut fuse = Fuse::Requests(2);
        assert_eq!(fuse.judge(b"a", true), Verdict::Pass);
        assert_eq!(fuse.judge(b"b", false), Verdict::Pass);
        assert_eq!(fuse.judge(b"c", true), Verdict::CutBeforeReply);
        assert_eq!(fuse.judge(b"d", true), Verdict::Pass);
    }

    #[test]
    fn words_are_looked_for() {
        let mut fuse = Fuse::Words(b"COMMIT".to_vec());
        assert_eq!(fuse.judge(b"Q\0BEGIN\0", true), Verdict::Pass);
        assert_eq!(fuse.judge(b"Q\0COMMIT\0", true), Verdict::CutBeforeReply);
        assert_eq!(fuse.judge(b"Q\0COMMIT\0", true), Verdict::Pass);
    }
}

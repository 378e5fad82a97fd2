//! HTTP/2 without TLS is not spoken here: its acknowledgements of pings are bytes of ours, so that a client could
//! keep a request without its body open for ever, and its streams share what is meant for one connection. Proxies
//! speak HTTP/1.1 to us. The server library would take it; it has no switch.

/// What every connection of HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preface {
    /// So many of them are those of HTTP/2.
    Like(usize),
    /// It is another protocol's.
    Other,
}

impl Preface {
    /// Of a connection on which nothing came yet.
    pub(crate) fn new() -> Self {
        Self::Like(0)
    }

    /// Takes the next bytes; whether the connection is one of HTTP/2 now.
    pub(crate) fn completes(&mut self, bytes: &[u8]) -> bool {
        let Self::Like(seen) = *self else { return false };
        let rest = &PREFACE[seen..];
        let count = bytes.len().min(rest.len());
        *self = if bytes[..count] == rest[..count] {
            Self::Like(seen + count)
        } else {
            Self::Other
        };
        *self == Self::Like(PREFACE.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_in_one_piece_and_in_many_and_nothing_else_is_taken_for_it() {
        assert!(Preface::new().completes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0"));
        let mut slow = Preface::new();
        let complete: Vec<bool> = PREFACE.iter().map(|byte| slow.completes(&[*byte])).collect();
        assert_eq!(complete.iter().filter(|complete| **complete).count(), 1);
        assert_eq!(complete.last(), Some(&true));
        let mut other = Preface::new();
        assert!(!other.completes(b"PR"));
        assert!(!other.completes(b"OPFIND / HTTP/1.1\r\n"));
        assert!(!other.completes(PREFACE), "only what a connection begins with");
    }
}

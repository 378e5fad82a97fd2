//! What has been written so far: tokens are pieces of bytes, readers want whole characters, and a stop text may
//! end in the middle of a token.

/// A text that grows at its end and is handed out in pieces, which together are the whole.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// Whole characters.
    whole: String,
    /// The beginning of one more.
    partial: Vec<u8>,
    /// Bytes of `whole` that were handed out.
    given: usize,
    stops: Vec<String>,
    ended: bool,
}

impl Text {
    /// Ends in front of the first of `stops`; none of them may be empty.
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self {
            stops,
            ..Self::default()
        }
    }

    /// Adds what a token stands for; says whether a stop text is there now, and then nothing more is added.
    /// Bytes that are no characters become U+FFFD, and so does NUL, which databases choke on.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        if self.ended {
            return true;
        }
        let before = self.whole.len();
        self.partial.extend_from_slice(bytes);
        self.decode();
        if let Some(end) = self.stop(before) {
            self.whole.truncate(end);
            self.partial.clear();
            self.ended = true;
        }
        self.ended
    }

    fn decode(&mut self) {
        loop {
            let (valid, broken) = match std::str::from_utf8(&self.partial) {
                Ok(text) => (text.len(), Some(0)),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            let text = String::from_utf8_lossy(&self.partial[..valid]);
            self.whole.extend(text.chars().map(|c| if c == '\0' { '\u{fffd}' } else { c }));
            match broken {
                Some(0) => return self.partial.clear(),
                Some(length) => {
                    self.whole.push('\u{fffd}');
                    self.partial.drain(..valid + length);
                }
                None => {
                    self.partial.drain(..valid);
                    return;
                }
            }
        }
    }

    /// Where the stop text begins that was complete first, of those that end after `before`.
    fn stop(&self, before: usize) -> Option<usize> {
        let ends = self.stops.iter().filter_map(|stop| {
            let mut from = (before + 1).saturating_sub(stop.len());
            while !self.whole.is_char_boundary(from) {
                from -= 1;
            }
            let begin = from + self.whole[from..].find(stop.as_str())?;
            Some((begin + stop.len(), begin))
        });
        ends.min().map(|(_, begin)| begin)
    }

    /// What can be handed out now: whole characters that no stop text may still take back.
    pub(super) fn ready(&mut self) -> Option<&str> {
        let held = if self.ended { 0 } else { self.held() };
        let given = std::mem::replace(&mut self.given, self.whole.len() - held);
        let piece = &self.whole[given..self.given];
        (!piece.is_empty()).then_some(piece)
    }

    /// The longest end of the text that is the beginning of a stop text.
    fn held(&self) -> usize {
        let text = self.whole.as_bytes();
        let begins = |stop: &String| {
            let longest = text.len().min(stop.len() - 1);
            (1..=longest).rev().find(|&n| text.ends_with(&stop.as_bytes()[..n]))
        };
        self.stops.iter().filter_map(begins).max().unwrap_or(0)
    }

    /// Nothing more comes. Half a character at the end is dropped. What was not handed out yet, and the whole.
    pub(super) fn finish(self) -> (String, String) {
        (self.whole[self.given..].to_owned(), self.whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Pushes pieces; the pieces that came out, the whole, and whether it was stopped.
    fn stream(pieces: &[&[u8]], stops: &[&str]) -> (Vec<String>, String, bool) {
        let mut text = Text::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let mut out = Vec::new();
        let mut stopped = false;
        for piece in pieces {
            stopped = text.push(piece);
            out.extend(text.ready().map(str::to_owned));
            if stopped {
                break;
            }
        }
        let (last, whole) = text.finish();
        if !last.is_empty() {
            out.push(last);
        }
        (out, whole, stopped)
    }

    /// Cuts of bytes at any place.
    fn cut(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        at.windows(2).map(|two| bytes[two[0]..two[1]].to_vec()).collect()
    }

    proptest! {
        #[test]
        fn pieces_are_the_whole_however_it_is_cut(
            text in "[a-cé水😀\\n]{0,30}", cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)
        ) {
            let pieces = cut(text.as_bytes(), &cuts);
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (out, whole, _) = stream(&pieces, &[]);
            prop_assert_eq!(out.concat(), text.clone());
            prop_assert_eq!(whole, text);
        }

        #[test]
        fn bytes_that_are_no_text_become_what_they_always_become(
            bytes in prop::collection::vec(prop::sample::select(vec![0x61, 0xc3, 0xa9, 0xe6, 0xb0, 0xb4, 0xf0, 0x9f, 0x98, 0x80, 0xff, 0xed]), 0..30),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)
        ) {
            let pieces = cut(&bytes, &cuts);
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (out, whole, _) = stream(&pieces, &[]);
            // But for half a character at the end.
            let expected = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(out.concat(), whole.clone());
            prop_assert!(expected == whole || expected == format!("{whole}\u{fffd}"), "{whole:?} {expected:?}");
        }

        #[test]
        fn a_stop_is_found_however_the_text_is_cut(
            text in "[ab水]{0,24}", stops in prop::collection::vec("[ab水]{1,3}", 0..4),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)
        ) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let singles: Vec<Vec<u8>> = text.bytes().map(|byte| vec![byte]).collect();
            let singles: Vec<&[u8]> = singles.iter().map(Vec::as_slice).collect();
            let pieces = cut(text.as_bytes(), &cuts);
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (out, whole, stopped) = stream(&pieces, &stops);
            let (_, by_byte, stopped_by_byte) = stream(&singles, &stops);
            prop_assert_eq!(&whole, &by_byte);
            prop_assert_eq!(stopped, stopped_by_byte);
            prop_assert_eq!(out.concat(), whole.clone());
            prop_assert!(text.starts_with(&whole));
            prop_assert!(stops.iter().all(|stop| !whole.contains(stop)));
            if !stopped {
                prop_assert_eq!(whole, text);
            }
        }
    }

    #[test]
    fn what_may_be_the_beginning_of_a_stop_is_held_back() {
        let (out, whole, stopped) = stream(&[b"one\n", b"\nUs", b"ed", b"\nUser: x"], &["\nUser:"]);
        assert_eq!(out, ["one", "\n", "\nUsed"]);
        assert_eq!((whole.as_str(), stopped), ("one\n\nUsed", true));
        assert_eq!(stream(&[b"a\0b"], &[]).1, "a\u{fffd}b");
        assert_eq!(stream(&["水".as_bytes(), &"水".as_bytes()[..2]], &[]).1, "水");
    }
}

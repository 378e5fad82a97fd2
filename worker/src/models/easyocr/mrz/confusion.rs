//! What recognition takes for what. The tables hold shapes that look alike in OCR-B and in the
//! plain typefaces that cards are printed with; none is a guess at meaning.

/// The filler.
pub(super) const FILLER: u8 = b'<';

/// The characters of a zone for a recogniser that can be restricted to an alphabet.
pub const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<";

/// Whether the byte may stand in a zone.
pub(super) const fn is_zone(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == FILLER
}

/// The digit that looks like this letter.
pub(super) const fn digit_for(byte: u8) -> Option<u8> {
    Some(match byte {
        b'O' | b'Q' | b'D' | b'U' => b'0',
        b'I' | b'L' | b'J' => b'1',
        b'Z' => b'2',
        b'A' => b'4',
        b'S' => b'5',
        b'G' => b'6',
        b'T' => b'7',
        b'B' => b'8',
        _ => return None,
    })
}

/// The letter that looks like this digit.
pub(super) const fn letter_for(byte: u8) -> Option<u8> {
    Some(match byte {
        b'0' => b'O',
        b'1' => b'I',
        b'2' => b'Z',
        b'4' => b'A',
        b'5' => b'S',
        b'6' => b'G',
        b'7' => b'T',
        b'8' => b'B',
        _ => return None,
    })
}

/// What else a character of a mixed field may have been.
pub(super) const fn alternatives(byte: u8) -> &'static [u8] {
    match byte {
        b'0' => b"OQD",
        b'O' | b'Q' | b'D' => b"0",
        b'1' => b"I",
        b'I' | b'L' => b"1",
        b'2' => b"Z",
        b'Z' => b"2",
        b'4' => b"A",
        b'A' => b"4",
        b'5' => b"S",
        b'S' => b"5",
        b'6' => b"G",
        b'G' => b"6",
        b'7' => b"T",
        b'T' => b"7",
        b'8' => b"B",
        b'B' => b"8",
        b'C' | b'K' => b"<",
        _ => b"",
    }
}

/// What a character of a mixed field may have been that looks less like it; tried where nothing else explains
/// a check digit.
pub(super) const fn distant_alternatives(byte: u8) -> &'static [u8] {
    match byte {
        b'0' => b"C",
        _ => b"",
    }
}

/// Whether recognition may have taken a filler for this.
pub(super) const fn looks_like_filler(byte: u8) -> bool {
    matches!(
        byte,
        b'K' | b'C' | b'L' | b'E' | b'S' | b'X' | b'R' | b'G' | b'Z' | b'6' | b'5' | b'2' | b'4'
    )
}

/// The text in the alphabet of a zone: upper case, brackets and dashes as fillers, the rest left
/// out.
pub(super) fn normalise(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '«' | '≪' | '《' => out.extend_from_slice(b"<<"),
            '(' | '[' | '{' | '‹' | '〈' | '_' | '-' | '–' | '—' | '~' | '€' | '£' => {
                out.push(FILLER);
            }
            other => {
                let upper = other.to_ascii_uppercase();
                if upper.is_ascii() && is_zone(upper as u8) {
                    out.push(upper as u8);
                }
            }
        }
    }
    out
}

//! Strings and numbers, byte by byte.

use super::grammar::Id;

/// Digits before and after the point: numbers of any length are JSON, but readers lose their ends.
const MAX_DIGITS: u8 = 15;

/// Digits of an exponent: larger ones are out of the range of a double.
const MAX_EXPONENT: u8 = 2;

/// In a string.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    /// Where it is a key: what comes as its value.
    pub key_of: Option<Id>,
    /// Characters that have begun.
    chars: usize,
    min: usize,
    max: usize,
    inside: Inside,
}

/// In a character of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Between two.
    No,
    /// Behind a backslash.
    Escape,
    /// Behind `\u` and so many digits; whether the last of them was a `d` at the first place.
    Unicode(u8, bool),
    /// So many bytes are missing, and the next is in this range.
    Bytes(u8, u8, u8),
}

impl Text {
    /// Behind the quote.
    pub(super) fn new(key_of: Option<Id>, min: usize, max: usize) -> Self {
        Self {
            key_of,
            chars: 0,
            min,
            max,
            inside: Inside::No,
        }
    }

    /// Whether `byte` is the quote at its end.
    pub(super) fn ends(&self, byte: u8) -> bool {
        self.inside == Inside::No && byte == b'"' && self.chars >= self.min
    }

    /// Characters that still fit, between two, once it is long enough.
    pub(super) fn room(&self) -> Option<usize> {
        (self.inside == Inside::No && self.chars >= self.min).then(|| self.max - self.chars)
    }

    /// The fewest bytes to its end, the quote included.
    pub(super) fn close(&self) -> usize {
        let inside = match self.inside {
            Inside::No => 0,
            Inside::Escape => 1,
            Inside::Unicode(digits, _) => 4 - usize::from(digits),
            Inside::Bytes(missing, ..) => usize::from(missing),
        };
        self.min.saturating_sub(self.chars).saturating_add(inside + 1)
    }

    /// Behind one more byte of a character.
    pub(super) fn next(self, byte: u8) -> Option<Self> {
        let inside = match self.inside {
            Inside::No => return self.begin(byte),
            Inside::Escape => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Inside::No,
                b'u' => Inside::Unicode(0, false),
                _ => return None,
            },
            Inside::Unicode(digits, surrogate) => {
                // Halves of a character would have to come in pairs; they are left out.
                let fits = byte.is_ascii_hexdigit() && (!surrogate || matches!(byte, b'0'..=b'7'));
                match (fits, digits) {
                    (false, _) => return None,
                    (true, 3) => Inside::No,
                    (true, n) => Inside::Unicode(n + 1, n == 0 && byte.eq_ignore_ascii_case(&b'd')),
                }
            }
            Inside::Bytes(missing, low, high) => match (low..=high).contains(&byte) {
                false => return None,
                true if missing == 1 => Inside::No,
                true => Inside::Bytes(missing - 1, 0x80, 0xbf),
            },
        };
        Some(Self { inside, ..self })
    }

    fn begin(self, byte: u8) -> Option<Self> {
        let inside = match byte {
            b'\\' => Inside::Escape,
            b'"' | ..0x20 => return None,
            0x20..0x80 => Inside::No,
            0xc2..=0xdf => Inside::Bytes(1, 0x80, 0xbf),
            0xe0 => Inside::Bytes(2, 0xa0, 0xbf),
            0xed => Inside::Bytes(2, 0x80, 0x9f),
            0xe1..=0xef => Inside::Bytes(2, 0x80, 0xbf),
            0xf0 => Inside::Bytes(3, 0x90, 0xbf),
            0xf1..=0xf3 => Inside::Bytes(3, 0x80, 0xbf),
            0xf4 => Inside::Bytes(3, 0x80, 0x8f),
            _ => return None,
        };
        (self.chars < self.max).then_some(Self {
            chars: self.chars + 1,
            inside,
            ..self
        })
    }
}

/// In a number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number {
    integer: bool,
    part: Part,
    /// Digits of this part.
    digits: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Minus,
    /// A zero that nothing but a point or an exponent may follow.
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

impl Number {
    /// Behind the first byte of a number.
    pub(super) fn new(integer: bool, byte: u8) -> Option<Self> {
        let part = match byte {
            b'-' => Part::Minus,
            b'0' => Part::Zero,
            b'1'..=b'9' => Part::Whole,
            _ => return None,
        };
        Some(Self {
            integer,
            part,
            digits: 1,
        })
    }

    /// Whether it is a number as it stands.
    pub(super) fn may_end(&self) -> bool {
        matches!(
            self.part,
            Part::Zero | Part::Whole | Part::Fraction | Part::Exponent
        )
    }

    /// Behind one more byte.
    pub(super) fn next(self, byte: u8) -> Option<Self> {
        let digit = byte.is_ascii_digit();
        let part = match (self.part, byte) {
            (Part::Minus, _) => return Self::new(self.integer, byte).filter(|_| digit),
            (Part::Whole, _) if digit && self.digits < MAX_DIGITS => Part::Whole,
            (Part::Fraction, _) if digit && self.digits < MAX_DIGITS => Part::Fraction,
            (Part::Exponent, _) if digit && self.digits < MAX_EXPONENT => Part::Exponent,
            (Part::Zero | Part::Whole, b'.') if !self.integer => Part::Point,
            (Part::Zero | Part::Whole | Part::Fraction, b'e' | b'E') if !self.integer => Part::E,
            (Part::Point, _) if digit => Part::Fraction,
            (Part::E, b'+' | b'-') => Part::Sign,
            (Part::E | Part::Sign, _) if digit => Part::Exponent,
            _ => return None,
        };
        let digits = if part == self.part { self.digits + 1 } else { 1 };
        Some(Self { part, digits, ..self })
    }
}

//! Looks through a Vorbis setup header before a decoder unfolds it: a code book of a few bytes can
//! stand for a table of many megabytes, and a header may have 256 of them.

use super::AudioError;

/// Table entries that all code books of a stream may unfold into; encoders stay below a tenth.
const MAX_ENTRIES: u64 = 2 << 20;

/// Bytes of an identification header.
const IDENTIFICATION: usize = 30;

/// Refuses a setup header whose code books unfold into too much. `headers` holds the identification
/// header and the setup header, one after the other.
pub(super) fn check(headers: &[u8]) -> Result<(), AudioError> {
    let broken = || AudioError::Broken("its Vorbis code books are not well formed".to_owned());
    let setup = headers
        .get(IDENTIFICATION..)
        .and_then(|rest| rest.strip_prefix(b"\x05vorbis"));
    let mut bits = Bits {
        bytes: setup.ok_or_else(broken)?,
        position: 0,
    };
    let books = bits.take(8).ok_or_else(broken)? + 1;
    let mut unfolded = 0_u64;
    for _ in 0..books {
        unfolded += book(&mut bits).ok_or_else(broken)?;
        if unfolded > MAX_ENTRIES {
            return Err(AudioError::Broken(
                "its Vorbis code books unfold into too much".to_owned(),
            ));
        }
    }
    Ok(())
}

/// Passes one code book; gives how many numbers it unfolds into, or none where it is malformed.
fn book(bits: &mut Bits) -> Option<u64> {
    if bits.take(24)? != 0x56_43_42 {
        return None;
    }
    let dimensions = bits.take(16)?;
    let entries = bits.take(24)?;
    let most = u64::from(entries) * u64::from(dimensions.max(1));
    if dimensions == 0 || most > MAX_ENTRIES {
        return Some(most.max(MAX_ENTRIES + 1));
    }
    lengths(bits, entries)?;
    match bits.take(4)? {
        0 => Some(u64::from(entries)),
        kind @ (1 | 2) => {
            bits.skip(64)?;
            let width = bits.take(4)? + 1;
            bits.skip(1)?;
            let values = if kind == 1 {
                root(entries, dimensions)
            } else {
                most
            };
            bits.skip(values * u64::from(width))?;
            Some(most + values)
        }
        _ => None,
    }
}

/// Passes the lengths of the code words.
fn lengths(bits: &mut Bits, entries: u32) -> Option<()> {
    if bits.take(1)? == 0 {
        if bits.take(1)? == 0 {
            return bits.skip(u64::from(entries) * 5);
        }
        for _ in 0..entries {
            if bits.take(1)? == 1 {
                bits.skip(5)?;
            }
        }
        return Some(());
    }
    let mut length = bits.take(5)? + 1;
    let mut entry = 0;
    while entry < entries {
        if length > 32 {
            return None;
        }
        entry += bits.take(u32::BITS - (entries - entry).leading_zeros())?;
        length += 1;
    }
    (entry == entries).then_some(())
}

/// The largest number whose `dimensions`-th power is not above `entries`.
fn root(entries: u32, dimensions: u32) -> u64 {
    let fits = |value: u64| {
        let mut power = 1_u64;
        (0..dimensions).all(|_| {
            power = power.saturating_mul(value);
            power <= u64::from(entries)
        })
    };
    let mut value = (f64::from(entries)).powf(1.0 / f64::from(dimensions)) as u64;
    while fits(value + 1) {
        value += 1;
    }
    while value > 0 && !fits(value) {
        value -= 1;
    }
    value
}

/// Reads bits, lowest first.
struct Bits<'a> {
    bytes: &'a [u8],
    position: u64,
}

impl Bits<'_> {
    /// The next `count` (at most 32) bits as a number.
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut number = 0;
        for bit in 0..count {
            let byte = *self.bytes.get(usize::try_from(self.position / 8).ok()?)?;
            number |= u32::from(byte >> (self.position % 8) & 1) << bit;
            self.position += 1;
        }
        Some(number)
    }

    /// Passes `count` bits that must be there.
    fn skip(&mut self, count: u64) -> Option<()> {
        self.position = self.position.checked_add(count)?;
        (self.position <= self.bytes.len() as u64 * 8).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_whole() {
        for (entries, dimensions, wanted) in [
            (8, 3, 2),
            (7, 3, 1),
            (81, 4, 3),
            (0, 2, 0),
            (131_072, 32, 1),
            (625, 4, 5),
        ] {
            assert_eq!(root(entries, dimensions), wanted, "{entries} {dimensions}");
        }
    }
}

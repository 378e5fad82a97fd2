//! A look at the tables of a lossless WebP before they are built. One pixel of a side image can call for
//! 65,536 groups of five prefix codes, whatever the size of the picture: some megabytes of file that would
//! become a gigabyte of tables. Here the data is read up to the last table, without building any, and
//! the bytes they would take are added up.

use super::{ImageError, damaged};

/// What all tables together may take.
const MAX_TABLES: usize = 96 << 20;
/// Bits of a code that the decoder looks up at once; longer ones are nodes of a tree.
const LOOKUP_BITS: usize = 10;
/// Bytes of a node, and of what the decoder keeps for a code besides.
const NODE: usize = 16;
const CODE: usize = 80;
/// Order in which the lengths of the code of code lengths stand.
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Checks a lossless bit stream of a picture of this size; `data` begins after its header.
pub(super) fn guard(data: &[u8], width: u32, height: u32) -> Result<(), ImageError> {
    let mut stream = Stream {
        data,
        bit: 0,
        tables: 0,
    };
    let mut columns = width;
    let mut seen = [false; 4];
    while stream.bits(1)? == 1 {
        let transform = stream.bits(2)? as usize;
        if std::mem::replace(&mut seen[transform], true) {
            return Err(damaged("a transform stands twice"));
        }
        match transform {
            0 | 1 => {
                let bits = stream.bits(3)? + 2;
                stream.side_image(blocks(columns, bits), blocks(height, bits))?;
            }
            3 => {
                let colors = stream.bits(8)? + 1;
                stream.side_image(colors, 1)?;
                let packed = match colors {
                    0..=2 => 3,
                    3..=4 => 2,
                    5..=16 => 1,
                    _ => 0,
                };
                columns = blocks(columns, packed);
            }
            _ => {}
        }
    }
    let cache = stream.cache()?;
    let mut groups = 1;
    if stream.bits(1)? == 1 {
        let bits = stream.bits(3)? + 2;
        groups += stream.side_image(blocks(columns, bits), blocks(height, bits))?;
    }
    for _ in 0..groups {
        for alphabet in alphabets(cache) {
            stream.code(alphabet)?;
        }
    }
    Ok(())
}

/// Blocks of `1 << bits` that cover a side.
fn blocks(side: u32, bits: u32) -> u32 {
    side.div_ceil(1 << bits)
}

/// Symbols of green, lengths and cached colours; of red, blue, alpha; of distances.
fn alphabets(cache: usize) -> [usize; 5] {
    [256 + 24 + cache, 256, 256, 256, 40]
}

/// Bits, the lowest of each byte first.
struct Stream<'a> {
    data: &'a [u8],
    bit: usize,
    /// Bytes that the tables met so far would take.
    tables: usize,
}

/// A prefix code, decoded bit by bit.
struct Code {
    /// Codes of each length.
    count: [u16; 16],
    /// Symbols in the order of their codes.
    symbols: Vec<u16>,
}

impl Stream<'_> {
    /// The next `count` bits as a number; up to 16.
    fn bits(&mut self, count: u32) -> Result<u32, ImageError> {
        let (at, shift) = (self.bit / 8, self.bit % 8);
        self.bit += count as usize;
        if self.bit > self.data.len() * 8 {
            return Err(ImageError::Truncated);
        }
        let bytes = self.data[at..].iter().take(3).rev();
        let word = bytes.fold(0, |word, &byte| word << 8 | u32::from(byte));
        Ok(word >> shift & ((1 << count) - 1))
    }

    /// Colours in the cache, 0 without one.
    fn cache(&mut self) -> Result<usize, ImageError> {
        if self.bits(1)? == 0 {
            return Ok(0);
        }
        match self.bits(4)? {
            bits @ 1..=11 => Ok(1 << bits),
            _ => Err(damaged("its colour cache has no size")),
        }
    }

    /// Reads over a side image; the largest number that red and green of one of its pixels make.
    fn side_image(&mut self, width: u32, height: u32) -> Result<u32, ImageError> {
        let cache = self.cache()?;
        let mut codes = Vec::with_capacity(5);
        for alphabet in alphabets(cache) {
            codes.push(self.code(alphabet)?);
        }
        // Copied and cached pixels are no larger than those they were taken from.
        let mut largest = 0;
        let mut left = u64::from(width) * u64::from(height);
        let single = codes[..4].iter().all(|code| code.symbols.len() == 1);
        while left > 0 {
            let green = u32::from(self.symbol(&codes[0])?);
            let covered = match green {
                0..=255 => {
                    let red = u32::from(self.symbol(&codes[1])?);
                    self.symbol(&codes[2])?;
                    self.symbol(&codes[3])?;
                    largest = largest.max(red << 8 | green);
                    if single { left } else { 1 }
                }
                256..=279 => {
                    let length = self.distance(green - 256)?;
                    let distance = u32::from(self.symbol(&codes[4])?);
                    self.distance(distance)?;
                    length
                }
                _ => 1,
            };
            left = left
                .checked_sub(covered)
                .ok_or_else(|| damaged("a copy reaches too far"))?;
        }
        Ok(largest)
    }

    /// The number that a symbol of lengths or distances stands for.
    fn distance(&mut self, symbol: u32) -> Result<u64, ImageError> {
        if symbol < 4 {
            return Ok(u64::from(symbol) + 1);
        }
        let extra = (symbol - 2) >> 1;
        let offset = u64::from(2 + (symbol & 1)) << extra;
        // Up to 18 bits.
        let low = self.bits(extra.min(16))?;
        let high = self.bits(extra.saturating_sub(16))?;
        Ok(offset + u64::from(high << 16 | low) + 1)
    }

    /// The next symbol of a code.
    fn symbol(&mut self, code: &Code) -> Result<u16, ImageError> {
        if let [only] = code.symbols[..] {
            return Ok(only);
        }
        let (mut value, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for length in 1..16 {
            value |= self.bits(1)?;
            let count = u32::from(code.count[length]);
            if value < first + count {
                return Ok(code.symbols[(index + value - first) as usize]);
            }
            index += count;
            first = (first + count) << 1;
            value <<= 1;
        }
        Err(damaged("a code has no such symbol"))
    }

    /// Reads a code, and adds up what its table would take.
    fn code(&mut self, alphabet: usize) -> Result<Code, ImageError> {
        let code = if self.bits(1)? == 1 {
            self.simple_code(alphabet)?
        } else {
            let mut own = [0_u8; 19];
            let count = 4 + self.bits(4)? as usize;
            for &place in ORDER
                .get(..count)
                .ok_or_else(|| damaged("a code has a length too many"))?
            {
                own[place] = self.bits(3)? as u8;
            }
            let mut lengths = vec![0_u8; alphabet];
            self.lengths(&Code::new(&own)?, &mut lengths)?;
            Code::new(&lengths)?
        };
        self.tables += code.bytes();
        if self.tables > MAX_TABLES {
            return Err(ImageError::TooCostly);
        }
        Ok(code)
    }

    /// Reads a code of one or two symbols, which stand as they are.
    fn simple_code(&mut self, alphabet: usize) -> Result<Code, ImageError> {
        let two = self.bits(1)? == 1;
        let bits = if self.bits(1)? == 1 { 8 } else { 1 };
        let mut symbols = vec![self.bits(bits)? as u16];
        if two {
            symbols.push(self.bits(8)? as u16);
        }
        if symbols.iter().any(|&symbol| usize::from(symbol) >= alphabet) {
            return Err(damaged("a code has a symbol too many"));
        }
        let mut count = [0; 16];
        count[1] = symbols.len() as u16;
        Ok(Code { count, symbols })
    }

    /// Reads the lengths of a code's symbols, which are packed with a code themselves.
    fn lengths(&mut self, own: &Code, lengths: &mut [u8]) -> Result<(), ImageError> {
        let mut left = lengths.len();
        if self.bits(1)? == 1 {
            let bits = 2 + 2 * self.bits(3)?;
            left = left.min(2 + self.bits(bits)? as usize);
        }
        let (mut at, mut previous) = (0, 8);
        while at < lengths.len() && left > 0 {
            left -= 1;
            let (length, repeat) = match self.symbol(own)? {
                16 => (previous, 3 + self.bits(2)?),
                17 => (0, 3 + self.bits(3)?),
                18 => (0, 11 + self.bits(7)?),
                length => (length as u8, 1),
            };
            if length != 0 {
                previous = length;
            }
            lengths
                .get_mut(at..at + repeat as usize)
                .ok_or_else(|| damaged("a code has a length too many"))?
                .fill(length);
            at += repeat as usize;
        }
        Ok(())
    }
}

impl Code {
    /// The code with symbols of these lengths, 0 for those that it lacks.
    fn new(lengths: &[u8]) -> Result<Self, ImageError> {
        let mut count = [0_u16; 16];
        for &length in lengths.iter().filter(|&&length| length > 0) {
            count[usize::from(length)] += 1;
        }
        let mut places = [0_usize; 17];
        for length in 1..16 {
            places[length + 1] = places[length] + usize::from(count[length]);
        }
        let mut symbols = vec![0; places[16]];
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut places[usize::from(length)];
            symbols[*place] = symbol as u16;
            *place += 1;
        }
        if symbols.is_empty() {
            return Err(damaged("a code has no symbols"));
        }
        Ok(Self { count, symbols })
    }

    /// What the decoder's table for it takes.
    fn bytes(&self) -> usize {
        let longest = self.count.iter().rposition(|&count| count > 0).unwrap_or(0);
        let beyond: usize = self.count[LOOKUP_BITS + 1..]
            .iter()
            .map(|&count| usize::from(count))
            .sum();
        CODE + (4 << longest.min(LOOKUP_BITS)) + 2 * beyond * NODE
    }
}

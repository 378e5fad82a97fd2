//! Resizing of byte pictures with a triangle filter that grows when a picture shrinks, as Pillow's `BILINEAR`
//! does it: weights of 22 bits after the point, rounded to bytes after each of the two directions. Only the
//! part that is wanted is computed.

/// Bits after the point of a weight.
const BITS: u32 = 22;

/// What to make of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Resize {
    /// Columns and rows of the picture.
    pub from: (usize, usize),
    /// Columns and rows of the whole result.
    pub to: (usize, usize),
    /// First column and row of the part of the result that is wanted.
    pub corner: (usize, usize),
    /// Columns and rows of that part.
    pub part: (usize, usize),
}

/// The pixels under one pixel of the result, and their weights.
struct Span {
    first: usize,
    weights: Vec<i32>,
}

/// The spans of `count` pixels of the result from `first` on.
fn spans(inputs: usize, outputs: usize, first: usize, count: usize) -> Vec<Span> {
    let scale = inputs as f64 / outputs as f64;
    let reach = scale.max(1.0);
    let span = |at: usize| {
        let center = (at as f64 + 0.5) * scale;
        let from = (center - reach + 0.5).max(0.0) as usize;
        let to = ((center + reach + 0.5) as usize).min(inputs);
        let weight = |input: usize| (1.0 - ((input as f64 - center + 0.5) / reach).abs()).max(0.0);
        let weights: Vec<f64> = (from..to).map(weight).collect();
        let sum: f64 = weights.iter().sum();
        Span {
            first: from,
            weights: weights
                .iter()
                .map(|weight| (weight / sum * f64::from(1 << BITS) + 0.5) as i32)
                .collect(),
        }
    };
    (first..first + count).map(span).collect()
}

/// A weighted sum as a byte.
fn byte(sum: i64) -> u8 {
    ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
}

/// Resizes a picture of red, green and blue bytes; gives the wanted part, row by row.
///
/// # Panics
/// Where `rgb` is not as long as `resize.from` says, or the part reaches out of the result.
#[must_use]
pub fn bilinear(rgb: &[u8], resize: Resize) -> Vec<u8> {
    let Resize {
        from,
        to,
        corner,
        part,
    } = resize;
    assert_eq!(rgb.len(), from.0 * from.1 * 3, "bytes of a picture");
    assert!(
        corner.0 + part.0 <= to.0 && corner.1 + part.1 <= to.1,
        "a part of the result"
    );
    let columns = spans(from.0, to.0, corner.0, part.0);
    let rows = spans(from.1, to.1, corner.1, part.1);
    let top = rows.first().map_or(0, |span| span.first);
    let bottom = rows.last().map_or(0, |span| span.first + span.weights.len());
    let mut narrow = Vec::with_capacity((bottom - top) * part.0 * 3);
    for line in rgb.chunks_exact(from.0 * 3).take(bottom).skip(top) {
        for span in &columns {
            let mut sums = [0_i64; 3];
            for (pixel, weight) in line[span.first * 3..].chunks_exact(3).zip(&span.weights) {
                for (sum, number) in sums.iter_mut().zip(pixel) {
                    *sum += i64::from(*number) * i64::from(*weight);
                }
            }
            narrow.extend(sums.map(byte));
        }
    }
    let width = part.0 * 3;
    let mut out = Vec::with_capacity(part.1 * width);
    let mut sums = vec![0_i64; width];
    for span in &rows {
        sums.fill(0);
        for (line, weight) in narrow[(span.first - top) * width..]
            .chunks_exact(width)
            .zip(&span.weights)
        {
            for (sum, number) in sums.iter_mut().zip(line) {
                *sum += i64::from(*number) * i64::from(*weight);
            }
        }
        out.extend(sums.iter().map(|sum| byte(*sum)));
    }
    out
}

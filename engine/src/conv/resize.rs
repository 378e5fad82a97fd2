//! Resizing by areas: each pixel of the output is the mean of the pixels under it.

use super::Map;

/// A part of a picture of bytes, three a pixel.
#[derive(Debug, Clone, Copy)]
pub struct Area<'a> {
    /// Red, green, blue, row by row.
    pub rgb: &'a [u8],
    /// Columns of the whole picture.
    pub width: usize,
    /// The part's first column.
    pub left: usize,
    /// The part's first row.
    pub top: usize,
    /// The part's columns; at least one.
    pub columns: usize,
    /// The part's rows; at least one.
    pub rows: usize,
}

/// Resizes a part of a picture to `height * width` pixels and makes `(mean - shift) * scale` of each channel.
/// An output pixel is the mean of all pixels that it touches, each counted in full.
///
/// # Panics
/// Where the part reaches out of the picture.
#[must_use]
pub fn area(from: Area<'_>, height: usize, width: usize, shift: f32, scale: f32) -> Map {
    let mut out = Map::new(height, width, 3);
    let span = |index: usize, inputs: usize, outputs: usize| {
        (index * inputs / outputs, ((index + 1) * inputs).div_ceil(outputs))
    };
    let columns: Vec<_> = (0..width).map(|x| span(x, from.columns, width)).collect();
    let mut sums = vec![[0_u64; 3]; width];
    for (y, line) in out.data.chunks_exact_mut(width.max(1) * 3).enumerate() {
        let (first, end) = span(y, from.rows, height);
        sums.fill([0; 3]);
        for row in first..end {
            let start = ((from.top + row) * from.width + from.left) * 3;
            let row = &from.rgb[start..start + from.columns * 3];
            for (sum, &(first, end)) in sums.iter_mut().zip(&columns) {
                // A row of a picture is far too short for this to overflow.
                let mut own = [0_u32; 3];
                for pixel in row[first * 3..end * 3].chunks_exact(3) {
                    own[0] += u32::from(pixel[0]);
                    own[1] += u32::from(pixel[1]);
                    own[2] += u32::from(pixel[2]);
                }
                sum.iter_mut()
                    .zip(own)
                    .for_each(|(sum, own)| *sum += u64::from(own));
            }
        }
        for ((pixel, sum), (left, right)) in line.chunks_exact_mut(3).zip(&sums).zip(&columns) {
            let count = ((right - left) * (end - first)) as f32;
            for (number, &sum) in pixel.iter_mut().zip(sum) {
                *number = (sum as f32 / count - shift) * scale;
            }
        }
    }
    out
}

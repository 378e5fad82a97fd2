//! What lies between convolutions: pooling and doubling.

use super::{plane::Plane, resample::Bytes};

/// One row of a plane halved: the largest of two rows (and, if `columns` too, of two columns) of each channel.
/// `out` takes `columns / 2` pixels, or all of them.
///
/// # Panics
/// Where `out` is longer than that.
pub fn halve(above: &[f32], below: &[f32], channels: usize, columns: bool, out: &mut [f32]) {
    if !columns {
        for ((value, a), b) in out.iter_mut().zip(above).zip(below) {
            *value = a.max(*b);
        }
        return;
    }
    let pairs = above
        .chunks_exact(2 * channels)
        .zip(below.chunks_exact(2 * channels));
    assert!(out.len() <= pairs.len() * channels, "the rows are too short");
    for (pixel, (a, b)) in out.chunks_exact_mut(channels).zip(pairs) {
        let (a_left, a_right) = a.split_at(channels);
        let (b_left, b_right) = b.split_at(channels);
        for (channel, value) in pixel.iter_mut().enumerate() {
            *value = a_left[channel]
                .max(a_right[channel])
                .max(b_left[channel].max(b_right[channel]));
        }
    }
}

/// The largest of the three by three pixels around each (fewer at the edges), of each channel, into a plane
/// of the same size.
///
/// # Panics
/// Where the sizes differ.
pub fn max3(input: &Plane, output: &mut Plane) {
    assert_eq!(
        (input.rows(), input.columns()),
        (output.rows(), output.columns()),
        "one size"
    );
    let (rows, columns, channels) = (input.rows(), input.columns(), input.channels());
    for row in 0..rows {
        let out = output.row_mut(row);
        out.fill(f32::NEG_INFINITY);
        for near in row.saturating_sub(1)..(row + 2).min(rows) {
            let from = input.row(near);
            for column in 0..columns {
                let pixel = &mut out[column * channels..][..channels];
                for beside in column.saturating_sub(1)..(column + 2).min(columns) {
                    for (value, other) in pixel.iter_mut().zip(&from[beside * channels..][..channels]) {
                        *value = value.max(*other);
                    }
                }
            }
        }
    }
}

/// Adds to `out`, row `row` of a plane of twice the size of `small`, what bilinear doubling makes of `small`
/// (samples at the middles of pixels, edges repeated).
///
/// # Panics
/// Where `out` is not twice as wide or the row is below the double.
pub fn add_doubled(small: &Plane, row: usize, out: &mut [f32]) {
    let (columns, channels) = (small.columns(), small.channels());
    assert_eq!(out.len(), 2 * columns * channels, "twice as wide");
    let near = small.row(row / 2);
    let other = if row.is_multiple_of(2) {
        (row / 2).saturating_sub(1)
    } else {
        (row / 2 + 1).min(small.rows() - 1)
    };
    let far = small.row(other);
    for (column, pair) in out.chunks_exact_mut(2 * channels).enumerate() {
        let (left, right) = pair.split_at_mut(channels);
        for (pixel, beside) in [
            (left, column.saturating_sub(1)),
            (right, (column + 1).min(columns - 1)),
        ] {
            let (here, there) = (column * channels, beside * channels);
            for (channel, value) in pixel.iter_mut().enumerate() {
                let close = 0.75 * near[here + channel] + 0.25 * far[here + channel];
                let away = 0.75 * near[there + channel] + 0.25 * far[there + channel];
                *value += 0.75 * close + 0.25 * away;
            }
        }
    }
}

/// The mean of all rows, as a plane of one row.
#[must_use]
pub fn mean_of_rows(input: &Plane) -> Plane {
    let mut out = Plane::new(1, input.columns(), input.channels(), 0);
    let scale = 1.0 / input.rows().max(1) as f32;
    let sums = out.row_mut(0);
    for row in 0..input.rows() {
        for (sum, value) in sums.iter_mut().zip(input.row(row)) {
            *sum += value;
        }
    }
    for sum in sums {
        *sum *= scale;
    }
    out
}

/// Makes zeros of what is negative.
pub fn relu(values: &mut [f32]) {
    for value in values {
        *value = value.max(0.0);
    }
}

/// A picture of bytes as a plane of numbers with a border of one: each channel less its mean, divided by its
/// deviation (both in bytes). The plane may be larger than the picture: the rest is as black pixels are.
///
/// # Panics
/// Where the plane is smaller, or there are not as many means and deviations as channels.
#[must_use]
pub fn normalised(picture: &Bytes, rows: usize, columns: usize, mean: &[f32], deviation: &[f32]) -> Plane {
    let channels = picture.channels;
    assert!(
        rows >= picture.rows && columns >= picture.columns,
        "room for the picture"
    );
    assert_eq!(
        (mean.len(), deviation.len()),
        (channels, channels),
        "one of each channel"
    );
    let mut plane = Plane::new(rows, columns, channels, 1);
    for row in 0..rows {
        let from = match row {
            row if row < picture.rows => {
                &picture.data[row * picture.columns * channels..][..picture.columns * channels]
            }
            _ => &[],
        };
        let bytes = from.iter().copied().chain(std::iter::repeat(0));
        for (index, (value, byte)) in plane.row_mut(row).iter_mut().zip(bytes).enumerate() {
            let channel = index % channels;
            *value = (f32::from(byte) - mean[channel]) / deviation[channel];
        }
    }
    plane
}

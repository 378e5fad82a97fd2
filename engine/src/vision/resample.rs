//! Pictures of bytes in another size or seen from another side.

/// A picture of bytes: by row, column, channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Bytes a pixel.
    pub channels: usize,
    /// `rows * columns * channels` bytes.
    pub data: Vec<u8>,
}

impl Bytes {
    /// A part of it; what lies outside is left out.
    #[must_use]
    pub fn crop(&self, left: usize, top: usize, right: usize, bottom: usize) -> Self {
        let (right, bottom) = (right.min(self.columns), bottom.min(self.rows));
        let (left, top) = (left.min(right), top.min(bottom));
        let mut data = Vec::with_capacity((right - left) * (bottom - top) * self.channels);
        for row in top..bottom {
            let start = (row * self.columns + left) * self.channels;
            data.extend_from_slice(&self.data[start..start + (right - left) * self.channels]);
        }
        Self {
            rows: bottom - top,
            columns: right - left,
            channels: self.channels,
            data,
        }
    }

    /// Turned by a quarter, clockwise.
    #[must_use]
    pub fn turned(&self) -> Self {
        let mut data = Vec::with_capacity(self.data.len());
        for column in 0..self.columns {
            for row in (0..self.rows).rev() {
                let at = (row * self.columns + column) * self.channels;
                data.extend_from_slice(&self.data[at..at + self.channels]);
            }
        }
        Self {
            rows: self.columns,
            columns: self.rows,
            channels: self.channels,
            data,
        }
    }

    /// One channel of the brightness that three channels (red, green, blue) have.
    #[must_use]
    pub fn grey(&self) -> Self {
        let data = match self.channels {
            3 => self
                .data
                .chunks_exact(3)
                .map(|pixel| brightness([pixel[0], pixel[1], pixel[2]]))
                .collect(),
            _ => self.data.clone(),
        };
        Self {
            channels: if self.channels == 3 { 1 } else { self.channels },
            data,
            ..*self
        }
    }
}

/// 0.299 red, 0.587 green, 0.114 blue, rounded.
fn brightness([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 4899 * u32::from(red) + 9617 * u32::from(green) + 1868 * u32::from(blue);
    u8::try_from((sum + 8192) >> 14).unwrap_or(u8::MAX)
}

/// Where an output pixel lies: first input pixel, second, share of the second.
fn spots(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let scale = from as f64 / to as f64;
    (0..to)
        .map(|index| {
            let place = (index as f64 + 0.5)
                .mul_add(scale, -0.5)
                .clamp(0.0, (from - 1) as f64);
            let first = place.floor();
            let index = first as usize;
            (index, (index + 1).min(from - 1), (place - first) as f32)
        })
        .collect()
}

/// Bilinear between the middles of pixels, without widening when it shrinks.
///
/// # Panics
/// Where a side is zero.
#[must_use]
pub fn bilinear(picture: &Bytes, rows: usize, columns: usize) -> Bytes {
    assert!(
        picture.rows * picture.columns * rows * columns > 0,
        "a picture has pixels"
    );
    if (rows, columns) == (picture.rows, picture.columns) {
        return picture.clone();
    }
    let channels = picture.channels;
    let across = spots(picture.columns, columns);
    let mut data = Vec::with_capacity(rows * columns * channels);
    for (above, below, down) in spots(picture.rows, rows) {
        let above = &picture.data[above * picture.columns * channels..][..picture.columns * channels];
        let below = &picture.data[below * picture.columns * channels..][..picture.columns * channels];
        for &(left, right, share) in &across {
            for channel in 0..channels {
                let mix = |row: &[u8]| {
                    let (a, b) = (
                        f32::from(row[left * channels + channel]),
                        f32::from(row[right * channels + channel]),
                    );
                    (b - a).mul_add(share, a)
                };
                let (a, b) = (mix(above), mix(below));
                data.push((b - a).mul_add(down, a).round() as u8);
            }
        }
    }
    Bytes {
        rows,
        columns,
        channels,
        data,
    }
}

/// The weights of a bicubic filter (a = -0.5) that widens when it shrinks: first input pixel and weights.
fn cubic(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let weight = |x: f64| {
        let x = x.abs();
        match x {
            x if x < 1.0 => (1.5 * x - 2.5) * x * x + 1.0,
            x if x < 2.0 => ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0,
            _ => 0.0,
        }
    };
    let scale = from as f64 / to as f64;
    let wide = scale.max(1.0);
    (0..to)
        .map(|index| {
            let middle = (index as f64 + 0.5) * scale;
            let first = (middle - 2.0 * wide + 0.5).max(0.0) as usize;
            let end = ((middle + 2.0 * wide + 0.5) as usize).min(from).max(first + 1);
            let raw: Vec<f64> = (first..end)
                .map(|at| weight((at as f64 - middle + 0.5) / wide))
                .collect();
            let sum: f64 = raw.iter().sum();
            (first, raw.iter().map(|value| (value / sum) as f32).collect())
        })
        .collect()
}

/// Bicubic, of one channel.
///
/// # Panics
/// Where a side is zero or there are several channels.
#[must_use]
pub fn bicubic(picture: &Bytes, rows: usize, columns: usize) -> Bytes {
    assert!(
        picture.rows * picture.columns * rows * columns > 0,
        "a picture has pixels"
    );
    assert_eq!(picture.channels, 1, "one channel");
    let sum = |weights: &[f32], values: &mut dyn Iterator<Item = u8>| {
        let total: f32 = weights
            .iter()
            .zip(values)
            .map(|(weight, value)| weight * f32::from(value))
            .sum();
        total.round().clamp(0.0, 255.0) as u8
    };
    let across = cubic(picture.columns, columns);
    let mut middle = Vec::with_capacity(picture.rows * columns);
    for row in picture.data.chunks_exact(picture.columns) {
        for (first, weights) in &across {
            middle.push(sum(weights, &mut row[*first..].iter().copied()));
        }
    }
    let mut data = Vec::with_capacity(rows * columns);
    for (first, weights) in cubic(picture.rows, rows) {
        for column in 0..columns {
            data.push(sum(
                &weights,
                &mut middle[first * columns + column..]
                    .iter()
                    .step_by(columns)
                    .copied(),
            ));
        }
    }
    Bytes {
        rows,
        columns,
        channels: 1,
        data,
    }
}

/// What lies inside a quadrilateral of a picture of one channel, stretched to `rows` by `columns`. Its corners
/// (x, y; clockwise from the top left) come to lie on the corner pixels; outside the picture all is black.
///
/// # Panics
/// Where there are several channels or a side of the picture is zero.
#[must_use]
pub fn quadrilateral(picture: &Bytes, corners: [[f64; 2]; 4], rows: usize, columns: usize) -> Bytes {
    assert_eq!(picture.channels, 1, "one channel");
    assert!(picture.rows * picture.columns > 0, "a picture has pixels");
    let at = projection(corners);
    let scale = |index: usize, count: usize| index as f64 / (count.max(2) - 1) as f64;
    let mut data = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let [x, y] = at(scale(column, columns), scale(row, rows));
            data.push(sample(picture, x, y));
        }
    }
    Bytes {
        rows,
        columns,
        channels: 1,
        data,
    }
}

/// The projection that takes the corners of the unit square to four points.
fn projection([a, b, c, d]: [[f64; 2]; 4]) -> impl Fn(f64, f64) -> [f64; 2] {
    let sum = [a[0] - b[0] + c[0] - d[0], a[1] - b[1] + c[1] - d[1]];
    let (one, two) = ([b[0] - c[0], b[1] - c[1]], [d[0] - c[0], d[1] - c[1]]);
    let area = one[0] * two[1] - two[0] * one[1];
    let (g, h) = if area.abs() < 1e-9 {
        (0.0, 0.0)
    } else {
        (
            (sum[0] * two[1] - two[0] * sum[1]) / area,
            (one[0] * sum[1] - sum[0] * one[1]) / area,
        )
    };
    let right = [b[0] - a[0] + g * b[0], b[1] - a[1] + g * b[1]];
    let down = [d[0] - a[0] + h * d[0], d[1] - a[1] + h * d[1]];
    move |u, v| {
        let depth = g * u + h * v + 1.0;
        [
            (right[0] * u + down[0] * v + a[0]) / depth,
            (right[1] * u + down[1] * v + a[1]) / depth,
        ]
    }
}

/// The picture between its pixels; black outside.
fn sample(picture: &Bytes, x: f64, y: f64) -> u8 {
    if !(x > -1.0 && y > -1.0 && x < picture.columns as f64 && y < picture.rows as f64) {
        return 0;
    }
    let (left, top) = (x.floor(), y.floor());
    let (right, down) = (x - left, y - top);
    let pixel = |column: f64, row: f64| {
        let inside =
            column >= 0.0 && row >= 0.0 && column < picture.columns as f64 && row < picture.rows as f64;
        if inside {
            f64::from(picture.data[row as usize * picture.columns + column as usize])
        } else {
            0.0
        }
    };
    let above = pixel(left, top) * (1.0 - right) + pixel(left + 1.0, top) * right;
    let below = pixel(left, top + 1.0) * (1.0 - right) + pixel(left + 1.0, top + 1.0) * right;
    (above * (1.0 - down) + below * down).round() as u8
}

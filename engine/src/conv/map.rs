//! Pictures between layers.

/// `height * width` pixels of `channels` numbers each, row by row; the numbers of a pixel lie together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Numbers of a pixel.
    pub channels: usize,
    /// All numbers: `height * width * channels`.
    pub data: Vec<f32>,
}

impl Map {
    /// A map of zeros.
    #[must_use]
    pub fn new(height: usize, width: usize, channels: usize) -> Self {
        Self {
            height,
            width,
            channels,
            data: vec![0.0; height * width * channels],
        }
    }

    /// The numbers of a pixel.
    #[must_use]
    pub fn pixel(&self, y: usize, x: usize) -> &[f32] {
        &self.data[(y * self.width + x) * self.channels..][..self.channels]
    }

    /// The largest numbers of each window of `kernel * kernel` pixels, windows `stride` apart. The last
    /// ones may reach over the edge, as long as they begin inside.
    #[must_use]
    pub fn max_pool(&self, kernel: usize, stride: usize) -> Self {
        let side = |side: usize| {
            let count = side.saturating_sub(kernel).div_ceil(stride) + 1;
            // A window that begins outside is none.
            if (count - 1) * stride >= side {
                count - 1
            } else {
                count
            }
        };
        let mut out = Self::new(side(self.height), side(self.width), self.channels);
        out.data.fill(f32::NEG_INFINITY);
        let pixels = out.data.chunks_exact_mut(self.channels.max(1));
        for (index, best) in pixels.enumerate() {
            let (top, left) = (index / out.width * stride, index % out.width * stride);
            for y in top..(top + kernel).min(self.height) {
                for x in left..(left + kernel).min(self.width) {
                    for (best, &number) in best.iter_mut().zip(self.pixel(y, x)) {
                        *best = best.max(number);
                    }
                }
            }
        }
        out
    }

    /// The mean of each channel.
    #[must_use]
    pub fn mean(&self) -> Vec<f32> {
        let mut sums = vec![0.0; self.channels];
        for pixel in self.data.chunks_exact(self.channels.max(1)) {
            for (sum, number) in sums.iter_mut().zip(pixel) {
                *sum += number;
            }
        }
        let pixels = (self.height * self.width) as f32;
        sums.iter_mut().for_each(|sum| *sum /= pixels);
        sums
    }
}

/// Zeros around a map before it is convolved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns on the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns on the right.
    pub right: usize,
}

impl Padding {
    /// The same on all sides.
    #[must_use]
    pub fn all(side: usize) -> Self {
        Self {
            top: side,
            left: side,
            bottom: side,
            right: side,
        }
    }

    /// As many zeros as it takes for an output of `side / stride`, rounded up; the odd one at the end.
    #[must_use]
    pub fn same(height: usize, width: usize, kernel: usize, stride: usize) -> Self {
        let need = |side: usize| ((side.div_ceil(stride) - 1) * stride + kernel).saturating_sub(side);
        let (down, across) = (need(height), need(width));
        Self {
            top: down / 2,
            left: across / 2,
            bottom: down - down / 2,
            right: across - across / 2,
        }
    }

    /// Rows and columns of the output.
    pub(super) fn output(&self, map: &Map, kernel: usize, stride: usize) -> (usize, usize) {
        let side = |side: usize| (side + stride).saturating_sub(kernel) / stride;
        (
            side(map.height + self.top + self.bottom),
            side(map.width + self.left + self.right),
        )
    }
}

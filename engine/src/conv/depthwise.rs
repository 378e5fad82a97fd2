//! Depthwise convolution: each channel with a kernel of its own. A framework that loops over groups computes
//! it as a thousand small matrix products; here a vector of channels is computed at once.

use super::{Activation, Map, Padding, lanes, share, usable, with_isa};
use crate::{isa::Isa, pool::Pool, simd::Simd};

/// A depthwise layer.
#[derive(Debug, Clone)]
pub struct Depthwise {
    isa: Isa,
    kernel: usize,
    stride: usize,
    channels: usize,
    /// For each place of the kernel, the weights of all channels; then zeros up to whole vectors.
    weights: Vec<f32>,
    bias: Vec<f32>,
    activation: Activation,
}

impl Depthwise {
    /// A layer of `bias.len()` channels; `weights` are those of the first channel row by row, of the second,
    /// and so on: `channels * kernel * kernel`.
    ///
    /// # Panics
    /// Where the numbers of weights and channels don't fit together, or there is no stride.
    #[must_use]
    pub fn new(
        isa: Isa,
        kernel: usize,
        stride: usize,
        weights: &[f32],
        bias: &[f32],
        activation: Activation,
    ) -> Self {
        let channels = bias.len();
        assert_eq!(
            weights.len(),
            channels * kernel * kernel,
            "weights of a depthwise layer"
        );
        assert!(stride > 0, "a layer has a stride");
        let isa = usable(isa);
        let padded = channels.next_multiple_of(lanes(isa));
        let mut by_place = vec![0.0; padded * kernel * kernel];
        for (channel, own) in weights.chunks_exact(kernel * kernel).enumerate() {
            for (place, weight) in own.iter().enumerate() {
                by_place[place * padded + channel] = *weight;
            }
        }
        let mut bias = bias.to_vec();
        bias.resize(padded, 0.0);
        Self {
            isa,
            kernel,
            stride,
            channels,
            weights: by_place,
            bias,
            activation: activation.padded(padded),
        }
    }

    /// Convolves `map`, zeros around it.
    ///
    /// # Panics
    /// Where `map` has another number of channels.
    #[must_use]
    pub fn run(&self, map: &Map, padding: Padding, pool: &Pool) -> Map {
        assert_eq!(map.channels, self.channels, "channels of a depthwise layer");
        let (height, width) = padding.output(map, self.kernel, self.stride);
        let mut out = Map::new(height, width, self.channels);
        share(pool, &mut out.data, width * self.channels, |first, rows| {
            let args = Args {
                layer: self,
                map,
                padding,
                first,
                width,
                rows,
            };
            with_isa!(self.isa, rows_of, args: Args<'_>);
        });
        out
    }
}

struct Args<'a> {
    layer: &'a Depthwise,
    map: &'a Map,
    padding: Padding,
    /// The first row of the output that `rows` holds.
    first: usize,
    /// Columns of the output.
    width: usize,
    rows: &'a mut [f32],
}

/// Vectors of channels that are computed at once: enough sums to keep the processor busy.
const WIDE: usize = 4;

#[inline(always)]
fn rows_of<S: Simd>(simd: S, args: Args<'_>) {
    let Args {
        layer,
        map,
        padding,
        first,
        width,
        rows,
    } = args;
    let channels = layer.channels;
    for (index, out) in rows.chunks_exact_mut(channels).enumerate() {
        let (y, x) = (first + index / width, index % width);
        let window = Window {
            layer,
            map,
            top: y * layer.stride,
            left: x * layer.stride,
            padding,
        };
        let mut channel = 0;
        while channel + WIDE * S::LANES <= channels {
            window.vectors::<S, WIDE>(simd, channel, &mut out[channel..]);
            channel += WIDE * S::LANES;
        }
        while channel + S::LANES <= channels {
            window.vectors::<S, 1>(simd, channel, &mut out[channel..]);
            channel += S::LANES;
        }
        for (last, out) in out[channel..].iter_mut().enumerate() {
            *out = window.one(channel + last);
        }
    }
}

/// What one pixel of the output looks at.
struct Window<'a> {
    layer: &'a Depthwise,
    map: &'a Map,
    /// Place of its corner in the padded map.
    top: usize,
    left: usize,
    padding: Padding,
}

impl Window<'_> {
    /// The places of the kernel that lie on the map: where in the kernel, and the pixel.
    #[inline(always)]
    fn places(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let inside = |at: usize, before: usize, side: usize| {
            let from = before.saturating_sub(at);
            let to = (side + before).saturating_sub(at).min(self.layer.kernel);
            from..to.max(from)
        };
        let (down, across) = (
            inside(self.top, self.padding.top, self.map.height),
            inside(self.left, self.padding.left, self.map.width),
        );
        down.flat_map(move |dy| {
            let y = self.top + dy - self.padding.top;
            across.clone().map(move |dx| {
                let x = self.left + dx - self.padding.left;
                (dy * self.layer.kernel + dx, self.map.pixel(y, x))
            })
        })
    }

    /// `N` vectors of channels.
    #[inline(always)]
    fn vectors<S: Simd, const N: usize>(&self, simd: S, channel: usize, out: &mut [f32]) {
        let layer = self.layer;
        let padded = layer.bias.len();
        let read = |from: &[f32], vector: usize| {
            let from = &from[channel + vector * S::LANES..][..S::LANES];
            // SAFETY: the slice has that many numbers.
            unsafe { simd.load(from.as_ptr()) }
        };
        let mut sums: [S::V; N] = std::array::from_fn(|vector| read(&layer.bias, vector));
        for (place, pixel) in self.places() {
            let weights = &layer.weights[place * padded..][..padded];
            for (vector, sum) in sums.iter_mut().enumerate() {
                *sum = simd.mul_add(read(pixel, vector), read(weights, vector), *sum);
            }
        }
        for (vector, sum) in sums.into_iter().enumerate() {
            let sum = super::gemm::activate(simd, &layer.activation, sum, channel + vector * S::LANES);
            let to = &mut out[vector * S::LANES..][..S::LANES];
            // SAFETY: the slice has room for that many numbers.
            unsafe { simd.store(to.as_mut_ptr(), sum) };
        }
    }

    /// One channel.
    fn one(&self, channel: usize) -> f32 {
        let layer = self.layer;
        let padded = layer.bias.len();
        let sum = self.places().fold(layer.bias[channel], |sum, (place, pixel)| {
            sum + pixel[channel] * layer.weights[place * padded + channel]
        });
        layer.activation.one(sum, channel)
    }
}

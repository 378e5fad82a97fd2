//! Dense convolution: every output channel looks at all input channels. Windows are laid out as rows and
//! multiplied with the packed weights; a kernel of one pixel is a matrix product as it stands.

use super::{
    Activation, Map, Padding,
    gemm::{Packed, Product, multiply},
    share, usable, with_isa,
};
use crate::{isa::Isa, pool::Pool};

/// Numbers of windows that are laid out at once.
const SCRATCH: usize = 64 << 10;

/// A dense layer: a convolution with a square kernel, or a matrix.
#[derive(Debug, Clone)]
pub struct Dense {
    isa: Isa,
    kernel: usize,
    stride: usize,
    inputs: usize,
    packed: Packed,
}

impl Dense {
    /// A layer of `bias.len()` outputs; `weights` are, for each output, those of its first input row by row,
    /// of the second input, and so on: `outputs * inputs * kernel * kernel`.
    ///
    /// # Panics
    /// Where the number of weights does not fit, or there is no kernel or stride.
    #[must_use]
    pub fn new(
        isa: Isa,
        kernel: usize,
        stride: usize,
        weights: &[f32],
        bias: &[f32],
        activation: Activation,
    ) -> Self {
        let places = kernel * kernel;
        assert!(
            places > 0 && stride > 0 && !bias.is_empty(),
            "a layer has a kernel, a stride and outputs"
        );
        let inputs = weights.len() / places / bias.len();
        assert_eq!(
            weights.len(),
            inputs * places * bias.len(),
            "weights of a dense layer"
        );
        assert!(inputs > 0, "a layer has inputs");
        // Windows are laid out pixel by pixel, so the weights are too.
        let mut by_pixel = Vec::with_capacity(weights.len());
        for own in weights.chunks_exact(inputs * places) {
            for place in 0..places {
                by_pixel.extend(own.iter().skip(place).step_by(places));
            }
        }
        let isa = usable(isa);
        Self {
            isa,
            kernel,
            stride,
            inputs,
            packed: Packed::new(isa, &by_pixel, bias, activation),
        }
    }

    /// Channels that come out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.packed.columns
    }

    /// Convolves `map`, zeros around it; adds `residual`, which is as large as the output, before the
    /// activation.
    ///
    /// # Panics
    /// Where `map` or `residual` do not fit.
    #[must_use]
    pub fn run(&self, map: &Map, padding: Padding, residual: Option<&Map>, pool: &Pool) -> Map {
        assert_eq!(map.channels, self.inputs, "channels of a dense layer");
        let (height, width) = padding.output(map, self.kernel, self.stride);
        let columns = self.outputs();
        let mut out = Map::new(height, width, columns);
        if let Some(residual) = residual {
            assert_eq!(residual.data.len(), out.data.len(), "residual of a dense layer");
        }
        let residual = residual.map(|map| map.data.as_slice());
        let plain = self.kernel == 1 && self.stride == 1 && padding == Padding::default();
        share(pool, &mut out.data, columns, |first, pixels| {
            if plain {
                let rows = &map.data[first * self.inputs..];
                self.multiply(rows, residual.map(|all| &all[first * columns..]), pixels);
            } else {
                self.windows(map, padding, (first, width), residual, pixels);
            }
        });
        out
    }

    /// Multiplies rows, where the layer is a matrix: `rows` of as many numbers as there are inputs.
    ///
    /// # Panics
    /// Where the layer has a kernel of more than one place, or a row is cut.
    #[must_use]
    pub fn rows(&self, rows: &[f32], pool: &Pool) -> Vec<f32> {
        assert_eq!(self.kernel, 1, "a matrix has no kernel");
        assert_eq!(rows.len() % self.inputs, 0, "rows of a matrix");
        let columns = self.outputs();
        let mut out = vec![0.0; rows.len() / self.inputs * columns];
        share(pool, &mut out, columns, |first, out| {
            self.multiply(&rows[first * self.inputs..], None, out);
        });
        out
    }

    /// Rows times the weights; as many as `out` has room for.
    fn multiply(&self, rows: &[f32], residual: Option<&[f32]>, out: &mut [f32]) {
        let product = Product {
            rows,
            packed: &self.packed,
            residual,
            out,
        };
        with_isa!(self.isa, multiply, product: Product<'_>);
    }

    /// Lays out the windows of some pixels of the output, from the first on, and multiplies them.
    fn windows(
        &self,
        map: &Map,
        padding: Padding,
        (first, width): (usize, usize),
        residual: Option<&[f32]>,
        pixels: &mut [f32],
    ) {
        let (depth, columns) = (self.packed.depth, self.outputs());
        let block = (SCRATCH / depth).max(1);
        let mut scratch = vec![0.0; block.min(pixels.len() / columns) * depth];
        let mut at = first;
        for out in pixels.chunks_mut(block * columns) {
            let count = out.len() / columns;
            for (index, window) in scratch.chunks_exact_mut(depth).take(count).enumerate() {
                let (y, x) = ((at + index) / width, (at + index) % width);
                self.window(map, padding, (y * self.stride, x * self.stride), window);
            }
            self.multiply(&scratch, residual.map(|all| &all[at * columns..]), out);
            at += count;
        }
    }

    /// Lays out the window with this corner in the padded map.
    fn window(&self, map: &Map, padding: Padding, (top, left): (usize, usize), window: &mut [f32]) {
        let row = self.kernel * self.inputs;
        for (dy, line) in window.chunks_exact_mut(row).enumerate() {
            let y = (top + dy).wrapping_sub(padding.top);
            // The columns of the kernel that lie on the map.
            let from = padding.left.saturating_sub(left).min(self.kernel);
            let to = (map.width + padding.left)
                .saturating_sub(left)
                .min(self.kernel)
                .max(from);
            if y >= map.height || from == to {
                line.fill(0.0);
                continue;
            }
            line[..from * self.inputs].fill(0.0);
            line[to * self.inputs..].fill(0.0);
            let source = (y * map.width + left + from - padding.left) * self.inputs;
            let count = (to - from) * self.inputs;
            line[from * self.inputs..to * self.inputs].copy_from_slice(&map.data[source..source + count]);
        }
    }
}

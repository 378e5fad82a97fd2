//! Convolution with weights that are packed once.

use super::{
    kernel::{self, BLOCK, Tile},
    plane::Plane,
};
use crate::{isa::Isa, pool::Pool};

/// What a convolution looks like; its stride is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels of the input.
    pub input: usize,
    /// Channels of the output.
    pub output: usize,
    /// Rows and columns of the window.
    pub window: usize,
    /// Zeros that the input is thought to have around it; the input's plane must have as many.
    pub padding: usize,
    /// Pixels from one tap of the window to the next.
    pub dilation: usize,
}

impl Shape {
    /// A window of one pixel.
    #[must_use]
    pub const fn point(input: usize, output: usize) -> Self {
        Self {
            input,
            output,
            window: 1,
            padding: 0,
            dilation: 1,
        }
    }

    /// A window of three by three pixels; the output has the size of the input.
    #[must_use]
    pub const fn three(input: usize, output: usize) -> Self {
        Self {
            input,
            output,
            window: 3,
            padding: 1,
            dilation: 1,
        }
    }

    /// Numbers that the weights have.
    #[must_use]
    pub const fn weights(&self) -> usize {
        self.output * self.input * self.window * self.window
    }
}

/// What happens beside the sums of products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epilogue {
    /// Add to what the output holds, in place of the bias.
    pub accumulate: bool,
    /// Make zeros of what is negative.
    pub relu: bool,
}

/// A convolution.
#[derive(Debug, Clone)]
pub struct Conv {
    shape: Shape,
    /// By block of [`BLOCK`] output channels: taps, their numbers, then the channels of the block.
    weights: Vec<f32>,
    /// As many as the blocks have channels.
    bias: Vec<f32>,
    /// Row and column of each run of taps that lies together in memory.
    taps: Vec<(usize, usize)>,
    /// Numbers of such a run.
    run: usize,
}

impl Conv {
    /// Packs weights that stand by output channel, input channel, row, column.
    ///
    /// # Panics
    /// Where there are not [`Shape::weights`] of them, or another number of biases than output channels.
    #[must_use]
    pub fn new(shape: Shape, weights: &[f32], bias: &[f32]) -> Self {
        assert_eq!(weights.len(), shape.weights(), "as many weights as the shape has");
        assert_eq!(bias.len(), shape.output, "as many biases as output channels");
        let blocks = shape.output.div_ceil(BLOCK);
        let window = shape.window * shape.window;
        let mut packed = vec![0.0; blocks * BLOCK * shape.input * window];
        let reach = shape.input * window;
        for output in 0..shape.output {
            let block = &mut packed[output / BLOCK * BLOCK * reach..][..BLOCK * reach];
            for input in 0..shape.input {
                for tap in 0..window {
                    let from = (output * shape.input + input) * window + tap;
                    block[(tap * shape.input + input) * BLOCK + output % BLOCK] = weights[from];
                }
            }
        }
        let mut padded = bias.to_vec();
        padded.resize(blocks * BLOCK, 0.0);
        let (taps, run) = runs(&shape);
        Self {
            shape,
            weights: packed,
            bias: padded,
            taps,
            run,
        }
    }

    /// What it looks like.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Rows and columns of the output for an input of these.
    #[must_use]
    pub fn output_size(&self, rows: usize, columns: usize) -> (usize, usize) {
        let lost = ((self.shape.window - 1) * self.shape.dilation).saturating_sub(2 * self.shape.padding);
        (rows.saturating_sub(lost), columns.saturating_sub(lost))
    }

    /// One row of the output: `out` has a multiple of the output channels, one set a pixel from the left.
    ///
    /// # Panics
    /// Where the input has other channels, too small a border, or too few rows or columns.
    pub fn row(&self, isa: Isa, input: &Plane, row: usize, out: &mut [f32], epilogue: Epilogue) {
        let shape = &self.shape;
        assert_eq!(input.channels(), shape.input, "as many channels as the shape has");
        assert!(
            input.pad() >= shape.padding,
            "the border of the input is too small"
        );
        let pixels = out.len() / shape.output;
        let (rows, columns) = self.output_size(input.rows(), input.columns());
        let more = input.pad() - shape.padding;
        assert!(
            row < rows + 2 * more && pixels <= columns,
            "the input is too small"
        );
        // Of a larger border than the padding the first row and column are left out.
        let offsets: Vec<usize> = self
            .taps
            .iter()
            .map(|&(tap_row, tap_column)| {
                (row + more + tap_row) * input.stride() + (more + tap_column) * shape.input
            })
            .collect();
        let reach = self.taps.len() * self.run;
        for (block, weights) in self.weights.chunks_exact(BLOCK * reach).enumerate() {
            let first = block * BLOCK;
            kernel::row(
                isa,
                &Tile {
                    input: input.data(),
                    offsets: &offsets,
                    run: self.run,
                    step: shape.input,
                    weights,
                    bias: &self.bias[first..first + BLOCK],
                    accumulate: epilogue.accumulate,
                    relu: epilogue.relu,
                    pixels,
                    channels: shape.output,
                    first,
                },
                out,
            );
        }
    }

    /// The whole output, its rows shared out over the lanes of a pool.
    ///
    /// # Panics
    /// As [`Conv::row`]; and where the output has another size or other channels.
    pub fn run(&self, pool: &Pool, isa: Isa, input: &Plane, output: &mut Plane, epilogue: Epilogue) {
        let size = self.output_size(input.rows(), input.columns());
        assert_eq!(
            (output.rows(), output.columns()),
            size,
            "the output has the convolution's size"
        );
        assert_eq!(
            output.channels(),
            self.shape.output,
            "the output has the convolution's channels"
        );
        output.each_row(pool, |row, out| self.row(isa, input, row, out, epilogue));
    }
}

/// The runs of taps that lie together: without dilation a whole row of the window is one.
fn runs(shape: &Shape) -> (Vec<(usize, usize)>, usize) {
    let steps = |count: usize| (0..count).map(|tap| tap * shape.dilation);
    if shape.dilation == 1 {
        return (
            steps(shape.window).map(|row| (row, 0)).collect(),
            shape.window * shape.input,
        );
    }
    let taps = steps(shape.window)
        .flat_map(|row| steps(shape.window).map(move |column| (row, column)))
        .collect();
    (taps, shape.input)
}

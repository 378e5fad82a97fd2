//! Matrices of weights, packed once for the tiles, and products with them.

use std::ops::Range;

use half::bf16;

use crate::{
    buffer::{Buffer, Shared},
    kernels::Kernels,
    tile::{Activation, Finish, Tile},
};

/// The weights of a linear layer, `outputs` × `inputs`, in panels: all inputs of the first columns of
/// outputs, then of the next.
#[derive(Debug)]
pub(crate) struct Packed {
    kernels: &'static Kernels,
    inputs: usize,
    outputs: usize,
    /// Words a column: inputs, or pairs of them.
    words: usize,
    paired: bool,
    panels: Buffer,
    /// One a column, padded to whole panels.
    bias: Buffer,
}

/// What a product reads and writes.
pub(crate) struct Product<'a> {
    /// The rows that are multiplied, `inputs` numbers each.
    pub from: Shared<'a>,
    /// The rows that are written, `outputs` numbers each.
    pub to: Shared<'a>,
    /// What is done with sums and bias.
    pub activation: Activation,
    /// Whether the result is added to what is there.
    pub add: bool,
}

impl Packed {
    /// Room for a layer that computes with `kernels`; `paired` where those multiply pairs of bf16.
    pub(crate) fn new(kernels: &'static Kernels, paired: bool, inputs: usize, outputs: usize) -> Self {
        let words = if paired { inputs.div_ceil(2) } else { inputs };
        let columns = outputs.next_multiple_of(kernels.columns);
        Self {
            kernels,
            inputs,
            outputs,
            words,
            paired,
            panels: Buffer::zeros(columns * words),
            bias: Buffer::zeros(columns),
        }
    }

    /// Outputs of the layer.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// How many panels there are.
    pub(crate) fn panels(&self) -> usize {
        self.outputs.div_ceil(self.kernels.columns)
    }

    /// Puts the weights and the bias of one output in their places.
    pub(crate) fn put(&mut self, output: usize, weights: &[f32], bias: f32) {
        let columns = self.kernels.columns;
        let (panel, column) = (output / columns, output % columns);
        self.bias[output] = bias;
        let panel = &mut self.panels[panel * columns * self.words..][..columns * self.words];
        let places = panel.iter_mut().skip(column).step_by(columns);
        if self.paired {
            for (place, pair) in places.zip(weights.chunks(2)) {
                *place = word(pair[0], pair.get(1).copied().unwrap_or(0.0));
            }
        } else {
            for (place, weight) in places.zip(weights) {
                *place = *weight;
            }
        }
    }

    /// Multiplies the rows `rows` of `from` with the panels `panels`; the first is written to row `first` of
    /// `to`. `spare` is this lane's own.
    ///
    /// # Safety
    /// Nobody writes these rows of `from`, or uses these columns of the rows of `to`.
    pub(crate) unsafe fn multiply(
        &self,
        product: &Product<'_>,
        rows: Range<usize>,
        first: usize,
        panels: Range<usize>,
        spare: &mut Buffer,
    ) {
        if rows.is_empty() || panels.is_empty() {
            return;
        }
        let from = product
            .from
            .at(rows.start * self.inputs, rows.len() * self.inputs);
        let a = if self.paired {
            // SAFETY: nobody writes these rows, and they are within bounds.
            let numbers = unsafe { std::slice::from_raw_parts(from, rows.len() * self.inputs) };
            pair(numbers, self.inputs, spare);
            spare.as_ptr()
        } else {
            from.cast_const()
        };
        let to = product.to.at(first * self.outputs, rows.len() * self.outputs);
        let columns = self.kernels.columns;
        for panel in panels {
            let column = panel * columns;
            let tile = Tile {
                a,
                lda: self.words,
                k: self.words,
                b: self.panels[column * self.words..][..columns * self.words].as_ptr(),
                // SAFETY: the panel has columns of this matrix.
                c: unsafe { to.add(column) },
                ldc: self.outputs,
                columns: columns.min(self.outputs - column),
                finish: Finish {
                    bias: &self.bias[column..column + columns],
                    activation: product.activation,
                    add: product.add,
                    ..Finish::PLAIN
                },
            };
            // SAFETY: the caller's promise; `a` and `to` hold these rows.
            unsafe { tiles(self.kernels, &tile, rows.len()) };
        }
    }
}

/// Computes any number of rows as tiles of nearly even height.
///
/// # Safety
/// The pointers of `tile` are good for what it says, for `rows` rows; nobody else writes there.
pub(crate) unsafe fn tiles(kernels: &Kernels, tile: &Tile<'_>, rows: usize) {
    let count = rows.div_ceil(kernels.rows());
    for n in 0..count {
        let (begin, end) = (rows * n / count, rows * (n + 1) / count);
        let part = Tile {
            // SAFETY: the row is one of `rows`.
            a: unsafe { tile.a.add(begin * tile.lda) },
            // SAFETY: as above.
            c: unsafe { tile.c.add(begin * tile.ldc) },
            ..*tile
        };
        // SAFETY: the caller's promise.
        unsafe { kernels.tile(end - begin, &part) };
    }
}

/// Two numbers as bf16 in the place of one.
fn word(low: f32, high: f32) -> f32 {
    let bits = |x: f32| u32::from(bf16::from_f32(x).to_bits());
    f32::from_bits(bits(low) | bits(high) << 16)
}

/// Rows of `width` numbers as rows of pairs.
fn pair(numbers: &[f32], width: usize, pairs: &mut Buffer) {
    let words = width.div_ceil(2);
    pairs.reserve(numbers.len() / width * words);
    for (row, pairs) in numbers.chunks_exact(width).zip(pairs.chunks_exact_mut(words)) {
        for (pair, word_of) in row.chunks(2).zip(pairs) {
            *word_of = word(pair[0], pair.get(1).copied().unwrap_or(0.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Isa;

    /// Numbers that are exact in bf16, and whose products and sums are exact in f32.
    fn number(n: usize) -> f32 {
        ((n * 37) % 17) as f32 - 8.0
    }

    #[test]
    fn products_of_any_size_are_exact() {
        let mut kernels: Vec<_> = Isa::available().map(|isa| (Kernels::of(isa), false)).collect();
        kernels.extend(Kernels::bf16().map(|kernels| (kernels, true)));
        for (kernels, paired) in kernels {
            for (rows, inputs, outputs) in [(1, 1, 1), (2, 3, 5), (14, 16, 32), (15, 33, 65), (40, 64, 31)] {
                let mut packed = Packed::new(kernels, paired, inputs, outputs);
                let weights: Vec<f32> = (0..inputs * outputs).map(|n| number(n + 5)).collect();
                for (n, row) in weights.chunks_exact(inputs).enumerate() {
                    packed.put(n, row, number(n));
                }
                let mut from: Vec<f32> = (0..rows * inputs).map(number).collect();
                let mut to: Vec<f32> = (0..(rows + 1) * outputs).map(|n| number(n + 3)).collect();
                let mut expected = to.clone();
                // The second row goes to the third, and so on.
                for row in 1..rows {
                    for n in 0..outputs {
                        let pairs = from[row * inputs..].iter().zip(&weights[n * inputs..][..inputs]);
                        let sum: f32 = pairs.map(|(a, b)| a * b).sum();
                        expected[(row + 1) * outputs + n] += (sum + number(n)).max(0.0);
                    }
                }
                let product = Product {
                    from: Shared::new(&mut from),
                    to: Shared::new(&mut to),
                    activation: Activation::Relu,
                    add: true,
                };
                // SAFETY: there is one thread, and the matrices are different ones.
                unsafe { packed.multiply(&product, 1..rows, 2, 0..packed.panels(), &mut Buffer::default()) };
                assert_eq!(to, expected, "{kernels:?} {rows} × {inputs} × {outputs}");
            }
        }
    }
}

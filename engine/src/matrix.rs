//! Matrices of weights, packed once for the tiles, and products with them.

use std::ops::Range;

use crate::{
    buffer::{Buffer, Shared},
    kernels::Kernels,
    tile::{Activation, Finish, Tile},
};

/// What a layer is packed for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method {
    /// What computes with it.
    pub kernels: &'static Kernels,
    /// Whether that multiplies pairs of bf16.
    pub paired: bool,
}

impl Method {
    fn words(self, inputs: usize) -> usize {
        if self.paired { inputs.div_ceil(2) } else { inputs }
    }
}

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
    /// Numbers that the panels of a layer take.
    pub(crate) fn room(method: Method, inputs: usize, outputs: usize) -> usize {
        let columns = outputs.next_multiple_of(method.kernels.columns);
        Buffer::room(columns * method.words(inputs))
    }

    /// A layer without weights; its panels are taken from `room`.
    pub(crate) fn new(method: Method, inputs: usize, outputs: usize, room: &mut Buffer) -> Self {
        Self {
            kernels: method.kernels,
            inputs,
            outputs,
            words: method.words(inputs),
            paired: method.paired,
            panels: room.take(Self::room(method, inputs, outputs)),
            bias: Buffer::zeros(outputs.next_multiple_of(method.kernels.columns)),
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
            let mut pairs = vec![0.0; self.words];
            self.kernels.pair(weights, &mut pairs);
            places.zip(pairs).for_each(|(place, pair)| *place = pair);
        } else {
            places.zip(weights).for_each(|(place, weight)| *place = *weight);
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
            spare.reserve(rows.len() * self.words);
            let pairs = spare.chunks_exact_mut(self.words);
            for (row, pairs) in numbers.chunks_exact(self.inputs).zip(pairs) {
                self.kernels.pair(row, pairs);
            }
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
        let plain = Isa::available().map(|isa| (Kernels::of(isa), false));
        for (kernels, paired) in plain.chain(Kernels::bf16().map(|kernels| (kernels, true))) {
            let method = Method { kernels, paired };
            for (rows, inputs, outputs) in [(1, 1, 1), (2, 3, 5), (14, 16, 32), (15, 33, 65), (40, 64, 31)] {
                let mut room = Buffer::zeros(Packed::room(method, inputs, outputs));
                let mut packed = Packed::new(method, inputs, outputs, &mut room);
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

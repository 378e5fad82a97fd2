//! A long short-term memory layer in both directions.

use super::{
    conv::{Conv, Epilogue, Shape},
    plane::Plane,
};
use crate::isa::Isa;

/// One direction: gates in the order input, forget, cell, output.
#[derive(Debug, Clone)]
struct Direction {
    /// From the input to the four gates, with both biases.
    input: Conv,
    /// From the state to the four gates.
    state: Conv,
}

/// An LSTM layer that reads a sequence forwards and backwards.
#[derive(Debug, Clone)]
pub struct Lstm {
    hidden: usize,
    directions: [Direction; 2],
}

/// The weights of one direction, by gate (input, forget, cell, output) and unit.
#[derive(Debug, Clone, Copy)]
pub struct DirectionWeights<'a> {
    /// `4 * hidden * input` numbers.
    pub input: &'a [f32],
    /// `4 * hidden * hidden` numbers.
    pub state: &'a [f32],
    /// `4 * hidden` numbers, each list.
    pub biases: [&'a [f32]; 2],
}

impl Lstm {
    /// Packs the weights of the forward and the backward direction.
    ///
    /// # Panics
    /// Where a list has another length than the sizes say.
    #[must_use]
    pub fn new(input: usize, hidden: usize, weights: [DirectionWeights<'_>; 2]) -> Self {
        let directions = weights.map(|direction| {
            let [first, second] = direction.biases;
            let bias: Vec<f32> = first.iter().zip(second).map(|(a, b)| a + b).collect();
            Direction {
                input: Conv::new(Shape::point(input, 4 * hidden), direction.input, &bias),
                state: Conv::new(
                    Shape::point(hidden, 4 * hidden),
                    direction.state,
                    &vec![0.0; 4 * hidden],
                ),
            }
        });
        Self { hidden, directions }
    }

    /// The states of a sequence (a plane of one row, a step a column): forward and backward beside one another,
    /// `2 * hidden` numbers a step.
    ///
    /// # Panics
    /// Where the input has other channels than the layer.
    #[must_use]
    pub fn run(&self, isa: Isa, input: &Plane) -> Plane {
        let steps = input.columns();
        let mut out = Plane::new(1, steps, 2 * self.hidden, 0);
        let mut gates = vec![0.0; steps * 4 * self.hidden];
        for (index, direction) in self.directions.iter().enumerate() {
            direction
                .input
                .row(isa, input, 0, &mut gates, Epilogue::default());
            let mut cell = vec![0.0; self.hidden];
            let mut state = Plane::new(1, 1, self.hidden, 0);
            for step in 0..steps {
                let step = if index == 0 { step } else { steps - 1 - step };
                let now = &mut gates[step * 4 * self.hidden..][..4 * self.hidden];
                let add = Epilogue {
                    accumulate: true,
                    relu: false,
                };
                direction.state.row(isa, &state, 0, now, add);
                advance(now, &mut cell, state.row_mut(0));
                out.row_mut(0)[(2 * step + index) * self.hidden..][..self.hidden]
                    .copy_from_slice(state.row(0));
            }
        }
        out
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// One step: the cell keeps what the forget gate lets it and takes what the input gate lets in.
fn advance(gates: &[f32], cell: &mut [f32], state: &mut [f32]) {
    let hidden = cell.len();
    for unit in 0..hidden {
        let gate = |index: usize| gates[index * hidden + unit];
        cell[unit] = sigmoid(gate(1)) * cell[unit] + sigmoid(gate(0)) * gate(2).tanh();
        state[unit] = sigmoid(gate(3)) * cell[unit].tanh();
    }
}

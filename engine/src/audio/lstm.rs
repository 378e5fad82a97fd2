//! A long short-term memory cell: the part that has to go step by step.

/// A cell of `hidden` numbers. The share of the inputs in the gates is computed outside, for all steps at once.
#[derive(Debug, Clone)]
pub struct Lstm {
    hidden: usize,
    /// `hidden` rows of `4 × hidden`: what each number of the last output adds to each gate.
    weights: Vec<f32>,
}

/// What a cell carries from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The last output.
    pub output: Vec<f32>,
    /// The memory.
    pub cell: Vec<f32>,
}

impl Lstm {
    /// A cell with recurrent `weights` of `4 × hidden` rows and `hidden` columns, gates in the order input,
    /// forget, cell, output. None where there are not as many.
    pub fn new(weights: &[f32], hidden: usize) -> Option<Self> {
        if hidden == 0 || weights.len() != 4 * hidden * hidden {
            return None;
        }
        let mut turned = vec![0.0; weights.len()];
        for (row, numbers) in weights.chunks_exact(hidden).enumerate() {
            for (column, &number) in numbers.iter().enumerate() {
                turned[column * 4 * hidden + row] = number;
            }
        }
        Some(Self {
            hidden,
            weights: turned,
        })
    }

    /// Before the first step.
    pub fn start(&self) -> State {
        State {
            output: vec![0.0; self.hidden],
            cell: vec![0.0; self.hidden],
        }
    }

    /// Goes through `gates`, `4 × hidden` numbers a step: what the inputs add to each gate, biases
    /// included. The output of every step is appended to `outputs`.
    pub fn run(&self, gates: &[f32], state: &mut State, outputs: &mut Vec<f32>) {
        let width = 4 * self.hidden;
        let mut sums = vec![0.0; width];
        for inputs in gates.chunks_exact(width) {
            sums.copy_from_slice(inputs);
            for (row, &number) in self.weights.chunks_exact(width).zip(&state.output) {
                for (sum, weight) in sums.iter_mut().zip(row) {
                    *sum += weight * number;
                }
            }
            let (input, rest) = sums.split_at(self.hidden);
            let (forget, rest) = rest.split_at(self.hidden);
            let (new, out) = rest.split_at(self.hidden);
            for index in 0..self.hidden {
                let cell = &mut state.cell[index];
                *cell = sigmoid(forget[index]) * *cell + sigmoid(input[index]) * new[index].tanh();
                state.output[index] = sigmoid(out[index]) * cell.tanh();
            }
            outputs.extend_from_slice(&state.output);
        }
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_one_number_by_hand() {
        let lstm = Lstm::new(&[0.5, -0.25, 1.0, 0.75], 1).expect("four weights");
        let (mut state, mut outputs) = (lstm.start(), Vec::new());
        let gates = [0.1, 0.2, 0.3, 0.4, -0.5, 0.6, 0.7, -0.8];
        lstm.run(&gates, &mut state, &mut outputs);
        let (mut output, mut cell) = (0_f64, 0_f64);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for (step, given) in gates.chunks_exact(4).enumerate() {
            let gate = |index: usize, weight: f64| f64::from(given[index]) + weight * output;
            cell = sigmoid(gate(1, -0.25)) * cell + sigmoid(gate(0, 0.5)) * gate(2, 1.0).tanh();
            output = sigmoid(gate(3, 0.75)) * cell.tanh();
            assert!((f64::from(outputs[step]) - output).abs() < 1e-6);
        }
    }

    #[test]
    fn pieces_make_no_difference() {
        let weights: Vec<f32> = (0..4 * 8 * 8)
            .map(|n| ((n * 37 % 101) as f32 - 50.0) / 100.0)
            .collect();
        let gates: Vec<f32> = (0..4 * 8 * 10)
            .map(|n| ((n * 53 % 97) as f32 - 48.0) / 50.0)
            .collect();
        let lstm = Lstm::new(&weights, 8).expect("square");
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        lstm.run(&gates, &mut lstm.start(), &mut whole);
        let mut state = lstm.start();
        for piece in gates.chunks(4 * 8 * 3) {
            lstm.run(piece, &mut state, &mut parts);
        }
        assert_eq!(whole, parts);
        assert_eq!(whole.len(), 80);
        assert!(Lstm::new(&weights, 7).is_none());
    }
}

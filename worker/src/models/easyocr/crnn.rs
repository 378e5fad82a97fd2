//! The recogniser: what a line of text says (EasyOCR's `english_g2`).
//!
//! Convolutions over a line of 64 rows, the mean of what is left of the height, two LSTM layers in
//! both directions, and for every step the likelihood of each letter and of a blank.

use lamplighter_engine::{
    isa::Isa,
    vision::{self, Conv, DirectionWeights, Epilogue, Lstm, Plane, Shape, resample::Bytes},
};

use super::weights::Weights;

/// Rows of a line's picture.
pub const HEIGHT: usize = 64;
/// What the network tells apart; the blank comes before them.
pub const ALPHABET: &str = "0123456789!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ €\
    ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const HIDDEN: usize = 256;
const RELU: Epilogue = Epilogue {
    accumulate: false,
    relu: true,
};

/// The network.
pub struct Crnn {
    convs: [Conv; 7],
    layers: [(Lstm, Conv); 2],
    scores: Conv,
    letters: Vec<char>,
}

/// A line as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// How sure that is, from 0 to 1.
    pub confidence: f32,
}

/// The letters that may be read.
#[derive(Debug, Clone)]
pub struct Allowed(Vec<bool>);

impl Allowed {
    /// All of them, or those of a list.
    pub fn new(list: Option<&str>) -> Self {
        let allowed = |letter: char| list.is_none_or(|list| list.contains(letter));
        // The blank is always allowed.
        Self(
            std::iter::once(true)
                .chain(ALPHABET.chars().map(allowed))
                .collect(),
        )
    }
}

impl Crnn {
    /// Of the weights of `english_g2`.
    ///
    /// # Errors
    /// What is missing or has another shape.
    pub fn load(weights: &Weights<'_>) -> Result<Self, String> {
        let name = |at: usize| format!("FeatureExtraction.ConvNet.{at}");
        let plain = |at: usize, input: usize, output: usize| {
            weights.conv(&name(at), None, Shape::three(input, output))
        };
        let normed = |at: usize, input: usize| {
            weights.conv_unbiased(&name(at), Some(&name(at + 1)), Shape::three(input, 256))
        };
        let last = Shape {
            input: 256,
            output: 256,
            window: 2,
            padding: 0,
            dilation: 1,
        };
        let letters: Vec<char> = ALPHABET.chars().collect();
        let output = Shape::point(HIDDEN, letters.len() + 1);
        Ok(Self {
            convs: [
                plain(0, 1, 32)?,
                plain(3, 32, 64)?,
                plain(6, 64, 128)?,
                plain(8, 128, 128)?,
                normed(11, 128)?,
                normed(14, 256)?,
                weights.conv(&name(18), None, last)?,
            ],
            layers: [layer(weights, 0)?, layer(weights, 1)?],
            scores: weights.conv("Prediction", None, output)?,
            letters,
        })
    }

    /// Reads a line: a picture of one channel and [`HEIGHT`] rows, at most `width` columns, that
    /// is thought to go on to `width` columns as it ends.
    pub fn read(&self, isa: Isa, picture: &Bytes, width: usize, allowed: &Allowed) -> Line {
        let scores = self.likelihoods(isa, picture, width);
        self.decode(scores.row(0), allowed)
    }

    /// The scores of every step, not yet likelihoods.
    pub fn likelihoods(&self, isa: Isa, picture: &Bytes, width: usize) -> Plane {
        let mut layer = vision::line(picture, width);
        for (index, conv) in self.convs.iter().enumerate() {
            layer = whole(conv, isa, &layer);
            layer = match index {
                0 | 1 => halved(&layer, true),
                3 | 5 => halved(&layer, false),
                _ => layer,
            };
        }
        let mut layer = vision::mean_of_rows(&layer);
        for (lstm, linear) in &self.layers {
            let states = lstm.run(isa, &layer);
            layer = pointwise(linear, isa, &states);
        }
        pointwise(&self.scores, isa, &layer)
    }

    /// The likeliest letter of every step; blanks and repetitions are left out.
    fn decode(&self, scores: &[f32], allowed: &Allowed) -> Line {
        let mut text = String::new();
        let mut last = 0;
        let (mut product, mut count) = (1.0_f64, 0_u32);
        for step in scores.chunks_exact(self.letters.len() + 1) {
            let (best, likelihood) = likeliest(step, allowed);
            if best != 0 {
                product *= f64::from(likelihood);
                count += 1;
                if best != last {
                    text.push(self.letters[best - 1]);
                }
            }
            last = best;
        }
        let confidence = match count {
            0 => 0.0,
            count => product.powf(2.0 / f64::from(count).sqrt()) as f32,
        };
        Line { text, confidence }
    }
}

/// The likeliest of what is allowed, and its share of the likelihood of all that is allowed.
fn likeliest(scores: &[f32], allowed: &Allowed) -> (usize, f32) {
    let open = || {
        scores
            .iter()
            .zip(&allowed.0)
            .enumerate()
            .filter(|(_, (_, allowed))| **allowed)
    };
    let (best, most) = open().fold((0, f32::NEG_INFINITY), |(best, most), (index, (&score, _))| {
        if score > most {
            (index, score)
        } else {
            (best, most)
        }
    });
    let sum: f32 = open().map(|(_, (score, _))| (score - most).exp()).sum();
    (best, 1.0 / sum)
}

fn layer(weights: &Weights<'_>, index: usize) -> Result<(Lstm, Conv), String> {
    let name = format!("SequenceModeling.{index}");
    let list = |part: &str, count: usize| weights.numbers(&format!("{name}.rnn.{part}"), count);
    let matrix = 4 * HIDDEN * HIDDEN;
    let mut lists = Vec::new();
    for suffix in ["", "_reverse"] {
        lists.push((
            list(&format!("weight_ih_l0{suffix}"), matrix)?,
            list(&format!("weight_hh_l0{suffix}"), matrix)?,
            list(&format!("bias_ih_l0{suffix}"), 4 * HIDDEN)?,
            list(&format!("bias_hh_l0{suffix}"), 4 * HIDDEN)?,
        ));
    }
    let direction = |index: usize| {
        let (input, state, first, second) = &lists[index];
        DirectionWeights {
            input,
            state,
            biases: [first, second],
        }
    };
    let lstm = Lstm::new(HIDDEN, HIDDEN, [direction(0), direction(1)]);
    let linear = Shape::point(2 * HIDDEN, HIDDEN);
    Ok((lstm, weights.conv(&format!("{name}.linear"), None, linear)?))
}

/// A layer, with a border for the next one.
fn whole(conv: &Conv, isa: Isa, input: &Plane) -> Plane {
    let (rows, columns) = conv.output_size(input.rows(), input.columns());
    let mut output = Plane::new(rows, columns, conv.shape().output, 1);
    for row in 0..rows {
        conv.row(isa, input, row, output.row_mut(row), RELU);
    }
    output
}

fn pointwise(conv: &Conv, isa: Isa, input: &Plane) -> Plane {
    let mut output = Plane::new(1, input.columns(), conv.shape().output, 0);
    conv.row(isa, input, 0, output.row_mut(0), Epilogue::default());
    output
}

fn halved(input: &Plane, columns: bool) -> Plane {
    let channels = input.channels();
    let width = if columns {
        input.columns() / 2
    } else {
        input.columns()
    };
    let mut output = Plane::new(input.rows() / 2, width, channels, 1);
    for row in 0..output.rows() {
        let (above, below) = (input.row(2 * row), input.row(2 * row + 1));
        vision::halve(above, below, channels, columns, output.row_mut(row));
    }
    output
}

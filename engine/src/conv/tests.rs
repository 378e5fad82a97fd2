//! Layers against plain loops, for all instructions this processor has, any shape and any number of lanes.

use proptest::prelude::*;

use super::*;

/// Numbers from -1 to 1, always the same.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn map(height: usize, width: usize, channels: usize) -> Map {
    Map {
        height,
        width,
        channels,
        data: numbers(height * width * channels, 7),
    }
}

fn activation(which: usize, channels: usize) -> Activation {
    match which % 4 {
        0 => Activation::None,
        1 => Activation::Relu,
        2 => Activation::Relu6,
        _ => Activation::Prelu(numbers(channels, 3)),
    }
}

/// A layer.
struct Plain<'a> {
    kernel: usize,
    stride: usize,
    weights: &'a [f32],
    bias: &'a [f32],
    activation: Activation,
    depthwise: bool,
}

impl Plain<'_> {
    fn run(&self, map: &Map, padding: Padding, residual: Option<&Map>) -> Map {
        let side = |side: usize| {
            if side < self.kernel {
                0
            } else {
                (side - self.kernel) / self.stride + 1
            }
        };
        let height = side(map.height + padding.top + padding.bottom);
        let width = side(map.width + padding.left + padding.right);
        let outputs = self.bias.len();
        let inputs = self.weights.len() / outputs / self.kernel / self.kernel;
        let mut out = Map::new(height, width, outputs);
        for index in 0..out.data.len() {
            let (y, x, output) = (index / outputs / width, index / outputs % width, index % outputs);
            let mut sum = f64::from(self.bias[output]);
            for input in 0..inputs {
                for place in 0..self.kernel * self.kernel {
                    let at_y = (y * self.stride + place / self.kernel).wrapping_sub(padding.top);
                    let at_x = (x * self.stride + place % self.kernel).wrapping_sub(padding.left);
                    if at_y < map.height && at_x < map.width {
                        let channel = if self.depthwise { output } else { input };
                        let weight =
                            self.weights[(output * inputs + input) * self.kernel * self.kernel + place];
                        sum += f64::from(map.pixel(at_y, at_x)[channel]) * f64::from(weight);
                    }
                }
            }
            sum += residual.map_or(0.0, |residual| f64::from(residual.data[index]));
            out.data[index] = self.activation.one(sum as f32, output);
        }
        out
    }
}

fn close(found: &Map, expected: &Map) -> Result<(), TestCaseError> {
    let shape = |map: &Map| (map.height, map.width, map.channels, map.data.len());
    prop_assert_eq!(shape(found), shape(expected));
    for (at, (a, b)) in found.data.iter().zip(&expected.data).enumerate() {
        prop_assert!((a - b).abs() <= 1e-4 + 1e-5 * b.abs(), "{at}: {a} and {b}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn depthwise_layers_are_what_loops_make(
        (height, width, channels) in (1_usize..14, 1_usize..14, 1_usize..90),
        (kernel, stride) in (1_usize..6, 1_usize..3),
        (kind, lanes) in (0_usize..4, 1_usize..4),
        same in any::<bool>(),
    ) {
        let map = map(height, width, channels);
        let (weights, bias) = (numbers(channels * kernel * kernel, 1), numbers(channels, 2));
        let padding = if same { Padding::same(height, width, kernel, stride) } else { Padding::all(kernel) };
        let plain = Plain {
            kernel, stride, weights: &weights, bias: &bias,
            activation: activation(kind, channels), depthwise: true,
        };
        let expected = plain.run(&map, padding, None);
        if same {
            prop_assert_eq!((expected.height, expected.width), (height.div_ceil(stride), width.div_ceil(stride)));
        }
        let pool = Pool::new(lanes);
        for isa in Isa::available() {
            let layer = Depthwise::new(isa, kernel, stride, &weights, &bias, activation(kind, channels));
            close(&layer.run(&map, padding, &pool), &expected)?;
        }
    }

    #[test]
    fn dense_layers_are_what_loops_make(
        (height, width) in (1_usize..12, 1_usize..12),
        (inputs, outputs) in (1_usize..40, 1_usize..70),
        (kernel, stride) in (1_usize..4, 1_usize..3),
        (kind, lanes) in (0_usize..4, 1_usize..4),
        (same, add) in (any::<bool>(), any::<bool>()),
    ) {
        let map = map(height, width, inputs);
        let (weights, bias) = (numbers(outputs * inputs * kernel * kernel, 1), numbers(outputs, 2));
        let padding = if same { Padding::same(height, width, kernel, stride) } else { Padding::all(kernel - 1) };
        let plain = Plain {
            kernel, stride, weights: &weights, bias: &bias,
            activation: activation(kind, outputs), depthwise: false,
        };
        let empty = plain.run(&map, padding, None);
        let residual = Map { data: numbers(empty.data.len(), 9), ..empty };
        let residual = add.then_some(&residual);
        let expected = plain.run(&map, padding, residual);
        let pool = Pool::new(lanes);
        for isa in Isa::available() {
            let layer = Dense::new(isa, kernel, stride, &weights, &bias, activation(kind, outputs));
            close(&layer.run(&map, padding, residual, &pool), &expected)?;
        }
    }

    #[test]
    fn areas_are_means((columns, rows) in (1_usize..30, 1_usize..30), (width, height) in (1_usize..30, 1_usize..30)) {
        let (whole, left, top) = (columns + 3, 2, 1);
        let rgb: Vec<u8> = (0..whole * (rows + 2) * 3).map(|n| (n * 37 % 251) as u8).collect();
        let part = Area { rgb: &rgb, width: whole, left, top, columns, rows };
        let out = area(part, height, width, 100.0, 0.5);
        for (index, pixel) in out.data.chunks_exact(3).enumerate() {
            let (y, x) = (index / width, index % width);
            let (mut sum, mut count) = ([0.0; 3], 0.0);
            for row in 0..rows {
                for column in 0..columns {
                    // Whether the two spans touch, in units of both sizes.
                    let touches = |at: usize, inputs: usize, out: usize, outputs: usize| {
                        at * outputs < (out + 1) * inputs && (at + 1) * outputs > out * inputs
                    };
                    if touches(row, rows, y, height) && touches(column, columns, x, width) {
                        let at = ((top + row) * whole + left + column) * 3;
                        (0..3).for_each(|c| sum[c] += f64::from(rgb[at + c]));
                        count += 1.0;
                    }
                }
            }
            for channel in 0..3 {
                let expected = (sum[channel] / count - 100.0) * 0.5;
                prop_assert!((f64::from(pixel[channel]) - expected).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn lanes_and_neighbours_change_nothing() {
    let map = map(9, 11, 24);
    let layer = Dense::new(
        Isa::best(),
        3,
        1,
        &numbers(24 * 9 * 40, 1),
        &numbers(40, 2),
        Activation::Relu,
    );
    let one = layer.run(&map, Padding::all(1), None, &Pool::new(1));
    assert_eq!(layer.run(&map, Padding::all(1), None, &Pool::new(3)), one);
    let matrix = Dense::new(
        Isa::best(),
        1,
        1,
        &numbers(24 * 40, 1),
        &numbers(40, 2),
        Activation::None,
    );
    let rows = numbers(24 * 13, 5);
    let together = matrix.rows(&rows, &Pool::new(2));
    for (row, expected) in rows.chunks_exact(24).zip(together.chunks_exact(40)) {
        assert_eq!(matrix.rows(row, &Pool::new(1)), expected);
    }
}

#[test]
fn windows_of_a_pool_may_reach_over_the_edge() {
    let map = Map {
        height: 5,
        width: 4,
        channels: 1,
        data: (0..20).map(|n| n as f32).collect(),
    };
    let pooled = map.max_pool(2, 2);
    assert_eq!((pooled.height, pooled.width), (3, 2));
    assert_eq!(pooled.data, [5.0, 7.0, 13.0, 15.0, 17.0, 19.0]);
    let pooled = map.max_pool(3, 2);
    assert_eq!((pooled.height, pooled.width), (2, 2));
    assert_eq!(pooled.data, [10.0, 11.0, 18.0, 19.0]);
    assert_eq!(map.max_pool(2, 3).data, [5.0, 7.0, 17.0, 19.0]);
    assert_eq!(map.mean(), [9.5]);
}

#[test]
fn a_part_of_a_resized_picture_is_that_part_of_the_whole() {
    let (from, to) = ((31, 23), (17, 40));
    let rgb: Vec<u8> = (0..31 * 23 * 3).map(|n| (n * 37 % 251) as u8).collect();
    let whole = bilinear(
        &rgb,
        Resize {
            from,
            to,
            corner: (0, 0),
            part: to,
        },
    );
    let part = bilinear(
        &rgb,
        Resize {
            from,
            to,
            corner: (3, 5),
            part: (9, 30),
        },
    );
    for (y, row) in part.chunks_exact(27).enumerate() {
        assert_eq!(row, &whole[((y + 5) * 17 + 3) * 3..][..27], "row {y}");
    }
    let same = Resize {
        from,
        to: from,
        corner: (0, 0),
        part: from,
    };
    assert_eq!(bilinear(&rgb, same), rgb);
    // One colour stays it.
    assert!(
        bilinear(
            &[200; 31 * 23 * 3],
            Resize {
                from,
                to,
                corner: (0, 0),
                part: to
            }
        )
        .iter()
        .all(|&b| b == 200)
    );
}

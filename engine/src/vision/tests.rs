//! Every kernel against the plainest form of what it computes, with every set of instructions there is.

use proptest::prelude::*;

use super::{
    Conv, DirectionWeights, Epilogue, Lstm, Plane, Shape, add_doubled, components::connected, halve, line,
    max3, mean_of_rows, normalised, rectangle, resample, resample::Bytes, with_contrast,
};
use crate::{isa::Isa, pool::Pool};

/// Numbers between -1 and 1 that look like chance.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn plane(rows: usize, columns: usize, channels: usize, pad: usize, seed: u32) -> Plane {
    let mut plane = Plane::new(rows, columns, channels, pad);
    let values = numbers(rows * columns * channels, seed);
    for (row, from) in values.chunks_exact(columns * channels).enumerate() {
        plane.row_mut(row).copy_from_slice(from);
    }
    plane
}

/// A number of a plane; zero outside.
fn at(plane: &Plane, row: i64, column: i64, channel: usize) -> f32 {
    match (usize::try_from(row), usize::try_from(column)) {
        (Ok(row), Ok(column)) if row < plane.rows() && column < plane.columns() => {
            plane.row(row)[column * plane.channels() + channel]
        }
        _ => 0.0,
    }
}

fn plain(
    shape: &Shape,
    weights: &[f32],
    bias: &[f32],
    input: &Plane,
    row: usize,
    column: usize,
    output: usize,
) -> f64 {
    let mut sum = f64::from(bias[output]);
    let place = |start: usize, tap: usize| (start + tap * shape.dilation) as i64 - shape.padding as i64;
    for channel in 0..shape.input {
        for down in 0..shape.window {
            for right in 0..shape.window {
                let weight =
                    weights[((output * shape.input + channel) * shape.window + down) * shape.window + right];
                let value = at(input, place(row, down), place(column, right), channel);
                sum += f64::from(weight) * f64::from(value);
            }
        }
    }
    sum
}

#[test]
fn convolutions_are_sums_of_products() {
    let two = Shape {
        input: 5,
        output: 40,
        window: 2,
        padding: 0,
        dilation: 1,
    };
    let dilated = Shape {
        padding: 6,
        dilation: 6,
        ..Shape::three(7, 33)
    };
    let pool = Pool::new(2);
    for (index, shape) in [
        Shape::three(3, 64),
        Shape::three(20, 32),
        Shape::point(9, 2),
        two,
        dilated,
    ]
    .iter()
    .enumerate()
    {
        for (rows, columns) in [(2, 2), (3, 15), (5, 29), (9, 14)] {
            let seed = index as u32 * 100 + columns as u32;
            let input = plane(rows, columns, shape.input, 6, seed);
            let (weights, bias) = (
                numbers(shape.weights(), seed + 1),
                numbers(shape.output, seed + 2),
            );
            let conv = Conv::new(*shape, &weights, &bias);
            let (rows, columns) = conv.output_size(rows, columns);
            for isa in Isa::available() {
                let mut output = Plane::new(rows, columns, shape.output, 0);
                conv.run(&pool, isa, &input, &mut output, Epilogue::default());
                let mut bent = output.clone();
                let both = Epilogue {
                    accumulate: true,
                    relu: true,
                };
                conv.run(&pool, isa, &input, &mut bent, both);
                for row in 0..rows {
                    for column in 0..columns {
                        for channel in 0..shape.output {
                            let expected = plain(shape, &weights, &bias, &input, row, column, channel);
                            let found = f64::from(at(&output, row as i64, column as i64, channel));
                            assert!(
                                (found - expected).abs() < 1e-4,
                                "{isa} {shape:?}: {found}, not {expected}"
                            );
                            let twice = (2.0 * expected - f64::from(bias[channel])).max(0.0);
                            let found = f64::from(at(&bent, row as i64, column as i64, channel));
                            assert!(
                                (found - twice).abs() < 2e-4,
                                "{isa} {shape:?}: {found}, not {twice}"
                            );
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_memory_of_one_unit_follows_its_equations() {
    // Input weights of the gates i, f, g, o; state weights; both biases.
    let (input, state, first, second) = ([0.5, -0.3, 0.8, 0.1], [0.2, 0.4, -0.6, 0.7], [0.1; 4], [0.05; 4]);
    let weights = DirectionWeights {
        input: &input,
        state: &state,
        biases: [&first, &second],
    };
    let lstm = Lstm::new(1, 1, [weights; 2]);
    let values = [1.0, -0.5, 0.25];
    let mut sequence = Plane::new(1, 3, 1, 0);
    sequence.row_mut(0).copy_from_slice(&values);
    let expected = |order: [usize; 3]| {
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        let (mut cell, mut hidden, mut out) = (0.0_f32, 0.0_f32, [0.0; 3]);
        for step in order {
            let gate = |g: usize| input[g] * values[step] + state[g] * hidden + 0.15;
            cell = sigmoid(gate(1)) * cell + sigmoid(gate(0)) * gate(2).tanh();
            hidden = sigmoid(gate(3)) * cell.tanh();
            out[step] = hidden;
        }
        out
    };
    let (forward, backward) = (expected([0, 1, 2]), expected([2, 1, 0]));
    for isa in Isa::available() {
        let out = lstm.run(isa, &sequence);
        for step in 0..3 {
            let found = &out.row(0)[2 * step..2 * step + 2];
            assert!((found[0] - forward[step]).abs() < 1e-6 && (found[1] - backward[step]).abs() < 1e-6);
        }
    }
}

#[test]
fn doubling_is_bilinear_between_the_middles_of_pixels() {
    let small = plane(3, 4, 2, 0, 5);
    for row in 0..6 {
        let mut out = vec![1.0; 16];
        add_doubled(&small, row, &mut out);
        for column in 0..8_usize {
            for channel in 0..2 {
                let spot = |at: usize, count: usize| {
                    let place = ((at as f32 + 0.5) / 2.0 - 0.5).clamp(0.0, (count - 1) as f32);
                    (place as usize, (place as usize + 1).min(count - 1), place.fract())
                };
                let ((top, bottom, down), (left, right, share)) = (spot(row, 3), spot(column, 4));
                let pixel = |row: usize, column: usize| small.row(row)[column * 2 + channel];
                let above = pixel(top, left) * (1.0 - share) + pixel(top, right) * share;
                let below = pixel(bottom, left) * (1.0 - share) + pixel(bottom, right) * share;
                let expected = 1.0 + above * (1.0 - down) + below * down;
                assert!((out[column * 2 + channel] - expected).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn pooling_takes_the_largest_and_the_mean() {
    let input = plane(4, 5, 3, 1, 9);
    let mut out = vec![0.0; 6];
    halve(input.row(0), input.row(1), 3, true, &mut out);
    let largest = |channel: usize| {
        let near = [(0, 2), (0, 3), (1, 2), (1, 3)];
        near.map(|(row, column)| at(&input, row, column, channel))
            .into_iter()
            .fold(f32::MIN, f32::max)
    };
    assert_eq!(out[3..], [largest(0), largest(1), largest(2)]);
    let mut tall = vec![0.0; 15];
    halve(input.row(2), input.row(3), 3, false, &mut tall);
    assert_eq!(tall[7], at(&input, 2, 2, 1).max(at(&input, 3, 2, 1)));
    let mut wide = Plane::new(4, 5, 3, 6);
    max3(&input, &mut wide);
    let corner = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(row, column)| at(&input, row, column, 2));
    assert_eq!(at(&wide, 0, 0, 2), corner.into_iter().fold(f32::MIN, f32::max));
    let mean = mean_of_rows(&input);
    let expected: f32 = (0..4).map(|row| at(&input, row, 3, 1)).sum::<f32>() / 4.0;
    assert!((mean.row(0)[10] - expected).abs() < 1e-6);
}

#[test]
fn parts_are_connected_over_edges_only() {
    let map: Vec<bool> = b"##..#...##..#..#".iter().map(|&byte| byte == b'#').collect();
    let parts = connected(4, map);
    let sizes: Vec<usize> = parts.iter().map(|part| part.cells.len()).collect();
    assert_eq!(sizes, [6, 1]);
    assert_eq!(
        (parts[0].left, parts[0].top, parts[0].right, parts[0].bottom),
        (0, 0, 1, 3)
    );
    assert!(connected(0, Vec::new()).is_empty());
}

#[test]
fn the_smallest_rectangle_lies_along_slanted_points() {
    let points: Vec<[f64; 2]> = (0..20)
        .flat_map(|i| {
            [
                [f64::from(i), f64::from(i)],
                [f64::from(i) + 3.0, f64::from(i) - 3.0],
            ]
        })
        .collect();
    let corners = rectangle::smallest(&points).expect("points");
    let side = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    let mut sides = [side(corners[0], corners[1]), side(corners[1], corners[2])];
    sides.sort_by(f64::total_cmp);
    assert!(
        (sides[0] - 18_f64.sqrt()).abs() < 1e-9 && (sides[1] - 722_f64.sqrt()).abs() < 1e-9,
        "{corners:?}"
    );
    assert_eq!(rectangle::smallest(&[]), None);
    assert_eq!(rectangle::smallest(&[[2.0, 3.0]; 5]), Some([[2.0, 3.0]; 4]));
}

fn picture(rows: usize, columns: usize, channels: usize) -> Bytes {
    let data = numbers(rows * columns * channels, 77)
        .iter()
        .map(|value| (value * 127.0 + 128.0) as u8)
        .collect();
    Bytes {
        rows,
        columns,
        channels,
        data,
    }
}

#[test]
fn pictures_keep_what_they_show_in_another_size() {
    let flat = Bytes {
        data: vec![200; 5 * 7],
        ..picture(5, 7, 1)
    };
    assert!(
        resample::bilinear(&flat, 64, 3)
            .data
            .iter()
            .all(|&byte| byte == 200)
    );
    assert!(
        resample::bicubic(&flat, 2, 30)
            .data
            .iter()
            .all(|&byte| byte == 200)
    );
    let some = picture(5, 7, 1);
    assert_eq!(resample::bilinear(&some, 5, 7), some);
    assert_eq!(resample::bicubic(&some, 5, 7), some);
    let corners = [[0.0, 0.0], [6.0, 0.0], [6.0, 4.0], [0.0, 4.0]];
    assert_eq!(resample::quadrilateral(&some, corners, 5, 7), some);
    // Upside down by the order of the corners, as by two quarter turns.
    let turned = resample::quadrilateral(&some, [corners[2], corners[3], corners[0], corners[1]], 5, 7);
    assert_eq!(turned, some.turned().turned());
    let colours = picture(4, 6, 3);
    assert_eq!(colours.turned().turned().turned().turned(), colours);
    assert_eq!(colours.crop(1, 1, 99, 3).columns, 5);
    assert_eq!(colours.grey().data.len(), 24);
}

#[test]
fn lines_are_numbers_around_zero_and_go_on_as_they_end() {
    let some = picture(2, 3, 1);
    let plane = line(&some, 5);
    assert_eq!(plane.row(1)[4], f32::from(some.data[5]) / 127.5 - 1.0);
    let pale = Bytes {
        data: (60..160).collect(),
        ..picture(10, 10, 1)
    };
    let clear = with_contrast(&pale, 0.5).data;
    // A tenth is below 69.9, a tenth above 149.1; what lies between is spread over 200 steps from 25 on.
    assert_eq!((clear[0], clear[99]), (38, 255));
    let normal = normalised(&picture(1, 1, 3), 2, 2, &[10.0, 20.0, 30.0], &[2.0, 4.0, 5.0]);
    assert_eq!(normal.row(1)[3..], [-5.0, -5.0, -6.0]);
}

proptest! {
    #[test]
    fn a_smallest_rectangle_holds_its_points(points in prop::collection::vec((0..50_i32, 0..50_i32), 1..40)) {
        let points: Vec<[f64; 2]> = points.iter().map(|&(x, y)| [f64::from(x), f64::from(y)]).collect();
        let corners = rectangle::smallest(&points).expect("points");
        for point in &points {
            for index in 0..4 {
                let (a, b) = (corners[index], corners[(index + 1) % 4]);
                let turn = (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]);
                prop_assert!(turn >= -1e-6, "{:?} is outside {:?}", point, corners);
            }
        }
    }

    #[test]
    fn any_quadrilateral_is_cut_out(corners in prop::array::uniform4(prop::array::uniform2(-1e6..1e6_f64)), rows in 0..9_usize, columns in 0..9_usize) {
        prop_assert_eq!(resample::quadrilateral(&picture(3, 4, 1), corners, rows, columns).data.len(), rows * columns);
    }
}

//! The engine's convolutions against candle's own, on the layers of EfficientNet-Lite0 and on all of it. Both
//! compute the same numbers in turns, with one thread and with all.

use std::{hint::black_box, io, time::Instant};

use lamplighter_engine::conv::{Activation, Map, Padding};
use lamplighter_shared::model_spec::Catalog;
use lamplighter_worker::{
    models::{
        self,
        efficientnet_lite::{self, SIDE},
        layers::{Conv, Feature, Parts, Place},
    },
    weights,
};

use crate::{direct::models_dir, report::Report, stats};

/// The depthwise layers: side of the kernel, stride, channels, side of the picture, how many of them.
const DEPTHWISE: [[usize; 5]; 11] = [
    [3, 1, 32, 112, 1],
    [3, 2, 96, 112, 1],
    [3, 1, 144, 56, 1],
    [5, 2, 144, 56, 1],
    [5, 1, 240, 28, 1],
    [3, 2, 240, 28, 1],
    [3, 1, 480, 14, 2],
    [5, 1, 480, 14, 1],
    [5, 1, 672, 14, 2],
    [5, 2, 672, 14, 1],
    [5, 1, 1152, 7, 3],
];
/// How many times as fast as candle's the depthwise layers have to be.
const REQUIRED: f64 = 10.0;

fn failed(error: impl ToString) -> io::Error {
    io::Error::other(error.to_string())
}

/// Measures both, in so many rounds.
pub fn measure(rounds: usize, report: &mut Report) -> io::Result<()> {
    let threads = std::thread::available_parallelism()?.get();
    let (mut ours, mut stock) = (0.0, 0.0);
    for [kernel, stride, channels, side, count] in DEPTHWISE {
        let layer = Layer {
            kernel,
            stride,
            channels,
            side,
        };
        let (a, b) = layer.milliseconds(threads, rounds)?;
        let name = format!("depthwise {kernel}x{kernel}/{stride}, {channels} channels of {side} x {side}");
        report.note(&name, format!("{a:.2} ms, candle {b:.2} ms: {:.1} x", b / a));
        ours += a * count as f64;
        stock += b * count as f64;
    }
    let ratio = stock / ours;
    let figure = format!("{ours:.1} ms, candle {stock:.1} ms: {ratio:.1} x");
    let required = format!("{REQUIRED} x");
    report.judge(
        "all depthwise layers of EfficientNet-Lite0",
        figure,
        required,
        ratio >= REQUIRED,
    );
    whole(1, rounds, report)?;
    whole(threads, rounds, report)
}

/// A depthwise layer.
struct Layer {
    kernel: usize,
    stride: usize,
    channels: usize,
    side: usize,
}

impl Layer {
    /// Milliseconds of the engine and of candle.
    fn milliseconds(&self, threads: usize, rounds: usize) -> io::Result<(f64, f64)> {
        let numbers = |count: usize| {
            (0..count)
                .map(|n| (n * 37 % 101) as f32 / 101.0)
                .collect::<Vec<_>>()
        };
        let mut times = [Vec::new(), Vec::new()];
        let places = [Place::engine(threads), Place::stock()];
        let mut layers = Vec::new();
        for place in &places {
            let parts = Parts {
                kernel: self.kernel,
                stride: self.stride,
                depthwise: true,
                weights: numbers(self.channels * self.kernel * self.kernel),
                bias: numbers(self.channels),
                activation: Activation::Relu6,
            };
            let map = Map {
                height: self.side,
                width: self.side,
                channels: self.channels,
                data: numbers(self.side * self.side * self.channels),
            };
            let conv = Conv::new(place, parts).map_err(failed)?;
            layers.push((conv, Feature::new(map, place).map_err(failed)?));
        }
        let padding = Padding::same(self.side, self.side, self.kernel, self.stride);
        for _ in 0..=rounds {
            for ((place, (conv, input)), times) in places.iter().zip(&layers).zip(&mut times) {
                let started = Instant::now();
                black_box(conv.run(place, input, padding, None).map_err(failed)?);
                times.push(stats::ms(started.elapsed()));
            }
        }
        // The first round warms up.
        Ok((stats::median(&times[0][1..]), stats::median(&times[1][1..])))
    }
}

/// The whole network.
fn whole(threads: usize, rounds: usize, report: &mut Report) -> io::Result<()> {
    let catalog = Catalog::built_in();
    let spec = catalog
        .get("efficientnet-lite0")
        .ok_or_else(|| failed("not in the catalogue"))?;
    let dir = weights::ensure(spec, &models_dir(), &|_| {}).map_err(failed)?;
    let converted = tempfile::tempdir()?;
    let convert = models::conversion(spec.family).ok_or_else(|| failed("nothing converts it"))?;
    convert(spec, &dir, converted.path()).map_err(|error| failed(error.detail))?;
    let load = |place| {
        efficientnet_lite::network(&dir, converted.path(), place).map_err(|error| failed(error.detail))
    };
    let networks = [load(Place::engine(threads))?, load(Place::stock())?];
    let input = Map {
        height: SIDE,
        width: SIDE,
        channels: 3,
        data: (0..SIDE * SIDE * 3)
            .map(|n| (n * 37 % 101) as f32 / 50.0 - 1.0)
            .collect(),
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..=rounds {
        for (network, times) in networks.iter().zip(&mut times) {
            let started = Instant::now();
            black_box(network.logits(input.clone()).map_err(failed)?);
            times.push(stats::ms(started.elapsed()));
        }
    }
    let (ours, stock) = (stats::median(&times[0][1..]), stats::median(&times[1][1..]));
    let name = format!("EfficientNet-Lite0, a picture, {threads} threads (candle: all)");
    report.note(
        &name,
        format!("{ours:.1} ms, candle {stock:.1} ms: {:.1} x", stock / ours),
    );
    Ok(())
}

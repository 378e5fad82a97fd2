//! Functions of vectors: exponential and what activates a layer. Each is good to about 1e-6 of its value, or of its argument's.

use crate::simd::Simd;

/// `erf(x / √2) / x` as a polynomial in `t = 2 (x / LIMIT)² - 1`, lowest power first; the largest error on
/// -LIMIT..LIMIT is 4e-8 (Chebyshev fit, weighted by x).
const ERF: [f32; 15] = [
    0.266_785_12,
    -0.133_037_02,
    0.098_528_35,
    -0.079_177_49,
    0.064_158_43,
    -0.050_600_227,
    0.037_856_76,
    -0.026_355_924,
    0.017_637_078,
    -0.011_728_874,
    0.006_305_937,
    -0.002_163_955_7,
    0.001_431_568_4,
    -0.001_539_1,
    0.000_578_576_3,
];
/// Beyond it the error function is 1 to seven digits.
const LIMIT: f32 = 5.3;

/// Polynomial with these coefficients, lowest power first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::V, coefficients: [f32; N]) -> S::V {
    let mut value = s.splat(coefficients[N - 1]);
    for n in (0..N - 1).rev() {
        value = s.mul_add(value, x, s.splat(coefficients[n]));
    }
    value
}

/// e to the power of `x`; below -87 what it is there, above 88 likewise.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    /// Adding and taking away this leaves a whole number.
    const WHOLE: f32 = 12_582_912.0;
    let x = s.min(s.max(x, s.splat(-87.0)), s.splat(88.0));
    let whole = s.splat(WHOLE);
    let n = s.sub(s.mul_add(x, s.splat(std::f32::consts::LOG2_E), whole), whole);
    // ln 2 in two parts, so that the rest keeps its digits.
    let rest = s.mul_add(n, s.splat(-0.693_359_4), x);
    let rest = s.mul_add(n, s.splat(2.121_944_4e-4), rest);
    let power = polynomial(
        s,
        rest,
        [
            1.0,
            1.0,
            0.5,
            0.166_666_67,
            0.041_666_67,
            0.008_333_334,
            0.001_388_888_9,
        ],
    );
    s.scale(power, n)
}

/// GELU by the error function: `x Φ(x)`.
#[inline(always)]
pub(crate) fn gelu<S: Simd>(s: S, x: S::V) -> S::V {
    let near = s.max(s.min(x, s.splat(LIMIT)), s.splat(-LIMIT));
    let t = s.mul_add(s.mul(near, near), s.splat(2.0 / (LIMIT * LIMIT)), s.splat(-1.0));
    let erf = s.mul(polynomial(s, t, ERF), near);
    let half = s.mul(x, s.splat(0.5));
    s.mul_add(half, erf, half)
}

/// GELU as its approximation by the hyperbolic tangent.
#[inline(always)]
pub(crate) fn gelu_tanh<S: Simd>(s: S, x: S::V) -> S::V {
    // x / (1 + e^(-2 √(2/π) (x + 0.044715 x³)))
    let square = s.mul(x, x);
    let factor = s.mul_add(square, s.splat(-0.071_354_814), s.splat(-1.595_769));
    let below = s.add(s.splat(1.0), exp(s, s.mul(x, factor)));
    s.div(x, below)
}

/// `x`, or zero where it is less.
#[inline(always)]
pub(crate) fn relu<S: Simd>(s: S, x: S::V) -> S::V {
    s.max(s.splat(0.0), x)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::simd::portable::Portable;

    fn at(f: impl Fn(Portable, [f32; 4]) -> [f32; 4], x: f32) -> f64 {
        f64::from(f(Portable, [x; 4])[2])
    }

    /// The error function by its series, or by its continued fraction where that is better.
    pub(crate) fn erf(x: f64) -> f64 {
        if x.abs() > 3.0 {
            let mut fraction = 0.0;
            for n in (1..200).rev() {
                fraction = f64::from(n) / 2.0 / (x.abs() + fraction);
            }
            let tail = (-x * x).exp() / std::f64::consts::PI.sqrt() / (x.abs() + fraction);
            return (1.0 - tail).copysign(x);
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..80 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        2.0 / std::f64::consts::PI.sqrt() * sum
    }

    #[test]
    fn functions_are_near_the_exact_ones() {
        let mut worst = [0_f64; 4];
        for step in -8000..=8000 {
            let x = step as f32 / 500.0;
            let exact = f64::from(x);
            let gelu_exact = exact * 0.5 * (1.0 + erf(exact / 2_f64.sqrt()));
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (exact + 0.044_715 * exact.powi(3));
            let tanh_exact = exact * 0.5 * (1.0 + inner.tanh());
            let errors = [
                (at(exp, x) / exact.exp() - 1.0).abs(),
                (at(gelu, x) - gelu_exact).abs() / exact.abs().max(1.0),
                (at(gelu_tanh, x) - tanh_exact).abs() / exact.abs().max(1.0),
                (at(relu, x) - exact.max(0.0)).abs(),
            ];
            for (worst, error) in worst.iter_mut().zip(errors) {
                *worst = worst.max(error);
            }
        }
        println!("exp, GELU, its approximation, ReLU: {worst:?}");
        assert!(
            worst[0] < 1e-6 && worst[1] < 5e-7 && worst[2] < 1e-6 && worst[3] == 0.0,
            "{worst:?}"
        );
    }

    #[test]
    fn far_away_nothing_breaks() {
        for x in [-1e30, -1e4, -100.0] {
            assert!(at(exp, x) < 1e-37 && at(exp, x) >= 0.0);
            assert!(at(gelu, x).abs() <= 1e-7 * f64::from(x.abs()));
        }
        assert!(at(exp, 1e30).is_finite());
        assert_eq!(at(gelu_tanh, 1e4), 1e4);
        assert!((at(gelu, 1e4) / 1e4 - 1.0).abs() < 2e-7);
        // What is no number must not become one.
        assert!(at(gelu, f32::NAN).is_nan());
    }
}

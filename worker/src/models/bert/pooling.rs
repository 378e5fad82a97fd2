//! From the vectors of a text's tokens to the one vector of the text.

use candle_core::{D, DType, Result, Tensor};
use serde_json::{Map, Value};

/// How a text's vector is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pooling {
    pub mode: Mode,
    /// Whether it is scaled to length 1.
    pub normalise: bool,
}

/// Which tokens count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The first.
    Cls,
    /// All, on average.
    Mean,
    /// The largest of each dimension.
    Max,
}

impl Mode {
    /// Reads a pooling module's configuration.
    pub(super) fn read(config: &Map<String, Value>, dimension: usize) -> std::result::Result<Self, String> {
        if let Some(said) = config.get("word_embedding_dimension").and_then(Value::as_u64)
            && said != dimension as u64
        {
            return Err(format!(
                "word_embedding_dimension is {said}, the model's is {dimension}"
            ));
        }
        let on: Vec<&str> = config
            .iter()
            .filter(|(key, value)| key.starts_with("pooling_mode_") && **value == Value::Bool(true))
            .map(|(key, _)| key.as_str())
            .collect();
        match on[..] {
            ["pooling_mode_cls_token"] => Ok(Self::Cls),
            ["pooling_mode_mean_tokens"] => Ok(Self::Mean),
            ["pooling_mode_max_tokens"] => Ok(Self::Max),
            _ => Err(format!("this pooling is not supported: {on:?}")),
        }
    }
}

impl Pooling {
    /// `tokens` is texts × tokens × dimension; `mask`, texts × tokens, is 1 for a token and 0 for padding.
    pub(super) fn apply(self, tokens: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let mask = mask.to_dtype(DType::F32)?.unsqueeze(D::Minus1)?;
        let pooled = match self.mode {
            Mode::Cls => tokens.narrow(1, 0, 1)?.squeeze(1)?,
            Mode::Mean => tokens
                .broadcast_mul(&mask)?
                .sum(1)?
                .broadcast_div(&mask.sum(1)?)?,
            Mode::Max => tokens.broadcast_add(&mask.affine(1e9, -1e9)?)?.max(1)?,
        };
        if !self.normalise {
            return Ok(pooled);
        }
        let length = pooled
            .sqr()?
            .sum_keepdim(D::Minus1)?
            .sqrt()?
            .clamp(1e-12, f32::INFINITY)?;
        pooled.broadcast_div(&length)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use serde_json::json;

    use super::*;

    #[test]
    fn padding_does_not_count() {
        // Two texts of two dimensions; the second has one token and one of padding.
        let tokens = Tensor::new(
            &[[[1_f32, -2.], [3., -4.]], [[5., -6.], [100., 100.]]],
            &Device::Cpu,
        )
        .expect("a tensor");
        let mask = Tensor::new(&[[1_f32, 1.], [1., 0.]], &Device::Cpu).expect("a tensor");
        let cases = [
            (Mode::Cls, false, [[1., -2.], [5., -6.]]),
            (Mode::Mean, false, [[2., -3.], [5., -6.]]),
            (Mode::Max, false, [[3., -2.], [5., -6.]]),
            (
                Mode::Cls,
                true,
                [
                    [1. / 5_f32.sqrt(), -2. / 5_f32.sqrt()],
                    [5. / 61_f32.sqrt(), -6. / 61_f32.sqrt()],
                ],
            ),
        ];
        for (mode, normalise, expected) in cases {
            let pooled = Pooling { mode, normalise }
                .apply(&tokens, &mask)
                .expect("shapes fit");
            let pooled = pooled.to_vec2::<f32>().expect("two dimensions");
            let near = pooled
                .iter()
                .flatten()
                .zip(expected.as_flattened())
                .all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(near, "{mode:?}: {pooled:?}");
        }
    }

    #[test]
    fn one_mode_must_be_on() {
        let read = |config: Value| Mode::read(config.as_object().expect("an object"), 4);
        assert_eq!(
            read(json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": false})),
            Ok(Mode::Mean)
        );
        assert!(read(json!({"pooling_mode_mean_tokens": true, "pooling_mode_cls_token": true})).is_err());
        assert!(read(json!({"pooling_mode_mean_sqrt_len_tokens": true})).is_err());
        assert!(read(json!({})).is_err());
        assert!(read(json!({"pooling_mode_mean_tokens": true, "word_embedding_dimension": 5})).is_err());
    }
}

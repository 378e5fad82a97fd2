//! From the vectors of a text's tokens to the one vector of the text.

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
    pub(super) fn read(config: &Map<String, Value>, dimension: usize) -> Result<Self, String> {
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
    /// `rows` are those of a text's tokens, at least one, of `dimension` numbers each.
    pub(super) fn apply(self, rows: &[f32], dimension: usize) -> Vec<f32> {
        let mut pooled = rows[..dimension].to_vec();
        let others = rows[dimension..].chunks_exact(dimension);
        let count = (1 + others.len()) as f32;
        match self.mode {
            Mode::Cls => {}
            Mode::Mean => {
                for row in others {
                    pooled.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
                pooled.iter_mut().for_each(|sum| *sum /= count);
            }
            Mode::Max => {
                for row in others {
                    pooled
                        .iter_mut()
                        .zip(row)
                        .for_each(|(most, x)| *most = most.max(*x));
                }
            }
        }
        if self.normalise {
            let length = pooled.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-12);
            pooled.iter_mut().for_each(|x| *x /= length);
        }
        pooled
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokens_become_one_vector() {
        let length = |x: f32, y: f32| (x * x + y * y).sqrt();
        for (mode, of_two, of_one) in [
            (Mode::Cls, [1., -2.], [5., -6.]),
            (Mode::Mean, [2., -3.], [5., -6.]),
            (Mode::Max, [3., -2.], [5., -6.]),
        ] {
            for (rows, [x, y]) in [(&[1_f32, -2., 3., -4.][..], of_two), (&[5., -6.], of_one)] {
                let pool = |normalise| Pooling { mode, normalise }.apply(rows, 2);
                assert_eq!(pool(false), [x, y], "{mode:?}");
                let scaled = [x / length(x, y), y / length(x, y)];
                let near = pool(true).iter().zip(scaled).all(|(a, b)| (a - b).abs() < 1e-6);
                assert!(near, "{mode:?}");
            }
        }
        let nothing = Pooling {
            mode: Mode::Mean,
            normalise: true,
        }
        .apply(&[0.0; 4], 2);
        assert_eq!(nothing, [0.0, 0.0]);
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

//! What a job wants to know of its texts, and the output made of what the encoder says of them.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// Cosines of texts on one subject are near each other: this makes scores of them that differ. It is the scale
/// with which sentence encoders are trained to tell texts apart (`MultipleNegativesRankingLoss`).
const ZERO_SHOT_SCALE: f32 = 20.0;

/// What a job wants.
pub(super) enum Ask {
    /// The vectors, scaled to length 1 or not.
    Embed {
        /// Whether they are scaled.
        normalise: bool,
    },
    /// The cosine of each text and each other one.
    Similarity,
    /// How near each text is to each label; the labels' vectors follow those of the texts.
    ZeroShot {
        /// The labels as the caller wrote them.
        labels: Vec<String>,
    },
    /// How well each text answers the query; of the best `top_k`.
    Rerank {
        /// How many texts are told of.
        top_k: usize,
    },
    /// The scores of the model's own labels; of the best `top_k`.
    Classify {
        /// The model's labels.
        labels: Arc<[String]>,
        /// Whether each is judged by itself.
        many: bool,
        /// How many labels are told of each text.
        top_k: usize,
    },
}

#[derive(Serialize)]
struct Usage {
    tokens: usize,
}

#[derive(Serialize)]
struct Embeddings {
    embeddings: Vec<Vec<f32>>,
    usage: Usage,
}

#[derive(Serialize)]
struct Matrix {
    matrix: Vec<Vec<f32>>,
    usage: Usage,
}

#[derive(Serialize)]
struct Results {
    results: Vec<Labels>,
    usage: Usage,
}

#[derive(Serialize)]
struct Labels {
    labels: Vec<Label>,
}

#[derive(Serialize)]
struct Label {
    label: String,
    score: f32,
}

#[derive(Serialize)]
struct Scores {
    scores: Vec<Score>,
    usage: Usage,
}

#[derive(Serialize)]
struct Score {
    index: usize,
    score: f32,
}

impl Ask {
    /// The job's output, of the numbers of each of its texts and the count of their tokens.
    ///
    /// # Errors
    /// Where a number is not finite.
    pub(super) fn answer(
        self,
        mut numbers: Vec<Vec<f32>>,
        tokens: usize,
    ) -> serde_json::Result<Box<RawValue>> {
        let usage = Usage { tokens };
        match self {
            Self::Embed { normalise } => {
                if normalise {
                    numbers.iter_mut().for_each(|vector| scale(vector));
                }
                to_raw_value(&Embeddings {
                    embeddings: numbers,
                    usage,
                })
            }
            Self::Similarity => {
                numbers.iter_mut().for_each(|vector| scale(vector));
                let row = |a: &Vec<f32>| numbers.iter().map(|b| dot(a, b).clamp(-1.0, 1.0)).collect();
                to_raw_value(&Matrix {
                    matrix: numbers.iter().map(row).collect(),
                    usage,
                })
            }
            Self::ZeroShot { labels } => {
                numbers.iter_mut().for_each(|vector| scale(vector));
                let (texts, named) = numbers.split_at(numbers.len().saturating_sub(labels.len()));
                let scores = |text: &Vec<f32>| {
                    softmax(
                        named
                            .iter()
                            .map(|label| ZERO_SHOT_SCALE * dot(text, label))
                            .collect(),
                    )
                };
                let results = texts
                    .iter()
                    .map(|text| Labels::best(&labels, scores(text), labels.len()));
                to_raw_value(&Results {
                    results: results.collect(),
                    usage,
                })
            }
            Self::Rerank { top_k } => {
                let logit =
                    |(index, logits): (usize, Vec<f32>)| (index, logits.first().copied().unwrap_or(0.0));
                let mut logits: Vec<(usize, f32)> = numbers.into_iter().enumerate().map(logit).collect();
                // By what was computed: scores near 1 are all the same.
                logits.sort_by(|(_, a), (_, b)| b.total_cmp(a));
                logits.truncate(top_k);
                let score = |(index, logit)| Score {
                    index,
                    score: sigmoid(logit),
                };
                let scores = logits.into_iter().map(score).collect();
                to_raw_value(&Scores { scores, usage })
            }
            Self::Classify { labels, many, top_k } => {
                let scores = |logits: Vec<f32>| match many {
                    true => logits.into_iter().map(sigmoid).collect(),
                    false => softmax(logits),
                };
                let results = numbers
                    .into_iter()
                    .map(|logits| Labels::best(&labels, scores(logits), top_k));
                to_raw_value(&Results {
                    results: results.collect(),
                    usage,
                })
            }
        }
    }
}

impl Labels {
    fn best(labels: &[String], scores: Vec<f32>, top_k: usize) -> Self {
        let label = |(label, score): (&String, f32)| Label {
            label: label.clone(),
            score,
        };
        let mut labels: Vec<Label> = labels.iter().zip(scores).map(label).collect();
        labels.sort_by(|a, b| b.score.total_cmp(&a.score));
        labels.truncate(top_k);
        Self { labels }
    }
}

/// Makes a vector's length 1; one of length 0 stays.
fn scale(vector: &mut [f32]) {
    let length = dot(vector, vector).sqrt().max(1e-12);
    vector.iter_mut().for_each(|x| *x /= length);
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn softmax(mut numbers: Vec<f32>) -> Vec<f32> {
    let most = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    numbers.iter_mut().for_each(|x| *x = (*x - most).exp());
    let sum: f32 = numbers.iter().sum();
    numbers.iter_mut().for_each(|x| *x /= sum);
    numbers
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(ask: Ask, numbers: Vec<Vec<f32>>) -> Value {
        let output = ask.answer(numbers, 7).expect("finite");
        serde_json::from_str(output.get()).expect("JSON")
    }

    #[test]
    fn vectors_are_scaled_where_that_is_asked_for() {
        let vectors = || vec![vec![3.0, 4.0], vec![0.0, 0.0]];
        let plain = answer(Ask::Embed { normalise: false }, vectors());
        assert_eq!(plain["embeddings"], json!([[3.0, 4.0], [0.0, 0.0]]));
        assert_eq!(plain["usage"]["tokens"], 7);
        let scaled = answer(Ask::Embed { normalise: true }, vectors());
        let first = scaled["embeddings"][0][0].as_f64().expect("a number");
        assert!((first - 0.6).abs() < 1e-6);
        assert_eq!(scaled["embeddings"][1], json!([0.0, 0.0]));
    }

    #[test]
    fn similar_texts_are_near() {
        let matrix = answer(
            Ask::Similarity,
            vec![vec![2.0, 0.0], vec![0.0, 1.0], vec![1.0, 0.0]],
        );
        assert_eq!(
            matrix["matrix"],
            json!([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
        );
    }

    #[test]
    fn labels_come_best_first_and_their_scores_add_up() {
        let labels = vec!["far".to_owned(), "near".to_owned()];
        let texts = vec![vec![0.0, 1.0], vec![1.0, 0.2], vec![0.0, 2.0]];
        let output = answer(
            Ask::ZeroShot {
                labels: labels.clone(),
            },
            texts,
        );
        let found = output["results"][0]["labels"].as_array().expect("labels").clone();
        assert_eq!(
            (output["results"].as_array().map(Vec::len), found.len()),
            (Some(1), 2)
        );
        assert_eq!(
            (&found[0]["label"], &found[1]["label"]),
            (&json!("near"), &json!("far"))
        );
        let sum: f64 = found.iter().filter_map(|label| label["score"].as_f64()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        let classify = |many, top_k| Ask::Classify {
            labels: labels.clone().into(),
            many,
            top_k,
        };
        let one = answer(classify(false, 1), vec![vec![2.0, 2.0]]);
        assert_eq!(
            one["results"][0]["labels"],
            json!([{"label": "far", "score": 0.5}])
        );
        let both = answer(classify(true, 9), vec![vec![0.0, 30.0]]);
        assert_eq!(
            both["results"][0]["labels"][0],
            json!({"label": "near", "score": 1.0})
        );
        assert_eq!(
            both["results"][0]["labels"][1],
            json!({"label": "far", "score": 0.5})
        );
    }

    #[test]
    fn the_best_texts_come_first() {
        let output = answer(Ask::Rerank { top_k: 2 }, vec![vec![-1.0], vec![3.0], vec![0.0]]);
        let order: Vec<_> = output["scores"]
            .as_array()
            .expect("scores")
            .iter()
            .map(|s| &s["index"])
            .collect();
        assert_eq!(order, [&json!(1), &json!(2)]);
        assert_eq!(output["scores"][1]["score"], json!(0.5));
        let alike = answer(Ask::Rerank { top_k: 1 }, vec![vec![18.5], vec![20.0]]);
        assert_eq!(alike["scores"][0]["index"], 1, "both scores are 1");
    }
}

//! Which files of a folder are a model's: what is fetched, recorded and checked of a model whose entry lists
//! none. Everything else that lies there (other formats of the same weights, pictures, code) is left alone.

use crate::model_spec::Family;

/// All weights in one file.
pub(super) const WHOLE: &str = "model.safetensors";
/// Which of several files (`model-….safetensors`) has which of the weights.
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// Files beside the weights that families read, below the model's folder.
const BESIDE: [&str; 18] = [
    "1_Pooling/config.json",
    "added_tokens.json",
    "chat_template.jinja",
    "config.json",
    "config_sentence_transformers.json",
    "generation_config.json",
    "labels.txt",
    "merges.txt",
    "modules.json",
    "preprocessor_config.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
    "vocabulary.json",
    "vocabulary.txt",
];

/// What the weights of the models that come along are called, all of a model's together. Nothing in their folders says
/// what they are.
const OURS: [(Family, &[&str]); 3] = [
    (Family::SileroVad, &["silero_vad_16k.safetensors"]),
    (Family::Mtcnn, &["pnet.pt", "rnet.pt", "onet.pt"]),
    (Family::Easyocr, &["craft_mlt_25k.pth", "english_g2.pth"]),
];
/// How the name of an EfficientNet-Lite0 begins and ends; in between stands a part of its digest.
const EFFICIENTNET: (&str, &str) = ("efficientnet-lite0", ".pth");

/// One of the models that come along, where these are its files: its family, and which of them are its weights.
/// Pickles are among them, which are converted by a reader that runs nothing.
pub(super) fn ours(names: &[String]) -> Option<(Family, Vec<String>)> {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let known = OURS
        .iter()
        .find(|(_, weights)| weights.iter().all(|name| has(name)));
    if let Some((family, weights)) = known {
        return Some((*family, weights.iter().map(ToString::to_string).collect()));
    }
    let (begin, end) = EFFICIENTNET;
    let mut lite = names
        .iter()
        .filter(|name| name.starts_with(begin) && name.ends_with(end) && !name.contains('/'));
    match (lite.next(), lite.next()) {
        (Some(one), None) => Some((Family::EfficientnetLite, vec![one.clone()])),
        _ => None,
    }
}

/// The files of a model among those of a folder, by their paths below it: its weights as safetensors or GGUF (or as
/// those of the models that come along), and what is read beside them.
///
/// # Errors
/// A sentence, where there are no weights that can be read, or it can't be told which are meant.
pub fn files_of_model(names: &[String]) -> Result<Vec<String>, String> {
    let mut files = weights(names)?;
    files.extend(
        names
            .iter()
            .filter(|name| BESIDE.contains(&name.as_str()))
            .cloned(),
    );
    Ok(files)
}

fn weights(names: &[String]) -> Result<Vec<String>, String> {
    if let Some((_, weights)) = ours(names) {
        return Ok(weights);
    }
    let top = |suffix: &str| {
        let found = names
            .iter()
            .filter(|name| name.ends_with(suffix) && !name.contains('/'));
        found.cloned().collect::<Vec<String>>()
    };
    let (whole, gguf) = (top(".safetensors"), top(".gguf"));
    if whole.iter().any(|name| name == WHOLE) {
        return Ok(vec![WHOLE.to_owned()]);
    }
    if let Some(index) = names.iter().find(|name| *name == INDEX) {
        let mut shards: Vec<String> = whole
            .into_iter()
            .filter(|name| name.starts_with("model-"))
            .collect();
        shards.push(index.clone());
        return Ok(shards);
    }
    match (&whole[..], &gguf[..]) {
        ([one], _) | ([], [one]) => Ok(vec![one.clone()]),
        ([], []) => Err(nothing(names)),
        (several @ [_, _, ..], _) | ([], several) => Err(format!(
            "there are several weights ({}): say which, as in files = [{:?}]",
            several.join(", "),
            several[0]
        )),
    }
}

fn nothing(names: &[String]) -> String {
    let pickles = [".bin", ".pt", ".pth", ".ckpt", ".pkl"];
    let pickle = names
        .iter()
        .find(|name| pickles.iter().any(|end| name.ends_with(end)));
    match pickle {
        Some(pickle) => format!(
            "there are no weights that can be read: {pickle} may hold code, and is not opened; convert it to \
             model.safetensors (with the Python package safetensors)"
        ),
        None => "there are no weights: model.safetensors, model.safetensors.index.json with its shards, or one .gguf \
                 file is needed"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Result<Vec<String>, String> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        files_of_model(&names)
    }

    #[test]
    fn what_is_read_is_taken_and_the_rest_is_not() {
        let files = of(&[
            "README.md",
            "config.json",
            "model.safetensors",
            "pytorch_model.bin",
            "onnx/model.onnx",
            "1_Pooling/config.json",
            "onnx/config.json",
        ]);
        let expected = ["model.safetensors", "config.json", "1_Pooling/config.json"];
        assert_eq!(files, Ok(expected.map(str::to_owned).to_vec()));
        let files = of(&[
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "x.safetensors",
            "model.safetensors.index.json",
        ]);
        assert_eq!(
            files.map(|files| files.len()),
            Ok(3),
            "the shards and their index"
        );
        assert_eq!(
            of(&["a.Q8_0.gguf", "README.md"]),
            Ok(vec!["a.Q8_0.gguf".to_owned()])
        );
    }

    #[test]
    fn the_models_that_come_along_are_taken_whole() {
        for names in [
            &["silero_vad_16k.safetensors", "silero_vad.jit"][..],
            &["onet.pt", "pnet.pt", "rnet.pt", "other.pt"],
            &["craft_mlt_25k.pth", "english_g2.pth", "latin_g2.pth"],
            &["efficientnet-lite0-57934424.pth", "README.md"],
        ] {
            let files = of(names).expect("it is known");
            assert!(files.len() < names.len(), "the rest is not: {files:?}");
            assert!(files.iter().all(|file| names.contains(&file.as_str())));
        }
        for names in [&["pnet.pt", "rnet.pt"][..], &["a/efficientnet-lite0-1.pth"]] {
            let error = of(names).expect_err("not all of a model");
            assert!(error.contains("may hold code"), "{error}");
        }
    }

    #[test]
    fn what_can_not_be_told_says_what_to_do() {
        for (names, expected) in [
            (&["a.gguf", "b.gguf"][..], "files = [\"a.gguf\"]"),
            (&["config.json"], "is needed"),
            (&["config.json", "pytorch_model.bin"], "convert"),
            (&["a.safetensors", "b.safetensors"], "say which"),
        ] {
            let error = of(names).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
    }
}

//! Which files of a folder are a model's: what is fetched, recorded and checked of a model whose entry lists
//! none. Everything else that lies there (other formats of the same weights, pictures, code) is left alone.

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

/// The files of a model among those of a folder, by their paths below it: its weights as safetensors or GGUF, and
/// what is read beside them.
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
    let top = |suffix: &str| {
        let found = names
            .iter()
            .filter(|name| name.ends_with(suffix) && !name.contains('/'));
        found.cloned().collect::<Vec<String>>()
    };
    let (whole, gguf) = (top(".safetensors"), top(".gguf"));
    if whole.iter().any(|name| name == "model.safetensors") {
        return Ok(vec!["model.safetensors".to_owned()]);
    }
    if let Some(index) = names.iter().find(|name| *name == "model.safetensors.index.json") {
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

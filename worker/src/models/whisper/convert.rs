//! From `model.bin` of CTranslate2 to `model.safetensors` with the names of a hub, numbers unchanged.

use std::{borrow::Cow, path::Path};

use lamplighter_readers::weights::{
    Mapped, Outgoing, Tensor, WeightsError, ct2, open_inside, write_safetensors,
};
use lamplighter_shared::{job::JobError, model_spec::ModelSpec};

use super::super::unavailable;

/// Parts of a name, CTranslate2's and the hub's.
const NORM: [(&str, &str); 2] = [("gamma", "weight"), ("beta", "bias")];
const LINEAR: [(&str, &str); 2] = [("weight", "weight"), ("bias", "bias")];

/// Makes `model.safetensors` in `out` of `model.bin` in `dir`; nothing where the folder is a hub's, which is read
/// as it is.
pub(in super::super) fn convert(_: &ModelSpec, dir: &Path, out: &Path) -> Result<(), JobError> {
    if !dir.join("model.bin").exists() && dir.join("model.safetensors").is_file() {
        return Ok(());
    }
    let failed = |error: WeightsError| unavailable(format!("model.bin: {error}"));
    let open = || Mapped::open(&open_inside(dir, "model.bin")?);
    let file = open().map_err(failed)?;
    let model = ct2::read(&file).map_err(failed)?;
    if model.spec != "WhisperSpec" {
        return Err(unavailable(format!(
            "model.bin holds a {}, not a Whisper model",
            model.spec
        )));
    }
    let tensors = Names::new(&model).all();
    let tensors = tensors.map_err(|problem| unavailable(format!("model.bin: {problem}")))?;
    write_safetensors(&out.join("model.safetensors"), &tensors).map_err(failed)
}

/// Goes through the names.
struct Names<'a> {
    model: &'a ct2::Model<'a>,
    made: Vec<Outgoing<'a>>,
}

/// The error is what is wrong with the file.
type Done = Result<(), String>;

impl<'a> Names<'a> {
    fn new(model: &'a ct2::Model<'a>) -> Self {
        Self {
            model,
            made: Vec::new(),
        }
    }

    fn all(mut self) -> Result<Vec<Outgoing<'a>>, String> {
        self.whole(
            "decoder/embeddings/weight",
            "decoder.embed_tokens.weight".to_owned(),
        )?;
        for part in ["encoder", "decoder"] {
            self.whole(
                &format!("{part}/position_encodings/encodings"),
                format!("{part}.embed_positions.weight"),
            )?;
            self.group(&format!("{part}/layer_norm"), &format!("{part}.layer_norm"), NORM)?;
            for index in 0.. {
                let (from, to) = (format!("{part}/layer_{index}"), format!("{part}.layers.{index}"));
                if self.model.get(&format!("{from}/ffn/linear_0/weight")).is_none() {
                    break;
                }
                self.layer(&from, &to, part == "decoder")?;
            }
        }
        for name in ["conv1", "conv2"] {
            self.group(&format!("encoder/{name}"), &format!("encoder.{name}"), LINEAR)?;
        }
        Ok(self.made)
    }

    fn layer(&mut self, from: &str, to: &str, decoder: bool) -> Done {
        let own = format!("{to}.self_attn");
        self.parts(
            &format!("{from}/self_attention/linear_0"),
            &own,
            &["q_proj", "k_proj", "v_proj"],
        )?;
        self.group(
            &format!("{from}/self_attention/linear_1"),
            &format!("{own}.out_proj"),
            LINEAR,
        )?;
        self.group(
            &format!("{from}/self_attention/layer_norm"),
            &format!("{own}_layer_norm"),
            NORM,
        )?;
        if decoder {
            let sound = format!("{to}.encoder_attn");
            self.parts(&format!("{from}/attention/linear_0"), &sound, &["q_proj"])?;
            self.parts(
                &format!("{from}/attention/linear_1"),
                &sound,
                &["k_proj", "v_proj"],
            )?;
            self.group(
                &format!("{from}/attention/linear_2"),
                &format!("{sound}.out_proj"),
                LINEAR,
            )?;
            self.group(
                &format!("{from}/attention/layer_norm"),
                &format!("{sound}_layer_norm"),
                NORM,
            )?;
        }
        self.group(
            &format!("{from}/ffn/layer_norm"),
            &format!("{to}.final_layer_norm"),
            NORM,
        )?;
        self.group(&format!("{from}/ffn/linear_0"), &format!("{to}.fc1"), LINEAR)?;
        self.group(&format!("{from}/ffn/linear_1"), &format!("{to}.fc2"), LINEAR)
    }

    fn group(&mut self, from: &str, to: &str, names: [(&str, &str); 2]) -> Done {
        names
            .iter()
            .try_for_each(|(old, new)| self.whole(&format!("{from}/{old}"), format!("{to}.{new}")))
    }

    /// A tensor as it is.
    fn whole(&mut self, from: &str, to: String) -> Done {
        self.part(self.find(from)?, to, 0, 1)
    }

    /// Weight and bias of several layers in one, cut into `names`.
    fn parts(&mut self, from: &str, to: &str, names: &[&str]) -> Done {
        for kind in ["weight", "bias"] {
            let tensor = self.find(&format!("{from}/{kind}"))?;
            for (index, name) in names.iter().enumerate() {
                self.part(tensor, format!("{to}.{name}.{kind}"), index, names.len())?;
            }
        }
        Ok(())
    }

    /// The `index`th of `count` equal parts of a tensor's rows.
    fn part(&mut self, tensor: &'a Tensor<'a>, to: String, index: usize, count: usize) -> Done {
        let mut shape = tensor.shape().to_vec();
        match shape.first_mut() {
            Some(rows) if rows.is_multiple_of(count) => *rows /= count,
            _ => return Err(format!("{to}: its rows can't be cut into {count}")),
        }
        let make = move || {
            let cut = |length: usize| index * (length / count)..(index + 1) * (length / count);
            match tensor.bytes() {
                Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[cut(bytes.len())]),
                Cow::Owned(bytes) => Cow::Owned(bytes[cut(bytes.len())].to_vec()),
            }
        };
        let made = Outgoing::new(format!("model.{to}"), tensor.dtype(), shape, make);
        self.made.push(made.map_err(|error| error.to_string())?);
        Ok(())
    }

    fn find(&self, name: &str) -> Result<&'a Tensor<'a>, String> {
        self.model
            .get(name)
            .ok_or_else(|| format!("there is no tensor {name:?}"))
    }
}

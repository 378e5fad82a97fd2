//! The three that are compared.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config as CandleConfig};
use lamplighter_engine::{
    encoder::{Activation, Config, Encoder, Precision, Scratch, Text},
    isa::Isa,
    pool::Pool,
};
use lamplighter_worker::models::mapped::Mapped;

/// Token ids of texts.
pub type Ids = Vec<Vec<u32>>;

/// The ids that the script of the other side computes as well.
pub fn ids(batch: usize, length: usize) -> Ids {
    let id = |row: usize, place: usize| 1000 + ((row * 131 + place * 31) % 20_000) as u32;
    (0..batch)
        .map(|row| (0..length).map(|place| id(row, place)).collect())
        .collect()
}

fn config(folder: &Path) -> io::Result<CandleConfig> {
    let text = std::fs::read(folder.join("config.json"))?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}

/// The engine.
pub struct Ours {
    encoder: Encoder,
    pool: Pool,
    scratch: Scratch,
    /// What it computes with.
    pub isa: Isa,
}

impl Ours {
    /// Loads it.
    pub fn load(folder: &Path, threads: usize) -> io::Result<Self> {
        let config = config(folder)?;
        let config = Config {
            vocabulary: config.vocab_size,
            hidden: config.hidden_size,
            layers: config.num_hidden_layers,
            heads: config.num_attention_heads,
            intermediate: config.intermediate_size,
            positions: config.max_position_embeddings,
            position_offset: 0,
            types: config.type_vocab_size,
            epsilon: config.layer_norm_eps as f32,
            activation: Activation::Gelu,
        };
        let isa = Isa::choose().map_err(io::Error::other)?;
        let mapped = Mapped::open(&folder.join("model.safetensors")).map_err(io::Error::other)?;
        let encoder = Encoder::new(config, &mapped.weights, isa, Precision::F32).map_err(io::Error::other)?;
        Ok(Self {
            encoder,
            pool: Pool::new(threads),
            scratch: Scratch::default(),
            isa,
        })
    }

    /// Computes texts together.
    pub fn pass(&mut self, texts: &[Vec<u32>]) -> io::Result<()> {
        let texts: Vec<Text<'_>> = texts.iter().map(|ids| Text { ids, types: &[] }).collect();
        let rows = self.encoder.forward(&self.pool, &mut self.scratch, &texts);
        std::hint::black_box(rows.map_err(io::Error::other)?);
        Ok(())
    }

    /// What comes of it.
    pub fn rows(&mut self, texts: &[Vec<u32>]) -> io::Result<Vec<f32>> {
        let texts: Vec<Text<'_>> = texts.iter().map(|ids| Text { ids, types: &[] }).collect();
        let rows = self.encoder.forward(&self.pool, &mut self.scratch, &texts);
        Ok(rows.map_err(io::Error::other)?.to_vec())
    }
}

/// Candle as it comes, with as many threads as it takes (`RAYON_NUM_THREADS`, else all).
pub struct Candle(BertModel);

impl Candle {
    /// Loads it.
    pub fn load(folder: &Path) -> io::Result<Self> {
        let bytes = std::fs::read(folder.join("model.safetensors"))?;
        let weights = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu);
        let model = weights.and_then(|weights| BertModel::load(weights, &config(folder).map_err(wrap)?));
        model.map(Self).map_err(io::Error::other)
    }

    fn tensor(&self, texts: &[Vec<u32>]) -> candle_core::Result<Tensor> {
        let shape = (texts.len(), texts.first().map_or(0, Vec::len));
        let ids = Tensor::from_vec(texts.concat(), shape, &Device::Cpu)?;
        self.0.forward(&ids, &ids.zeros_like()?, None)
    }

    /// Computes texts of one length together.
    pub fn pass(&mut self, texts: &[Vec<u32>]) -> io::Result<()> {
        std::hint::black_box(self.tensor(texts).map_err(io::Error::other)?);
        Ok(())
    }

    /// What comes of it.
    pub fn rows(&mut self, texts: &[Vec<u32>]) -> io::Result<Vec<f32>> {
        let rows = self.tensor(texts).and_then(|rows| rows.flatten_all()?.to_vec1());
        rows.map_err(io::Error::other)
    }
}

fn wrap(error: io::Error) -> candle_core::Error {
    candle_core::Error::wrap(error)
}

/// onnxruntime, in a Python of its own.
pub struct Python {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// What it is.
    pub about: String,
}

impl Python {
    /// Starts the script with this Python.
    pub fn start(python: &Path, folder: &Path, threads: usize) -> io::Result<Self> {
        let script: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("encoder_onnxruntime.py");
        let mut child = Command::new(python)
            .arg(script)
            .arg(folder)
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (to, from) = pipes.ok_or_else(|| io::Error::other("it has no pipes"))?;
        let mut python = Self {
            child,
            to,
            from: BufReader::new(from),
            about: String::new(),
        };
        python.about = python.line()?;
        Ok(python)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.from.read_line(&mut line)? {
            0 => Err(io::Error::other(
                "the script has ended: are onnxruntime, onnx and safetensors there?",
            )),
            _ => Ok(line.trim().to_owned()),
        }
    }

    fn ask(&mut self, what: &str) -> io::Result<Vec<f64>> {
        writeln!(self.to, "{what}")?;
        let line = self.line()?;
        let numbers = line.split(' ').map(str::parse).collect::<Result<_, _>>();
        numbers.map_err(|_| io::Error::other(format!("{line:?} is no list of numbers")))
    }

    /// Some numbers of a fixed pass.
    pub fn check(&mut self) -> io::Result<Vec<f32>> {
        Ok(self
            .ask("check")?
            .into_iter()
            .map(|number| number as f32)
            .collect())
    }

    /// Passes a second of one turn.
    pub fn turn(&mut self, batch: usize, length: usize, turn: Duration) -> io::Result<f64> {
        let answer = self.ask(&format!("{batch} {length} {}", turn.as_secs_f64()))?;
        match answer[..] {
            [passes, seconds] if seconds > 0.0 => Ok(passes / seconds),
            _ => Err(io::Error::other(format!("{answer:?} are not passes and seconds"))),
        }
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It ends with its input; but nobody waits for it if it does not.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

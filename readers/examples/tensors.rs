//! Lists the tensors of a file of weights, one a line: name, type, shape, sum of its numbers (where they are read).
//!
//! `cargo run --example tensors -- FILE [FURTHER PARTS]`: a pickle of torch, a CTranslate2 model, safetensors, GGUF.

use std::{path::PathBuf, process::ExitCode};

use lamplighter_readers::weights::{
    Mapped, Weights, WeightsError, ct2, gguf_check, read_pickle, safetensors_check,
};

fn main() -> ExitCode {
    let paths: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    match list(&paths) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn list(paths: &[PathBuf]) -> Result<(), WeightsError> {
    if let [path] = paths
        && path.extension().is_some_and(|ending| ending == "safetensors")
    {
        for tensor in safetensors_check::check(path)? {
            println!("{} {} {:?}", tensor.name, tensor.dtype, tensor.shape);
        }
        return Ok(());
    }
    let bytes = Mapped::open_parts(paths)?;
    if bytes.starts_with(b"GGUF") {
        let header = gguf_check::read(&bytes)?;
        for (key, value) in &header.metadata {
            let told: String = format!("{value:?}").chars().take(100).collect();
            println!("# {key} = {told}");
        }
        for tensor in &header.tensors {
            println!("{} {} {:?}", tensor.name, tensor.kind_name, tensor.dimensions);
        }
        return Ok(());
    }
    if bytes.first().is_some_and(|version| (4..=6).contains(version)) {
        let model = ct2::read(&bytes)?;
        println!("# {} revision {}", model.spec, model.revision);
        for (alias, name) in &model.aliases {
            println!("# {alias} is {name}");
        }
        return print(&model.weights);
    }
    print(&read_pickle(&bytes)?)
}

fn print(weights: &Weights<'_>) -> Result<(), WeightsError> {
    for tensor in weights.iter() {
        let sum: f64 = tensor.to_f32()?.into_iter().map(f64::from).sum();
        println!(
            "{} {} {:?} {sum:.6e}",
            tensor.name(),
            tensor.dtype(),
            tensor.shape()
        );
    }
    Ok(())
}

//! Lists the tensors of a file of weights, one a line: name, type, shape, sum of its numbers.
//!
//! `cargo run --example tensors -- FILE [FURTHER PARTS]`: a pickle of torch or a CTranslate2 model.

use std::{path::PathBuf, process::ExitCode};

use lamplighter_readers::weights::{Mapped, WeightsError, Weights, ct2, read_pickle};

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
    let bytes = Mapped::open_parts(paths)?;
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
        println!("{} {} {:?} {sum:.6e}", tensor.name(), tensor.dtype(), tensor.shape());
    }
    Ok(())
}

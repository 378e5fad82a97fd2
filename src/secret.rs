//! `lamplighter secret`: the keys that every API and worker of an installation shares.

use std::path::{Path, PathBuf};

use lamplighter_shared::{config::Config, key::Key};

use crate::{
    cli::{DataArgs, SecretCommand},
    installation::{Failure, make_data_dir},
};

/// Runs one of the `secret` commands.
pub fn run(command: SecretCommand) -> Result<(), Failure> {
    match command {
        SecretCommand::Create { data, file } => {
            let (config, path) = place(data, file)?;
            if path.starts_with(&config.server.data_dir) {
                make_data_dir(&config.server.data_dir)?;
            }
            create(&path)
        }
        SecretCommand::Rotate { data, file, grace } => {
            let (_, path) = place(data, file)?;
            Key::rotate(&path, grace.into()).map_err(|error| told(&path, &error))?;
            eprintln!("{} has a new key, which seals in {grace}", path.display());
            Ok(())
        }
        SecretCommand::Retire { data, file } => {
            let (_, path) = place(data, file)?;
            match Key::retire(&path).map_err(|error| told(&path, &error))? {
                0 => Err(Failure(format!("{} has no key to retire", path.display()))),
                gone => {
                    eprintln!("retired {gone} key(s): what they sealed is void");
                    Ok(())
                }
            }
        }
    }
}

/// The settings and the key file.
fn place(data: DataArgs, file: Option<PathBuf>) -> Result<(Config, PathBuf), Failure> {
    let mut config = Config::load(data.data_dir.as_deref(), None)?;
    if let Some(file) = file {
        config.server.secret_key_file = file;
    }
    let path = config.secret_key_file();
    Ok((config, path))
}

fn create(path: &Path) -> Result<(), Failure> {
    match Key::create(path) {
        Ok(_) => {
            eprintln!("wrote a new key to {}", path.display());
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Failure(format!(
            "{} is there already, and every token depends on it; `lamplighter secret rotate` adds a new key",
            path.display()
        ))),
        Err(error) => Err(told(path, &error)),
    }
}

fn told(path: &Path, error: &std::io::Error) -> Failure {
    Failure(format!("{}: {error}", path.display()))
}

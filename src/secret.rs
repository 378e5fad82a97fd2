//! `lamplighter secret`: the key that every API and worker of an installation shares.

use lamplighter_shared::{config::Config, key::Key};

use crate::{
    cli::SecretCommand,
    installation::{Failure, make_data_dir},
};

/// Runs one of the `secret` commands.
pub fn run(command: SecretCommand) -> Result<(), Failure> {
    let SecretCommand::Create { data, file } = command;
    let mut config = Config::load(data.data_dir.as_deref(), None)?;
    if let Some(file) = file {
        config.server.secret_key_file = file;
    }
    let path = config.secret_key_file();
    if path.starts_with(&config.server.data_dir) {
        make_data_dir(&config.server.data_dir)?;
    }
    match Key::create(&path) {
        Ok(_) => {
            eprintln!("wrote a new key to {}", path.display());
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Err(Failure(format!(
            "{} is there already, and every token depends on it; remove it first if it is to be replaced",
            path.display()
        ))),
        Err(error) => Err(Failure(format!("{}: {error}", path.display()))),
    }
}

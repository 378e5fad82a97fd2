//! `lamplighter migrate`: the schema, without a server.

use lamplighter_shared::{config::Config, telemetry};

use crate::{
    adapters,
    cli::DataArgs,
    installation::{Failure, make_data_dir},
};

/// Brings the schema up to date.
pub async fn migrate(args: &DataArgs) -> Result<(), Failure> {
    telemetry::init();
    let config = Config::load(args.data_dir.as_deref(), None)?;
    if config.database.url.is_empty() {
        make_data_dir(&config.server.data_dir)?;
    }
    adapters::database(&config).await?.migrate().await?;
    match config.database.url.as_str() {
        "" => eprintln!(
            "the database in {} is up to date",
            config.server.data_dir.display()
        ),
        _ => eprintln!("the database is up to date"),
    }
    Ok(())
}

//! `lamplighter migrate`: the schema, without a server.

use lamplighter_shared::config::Config;

use crate::{
    cli::DataArgs,
    installation::{Failure, make_data_dir, open_database},
};

/// Brings the schema up to date.
pub async fn migrate(args: &DataArgs) -> Result<(), Failure> {
    let config = Config::load(args.data_dir.as_deref(), None)?;
    make_data_dir(&config.server.data_dir)?;
    open_database(&config).await?;
    eprintln!(
        "the database in {} is up to date",
        config.server.data_dir.display()
    );
    Ok(())
}

//! `lamplighter models`: the files of models, without a server.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use lamplighter_shared::{
    catalog,
    config::Config,
    model_spec::{Catalog, ModelSpec},
};
use lamplighter_worker::{catalog as files, weights};
use tokio::task::spawn_blocking;

use crate::{
    cli::ModelsCommand,
    installation::{Failure, make_data_dir},
};

/// Runs one of the `models` commands.
pub async fn run(command: ModelsCommand) -> Result<(), Failure> {
    // Files and pip block; there is nothing else to do meanwhile.
    spawn_blocking(move || match command {
        ModelsCommand::List { data } => {
            let config = Config::load(data.data_dir.as_deref(), None)?;
            list(&config)
        }
        ModelsCommand::Pull { data, models } => {
            let config = Config::load(data.data_dir.as_deref(), None)?;
            make_data_dir(&config.server.data_dir)?;
            pull(&config, &models)
        }
        ModelsCommand::Verify { data, models } => {
            let config = Config::load(data.data_dir.as_deref(), None)?;
            verify(&config, &models)
        }
    })
    .await?
}

fn list(config: &Config) -> Result<(), Failure> {
    let catalog = catalog::load(config)?;
    let installed = files::list(&catalog, &config.models_dir());
    if !std::io::stdout().is_terminal() {
        println!("{}", serde_json::to_string(&installed)?);
        return Ok(());
    }
    println!("{:<20} {:<10} {:>9}  FOLDER", "MODEL", "HERE", "MIB");
    for model in installed {
        let here = if model.installed { "yes" } else { "no" };
        println!(
            "{:<20} {:<10} {:>9.1}  {}",
            model.id,
            here,
            model.size as f64 / f64::from(1 << 20),
            model.dir.display()
        );
    }
    Ok(())
}

fn pull(config: &Config, ids: &[String]) -> Result<(), Failure> {
    let catalog = catalog::load(config)?;
    for spec in catalog::enabled(&catalog, ids)? {
        let bar = ProgressBar::new(0).with_message(spec.id.clone());
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}") {
            bar.set_style(style);
        }
        let pulled = weights::ensure(&spec, &config.models_dir(), &|progress| {
            bar.set_message(format!("{}: {}", progress.model, progress.file));
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        });
        bar.finish_and_clear();
        println!("{}\t{}", spec.id, pulled?.display());
    }
    Ok(())
}

fn verify(config: &Config, ids: &[String]) -> Result<(), Failure> {
    let catalog = catalog::load(config)?;
    let mut bad = Vec::new();
    for (spec, dir) in chosen(&catalog, config, ids)? {
        match weights::verify(&spec, &dir) {
            Ok(()) => println!("{}\tok", spec.id),
            Err(error) => {
                println!("{}\t{error}", spec.id);
                bad.push(spec.id);
            }
        }
    }
    if bad.is_empty() {
        Ok(())
    } else {
        Err(Failure(format!("not as the catalogue says: {}", bad.join(", "))))
    }
}

/// The named models, or all whose files are here, with their folders.
fn chosen(
    catalog: &Catalog,
    config: &Config,
    ids: &[String],
) -> Result<Vec<(ModelSpec, std::path::PathBuf)>, Failure> {
    let here = files::list(catalog, &config.models_dir());
    let mut chosen = Vec::new();
    for id in ids {
        if catalog.get(id).is_none() {
            return Err(Failure(format!("the catalogue has no model {id:?}")));
        }
    }
    for model in here {
        let named = ids.contains(&model.id);
        if (named || (ids.is_empty() && model.installed))
            && let Some(spec) = catalog.get(&model.id)
        {
            chosen.push((spec.clone(), model.dir));
        }
    }
    Ok(chosen)
}

//! `lamplighter models`: the files of models, whether they work, and whether they are served.

use std::{collections::BTreeMap, io::IsTerminal, path::PathBuf, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use lamplighter_shared::{
    catalog::{self, Known},
    config::Config,
    db::{audit::Origin, disabled_models},
    model_spec::ModelSpec,
};
use lamplighter_worker::{
    catalog as files, convert,
    runner::RunnerOptions,
    smoke::{Smoke, smoke},
    weights::{self, PullError, Wanted},
};
use serde::Serialize;
use tokio::task::spawn_blocking;

use crate::{
    cli::{DataArgs, ModelsCommand},
    installation::{Failure, make_data_dir, open_existing_database},
    worker::own_program,
};

/// Runs one of the `models` commands.
pub async fn run(command: ModelsCommand) -> Result<(), Failure> {
    match command {
        ModelsCommand::List { data } => list(&load(&data)?),
        ModelsCommand::Pull { data, models } => {
            let config = load(&data)?;
            make_data_dir(&config.server.data_dir)?;
            // Files and pip block; there is nothing else to do meanwhile.
            spawn_blocking(move || pull(&config, &models)).await?
        }
        ModelsCommand::Verify {
            data,
            files_only,
            models,
        } => verify(&load(&data)?, &models, files_only).await,
        ModelsCommand::Disable { data, model } => switch(&load(&data)?, &model, false).await,
        ModelsCommand::Enable { data, model } => switch(&load(&data)?, &model, true).await,
    }
}

fn load(data: &DataArgs) -> Result<Config, Failure> {
    Ok(Config::load(data.data_dir.as_deref(), None)?)
}

fn list(config: &Config) -> Result<(), Failure> {
    let known = catalog::load(config)?;
    let installed = files::list(&known.catalog, &config.models_dir());
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
            mib(model.size),
            model.dir.display()
        );
    }
    for pending in known.pending.values() {
        println!("{:<20} {:<10} {:>9}  {}", pending.id, "no", "", pending.why);
    }
    Ok(())
}

fn pull(config: &Config, ids: &[String]) -> Result<(), Failure> {
    let known = catalog::load(config)?;
    // What an entry is may be known only once its files are here.
    let (unknown, ids): (Vec<_>, Vec<_>) = match ids {
        [] => {
            let wanted = known.pending.values().filter(|pending| pending.default);
            let defaults = known.catalog.0.values().filter(|model| model.default);
            (
                wanted.map(|pending| pending.id.clone()).collect(),
                defaults.map(|model| model.id.clone()).collect(),
            )
        }
        ids => ids.iter().cloned().partition(|id| known.pending.contains_key(id)),
    };
    let mut dirs = BTreeMap::new();
    for entry in unknown.iter().filter_map(|id| known.pending.get(id)) {
        let dir = fetch(config, Wanted::from(entry))?;
        println!("{}\t{}", entry.id, dir.display());
        dirs.insert(entry.id.clone(), dir);
    }
    let known = if unknown.is_empty() {
        known
    } else {
        catalog::load(config)?
    };
    if let Some(still) = unknown.iter().find_map(|id| known.pending.get(id)) {
        return Err(Failure(format!("model {:?}: {}", still.id, still.why)));
    }
    let specs = if ids.is_empty() {
        Vec::new()
    } else {
        known.enabled(&ids)?
    };
    for spec in &specs {
        let dir = fetch(config, Wanted::from(spec))?;
        println!("{}\t{}", spec.id, dir.display());
        dirs.insert(spec.id.clone(), dir);
    }
    let models_dir = config.models_dir();
    let specs = specs
        .iter()
        .chain(unknown.iter().filter_map(|id| known.catalog.get(id)));
    // Of the folder that was verified, which need not be the first that looks right.
    for (spec, dir) in specs.filter_map(|spec| Some((spec, dirs.get(&spec.id)?))) {
        let known = weights::with_recorded(spec, &models_dir);
        convert::files(&known, dir, &models_dir, &own_program()?)
            .map_err(|error| Failure(format!("model {}: {}", spec.id, error.detail)))?;
    }
    Ok(())
}

fn fetch(config: &Config, wanted: Wanted<'_>) -> Result<PathBuf, PullError> {
    let bar = ProgressBar::new(0).with_message(wanted.id.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes}") {
        bar.set_style(style);
    }
    let pulled = weights::ensure(wanted, &config.models_dir(), &|progress| {
        bar.set_message(format!("{}: {}", progress.model, progress.file));
        bar.set_length(progress.total);
        bar.set_position(progress.done);
    });
    bar.finish_and_clear();
    pulled
}

/// What came of a model; a line of the report.
#[derive(Serialize)]
struct Verdict {
    id: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    smoke: Option<Smoke>,
}

async fn verify(config: &Config, ids: &[String], files_only: bool) -> Result<(), Failure> {
    let known = catalog::load(config)?;
    let terminal = std::io::stdout().is_terminal();
    if terminal {
        println!(
            "{:<20} {:<8} {:>8}  {:<26} {:>9} {:>9} {:>8}",
            "MODEL", "FILES", "LOAD MS", "TASK", "FIRST MS", "BEST MS", "MIB"
        );
    }
    let mut bad = Vec::new();
    for spec in chosen(&known, config, ids)? {
        let tried = try_out(config, &spec, files_only).await;
        let (error, smoke) = match tried {
            Ok(smoke) => (None, smoke),
            Err(error) => (Some(error), None),
        };
        let verdict = Verdict {
            ok: error.is_none(),
            id: spec.id.clone(),
            error,
            smoke,
        };
        if terminal {
            show(&verdict);
        } else {
            println!("{}", serde_json::to_string(&verdict)?);
        }
        if !verdict.ok {
            bad.push(spec.id);
        }
    }
    if bad.is_empty() {
        Ok(())
    } else {
        Err(Failure(format!(
            "these models can't be used as they are: {}",
            bad.join(", ")
        )))
    }
}

/// Checks the files, and what was made of them, and, unless only they are asked for, loads the model and has it
/// compute.
async fn try_out(config: &Config, spec: &ModelSpec, files_only: bool) -> Result<Option<Smoke>, String> {
    let (asked, models_dir) = (spec.clone(), config.models_dir());
    let found = spawn_blocking(move || {
        let (spec, dir) = weights::verified(&asked, &models_dir).map_err(|error| error.to_string())?;
        if files_only {
            convert::check(&spec, &models_dir)?;
            return Ok(None);
        }
        let program = own_program().map_err(|error| error.to_string())?;
        let files = convert::files(&spec, &dir, &models_dir, &program);
        files
            .map(|files| Some((spec, files)))
            .map_err(|error| error.detail)
    });
    let found: Result<_, String> = found.await.map_err(|error| error.to_string())?;
    let Some((spec, files)) = found? else {
        return Ok(None);
    };
    let options = RunnerOptions {
        program: own_program().map_err(|error| error.to_string())?,
        threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        load_timeout: Duration::from_secs(config.models.load_timeout_seconds),
        faults: false,
    };
    let smoke = smoke(&spec, &files, &options).await;
    smoke.map(Some).map_err(|error| error.to_string())
}

fn show(verdict: &Verdict) {
    let Some(smoke) = &verdict.smoke else {
        let what = verdict.error.as_deref().unwrap_or("ok");
        println!("{:<20} {what}", verdict.id);
        return;
    };
    let memory = smoke
        .memory_bytes
        .map_or_else(String::new, |bytes| format!("{:.0}", mib(bytes)));
    for speed in &smoke.tasks {
        println!(
            "{:<20} {:<8} {:>8}  {:<26} {:>9.1} {:>9.1} {:>8}",
            verdict.id,
            "ok",
            smoke.load_ms,
            speed.task.as_str(),
            speed.first_ms,
            speed.best_ms,
            memory
        );
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The named models, or all whose files are here.
fn chosen(known: &Known, config: &Config, ids: &[String]) -> Result<Vec<ModelSpec>, Failure> {
    for id in ids {
        if known.catalog.get(id).is_none() {
            let pending = known.pending.get(id);
            let why = pending.map_or_else(|| format!("the catalogue has no model {id:?}"), |p| p.why.clone());
            return Err(Failure(why));
        }
    }
    let mut chosen = Vec::new();
    for model in files::list(&known.catalog, &config.models_dir()) {
        let named = ids.contains(&model.id);
        if (named || (ids.is_empty() && model.installed))
            && let Some(spec) = known.catalog.get(&model.id)
        {
            chosen.push(spec.clone());
        }
    }
    Ok(chosen)
}

/// Switches a model on or off, for all servers and workers of the installation.
async fn switch(config: &Config, model: &str, enabled: bool) -> Result<(), Failure> {
    let known = catalog::load(config)?;
    if known.catalog.get(model).is_none() {
        return Err(Failure(format!("the catalogue has no model {model:?}")));
    }
    let db = open_existing_database(config).await?;
    disabled_models::set(&db, model, enabled, &Origin::operator()).await?;
    println!("{model}\t{}", if enabled { "enabled" } else { "disabled" });
    Ok(())
}

//! Which models this installation knows: the built-in catalogue and `models.toml`. Whether their files
//! are on this machine is the worker's business.

use std::path::{Path, PathBuf};

use crate::{
    config::Config,
    model_spec::{Catalog, ModelSpec},
};

/// The built-in models and those of `models.toml` next to the configuration (or in the data folder).
///
/// # Errors
/// A sentence that names the file, where it can't be read or is no catalogue.
pub fn load(config: &Config) -> Result<Catalog, String> {
    let configured = std::env::var_os("LAMPLIGHTER_CONFIG").map(PathBuf::from);
    let folder = configured
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(&config.server.data_dir);
    let mut catalog = read(&folder.join("models.toml"))?;
    publish(&mut catalog, &config.models.public)?;
    Ok(catalog)
}

/// Marks models as public: they may be tried without an account.
///
/// # Errors
/// A sentence that names the id the catalogue does not have.
pub fn publish(catalog: &mut Catalog, ids: &[String]) -> Result<(), String> {
    for id in ids {
        let model = catalog.0.get_mut(id);
        let model = model.ok_or_else(|| format!("models.public: the catalogue has no model {id:?}"))?;
        model.public = true;
    }
    Ok(())
}

fn read(file: &Path) -> Result<Catalog, String> {
    let mut catalog = Catalog::built_in();
    match std::fs::read_to_string(file) {
        Ok(text) => catalog
            .extend_from_toml(&text)
            .map_err(|error| format!("{}: {error}", file.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("{}: {error}", file.display())),
    }
    Ok(catalog)
}

/// The models to serve: those of `ids`, or the catalogue's defaults where it is empty.
///
/// # Errors
/// A sentence that names the id the catalogue does not have.
pub fn enabled(catalog: &Catalog, ids: &[String]) -> Result<Vec<ModelSpec>, String> {
    if ids.is_empty() {
        return Ok(catalog
            .0
            .values()
            .filter(|model| model.default)
            .cloned()
            .collect());
    }
    let find = |id: &String| {
        catalog
            .get(id)
            .cloned()
            .ok_or_else(|| format!("models.enabled: the catalogue has no model {id:?}"))
    };
    ids.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_adds_to_the_catalogue() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("models.toml");
        assert_eq!(read(&file), Ok(Catalog::built_in()), "no file");
        std::fs::write(
            &file,
            "[[model]]\nid = \"mine\"\ntask = \"echo\"\nfamily = \"echo\"\n",
        )
        .expect("written");
        let catalog = read(&file).expect("a catalogue");
        assert!(catalog.get("mine").is_some() && catalog.get("minilm").is_some());
        std::fs::write(&file, "[[model]]\nname = 1\n").expect("written");
        assert!(read(&file).is_err_and(|error| error.contains("models.toml")));
    }

    #[test]
    fn defaults_or_what_is_named() {
        let catalog = Catalog::built_in();
        let ids = |models: Vec<ModelSpec>| models.into_iter().map(|m| m.id).collect::<Vec<_>>();
        assert_eq!(
            enabled(&catalog, &[]).map(ids),
            Ok(vec!["echo".to_owned(), "minilm".to_owned()])
        );
        assert_eq!(
            enabled(&catalog, &["minilm".to_owned()]).map(ids),
            Ok(vec!["minilm".to_owned()])
        );
        assert!(enabled(&catalog, &["nope".to_owned()]).is_err_and(|error| error.contains("nope")));
    }

    #[test]
    fn only_what_is_named_is_public() {
        let mut catalog = Catalog::built_in();
        assert!(
            catalog.0.values().all(|model| !model.public),
            "nothing is, unless somebody says so"
        );
        publish(&mut catalog, &["echo".to_owned()]).expect("it is there");
        let public: Vec<_> = catalog
            .0
            .values()
            .filter(|model| model.public)
            .map(|model| &model.id)
            .collect();
        assert_eq!(public, ["echo"]);
        let unknown = publish(&mut catalog, &["nope".to_owned()]).expect_err("it is not there");
        assert!(unknown.contains("models.public") && unknown.contains("nope"));
    }
}

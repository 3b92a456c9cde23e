//! Where the configuration comes from: a file, the environment, flags.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use toml::de::{DeTable, DeValue};

use super::Config;
use super::draft::Draft;
use super::keys::{self, Key};
use super::value::Value;

/// Where one value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In a file, on a line.
    File(PathBuf, usize),
    /// In an environment variable.
    Environment(String),
    /// By a flag.
    Flag(String),
    /// Nowhere: it is the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Where each key was set.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeMap<&'static str, Origin>);

impl Origins {
    /// Says what is wrong with a key's value, also where that shows only once the value is used.
    #[must_use]
    pub fn wrong(&self, key: &'static str, problem: impl Into<String>) -> ConfigError {
        let origin = self.0.get(key).cloned().unwrap_or(Origin::Default);
        ConfigError::Wrong { origin, key: key.to_owned(), problem: problem.into() }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{}: {problem}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: io::Error,
    },
    /// The file is not TOML.
    #[error("{origin}: {problem}")]
    NotToml {
        /// Where the text goes wrong.
        origin: Origin,
        /// What is wrong with it.
        problem: String,
    },
    /// A name that is no key.
    #[error("{origin}: unknown key {key}{}", near.map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    UnknownKey {
        /// Where it is.
        origin: Origin,
        /// What was written.
        key: String,
        /// What may have been meant.
        near: Option<&'static str>,
    },
    /// A value that its key can't have.
    #[error("{origin}: {key}: {problem}")]
    Wrong {
        /// Where it was set.
        origin: Origin,
        /// The key.
        key: String,
        /// What is wrong with the value.
        problem: String,
    },
}

/// Everything that a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file that `--config` names.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Keys that flags set: the flag, the key, the value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

impl Sources {
    /// Takes the process' environment, and what the command line gave.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(&'static str, &'static str, String)>) -> Self {
        Self { file, environment: env::vars_os().collect(), flags }
    }

    /// Returns the file that is read: `--config`, else `$ATELIER_CONFIG`, else the first that exists of
    /// `./atelier.toml` and `/etc/atelier/atelier.toml`.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        let named = || {
            let (_, value) = self.environment.iter().find(|(name, _)| name == "ATELIER_CONFIG")?;
            (!value.is_empty()).then(|| PathBuf::from(value))
        };
        let found = || {
            let usual = ["atelier.toml", "/etc/atelier/atelier.toml"];
            usual.iter().map(PathBuf::from).find(|path| path.exists())
        };
        self.file.clone().or_else(named).or_else(found)
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// When the file can't be read, a key is unknown, or a value can't be what it is: each in one sentence that names
    /// the place.
    pub fn load(&self) -> Result<Config, ConfigError> {
        self.load_with_origins().map(|(config, _)| config)
    }

    /// Reads the configuration, and where each of its keys was set.
    ///
    /// # Errors
    /// As [`Sources::load`].
    pub fn load_with_origins(&self) -> Result<(Config, Origins), ConfigError> {
        let mut draft = Draft::default();
        if let Some(path) = self.path() {
            let text =
                fs::read_to_string(&path).map_err(|problem| ConfigError::Unreadable { path: path.clone(), problem })?;
            File { path: &path, text: &text }.apply(&mut draft)?;
        }
        self.apply_environment(&mut draft)?;
        for (flag, name, value) in &self.flags {
            let origin = Origin::Flag((*flag).to_owned());
            let Some(key) = keys::find(name) else { return Err(unknown(origin, (*name).to_owned())) };
            set(&mut draft, key, Value::Text(value), origin)?;
        }
        draft.finish()
    }

    fn apply_environment(&self, draft: &mut Draft) -> Result<(), ConfigError> {
        for (name, value) in &self.environment {
            let Some(name) = name.to_str() else { continue };
            let Some(path) = name.strip_prefix("ATELIER_").filter(|path| path.contains("__")) else { continue };
            let origin = Origin::Environment(name.to_owned());
            let path = path.to_ascii_lowercase().replace("__", ".");
            let dataset = path.strip_prefix(keys::DATASETS).and_then(|rest| rest.strip_prefix('.'));
            let key = keys::find(&path);
            if key.is_none() && dataset.is_none() {
                return Err(unknown(origin, path));
            }
            let Some(value) = value.to_str() else {
                return Err(ConfigError::Wrong { origin, key: path, problem: "the value is not UTF-8".to_owned() });
            };
            if let Some(key) = key {
                set(draft, key, Value::Text(value), origin)?;
            } else if let Some(name) = dataset {
                let added = Value::Text(value).path().and_then(|folder| draft.add_dataset(name.to_owned(), folder));
                added.map_err(|problem| ConfigError::Wrong { origin, key: path.clone(), problem })?;
            }
        }
        Ok(())
    }
}

/// A TOML document and its place.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn apply(&self, draft: &mut Draft) -> Result<(), ConfigError> {
        let document = DeTable::parse(self.text).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let mut problem = error.message().replace('\n', ", ");
            if let Some(key) = self.text.get(span.clone()).filter(|_| problem == "duplicate key") {
                problem = format!("{key} is set a second time");
            }
            ConfigError::NotToml { origin: self.origin(span.start), problem }
        })?;
        self.apply_table(draft, "", document.get_ref())
    }

    fn apply_table(&self, draft: &mut Draft, section: &str, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (name, value) in table {
            let path =
                if section.is_empty() { name.get_ref().to_string() } else { format!("{section}.{}", name.get_ref()) };
            let origin = self.origin(name.span().start);
            match (keys::find(&path), value.get_ref()) {
                (_, DeValue::Table(folders)) if path == keys::DATASETS => self.apply_datasets(draft, folders)?,
                (Some(key), value) => set(draft, key, Value::Toml(value), origin)?,
                (None, DeValue::Table(table)) if keys::is_section(&path) => self.apply_table(draft, &path, table)?,
                (None, _) if keys::is_section(&path) => {
                    let problem = format!("this is a section; write [{path}] and its keys below");
                    return Err(ConfigError::Wrong { origin, key: path, problem });
                }
                (None, _) => return Err(unknown(origin, path)),
            }
        }
        Ok(())
    }

    fn apply_datasets(&self, draft: &mut Draft, folders: &DeTable<'_>) -> Result<(), ConfigError> {
        draft.config.train.datasets.clear();
        for (name, folder) in folders {
            let path = Value::Toml(folder.get_ref()).path();
            let added = path.and_then(|path| draft.add_dataset(name.get_ref().to_string(), path));
            added.map_err(|problem| ConfigError::Wrong {
                origin: self.origin(name.span().start),
                key: format!("{}.{}", keys::DATASETS, name.get_ref()),
                problem,
            })?;
        }
        Ok(())
    }

    fn origin(&self, offset: usize) -> Origin {
        let before = self.text.get(..offset).unwrap_or(self.text);
        Origin::File(self.path.to_owned(), 1 + before.matches('\n').count())
    }
}

fn unknown(origin: Origin, key: String) -> ConfigError {
    let near = keys::nearest(&key);
    ConfigError::UnknownKey { origin, key, near }
}

fn set(draft: &mut Draft, key: &'static Key, value: Value<'_>, origin: Origin) -> Result<(), ConfigError> {
    (key.set)(draft, value).map_err(|problem| ConfigError::Wrong {
        origin: origin.clone(),
        key: key.name.to_owned(),
        problem,
    })?;
    draft.origins.0.insert(key.name, origin);
    Ok(())
}

//! A configuration while its keys come in, and what must hold between them.

use std::fs;
use std::path::PathBuf;

use axum::http::Uri;
use protocol::StyleName;
use protocol::job::train::BUILTIN_DATASET;

use super::load::{ConfigError, Origins};
use super::{Config, Secret, Smtp, SmtpSecurity, Transport};

/// What has been read so far.
pub(super) struct Draft {
    pub(super) config: Config,
    pub(super) models_dir: Option<PathBuf>,
    pub(super) transport: TransportName,
    pub(super) smtp: SmtpDraft,
    /// Where each key was set.
    pub(super) origins: Origins,
}

/// `mail.transport`
#[derive(Clone, Copy, PartialEq)]
pub(super) enum TransportName {
    Off,
    Outbox,
    Sendmail,
    Smtp,
}

/// `mail.smtp` as it is written.
pub(super) struct SmtpDraft {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) security: SmtpSecurity,
    pub(super) username: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) password: Option<Secret>,
    pub(super) ca_file: Option<PathBuf>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            config: Config::default(),
            models_dir: None,
            transport: TransportName::Outbox,
            smtp: SmtpDraft {
                host: None,
                port: None,
                security: SmtpSecurity::Tls,
                username: None,
                password_file: None,
                password: None,
                ca_file: None,
            },
            origins: Origins::default(),
        }
    }
}

impl Draft {
    /// Fills in the defaults that depend on other keys and checks what must hold between keys.
    pub(super) fn finish(mut self) -> Result<(Config, Origins), ConfigError> {
        self.config.models.dir = self.models_dir.take().unwrap_or_else(|| self.config.data.dir.join("styles"));
        self.config.mail.transport = match self.transport {
            TransportName::Off => Transport::Off,
            TransportName::Outbox => Transport::Outbox,
            TransportName::Sendmail => Transport::Sendmail,
            TransportName::Smtp => Transport::Smtp(self.smtp()?),
        };
        if self.config.mail.from.is_none() && matches!(self.transport, TransportName::Smtp | TransportName::Sendmail) {
            return Err(self.wrong("mail.transport", "also needs mail.from, the sender's address"));
        }
        Ok((self.config, self.origins))
    }

    /// Adds a folder of photos under the name that people ask for it by.
    pub(super) fn add_dataset(&mut self, name: String, folder: PathBuf) -> Result<(), String> {
        if name == BUILTIN_DATASET {
            return Err(format!("\"{name}\" is the data set in the program; choose another name"));
        }
        if name.parse::<StyleName>().is_err() {
            return Err(format!("{name:?} is no name for a data set; use a-z, 0-9, - and _, at most 64 characters"));
        }
        self.config.train.datasets.insert(name, folder);
        Ok(())
    }

    fn smtp(&self) -> Result<Smtp, ConfigError> {
        let draft = &self.smtp;
        let Some(host) = draft.host.clone() else {
            return Err(self.wrong("mail.transport", "\"smtp\" also needs mail.smtp.host"));
        };
        let from_file = draft.password_file.as_ref().map(|path| {
            let text = fs::read_to_string(path)
                .map_err(|error| self.wrong("mail.smtp.password_file", format!("{}: {error}", path.display())))?;
            match text.trim_end_matches(['\r', '\n']) {
                "" => Err(self.wrong("mail.smtp.password_file", format!("{} is empty", path.display()))),
                password => Ok(Secret(password.to_owned())),
            }
        });
        let password = match &draft.password {
            Some(password) => Some(password.clone()),
            None => from_file.transpose()?,
        };
        match (&draft.username, &password) {
            (Some(_), None) => {
                return Err(self.wrong("mail.smtp.username", "also needs mail.smtp.password_file"));
            }
            (None, Some(_)) => {
                let key = if draft.password.is_some() { super::keys::PASSWORD } else { "mail.smtp.password_file" };
                return Err(self.wrong(key, "also needs mail.smtp.username"));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        if let Some(path) = &draft.ca_file {
            fs::metadata(path)
                .map_err(|error| self.wrong("mail.smtp.ca_file", format!("{}: {error}", path.display())))?;
        }
        Ok(Smtp {
            host,
            port: draft.port,
            security: draft.security,
            username: draft.username.clone(),
            password,
            ca_file: draft.ca_file.clone(),
        })
    }

    fn wrong(&self, key: &'static str, problem: impl Into<String>) -> ConfigError {
        self.origins.wrong(key, problem)
    }
}

/// Reads the address under which people reach the daemon, without a slash at its end.
pub(super) fn public_url(text: &str) -> Result<String, String> {
    let wrong = || format!("expected an address such as \"https://atelier.example.org\", found {text:?}");
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let plain = matches!(uri.scheme_str(), Some("http" | "https"))
        && !authority.host().is_empty()
        && !authority.as_str().contains('@')
        && uri.query().is_none()
        && !text.contains('#');
    if plain { Ok(text.trim_end_matches('/').to_owned()) } else { Err(wrong()) }
}

//! The one table of keys.

use super::draft::{Draft, TransportName};
use super::value::Value;
use super::{Config, LossNetwork, SmtpSecurity};
use crate::access::host::Authority;
use crate::mail::policy::Pattern;

/// One key of the configuration.
pub(super) struct Key {
    /// Its path, such as `server.listen`.
    pub(super) name: &'static str,
    /// Reads a value into a draft.
    pub(super) set: fn(&mut Draft, Value<'_>) -> Result<(), String>,
    /// How a running daemon holds on to its value; none when a reload changes it.
    pub(super) fixed: Option<Fixed>,
}

/// How a key that needs a restart keeps its value over a reload.
pub(super) struct Fixed {
    /// Says whether two configurations have the same value.
    pub(super) is_same: fn(&Config, &Config) -> bool,
    /// Copies the value of the running configuration over the new one.
    pub(super) keep: fn(&mut Config, &Config),
}

/// A key that a reload changes.
macro_rules! live {
    ($name:expr, $set:expr) => {
        Key { name: $name, set: $set, fixed: None }
    };
}

/// A key that only a restart changes, with its place in [`Config`].
macro_rules! fixed {
    ($name:literal, $($field:ident).+, $set:expr) => {
        Key {
            name: $name,
            set: $set,
            fixed: Some(Fixed {
                is_same: |a, b| a.$($field).+ == b.$($field).+,
                keep: |new, running| new.$($field).+.clone_from(&running.$($field).+),
            }),
        }
    };
}

/// Puts a read value in its place.
macro_rules! put {
    ($($field:ident).+ = $read:ident) => {
        |draft, value| {
            draft.$($field).+ = value.$read()?;
            Ok(())
        }
    };
    ($($field:ident).+ = some $read:ident) => {
        |draft, value| {
            draft.$($field).+ = Some(value.$read()?);
            Ok(())
        }
    };
}

/// The most that `limits.pixels` may be: a square of 65,536 pixels, more than any memory holds the paintings of.
const MOST_PIXELS: u64 = 1 << 32;

/// Every key, in the order of the example file.
pub(super) const KEYS: &[Key] = &[
    fixed!("server.listen", server.listen, |draft, value| {
        draft.config.server.listen = value.text()?.parse().map_err(|_| {
            format!("expected an address and a port such as \"127.0.0.1:7878\", found {}", value.shown())
        })?;
        Ok(())
    }),
    fixed!("server.unix_socket", server.unix_socket, put!(config.server.unix_socket = some path)),
    fixed!("server.public_url", server.public_url, |draft, value| {
        draft.config.server.public_url = Some(super::draft::public_url(&value.text()?)?);
        Ok(())
    }),
    live!("server.allowed_hosts", |draft, value| {
        let hosts = value.list()?;
        if let Some(wrong) = hosts.iter().find(|host| Authority::parse(host).is_none()) {
            return Err(format!("expected names or addresses such as \"nas.lan\", found {wrong:?}"));
        }
        draft.config.server.allowed_hosts = hosts;
        Ok(())
    }),
    fixed!("auth.tokens_file", auth.tokens_file, put!(config.auth.tokens_file = some path)),
    fixed!("auth.open", auth.open, put!(config.auth.open = flag)),
    fixed!("data.dir", data.dir, put!(config.data.dir = path)),
    live!("data.keep_results", put!(config.data.keep_results = span)),
    live!("data.keep_jobs", put!(config.data.keep_jobs = span)),
    live!("data.max_bytes", put!(config.data.max_bytes = some bytes)),
    live!("data.reserve_bytes", put!(config.data.reserve_bytes = bytes)),
    fixed!("models.dir", models.dir, put!(models_dir = some path)),
    fixed!("models.loss_network", models.loss_network, |draft, value| {
        draft.config.models.loss_network = match value.text()?.as_str() {
            "builtin" => LossNetwork::Builtin,
            path => LossNetwork::File(path.into()),
        };
        Ok(())
    }),
    fixed!("devices.use", devices, |draft, value| {
        let names = value.list()?;
        names.iter().try_for_each(|name| device(name))?;
        if names.is_empty() {
            return Err("name at least one device, or \"auto\"".to_owned());
        }
        draft.config.devices = names;
        Ok(())
    }),
    live!("queue.max_waiting", put!(config.max_waiting = positive)),
    live!("limits.upload_bytes", put!(config.limits.upload_bytes = bytes)),
    live!("limits.pixels", |draft, value| {
        let pixels = value.positive()?;
        if pixels > MOST_PIXELS {
            return Err(format!("expected a number of at most {MOST_PIXELS}, found {pixels}"));
        }
        draft.config.limits.pixels = pixels;
        Ok(())
    }),
    live!("limits.memory", put!(config.limits.memory_bytes = memory)),
    live!("limits.connections", put!(config.limits.connections = positive)),
    live!("limits.requests_per_minute", put!(config.limits.requests_per_minute = some positive)),
    live!("mail.transport", |draft, value| {
        draft.transport = match value.text()?.as_str() {
            "outbox" => TransportName::Outbox,
            "smtp" => TransportName::Smtp,
            "sendmail" => TransportName::Sendmail,
            "off" => TransportName::Off,
            other => return Err(format!("expected \"outbox\", \"smtp\", \"sendmail\" or \"off\", found {other:?}")),
        };
        Ok(())
    }),
    live!("mail.from", |draft, value| {
        let from = value.text()?;
        crate::mail::address::sender(&from).map_err(|error| error.to_string())?;
        draft.config.mail.from = Some(from);
        Ok(())
    }),
    live!("mail.allow", |draft, value| {
        let patterns = value.list()?;
        patterns.iter().try_for_each(|text| text.parse::<Pattern>().map(drop)).map_err(|error| error.to_string())?;
        draft.config.mail.allow = patterns;
        Ok(())
    }),
    live!("mail.per_recipient_per_hour", put!(config.mail.per_recipient_per_hour = positive)),
    live!("mail.attach_limit", put!(config.mail.attach_limit = bytes)),
    live!("mail.give_up_after", put!(config.mail.give_up_after = span)),
    live!("mail.smtp.host", put!(smtp.host = some text)),
    live!("mail.smtp.port", put!(smtp.port = some positive)),
    live!("mail.smtp.security", |draft, value| {
        draft.smtp.security = match value.text()?.as_str() {
            "tls" => SmtpSecurity::Tls,
            "starttls" => SmtpSecurity::Starttls,
            "none" => SmtpSecurity::None,
            other => return Err(format!("expected \"tls\", \"starttls\" or \"none\", found {other:?}")),
        };
        Ok(())
    }),
    live!("mail.smtp.username", put!(smtp.username = some text)),
    live!("mail.smtp.password_file", put!(smtp.password_file = some path)),
    live!(PASSWORD, |draft, value| {
        let Value::Text(password) = value else {
            return Err("a password does not belong in this file; name a file that holds it in \
                        mail.smtp.password_file, or set ATELIER_MAIL__SMTP__PASSWORD"
                .to_owned());
        };
        if password.is_empty() {
            return Err("the password is empty".to_owned());
        }
        draft.smtp.password = Some(super::Secret(password.to_owned()));
        Ok(())
    }),
    live!("mail.smtp.ca_file", put!(smtp.ca_file = some path)),
    live!(DATASETS, |draft, value| {
        draft.config.train.datasets.clear();
        value.table()?.into_iter().try_for_each(|(name, folder)| draft.add_dataset(name, folder))
    }),
    fixed!("log.format", log.json, |draft, value| {
        draft.config.log.json = match value.text()?.as_str() {
            "text" => false,
            "json" => true,
            other => return Err(format!("expected \"text\" or \"json\", found {other:?}")),
        };
        Ok(())
    }),
    live!("log.level", |draft, value| {
        let level = value.text()?;
        crate::log::check_level(&level)?;
        draft.config.log.level = level;
        Ok(())
    }),
];

/// The one key that only the environment may set.
pub(super) const PASSWORD: &str = "mail.smtp.password";

/// The one key whose value is a table, with names of a person's own.
pub(super) const DATASETS: &str = "train.datasets";

/// Finds a key by its path.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Says whether keys begin with this path and a dot.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
}

/// Returns the key or section that an unknown name most likely means: one spelt almost alike, or the same key of
/// another section.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let keys = KEYS.iter().map(|key| key.name).filter(|key| *key != PASSWORD);
    let sections = keys.clone().filter_map(|key| key.rsplit_once('.')).map(|(section, _)| section);
    let elsewhere = sections.filter(|section| !name.starts_with(section));
    let (distance, alike) =
        keys.clone().chain(elsewhere).map(|known| (strsim::damerau_levenshtein(known, name), known)).min()?;
    if distance <= 2 {
        return Some(alike);
    }
    keys.clone().find(|key| key.rsplit('.').next() == name.rsplit('.').next())
}

/// Checks the form of a device's name; whether the machine has it shows at the start.
fn device(name: &str) -> Result<(), String> {
    let known = match name.split_once(':') {
        None => matches!(name, "auto" | "cpu" | "metal"),
        Some(("cpu", count)) => count.parse::<u32>().is_ok_and(|count| (1..=1024).contains(&count)),
        Some(("cuda", index)) => index.parse::<u32>().is_ok_and(|index| index < 1024),
        Some(_) => false,
    };
    if known {
        return Ok(());
    }
    Err(format!("{name:?} is no device; expected \"auto\", \"cpu\", \"cpu:2\", \"cuda:0\" or \"metal\""))
}

//! The log: one line an event on standard error, as text or as JSON.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::Log;

/// Changes the level of a log that is already set up.
#[derive(Clone, Debug)]
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

/// Sets the process' log up.
///
/// # Errors
/// When it has been set up before.
pub fn set_up(log: &Log) -> Result<LogLevel, TryInitError> {
    let (filter, handle) = reload::Layer::new(filter(&log.level));
    let lines = if log.json {
        fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed()
    } else {
        let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        fmt::layer().with_ansi(colours).with_writer(io::stderr).boxed()
    };
    tracing_subscriber::registry().with(filter).with(lines).try_init()?;
    Ok(LogLevel(handle))
}

impl LogLevel {
    /// Puts another level in force.
    pub fn change(&self, level: &str) {
        if let Err(error) = self.0.reload(filter(level)) {
            tracing::warn!(%error, "the log level stays as it is");
        }
    }
}

/// Checks a filter such as `info` or `warn,daemon=debug`.
///
/// # Errors
/// A sentence that says what would do.
pub fn check_level(text: &str) -> Result<(), String> {
    let wrong = || format!("expected a level such as \"info\", or \"warn,daemon=debug\", found {text:?}");
    for part in text.split(',') {
        // A bare word that is no level would silently mean a module of that name.
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level);
        if level.is_empty() || LevelFilter::from_str(level).is_err() {
            return Err(wrong());
        }
    }
    EnvFilter::try_new(text).map(drop).map_err(|_| wrong())
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::new(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_checked_before_it_is_used() {
        for good in ["info", "WARN", "off", "warn,daemon=debug", "daemon::mail=trace"] {
            assert_eq!(check_level(good), Ok(()), "{good}");
        }
        for bad in ["", "inof", "daemon", "daemon=loud", "info,,", "[span"] {
            assert!(check_level(bad).is_err(), "{bad}");
        }
    }
}

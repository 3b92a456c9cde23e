//! One value on its way into the configuration, from a file or from plain text, read by the type it must have.

use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeArray, DeString, DeValue};

use super::{machine, units};

/// A value as it was written. Plain text comes from environment variables and flags.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// From a TOML document.
    Toml(&'a DeValue<'a>),
    /// From an environment variable or a flag.
    Text(&'a str),
}

type Read<T> = Result<T, String>;

impl Value<'_> {
    /// Reads a text without control characters.
    pub(super) fn text(self) -> Read<String> {
        let text = match self {
            Self::Toml(DeValue::String(text)) => text.as_ref(),
            Self::Text(text) => text,
            Self::Toml(other) => return Err(format!("expected a text in quotes, found {}", describe(other))),
        };
        if text.is_empty() {
            return Err("the value is empty; leave the key out instead".to_owned());
        }
        if text.chars().any(char::is_control) {
            return Err(format!("{text:?} has a control character"));
        }
        Ok(text.to_owned())
    }

    /// Reads a path; relative ones count from the current directory.
    pub(super) fn path(self) -> Read<PathBuf> {
        self.text().map(PathBuf::from)
    }

    /// Reads `true` or `false`.
    pub(super) fn flag(self) -> Read<bool> {
        match self {
            Self::Toml(DeValue::Boolean(flag)) => Ok(*flag),
            Self::Text("true") => Ok(true),
            Self::Text("false") => Ok(false),
            other => Err(format!("expected true or false, found {}", other.shown())),
        }
    }

    /// Reads a whole number that `T` can hold.
    pub(super) fn number<T: TryFrom<u64>>(self) -> Read<T> {
        let number = match self {
            Self::Toml(DeValue::Integer(number)) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            Self::Text(text) => text.replace('_', "").parse().ok(),
            Self::Toml(_) => None,
        };
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("expected a whole number in range, found {}", self.shown()))
    }

    /// Reads a whole number from 1 on.
    pub(super) fn positive<T: TryFrom<u64> + Default + PartialEq>(self) -> Read<T> {
        let number = self.number()?;
        if number == T::default() { Err("expected a number from 1 on, found 0".to_owned()) } else { Ok(number) }
    }

    /// Reads a duration such as `30d`.
    pub(super) fn span(self) -> Read<Duration> {
        match self {
            Self::Toml(DeValue::String(text)) => units::duration(text),
            Self::Text(text) => units::duration(text),
            Self::Toml(_) => None,
        }
        .ok_or_else(|| format!("expected a duration such as \"90s\", \"12h\" or \"30d\", found {}", self.shown()))
    }

    /// Reads a size such as `256MiB`, or a number of bytes.
    pub(super) fn bytes(self) -> Read<u64> {
        match self {
            Self::Toml(DeValue::String(text)) => units::bytes(text),
            Self::Text(text) => units::bytes(text),
            Self::Toml(_) => self.number().ok(),
        }
        .ok_or_else(|| format!("expected a size such as \"256MiB\" or a number of bytes, found {}", self.shown()))
    }

    /// Reads a size, or a share of the machine's memory such as `75%`.
    pub(super) fn memory(self) -> Read<u64> {
        let share = match self {
            Self::Toml(DeValue::String(text)) => units::percent(text),
            Self::Text(text) => units::percent(text),
            Self::Toml(_) => None,
        };
        match share {
            Some(share) => Ok(machine::memory_bytes() / 100 * share),
            None => self.bytes().map_err(|_| {
                format!("expected a share such as \"75%\" or a size such as \"8GiB\", found {}", self.shown())
            }),
        }
    }

    /// Reads a list of texts; plain text separates them by commas or is itself written as a TOML list.
    pub(super) fn list(self) -> Read<Vec<String>> {
        match self {
            Self::Toml(DeValue::Array(values)) => texts(values),
            Self::Text(text) if text.trim_start().starts_with('[') => {
                let value = DeValue::parse(text).map_err(|error| error.message().to_owned())?;
                Value::Toml(value.get_ref()).list()
            }
            Self::Text(text) => {
                Ok(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
            }
            Self::Toml(other) => Err(format!("expected a list of texts, found {}", describe(other))),
        }
    }

    /// Reads a table of paths by name; plain text is written as a TOML table in one line.
    pub(super) fn table(self) -> Read<Vec<(String, PathBuf)>> {
        match self {
            Self::Toml(DeValue::Table(table)) => {
                let entry = |(name, value): (&toml::Spanned<DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
                    let path = Value::Toml(value.get_ref()).path();
                    Ok((name.get_ref().to_string(), path.map_err(|problem| format!("{}: {problem}", name.get_ref()))?))
                };
                table.iter().map(entry).collect()
            }
            Self::Text(text) if text.trim_start().starts_with('{') => {
                let value = DeValue::parse(text).map_err(|error| error.message().to_owned())?;
                Value::Toml(value.get_ref()).table()
            }
            other => Err(format!(
                "expected names with their folders, such as {{ mine = \"photos\" }}, found {}",
                other.shown()
            )),
        }
    }

    /// Returns the value as a message shows it.
    pub(super) fn shown(self) -> String {
        match self {
            Self::Toml(value) => describe(value),
            Self::Text(text) => format!("{text:?}"),
        }
    }
}

fn texts(values: &DeArray<'_>) -> Read<Vec<String>> {
    values.iter().map(|value| Value::Toml(value.get_ref()).text()).collect()
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

//! What a running daemon takes over from a changed configuration.

use super::keys::KEYS;
use super::{Config, ConfigError, Sources};

impl Config {
    /// Reads the configuration again. Returns what may change at run time, with every other key as it is now, and the
    /// names of the changed keys that only a restart can put in force.
    ///
    /// # Errors
    /// As [`Sources::load`]; the daemon then goes on as it is.
    pub fn reload(&self, sources: &Sources) -> Result<(Self, Vec<&'static str>), ConfigError> {
        let mut new = sources.load()?;
        let mut waiting = Vec::new();
        for key in KEYS {
            if let Some(fixed) = &key.fixed
                && !(fixed.is_same)(&new, self)
            {
                waiting.push(key.name);
                (fixed.keep)(&mut new, self);
            }
        }
        Ok((new, waiting))
    }
}

//! A request's fields, wherever they came from: each known, given once, and of its type, or refused by its name.

use std::fmt::Display;
use std::str::FromStr;

use protocol::{ErrorCode, PaintOrder};

use crate::refusal::Refusal;

/// How often a field may be given that may be more than once.
const MOST_TIMES: usize = PaintOrder::MOST_ARTWORKS;

/// Fields by name. Taking one removes it.
#[derive(Debug)]
pub(super) struct Fields {
    known: &'static [&'static str],
    repeatable: &'static [&'static str],
    given: Vec<(&'static str, String)>,
}

impl Fields {
    /// Expects these fields and no others.
    pub(super) fn expecting(known: &'static [&'static str]) -> Self {
        Self { known, repeatable: &[], given: Vec::new() }
    }

    /// Lets these fields be given more than once.
    pub(super) fn repeating(self, repeatable: &'static [&'static str]) -> Self {
        Self { repeatable, ..self }
    }

    /// Reads the fields of a query.
    ///
    /// # Errors
    /// `invalid_field` for a field that is unknown or given twice.
    pub(super) fn of_query(query: Option<&str>, known: &'static [&'static str]) -> Result<Self, Refusal> {
        let mut fields = Self::expecting(known);
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            fields.add(&name, value.into_owned())?;
        }
        Ok(fields)
    }

    /// Adds a field.
    ///
    /// # Errors
    /// `invalid_field` when it is unknown, or given more often than it may be.
    pub(super) fn add(&mut self, name: &str, value: String) -> Result<(), Refusal> {
        let name = self.expect(name)?;
        self.given.push((name, value));
        Ok(())
    }

    /// Checks that a field is known and may be given now.
    ///
    /// # Errors
    /// `invalid_field` when it is not.
    pub(super) fn expect(&self, name: &str) -> Result<&'static str, Refusal> {
        let Some(name) = self.known.iter().find(|known| **known == name) else {
            let known = if self.known.is_empty() {
                "none is known here".to_owned()
            } else {
                format!("known are {}", self.known.join(", "))
            };
            return Err(invalid(name, &format!("is not a known field; {known}")));
        };
        let times = self.given.iter().filter(|(given, _)| given == name).count();
        match self.repeatable.contains(name) {
            false if times > 0 => Err(invalid(name, "is given twice")),
            true if times == MOST_TIMES => Err(invalid(name, &format!("is given more than {MOST_TIMES} times"))),
            _ => Ok(name),
        }
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let at = self.given.iter().position(|(given, _)| *given == name)?;
        Some(self.given.remove(at).1)
    }

    /// Takes a value that has a text form of its own.
    ///
    /// # Errors
    /// `invalid_field` with the form's own words.
    pub(super) fn parse<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Refusal> {
        self.text(name)
            .map(|text| text.parse().map_err(|error: T::Err| wrong(name, &error.to_string(), &text)))
            .transpose()
    }

    /// Takes a whole number.
    ///
    /// # Errors
    /// `invalid_field` when it is not one.
    pub(super) fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Refusal> {
        let read = |text: String| {
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
                return Err(wrong(name, "expected a whole number", &text));
            }
            text.parse().map_err(|_| wrong(name, "expected a smaller whole number", &text))
        };
        self.text(name).map(read).transpose()
    }

    /// Takes a number, whatever it is.
    ///
    /// # Errors
    /// `invalid_field` when it is none.
    pub(super) fn real(&mut self, name: &str) -> Result<Option<f64>, Refusal> {
        self.text(name).map(|text| read_real(name, &text)).transpose()
    }

    /// Takes all numbers of a field that may be given more than once, in order.
    ///
    /// # Errors
    /// `invalid_field` when one is none.
    pub(super) fn reals(&mut self, name: &str) -> Result<Vec<f64>, Refusal> {
        self.given.extract_if(.., |(given, _)| *given == name).map(|(_, text)| read_real(name, &text)).collect()
    }

    /// Takes a number from 0 to 1.
    ///
    /// # Errors
    /// `invalid_field` when it is not one.
    pub(super) fn share(&mut self, name: &str) -> Result<Option<f32>, Refusal> {
        let read = |text: String| {
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            share.ok_or_else(|| wrong(name, "expected a number from 0 to 1", &text))
        };
        self.text(name).map(read).transpose()
    }

    /// Takes a yes or no; no where absent.
    ///
    /// # Errors
    /// `invalid_field` when it is neither.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Refusal> {
        match self.text(name).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(text) => Err(wrong(name, "expected true or false", text)),
        }
    }
}

fn read_real(name: &str, text: &str) -> Result<f64, Refusal> {
    text.trim().parse().map_err(|_| wrong(name, "expected a number", text))
}

/// Refuses a field by its name.
pub(super) fn invalid(name: &str, what: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidField, format!("\"{}\" {what}", brief(name)))
}

/// Refuses a request for a field that it lacks.
pub(super) fn missing(name: &str, what: &str) -> Refusal {
    Refusal::new(ErrorCode::MissingField, format!("\"{name}\" is missing: {what}"))
}

fn wrong(name: &str, expected: &str, given: &str) -> Refusal {
    Refusal::new(ErrorCode::InvalidField, format!("\"{name}\": {expected}, not \"{}\"", brief(given)))
}

/// Shortens a stranger's text, so that an answer and a log line stay readable.
fn brief(text: &str) -> String {
    let mut brief: String = text.chars().take(60).collect::<String>().escape_debug().to_string();
    if text.chars().nth(60).is_some() {
        brief.push('…');
    }
    brief
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn of(query: &str) -> Result<Fields, Refusal> {
        Fields::of_query(Some(query), &["size", "strength", "keep"])
    }

    #[test]
    fn each_field_is_known_and_given_once() {
        for (query, said) in [
            ("colour=red", "\"colour\" is not a known field; known are size, strength, keep"),
            ("size=1&size=1", "\"size\" is given twice"),
            ("a%0d%0ab=1", "\"a\\r\\nb\" is not a known field; known are size, strength, keep"),
        ] {
            let refusal = of(query).unwrap_err();
            assert_eq!((refusal.code, refusal.detail.as_str()), (ErrorCode::InvalidField, said));
        }
    }

    #[test]
    fn some_fields_may_be_given_more_than_once() {
        let mut fields = Fields::expecting(&["weight", "size"]).repeating(&["weight"]);
        for (name, value) in [("weight", "2"), ("size", "7"), ("weight", "0.5"), ("weight", "NaN")] {
            fields.add(name, value.to_owned()).unwrap();
        }
        assert!(fields.add("size", "8".to_owned()).is_err());
        let weights = fields.reals("weight").unwrap();
        assert!(weights[..2] == [2.0, 0.5] && weights[2].is_nan());
        assert!(fields.reals("weight").unwrap().is_empty(), "taken");
        fields.add("weight", "heavy".to_owned()).unwrap();
        let refusal = fields.reals("weight").unwrap_err();
        assert_eq!(refusal.detail, "\"weight\": expected a number, not \"heavy\"");
        assert_eq!(fields.number::<u32>("size").unwrap(), Some(7));
        while fields.given.len() < MOST_TIMES {
            fields.add("weight", "1".to_owned()).unwrap();
        }
        assert_eq!(fields.expect("weight").unwrap_err().detail, "\"weight\" is given more than 8 times");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_by_its_fields_name() {
        for size in ["", "-1", "+1", "1.5", "0x10", "١"] {
            let refusal = of(&format!("size={size}")).unwrap().number::<u32>("size").unwrap_err();
            assert!(refusal.detail.starts_with("\"size\": expected a whole number, not "), "{}", refusal.detail);
        }
        let refusal = of("size=99999999999").unwrap().number::<u32>("size").unwrap_err();
        assert_eq!(refusal.detail, "\"size\": expected a smaller whole number, not \"99999999999\"");
        for strength in ["", "7", "-0.1", "NaN", "inf", "1,0"] {
            let refusal = of(&format!("strength={strength}")).unwrap().share("strength").unwrap_err();
            assert!(refusal.detail.starts_with("\"strength\": expected a number from 0 to 1"), "{}", refusal.detail);
        }
        assert!(of("keep=perhaps").unwrap().flag("keep").is_err());
        let mut good = of("size=64&strength=0.5&keep=true").unwrap();
        assert_eq!(good.number::<u32>("size").unwrap(), Some(64));
        assert_eq!(good.share("strength").unwrap(), Some(0.5));
        assert!(good.flag("keep").unwrap());
        assert_eq!(good.number::<u32>("size").unwrap(), None, "taken");
    }
}

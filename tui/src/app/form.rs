//! A form: fields that are typed or chosen.

use std::path::PathBuf;

use crate::cost::SizePx;

/// What a form is filled in for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Painting these photos.
    Submit(Vec<PathBuf>),
    /// Painting a photo after artworks.
    Paint(PathBuf, Vec<PathBuf>),
    /// Learning this artwork.
    Train(PathBuf),
    /// Importing this package.
    Import(PathBuf),
}

/// A field's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A text, where the next letter goes, and what an empty one means.
    Text {
        /// What has been typed.
        text: String,
        /// Letters before the place where the next one goes.
        at: usize,
        /// What an empty text means.
        default: String,
    },
    /// One of some words.
    Choice {
        /// The words.
        words: Vec<String>,
        /// The chosen one.
        at: usize,
    },
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it holds.
    pub(crate) content: Content,
    /// A few words about it.
    pub(crate) about: &'static str,
}

/// A field that is typed.
pub(super) fn text(name: &'static str, default: &str, about: &'static str) -> Field {
    Field { name, content: Content::Text { text: String::new(), at: 0, default: default.to_owned() }, about }
}

/// A field that is chosen.
pub(super) fn choice<'a>(name: &'static str, words: impl IntoIterator<Item = &'a str>, about: &'static str) -> Field {
    let words = words.into_iter().map(str::to_owned).collect();
    Field { name, content: Content::Choice { words, at: 0 }, about }
}

/// A form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// What it is for.
    pub(crate) order: Order,
    /// The size of the picture that it is about, where that is known.
    pub(crate) picture: Option<SizePx>,
    pub(crate) fields: Vec<Field>,
    /// The field that keys go to.
    pub(crate) at: usize,
    /// Why it was not accepted.
    pub(crate) problem: Option<String>,
}

impl Form {
    /// Begins with everything as it is by default.
    pub(super) const fn new(order: Order, picture: Option<SizePx>, fields: Vec<Field>) -> Self {
        Self { order, picture, fields, at: 0, problem: None }
    }

    /// Returns what a field holds; an empty text is none.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        match &self.fields.iter().find(|field| field.name == name)?.content {
            Content::Text { text, .. } => Some(text.trim()).filter(|text| !text.is_empty()),
            Content::Choice { words, at } => words.get(*at).map(String::as_str),
        }
    }

    /// Chooses a word.
    pub(crate) fn choose(&mut self, name: &str, word: &str) {
        let field = self.fields.iter_mut().find(|field| field.name == name);
        if let Some(Field { content: Content::Choice { words, at }, .. }) = field {
            *at = words.iter().position(|known| known == word).unwrap_or(*at);
        }
    }

    /// Fills a text in.
    pub(crate) fn fill(&mut self, name: &str, value: &str) {
        let field = self.fields.iter_mut().find(|field| field.name == name);
        if let Some(Field { content: Content::Text { text, at, .. }, .. }) = field {
            value.clone_into(text);
            *at = text.chars().count();
        }
    }

    /// Goes to another field.
    pub(crate) fn go(&mut self, forward: bool) {
        let count = self.fields.len().max(1);
        self.at = if forward { (self.at + 1) % count } else { (self.at + count - 1) % count };
    }

    /// Goes to the next choice, or the next letter.
    pub(crate) fn turn(&mut self, forward: bool) {
        self.problem = None;
        match self.fields.get_mut(self.at).map(|field| &mut field.content) {
            Some(Content::Choice { words, at }) => {
                let count = words.len().max(1);
                *at = if forward { (*at + 1) % count } else { (*at + count - 1) % count };
            }
            Some(Content::Text { text, at, .. }) => {
                *at = if forward { (*at + 1).min(text.chars().count()) } else { at.saturating_sub(1) };
            }
            None => {}
        }
    }

    /// Types a letter.
    pub(crate) fn write(&mut self, c: char) {
        self.insert(c.encode_utf8(&mut [0; 4]));
    }

    /// Types letters at once; in a choice they lead to the next word that begins with them.
    pub(crate) fn insert(&mut self, typed: &str) {
        self.problem = None;
        match self.fields.get_mut(self.at).map(|field| &mut field.content) {
            Some(Content::Text { text, at, .. }) => {
                let place = text.char_indices().nth(*at).map_or(text.len(), |(place, _)| place);
                text.insert_str(place, typed);
                *at += typed.chars().count();
            }
            Some(Content::Choice { words, at }) if !words.is_empty() => {
                let count = words.len();
                let from = *at;
                let next = (1..=count).map(|step| (from + step) % count).find(|&next| words[next].starts_with(typed));
                *at = next.unwrap_or(from);
            }
            _ => {}
        }
    }

    /// Takes the letter before the place where the next one goes.
    pub(crate) fn erase(&mut self) {
        self.problem = None;
        if let Some(Content::Text { text, at, .. }) = self.fields.get_mut(self.at).map(|field| &mut field.content)
            && let Some(before) = at.checked_sub(1)
            && let Some((place, _)) = text.char_indices().nth(before)
        {
            text.remove(place);
            *at = before;
        }
    }

    /// Empties the text.
    pub(crate) fn clear(&mut self) {
        self.problem = None;
        if let Some(Content::Text { text, at, .. }) = self.fields.get_mut(self.at).map(|field| &mut field.content) {
            text.clear();
            *at = 0;
        }
    }
}

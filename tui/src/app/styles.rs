//! The styles and the outbox: lists with a filter.

use std::collections::{BTreeMap, HashMap};

use protocol::{JobId, Mail, Style, StyleName};

use super::filter::Filter;
use super::list::Cursor;
use crate::picture::Picture;

/// The styles, by name.
#[derive(Debug, Default)]
pub(crate) struct Styles {
    known: BTreeMap<StyleName, Style>,
    /// Previews by the digest of their style; none while one is on its way, or where there is none.
    previews: HashMap<(StyleName, Option<String>), Option<Picture>>,
    pub(crate) filter: Filter,
    pub(crate) cursor: Cursor<StyleName>,
}

impl Styles {
    /// Begins anew.
    pub(crate) fn replace(&mut self, styles: Vec<Style>) {
        self.known = styles.into_iter().map(|style| (style.name.clone(), style)).collect();
        self.previews.clear();
    }

    /// Takes note of a style as it is now.
    pub(crate) fn put(&mut self, name: StyleName, style: Option<Style>) {
        self.previews.retain(|(known, _), _| *known != name);
        match style {
            Some(style) => self.known.insert(name, style),
            None => self.known.remove(&name),
        };
    }

    /// Takes note that an answer may have been lost: previews that are not here are asked for again.
    pub(crate) fn doubt(&mut self) {
        self.previews.retain(|_, picture| picture.is_some());
    }

    /// Returns all, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Style> {
        self.known.values()
    }

    /// Finds a style.
    pub(crate) fn get(&self, name: &StyleName) -> Option<&Style> {
        self.known.get(name)
    }

    /// Returns the rows to show.
    pub(crate) fn rows(&self) -> Vec<StyleName> {
        let fits = |style: &&Style| {
            let title = style.title.as_deref().unwrap_or_default();
            self.filter.fits_text(&format!("{} {title} {}", style.name, style.state))
        };
        self.known.values().filter(fits).map(|style| style.name.clone()).collect()
    }

    /// Returns the chosen style.
    pub(crate) fn chosen(&self) -> Option<&Style> {
        self.get(self.cursor.row(&self.rows())?)
    }

    /// Returns the chosen style's name when its preview must be fetched, and takes note that it is.
    pub(crate) fn wanted_preview(&mut self) -> Option<StyleName> {
        let style = self.chosen().filter(|style| style.has_preview)?;
        let key = (style.name.clone(), style.digest.clone());
        if self.previews.contains_key(&key) {
            return None;
        }
        self.previews.insert(key.clone(), None);
        Some(key.0)
    }

    /// Takes note of a preview.
    pub(crate) fn set_preview(&mut self, name: StyleName, picture: Option<Picture>) {
        if let Some(style) = self.known.get(&name) {
            self.previews.insert((name, style.digest.clone()), picture);
        }
    }

    /// Returns a style's preview, once it is here.
    pub(crate) fn preview(&self, style: &Style) -> Option<&Picture> {
        self.previews.get(&(style.name.clone(), style.digest.clone()))?.as_ref()
    }
}

/// The mails, newest first.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    mail: Vec<Mail>,
    pub(crate) filter: Filter,
    pub(crate) cursor: Cursor<JobId>,
}

impl Outbox {
    /// Begins anew.
    pub(crate) fn replace(&mut self, mail: Vec<Mail>) {
        self.mail = mail;
    }

    /// Takes note of a mail as it is now.
    pub(crate) fn put(&mut self, mail: Mail) {
        match self.mail.iter_mut().find(|known| known.job == mail.job) {
            Some(known) => *known = mail,
            None => self.mail.insert(0, mail),
        }
    }

    /// Takes a job's mail away.
    pub(crate) fn forget(&mut self, job: JobId) {
        self.mail.retain(|mail| mail.job != job);
    }

    /// Says whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.mail.is_empty()
    }

    /// Returns the mails to show.
    pub(crate) fn shown(&self) -> Vec<&Mail> {
        let fits = |mail: &&Mail| {
            let answer = mail.last_answer.as_deref().unwrap_or_default();
            self.filter.fits_text(&format!("{} {} {} {answer}", mail.recipient, mail.job, mail.state))
        };
        self.mail.iter().filter(fits).collect()
    }

    /// Returns the rows to show.
    pub(crate) fn rows(&self) -> Vec<JobId> {
        self.shown().iter().map(|mail| mail.job).collect()
    }

    /// Returns the chosen mail.
    pub(crate) fn chosen(&self) -> Option<&Mail> {
        let rows = self.rows();
        let job = self.cursor.row(&rows)?;
        self.mail.iter().find(|mail| mail.job == *job)
    }
}

//! Measuring how near a style comes to its artwork and to photos.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use protocol::{Distances, StyleName};
use serde::Serialize;

use super::printer::Printer;
use super::{CliError, args, view};
use crate::conn::{CallError, Connection, Source};

/// What the files of a folder end in that are taken for photos.
const EXTENSIONS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// What is measured, with the files found.
#[derive(Debug)]
pub(super) struct Plan {
    style: StyleName,
    artwork: PathBuf,
    photos: Vec<PathBuf>,
}

/// A measurement as programs read it.
#[derive(Debug, Serialize)]
struct Measured<'a> {
    style: &'a StyleName,
    photos: Vec<Photo>,
    mean: Distances,
}

/// One photo's part of it.
#[derive(Debug, Serialize)]
struct Photo {
    photo: String,
    #[serde(flatten)]
    distances: Distances,
}

impl Plan {
    /// Reads the wish to measure, if there is one, and lists the photos.
    pub(super) fn new(order: &args::Styles) -> Result<Option<Self>, CliError> {
        let args::Styles { measure: Some(style), artwork: Some(artwork), photos: Some(folder), .. } = order else {
            return Ok(None);
        };
        let unreadable = |source| CallError::File { what: folder.display().to_string(), source };
        let photos = if folder.is_dir() { pictures(folder).map_err(unreadable)? } else { vec![folder.clone()] };
        if photos.is_empty() {
            return Err(CliError::Usage(format!("there are no photos in {}", folder.display())));
        }
        Ok(Some(Self { style: style.clone(), artwork: artwork.clone(), photos }))
    }
}

/// Sends the pictures and prints what comes back.
pub(super) async fn run(connection: &Connection, plan: Plan, printer: &Printer) -> Result<(), CliError> {
    let Plan { style, artwork, photos } = plan;
    let (artwork, sources) = (Source::File(artwork), photos.iter().cloned().map(Source::File).collect::<Vec<_>>());
    let bar = io::stderr().is_terminal().then(|| bar(&style, photos.len()));
    // The daemon takes a photo only once the one before it is being painted, so what is sent tells how far it is.
    let told = sources.iter().inspect(|_| bar.iter().for_each(|bar| bar.inc(1)));
    let measured = connection.measure(&style, &artwork, told).await;
    bar.iter().for_each(ProgressBar::finish_and_clear);
    let measured = measured?;
    let name = |photo: &PathBuf| photo.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned();
    let named = photos.iter().map(name).zip(measured.photos);
    let photos = named.map(|(photo, distances)| Photo { photo, distances }).collect();
    let measured = Measured { style: &style, photos, mean: measured.mean };
    printer.value(&measured, |look| {
        let rows = measured.photos.iter().map(|Photo { photo, distances }| (photo.as_str(), *distances));
        view::distances(rows, measured.mean, look)
    })
}

/// Lists the pictures of a folder by name.
fn pictures(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let is_picture = |path: &PathBuf| {
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        path.is_file() && EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
    };
    let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut pictures: Vec<_> = entries.collect::<Result<_, _>>()?;
    pictures.retain(is_picture);
    pictures.sort();
    Ok(pictures)
}

fn bar(style: &StyleName, photos: usize) -> ProgressBar {
    let bar = ProgressBar::new(photos as u64);
    let template = ProgressStyle::with_template("measuring {prefix} {bar:32} {pos}/{len}");
    bar.set_style(template.expect("the template is a constant").progress_chars("━╸─"));
    bar.set_prefix(style.to_string());
    bar
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn the_pictures_of_a_folder_are_taken_by_name_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.JPG", "a.png", "notes.txt", "c"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir(folder.path().join("d.jpg")).unwrap();
        let names = pictures(folder.path()).unwrap();
        let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.png", "b.JPG"]);
    }
}

//! What is to be sent and where its painting goes, decided before anything is sent.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use protocol::{OutputFormat, StyleName};
use uuid::Uuid;

use crate::cli::files::{Target, exists, takes_bytes};
use crate::cli::printer::Printer;
use crate::cli::{CliError, args};
use crate::conn::{CallError, Order, Source};

/// Everything that `submit` is about to do.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) items: Vec<Item>,
    pub(super) order: Order,
    /// Whether to wait for the paintings.
    pub(super) waits: bool,
    /// Whether files that exist are replaced.
    pub(super) force: bool,
}

/// One photo.
#[derive(Debug)]
pub(super) struct Item {
    /// What it is called here.
    pub(super) label: String,
    /// Its bytes.
    pub(super) source: Source,
    /// Makes sending it safe to repeat.
    pub(super) key: String,
    /// Where its painting goes.
    pub(super) place: Place,
}

/// Where one painting goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Place {
    /// Into a folder under this name, and the extension of what it turns out to be.
    Named(PathBuf, String),
    /// Into this file.
    File(PathBuf),
    /// To stdout.
    Stdout,
}

impl Plan {
    /// Reads an order and checks what can be checked on this side.
    ///
    /// # Errors
    /// A photo that can't be read; a painting that would overwrite a file; a target that does not fit.
    pub(crate) fn new(order: args::Submit, printer: &Printer) -> Result<Self, CliError> {
        stdin_once(order.files.iter().map(PathBuf::as_path))?;
        let target = Target::new(order.output, order.files.len())?;
        if target == Target::Stdout && printer.is_json() {
            return Err(CliError::Usage("the picture and JSON don't both fit into stdout; give -o a file".to_owned()));
        }
        let format = order.format.or_else(|| format_of(&target));
        let places = places(&order.files, &order.style, &target);
        let mut items = Vec::with_capacity(order.files.len());
        for (path, place) in order.files.into_iter().zip(places) {
            let (label, source, head) = open(path)?;
            if !order.no_wait && !order.force {
                refuse_existing(&place, format.unwrap_or_else(|| same_format(&head)))?;
            }
            items.push(Item { label, source, key: Uuid::now_v7().to_string(), place });
        }
        let args::Submit { style, strength, size, preserve_color, priority, email, note, no_wait, force, .. } = order;
        let order =
            Order { style, strength, size, preserve_color, format, priority, email, note, idempotency_key: None };
        Ok(Self { items, order, waits: !no_wait, force })
    }
}

const STDIN: &str = "stdin";

/// As much of a photo as tells its format.
const HEAD_BYTES: u64 = 16;

/// Refuses to take more than one picture from stdin.
pub(in crate::cli) fn stdin_once<'a>(paths: impl Iterator<Item = &'a Path>) -> Result<(), CliError> {
    if paths.filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(CliError::Usage("stdin gives only one picture; name a file for every other".to_owned()));
    }
    Ok(())
}

/// Opens a photo as far as needed to know that it can be sent: its label, its bytes and the first few of them.
pub(in crate::cli) fn open(path: PathBuf) -> Result<(String, Source, Vec<u8>), CliError> {
    if path.as_os_str() == "-" {
        return drain(io::stdin().lock(), STDIN.to_owned());
    }
    let label = path.display().to_string();
    let unreadable = |source| unreadable(label.clone(), source);
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    // What comes through a pipe is there only once, and a connection that breaks needs it again.
    if !file.metadata().map_err(unreadable)?.is_file() {
        return drain(file, label);
    }
    let mut head = Vec::new();
    file.take(HEAD_BYTES).read_to_end(&mut head).map_err(unreadable)?;
    Ok((label, Source::File(path), head))
}

/// Reads a photo to its end.
fn drain(mut from: impl Read, label: String) -> Result<(String, Source, Vec<u8>), CliError> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).map_err(|source| unreadable(label.clone(), source))?;
    let head = bytes.iter().copied().take(HEAD_BYTES as usize).collect();
    Ok((label, Source::Bytes(bytes), head))
}

fn unreadable(what: String, source: io::Error) -> CliError {
    CallError::File { what, source }.into()
}

/// Names every painting `photo-style`; photos of one name from different folders get a number.
fn places(files: &[PathBuf], style: &StyleName, target: &Target) -> Vec<Place> {
    let folder = match target {
        Target::Stdout => return vec![Place::Stdout],
        Target::File(path) => return vec![Place::File(path.clone())],
        Target::Folder(folder) => folder,
    };
    let mut uses = HashMap::<String, usize>::new();
    let mut name = |path: &PathBuf| {
        let photo = if path.as_os_str() == "-" { Path::new(STDIN) } else { path };
        let photo = photo.file_stem().unwrap_or(photo.as_os_str()).to_string_lossy();
        let stem = format!("{photo}-{style}");
        let used = uses.entry(stem.clone()).or_default();
        *used += 1;
        let stem = if *used == 1 { stem } else { format!("{stem}-{used}") };
        Place::Named(folder.clone(), stem)
    };
    files.iter().map(&mut name).collect()
}

/// Reads the wanted format off the target's extension.
pub(in crate::cli) fn format_of(target: &Target) -> Option<OutputFormat> {
    let Target::File(path) = target else { return None };
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => Some(OutputFormat::Jpeg),
        "png" => Some(OutputFormat::Png),
        "webp" => Some(OutputFormat::Webp),
        _ => None,
    }
}

/// Guesses the format that the daemon gives a photo by default: its own where it can, else PNG.
pub(in crate::cli) fn same_format(head: &[u8]) -> OutputFormat {
    match head {
        [0xff, 0xd8, 0xff, ..] => OutputFormat::Jpeg,
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => OutputFormat::Webp,
        _ => OutputFormat::Png,
    }
}

/// Refuses to begin what could not be written in the end.
pub(in crate::cli) fn refuse_existing(place: &Place, format: OutputFormat) -> Result<(), CliError> {
    let path = match place {
        Place::Stdout => return Ok(()),
        Place::File(path) => path.clone(),
        Place::Named(folder, stem) => folder.join(format!("{stem}.{}", format.extension())),
    };
    if path.symlink_metadata().is_err() || takes_bytes(&path) {
        return Ok(());
    }
    Err(exists(&path).into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn named(files: &[&str], target: &Target) -> Vec<Place> {
        let files: Vec<_> = files.iter().map(PathBuf::from).collect();
        places(&files, &"wave".parse().unwrap(), target)
    }

    #[test]
    fn a_painting_is_named_after_photo_and_style() {
        let out = || Target::Folder(PathBuf::from("out"));
        let place = |stem: &str| Place::Named(PathBuf::from("out"), stem.to_owned());
        assert_eq!(
            named(&["a/cat.jpg", "dog.tar.png", "-"], &out()),
            [place("cat-wave"), place("dog.tar-wave"), place("stdin-wave")]
        );
        // Two cats never become one file.
        assert_eq!(named(&["a/cat.jpg", "b/cat.png"], &out()), [place("cat-wave"), place("cat-wave-2")]);
        assert_eq!(named(&["cat.jpg"], &Target::File(PathBuf::from("x.png"))), [Place::File(PathBuf::from("x.png"))]);
    }

    #[test]
    fn the_format_follows_the_target_then_the_photo() {
        let target = |name: &str| Target::File(PathBuf::from(name));
        assert_eq!(format_of(&target("a.JPEG")), Some(OutputFormat::Jpeg));
        assert_eq!(format_of(&target("a.webp")), Some(OutputFormat::Webp));
        assert_eq!(format_of(&target("a")), None);
        assert_eq!(format_of(&Target::Folder(PathBuf::from("a.png"))), None);
        assert_eq!(same_format(b"\xff\xd8\xff\xe0"), OutputFormat::Jpeg);
        assert_eq!(same_format(b"RIFF....WEBPVP8 "), OutputFormat::Webp);
        assert_eq!(same_format(b"II*\0"), OutputFormat::Png);
    }

    #[cfg(unix)]
    #[test]
    fn a_photo_from_a_pipe_is_read_once_and_whole() {
        use std::io::Write as _;
        use std::os::fd::AsRawFd as _;

        let (reader, mut writer) = io::pipe().unwrap();
        let photo: Vec<u8> = (0..1000_u32).map(|at| (at % 251) as u8).collect();
        writer.write_all(&photo).unwrap();
        drop(writer);
        let path = format!("/dev/fd/{}", reader.as_raw_fd());
        let (label, source, head) = open(PathBuf::from(&path)).unwrap();
        assert_eq!((label, head.as_slice()), (path, &photo[..16]));
        let Source::Bytes(bytes) = source else { panic!("{source:?}") };
        assert_eq!(bytes, photo);
    }

    #[test]
    fn stdin_gives_one_picture_and_a_file_of_that_name_is_another() {
        let check = |paths: &[&str], expected: bool| {
            assert_eq!(stdin_once(paths.iter().map(Path::new)).is_ok(), expected, "{paths:?}");
        };
        check(&["-", "a.jpg"], true);
        check(&["stdin", "-", "stdin"], true);
        check(&["a.jpg", "-", "-"], false);
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_no_file_in_the_way() {
        let place = Place::File(PathBuf::from("/dev/null"));
        assert!(refuse_existing(&place, OutputFormat::Png).is_ok());
    }

    #[test]
    fn a_file_that_exists_is_refused_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cat-wave.jpg"), "mine").unwrap();
        let place = Place::Named(folder.path().to_owned(), "cat-wave".to_owned());
        assert!(refuse_existing(&place, OutputFormat::Png).is_ok());
        let error = refuse_existing(&place, OutputFormat::Jpeg).unwrap_err();
        assert!(error.to_string().contains("--force"), "{error}");
        assert_eq!(error.code(), 1);
    }
}

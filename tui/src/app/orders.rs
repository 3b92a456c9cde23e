//! What forms ask for, and the orders that come of them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use protocol::job::train::{Norm, Recipe, Upsample};
use protocol::{OutputFormat, Priority, StyleName, StyleState, TrainOrder, TrainParameters, Wishes};

use super::form::{Form, Order, choice, text};
use super::{App, Effect};
use crate::conn;

/// What a choice is called that leaves the matter to the daemon.
const DEFAULT: &str = "default";

/// Asks how photos are painted.
pub(super) fn paint(app: &App, photos: Vec<PathBuf>, style: Option<&StyleName>) -> Form {
    let ready = app.styles.all().filter(|style| style.state == StyleState::Ready).map(|style| style.name.as_str());
    let fields = vec![
        choice("style", ready, "← → choose"),
        text("strength", "1", "mix of photo (0) and painting (1)"),
        text("size", "the photo's", "longest side in pixels"),
        choice("colours", ["the style's", "the photo's"], ""),
        choice(
            "format",
            [DEFAULT].into_iter().chain(words(OutputFormat::ALL, OutputFormat::as_str)),
            "the photo's where it can be",
        ),
        choice("priority", words(Priority::ALL, Priority::as_str), "interactive goes before batch"),
        text("email", "none", "where to mail the painting"),
        text("note", "none", "your own words"),
    ];
    let mut form = Form { order: Order::Paint(photos), fields, at: 0, problem: None };
    if let Some(style) = style {
        form.choose("style", style.as_str());
    }
    form
}

/// Asks how an artwork is learned. What is empty takes the recipe's own default.
pub(super) fn train(app: &App, artwork: PathBuf) -> Form {
    let name = style_name(&artwork);
    let styles = app.styles.all().filter(|style| style.state == StyleState::Ready).map(|style| style.name.as_str());
    let fields = vec![
        text("name", "", "the new style's name"),
        choice("replace", ["no", "yes"], "a style of that name"),
        choice("recipe", words(Recipe::ALL, Recipe::as_str), "house learns fast; johnson is the thesis'"),
        text("steps", DEFAULT, "1 to 200000"),
        text("batch", DEFAULT, "photos a step, 1 to 16"),
        text("size", DEFAULT, "side of the photos' crops, 64 to 1024 px"),
        text("art_size", DEFAULT, "shorter side of the artwork, 64 to 2048 px"),
        text("style_weight", DEFAULT, "more paints more freely"),
        text("content_weight", DEFAULT, ""),
        text("tv_weight", DEFAULT, "more is smoother"),
        text("learning_rate", DEFAULT, ""),
        choice("init", ["auto", "none"].into_iter().chain(styles), "where it starts from"),
        text("width", DEFAULT, "channels of the first layer, 4 to 128"),
        text("residuals", DEFAULT, "blocks, 0 to 16"),
        choice("norm", words(Norm::ALL, Norm::as_str), ""),
        choice("upsample", words(Upsample::ALL, Upsample::as_str), ""),
        choice("early_stop", ["no", "yes"], "end when the loss falls no further"),
        text("dataset", "builtin", "photos to learn on, as the configuration names them"),
        text("seed", DEFAULT, ""),
        text("email", "none", "where to mail the style"),
        text("note", "none", "your own words"),
    ];
    let mut form = Form { order: Order::Train(artwork), fields, at: 0, problem: None };
    form.fill("name", &name);
    form
}

/// Asks for an imported style's name.
pub(super) fn import(package: PathBuf) -> Form {
    let name = style_name(&package);
    let fields = vec![text("name", "", "the style's name here")];
    let mut form = Form { order: Order::Import(package), fields, at: 0, problem: None };
    form.fill("name", &name);
    form
}

fn words<T: Copy>(all: &'static [T], as_str: fn(T) -> &'static str) -> impl Iterator<Item = &'static str> {
    all.iter().map(move |&word| as_str(word))
}

/// Makes a style's name of a file's.
fn style_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let allowed = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' };
    let name: String = stem.chars().map(allowed).collect();
    let parts: Vec<_> = name.split('-').filter(|part| !part.is_empty()).collect();
    let mut name = parts.join("-");
    name.truncate(StyleName::MAX_BYTES);
    name
}

/// Reads a form.
///
/// # Errors
/// Which field is wrong, and how.
pub(super) fn effect(form: &Form) -> Result<Effect, String> {
    match &form.order {
        Order::Paint(photos) => Ok(Effect::Submit(photos.clone(), Box::new(painted(form)?))),
        Order::Train(artwork) => {
            let order = learned(form)?;
            order.clone().fill().map_err(|error| error.to_string())?;
            Ok(Effect::Train(artwork.clone(), Box::new(order), wishes(form)))
        }
        Order::Import(package) => Ok(Effect::Import(package.clone(), name(form)?)),
    }
}

/// Returns the training that a form describes, every default filled in, where it can be one.
pub(crate) fn filled(form: &Form) -> Result<TrainParameters, String> {
    learned(form)?.fill().map_err(|error| error.to_string())
}

fn painted(form: &Form) -> Result<conn::Order, String> {
    let style = form.value("style").ok_or("no style is ready")?.parse().map_err(|error| format!("style: {error}"))?;
    let strength: Option<f32> = read(form, "strength")?;
    if strength.is_some_and(|strength| !(0.0..=1.0).contains(&strength)) {
        return Err("strength: a number from 0 to 1".to_owned());
    }
    let size: Option<u32> = read(form, "size")?;
    if size == Some(0) {
        return Err("size: at least one pixel".to_owned());
    }
    let wishes = wishes(form);
    Ok(conn::Order {
        style,
        strength,
        size,
        preserve_color: form.value("colours") == Some("the photo's"),
        format: word(form, "format"),
        priority: word(form, "priority"),
        email: wishes.email,
        note: wishes.note,
        idempotency_key: None,
    })
}

fn learned(form: &Form) -> Result<TrainOrder, String> {
    Ok(TrainOrder {
        replace: form.value("replace") == Some("yes"),
        dataset: form.value("dataset").map(str::to_owned),
        recipe: word(form, "recipe"),
        steps: read(form, "steps")?,
        batch: read(form, "batch")?,
        size: read(form, "size")?,
        art_size: read(form, "art_size")?,
        seed: read(form, "seed")?,
        learning_rate: read(form, "learning_rate")?,
        content_weight: read(form, "content_weight")?,
        style_weight: read(form, "style_weight")?,
        tv_weight: read(form, "tv_weight")?,
        norm: word(form, "norm"),
        upsample: word(form, "upsample"),
        width: read(form, "width")?,
        residuals: read(form, "residuals")?,
        // Each recipe has a start of its own.
        init: read(form, "init")?.filter(|_| form.value("init") != Some("auto")),
        early_stop: form.value("early_stop") == Some("yes"),
        ..TrainOrder::new(name(form)?)
    })
}

fn wishes(form: &Form) -> Wishes {
    let own = |name| form.value(name).map(str::to_owned);
    Wishes { email: own("email"), note: own("note"), ..Wishes::default() }
}

fn name(form: &Form) -> Result<StyleName, String> {
    form.value("name").unwrap_or_default().parse().map_err(|error: protocol::id::InvalidStyleName| error.to_string())
}

/// Reads a field that is a number or a name; none where it is empty.
fn read<T: FromStr<Err: std::fmt::Display>>(form: &Form, name: &str) -> Result<Option<T>, String> {
    form.value(name).map(|text| text.parse().map_err(|error| format!("{name}: {error}"))).transpose()
}

/// Reads a word of a closed set; none where it is left to the daemon.
fn word<T: FromStr>(form: &Form, name: &str) -> Option<T> {
    form.value(name)?.parse().ok()
}

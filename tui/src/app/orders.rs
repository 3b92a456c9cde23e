//! What forms ask for, and the orders that come of them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use protocol::job::paint::{Optimizer, PaintInit};
use protocol::job::train::{Norm, Recipe, Upsample};
use protocol::{OutputFormat, PaintOrder, Parameters, Priority, StyleName, StyleState, TrainOrder, Wishes};

use super::form::{Form, Order, choice, text};
use super::{App, Effect};
use crate::conn;
use crate::cost::SizePx;

/// What a choice is called that leaves the matter to the daemon.
const DEFAULT: &str = "default";

/// What a choice is called that keeps something as it is in the photo.
const PHOTO_S: &str = "the photo's";

/// Asks how photos are painted.
pub(super) fn submit(app: &App, photos: Vec<PathBuf>, style: Option<&StyleName>) -> Form {
    let ready = app.styles.all().filter(|style| style.state == StyleState::Ready).map(|style| style.name.as_str());
    let fields = vec![
        choice("style", ready, "← → choose"),
        text("strength", "1", "mix of photo (0) and painting (1)"),
        text("size", "the photo's", "longest side in pixels"),
        choice("colours", ["the style's", PHOTO_S], ""),
        choice("format", formats(), "the photo's where it can be"),
        choice("priority", words(Priority::ALL, Priority::as_str), "interactive goes before batch"),
        text("email", "none", "where to mail the painting"),
        text("note", "none", "your own words"),
    ];
    let mut form = Form::new(Order::Submit(photos), None, fields);
    if let Some(style) = style {
        form.choose("style", style.as_str());
    }
    form
}

/// Asks how a photo is painted after artworks. What is empty takes the daemon's own default.
pub(super) fn paint(photo: PathBuf, artworks: Vec<PathBuf>, size: Option<SizePx>) -> Form {
    let mut fields = vec![
        text("steps", DEFAULT, "1 to 200000"),
        text("size", "the photo's", "longest side in pixels"),
        text("style_weight", DEFAULT, "more paints more freely"),
        text("content_weight", DEFAULT, ""),
        text("tv_weight", DEFAULT, "more is smoother"),
        choice("optimizer", words(Optimizer::ALL, Optimizer::as_str), "lbfgs needs fewer steps, adam less memory"),
        choice("init", words(PaintInit::ALL, PaintInit::as_str), "start from the photo, or from noise"),
        choice("colours", ["the artworks'", PHOTO_S], ""),
        choice("format", formats(), "the photo's where it can be"),
        text("seed", DEFAULT, ""),
        text("email", "none", "where to mail the painting"),
        text("note", "none", "your own words"),
    ];
    if artworks.len() > 1 {
        fields.insert(0, text("weights", "all the same", "how much each artwork counts: 1 0.5 …"));
    }
    Form::new(Order::Paint(photo, artworks), size, fields)
}

/// Asks how an artwork is learned. What is empty takes the recipe's own default.
pub(super) fn train(app: &App, artwork: PathBuf, size: Option<SizePx>) -> Form {
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
    let mut form = Form::new(Order::Train(artwork), size, fields);
    form.fill("name", &name);
    form
}

/// Asks for an imported style's name.
pub(super) fn import(package: PathBuf) -> Form {
    let name = style_name(&package);
    let fields = vec![text("name", "", "the style's name here")];
    let mut form = Form::new(Order::Import(package), None, fields);
    form.fill("name", &name);
    form
}

fn words<T: Copy>(all: &'static [T], as_str: fn(T) -> &'static str) -> impl Iterator<Item = &'static str> {
    all.iter().map(move |&word| as_str(word))
}

fn formats() -> impl Iterator<Item = &'static str> {
    [DEFAULT].into_iter().chain(words(OutputFormat::ALL, OutputFormat::as_str))
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

/// Reads a form: what it asks for, photo by photo.
///
/// # Errors
/// Which field is wrong, and how.
pub(super) fn effects(form: &Form) -> Result<Vec<Effect>, String> {
    Ok(match &form.order {
        Order::Submit(photos) => {
            let order = Box::new(submitted(form)?);
            photos.iter().map(|photo| Effect::Submit(photo.clone(), order.clone())).collect()
        }
        Order::Paint(photo, artworks) => {
            filled(form)?;
            vec![Effect::Paint(photo.clone(), artworks.clone(), Box::new(painted(form)?), wishes(form))]
        }
        Order::Train(artwork) => {
            filled(form)?;
            vec![Effect::Train(artwork.clone(), Box::new(learned(form)?), wishes(form))]
        }
        Order::Import(package) => vec![Effect::Import(package.clone(), name(form)?)],
    })
}

/// Returns the training or painting that a form describes, every default filled in, where it can be one.
///
/// # Errors
/// Which field is wrong, and how.
pub(crate) fn filled(form: &Form) -> Result<Parameters, String> {
    let parameters = match &form.order {
        // The photo's own format is the daemon's to know, and costs nothing.
        Order::Paint(_, artworks) => painted(form)?.fill(artworks.len(), OutputFormat::Png).map(Parameters::Paint),
        _ => learned(form)?.fill().map(Parameters::Train),
    };
    parameters.map_err(|error| error.to_string())
}

fn submitted(form: &Form) -> Result<conn::Order, String> {
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
        preserve_color: form.value("colours") == Some(PHOTO_S),
        format: word(form, "format"),
        priority: word(form, "priority"),
        email: wishes.email,
        note: wishes.note,
        idempotency_key: None,
    })
}

fn painted(form: &Form) -> Result<PaintOrder, String> {
    let weights = form.value("weights").unwrap_or_default().split_whitespace();
    let weights = weights.map(|weight| weight.parse().map_err(|error| format!("weights: {error}")));
    Ok(PaintOrder {
        artwork_weights: weights.collect::<Result<_, _>>()?,
        steps: read(form, "steps")?,
        optimizer: word(form, "optimizer"),
        init: word(form, "init"),
        seed: read(form, "seed")?,
        content_weight: read(form, "content_weight")?,
        style_weight: read(form, "style_weight")?,
        tv_weight: read(form, "tv_weight")?,
        size: read(form, "size")?,
        preserve_color: form.value("colours") == Some(PHOTO_S),
        format: word(form, "format"),
        preview_every: None,
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

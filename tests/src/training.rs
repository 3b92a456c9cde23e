//! The smallest training there is.

use reqwest::multipart::{Form, Part};

use crate::picture;

/// Makes the form of a training that takes no time to speak of; callers add what else they want.
pub fn tiny_training(name: &str, steps: u32) -> Form {
    let artwork = Part::bytes(picture(96, 80)).file_name("artwork.png");
    let form = Form::new().part("artwork", artwork).text("name", name.to_owned()).text("steps", steps.to_string());
    let small =
        [("batch", "1"), ("size", "64"), ("art_size", "64"), ("width", "4"), ("residuals", "1"), ("init", "none")];
    small.into_iter().fold(form, |form, (name, value)| form.text(name, value))
}

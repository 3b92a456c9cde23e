//! Makes a package folder of a style that is one file, with a preview painted from a photo.
//!
//! ```sh
//! cargo run --release -p models --example package_style -- great-wave.safetensors photo.jpg models/assets/styles/great-wave
//! ```

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;

use jpeg_encoder::{ColorType, Encoder};
use models::compute::Compute;
use models::package::{Package, PackageLimits};
use models::picture::{Limits, decode};
use models::stylize::{Outcome, Stylizer};

const PREVIEW_SIDE_PX: u32 = 256;
/// Thumbnails are many on a page: half the bytes of a result's quality.
const PREVIEW_QUALITY: u8 = 82;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [style, photo, folder] = arguments.as_slice() else {
        return Err("give a style file, a photo and a folder".into());
    };
    let mut package = Package::read_file(Path::new(style), &PackageLimits::default())?;
    let (_, photo) = decode(&std::fs::read(photo)?, Limits::default())?;
    let photo = photo.resized_to_longest(PREVIEW_SIDE_PX, Limits::default())?;
    let compute = Compute::cpu(std::thread::available_parallelism()?.get())?;
    let outcome =
        Stylizer::load(&package, &compute)?.paint(&photo, &compute, u64::MAX, &mut |_| ControlFlow::Continue(()))?;
    let Outcome::Painted(painting) = outcome else {
        return Err("the painting was interrupted".into());
    };
    let mut preview = Vec::new();
    let (width, height) = (painting.width() as u16, painting.height() as u16);
    Encoder::new(&mut preview, PREVIEW_QUALITY).encode(painting.rgb(), width, height, ColorType::Rgb)?;
    package.preview = Some(preview);
    std::fs::create_dir_all(folder)?;
    package.write_folder(Path::new(folder))?;
    Ok(())
}

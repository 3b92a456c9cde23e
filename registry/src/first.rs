//! The first start: a folder with the built-in styles in it, all of them or none.

use std::fs;
use std::io;
use std::path::Path;

use models::builtin::builtin_styles;

use crate::publish::{delete, sync};

/// Makes the folder with the built-in styles in it, unless it exists.
///
/// The styles are written beside it, under a dot name, which then becomes the folder's in one step: a crash before it
/// leaves no folder, so that the next start begins anew.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder).is_ok() {
        return Ok(());
    }
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else { return Ok(()) };
    fs::create_dir_all(parent)?;
    let staging = parent.join(format!(".{}.new", name.display()));
    delete(&staging)?;
    fs::create_dir(&staging)?;
    for style in builtin_styles() {
        let style_folder = staging.join(style.name);
        fs::create_dir(&style_folder)?;
        for (name, bytes) in style.files {
            let file = style_folder.join(name);
            fs::write(&file, bytes)?;
            sync(&file)?;
        }
        sync(&style_folder)?;
    }
    sync(&staging)?;
    fs::rename(&staging, folder)?;
    sync(parent)?;
    tracing::info!(folder = %folder.display(), "folder of styles is made, with the built-in ones");
    Ok(())
}

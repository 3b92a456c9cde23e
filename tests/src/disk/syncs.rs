//! Names for syncs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use protocol::JobId;

use super::call::{Call, What};

/// Gives each sync a name that is the same in every life: what is synced and, for a folder, what came into it last.
#[derive(Debug, Default)]
pub struct SyncNames {
    last: BTreeMap<PathBuf, String>,
}

impl SyncNames {
    /// Looks at the next call, and names it if it is a sync.
    pub fn see(&mut self, call: &Call) -> Option<String> {
        let came = match &call.what {
            What::Rename(to) => to,
            What::Create | What::MakeFolder | What::Remove => &call.path,
            What::SyncAll => return Some("everything".to_owned()),
            What::Sync => {
                let name = plain(&call.path);
                return Some(match self.last.get(&call.path) {
                    Some(last) => format!("{name}/ after {last}"),
                    None => name,
                });
            }
            _ => return None,
        };
        if let (Some(parent), Some(name)) = (came.parent(), came.file_name()) {
            self.last.insert(parent.to_owned(), plain(Path::new(name)));
        }
        // A folder takes its names along.
        if let What::Rename(to) = &call.what {
            if let Some(of_folder) = self.last.remove(&call.path) {
                self.last.insert(to.clone(), of_folder);
            }
            let from = plain(call.path.file_name().map_or(Path::new(""), Path::new));
            if let (Some(parent), true) = (call.path.parent(), call.path.parent() != to.parent()) {
                self.last.insert(parent.to_owned(), format!("{from} left"));
            }
        }
        None
    }
}

/// Writes a path without what differs from life to life.
fn plain(path: &Path) -> String {
    let parts = path.iter().map(|part| {
        let part = part.to_string_lossy();
        let (id, rest) = part.split_at_checked(36).unwrap_or((&part, ""));
        match (id.parse::<JobId>(), part.starts_with("draft-")) {
            (Ok(_), _) => format!("ID{rest}"),
            (_, true) => "DRAFT".to_owned(),
            _ => part.into_owned(),
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

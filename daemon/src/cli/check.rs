//! `atelierd check`: what is wrong, and what would be done about it.

use std::path::Path;
use std::process::ExitCode;

use models::picture::Limits;
use models::training::Photos;
use protocol::StyleState;
use tokio::runtime::Builder;

use super::{Failure, banner, out};
use crate::access::{check_exposure, tokens};
use crate::config::{Config, LossNetwork, Origins, Sources};
use crate::engine::LossEyes;
use crate::mail::transport::Post;

mod store;

/// What was found about one part of the daemon.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    part: &'static str,
    verdict: Verdict,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    Mended,
    Wrong,
}

impl Finding {
    fn fine(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, verdict: Verdict::Fine, text: text.into() }
    }

    fn mended(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, verdict: Verdict::Mended, text: text.into() }
    }

    fn wrong(part: &'static str, text: impl Into<String>) -> Self {
        Self { part, verdict: Verdict::Wrong, text: text.into() }
    }

    fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Fine => "ok",
            Verdict::Mended => "mended",
            Verdict::Wrong => "wrong",
        };
        format!("{verdict:<8}{:<15}{}", self.part, self.text)
    }
}

/// Looks at every part; mends what can be mended with `repair`. The exit code is 1 when something stays wrong.
pub(super) fn check(sources: &Sources, repair: Repair) -> Result<ExitCode, Failure> {
    let (config, origins) = match sources.load_with_origins() {
        Ok(loaded) => loaded,
        Err(error) => {
            out::line(&Finding::wrong("configuration", error.to_string()).line())?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut findings = vec![configuration(sources, &config)];
    findings.extend(tokens(&config));
    let claim = store::claim(&config.data.dir);
    let program = std::env::current_exe().ok();
    findings.extend(store::check(&config, &claim, repair, program.as_deref()));
    findings.extend(styles(&config.models.dir));
    findings.push(devices(&config, &origins));
    findings.extend(learning(&config));
    findings.push(mail(&config));
    for finding in &findings {
        out::line(&finding.line())?;
    }
    let is_well = findings.iter().all(|finding| finding.verdict != Verdict::Wrong);
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether a check also mends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repair {
    /// It only looks.
    No,
    /// It mends what it can.
    Yes,
}

fn configuration(sources: &Sources, config: &Config) -> Finding {
    let part = "configuration";
    if let Err(problem) = check_exposure(config) {
        return Finding::wrong(part, problem);
    }
    match sources.path() {
        Some(path) => Finding::fine(part, path.display().to_string()),
        None => Finding::fine(part, "no file; every key has its default"),
    }
}

fn tokens(config: &Config) -> Option<Finding> {
    let path = config.auth.tokens_file.as_ref()?;
    Some(match tokens::list(path) {
        Ok(tokens) if tokens.is_empty() => {
            Finding::wrong("tokens", format!("{} has none; make one with atelierd token add", path.display()))
        }
        Ok(tokens) => Finding::fine("tokens", format!("{} in {}", tokens.len(), path.display())),
        Err(error) => Finding::wrong("tokens", error.to_string()),
    })
}

fn styles(folder: &Path) -> Vec<Finding> {
    let part = "styles";
    if !folder.exists() {
        return vec![Finding::fine(part, format!("{} is made at the first start", folder.display()))];
    }
    let snapshot = match registry::look(folder, &registry::Options::default().limits) {
        Ok(snapshot) => snapshot,
        Err(error) => return vec![Finding::wrong(part, error.to_string())],
    };
    let ready = snapshot.iter().filter(|entry| entry.style.state == StyleState::Ready).count();
    let mut findings = vec![Finding::fine(part, format!("{ready} ready in {}", folder.display()))];
    findings.extend(snapshot.iter().filter_map(|entry| {
        let problem = entry.style.problem.as_ref()?;
        let name = &entry.style.name;
        Some(Finding::wrong(part, format!("{name}: {}; replace or remove its folder", problem.detail)))
    }));
    findings
}

fn devices(config: &Config, origins: &Origins) -> Finding {
    match super::devices::engines(config, origins) {
        Ok(engines) => {
            let names: Vec<_> = engines.iter().map(|engine| engine.profile().name).collect();
            Finding::fine("devices", names.join(", "))
        }
        Err(error) => Finding::wrong("devices", error.to_string()),
    }
}

/// Checks what styles are learned with and on.
fn learning(config: &Config) -> Vec<Finding> {
    let part = "train";
    let mut findings = Vec::new();
    if config.models.loss_network != LossNetwork::Builtin
        && let Err(error) = LossEyes::new(config.models.loss_network.clone()).open()
    {
        findings.push(Finding::wrong(part, error.to_string()));
    }
    for (name, folder) in &config.train.datasets {
        findings.push(match Photos::folder(name, folder, Limits { pixels: config.limits.pixels }) {
            Ok(photos) => Finding::fine(part, format!("{name}: {} photos in {}", photos.count(), folder.display())),
            Err(error) => Finding::wrong(part, format!("{name}: {error}")),
        });
    }
    findings
}

fn mail(config: &Config) -> Finding {
    let probe = || {
        let post = Post::open(config).map_err(|error| error.to_string())?;
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        runtime.block_on(post.probe())
    };
    match probe() {
        Ok(()) => Finding::fine("mail", banner::mail(config)),
        Err(problem) => Finding::wrong("mail", format!("{problem}; mails wait until this is mended")),
    }
}

#[cfg(test)]
mod tests;

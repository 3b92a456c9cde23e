//! What can be said on the command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use protocol::{JobKind, JobRef, OutputFormat, Priority, StateName, StyleName};

use super::CliError;
use crate::ask::Pictures;
use crate::conn::{CallError, Server, Token};
use crate::theme::Ground;

mod learn;
pub(crate) use learn::{About, Cancel, Losses, Paint, Train};

/// Turns photos into paintings with a running atelierd.
#[derive(Debug, Parser)]
#[command(name = "atelier", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(flatten)]
    pub(crate) console: Console,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What the console understands: `atelier` without a command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Without a command: the console")]
pub(crate) struct Console {
    /// Print what there is now, and leave
    #[arg(long)]
    pub(crate) once: bool,
    /// Draw with ASCII alone
    #[arg(long)]
    pub(crate) ascii: bool,
    /// The terminal's ground; where absent the terminal is asked
    #[arg(long, value_enum, value_name = "GROUND")]
    pub(crate) ground: Option<Ground>,
    /// How pictures are shown; where absent the terminal is asked
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) pictures: Option<Pictures>,
}

impl Console {
    /// Says whether any of it was said.
    pub(crate) const fn is_given(&self) -> bool {
        self.once || self.ascii || self.ground.is_some() || self.pictures.is_some()
    }
}

impl Global {
    /// Reads the token's file where one is named; it goes before everything else.
    ///
    /// # Errors
    /// A file that can't be read, or that has something else in it.
    pub(crate) fn read_token(&mut self) -> Result<(), CliError> {
        let Some(path) = &self.token_file else { return Ok(()) };
        let failed = |source| CallError::File { what: path.display().to_string(), source };
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let token = text.trim().parse();
        self.token = Some(token.map_err(|error| CliError::Usage(format!("{}: {error}", path.display())))?);
        Ok(())
    }
}

/// What every command understands.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The daemon's URL, or "unix:" and the path of its socket
    #[arg(
        long,
        global = true,
        help_heading = "Everywhere",
        env = "ATELIER_SERVER",
        default_value = "http://127.0.0.1:7878",
        value_name = "URL"
    )]
    pub(crate) server: Server,
    /// The token, where the daemon asks for one
    #[arg(long, global = true, help_heading = "Everywhere", env = "ATELIER_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<Token>,
    /// Read the token from this file
    #[arg(long, global = true, help_heading = "Everywhere", value_hint = ValueHint::FilePath, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Print JSON on stdout and everything else on stderr
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Paint photos: send them, wait, and write the paintings
    Submit(Submit),
    /// Learn a style from an artwork
    Train(Box<Train>),
    /// Paint a photo after artworks by optimising its pixels: slow, and without a learned style
    Paint(Box<Paint>),
    /// Show how a training or painting went, step by step
    Losses(Losses),
    /// List jobs, newest first
    Jobs(Jobs),
    /// Show one job in full
    Show {
        #[command(flatten)]
        job: One,
    },
    /// Follow one job to its end, or everything that happens
    Watch {
        /// The job's id, or its last eight digits
        id: Option<JobRef>,
    },
    /// Stop jobs
    Cancel(Cancel),
    /// Hold jobs back
    Pause(Several),
    /// Put paused jobs back into the queue
    Resume(Several),
    /// Put failed or cancelled jobs back into the queue
    Retry(Several),
    /// Forget finished jobs: photo, result and record
    Forget(Several),
    /// Write a finished job's result to a file
    Result(Fetch),
    /// List the styles, show one, or measure how near one comes to its artwork
    Styles(Styles),
    /// List the devices that do the work
    Devices,
    /// List the mails: sent, waiting, failed
    Mail,
    /// Add a style: a package, a foreign weight file, or a checkpoint's folder
    Import(Import),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// The job's id, or its last eight digits
    #[arg(value_name = "ID")]
    pub(crate) id: JobRef,
}

#[derive(Debug, Args)]
pub(crate) struct Several {
    /// The jobs' ids, or the last eight digits of each
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<JobRef>,
}

#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The photos; "-" reads one from stdin
    #[arg(required = true, value_hint = ValueHint::FilePath, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The style to paint in; `atelier styles` lists them
    #[arg(long, short)]
    pub(crate) style: StyleName,
    /// Where the paintings go: a folder, a file for a single photo, or "-" for stdout
    #[arg(long, short, value_hint = ValueHint::AnyPath, value_name = "PATH", conflicts_with = "no_wait")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite files that exist
    #[arg(long, short, conflicts_with = "no_wait")]
    pub(crate) force: bool,
    /// Print the jobs' ids and don't wait for the paintings
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Mix of photo (0) and painting (1)
    #[arg(long, value_parser = strength, value_name = "0..1")]
    pub(crate) strength: Option<f32>,
    /// Longest side of the painting in pixels
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..), value_name = "PX")]
    pub(crate) size: Option<u32>,
    /// Keep the photo's colours
    #[arg(long)]
    pub(crate) preserve_color: bool,
    /// The painting's format; the photo's own where absent
    #[arg(long, value_parser = word(OutputFormat::ALL, OutputFormat::as_str))]
    pub(crate) format: Option<OutputFormat>,
    /// Which jobs go first
    #[arg(long, value_parser = word(Priority::ALL, Priority::as_str))]
    pub(crate) priority: Option<Priority>,
    /// Mail the paintings to this address
    #[arg(long, value_hint = ValueHint::EmailAddress, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// Your own words about the jobs
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Jobs {
    /// Only jobs in this state
    #[arg(long, value_parser = word(StateName::ALL, StateName::as_str))]
    pub(crate) state: Option<StateName>,
    /// Only jobs of this kind
    #[arg(long, value_parser = word(JobKind::ALL, JobKind::as_str))]
    pub(crate) kind: Option<JobKind>,
    /// Only jobs with this style
    #[arg(long)]
    pub(crate) style: Option<StyleName>,
    /// At most so many
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Go on after this cursor
    #[arg(long, value_name = "CURSOR")]
    pub(crate) after: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Fetch {
    #[command(flatten)]
    pub(crate) job: One,
    /// Where it goes: a file, a folder, or "-" for stdout
    #[arg(long, short, value_hint = ValueHint::AnyPath, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
    /// Overwrite a file that exists
    #[arg(long, short)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Styles {
    /// Only this one, in full
    pub(crate) name: Option<StyleName>,
    /// Paint photos in this style and say how near they come to its artwork (S) and to the photos (C)
    #[arg(long, value_name = "NAME", conflicts_with = "name", requires = "artwork", requires = "photos")]
    pub(crate) measure: Option<StyleName>,
    /// The artwork to measure against
    #[arg(long, value_hint = ValueHint::FilePath, value_name = "FILE", requires = "measure")]
    pub(crate) artwork: Option<PathBuf>,
    /// The folder of photos to measure on, or one photo
    #[arg(long, value_hint = ValueHint::AnyPath, value_name = "DIR", requires = "measure")]
    pub(crate) photos: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The package, weight file, archive or folder
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,
    /// The style's name here
    #[arg(long)]
    pub(crate) name: StyleName,
}

/// Accepts the words of a closed set, which completions then know too.
fn word<T>(all: &'static [T], as_str: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: Copy + Send + Sync + 'static,
{
    let words = all.iter().map(move |&word| as_str(word));
    PossibleValuesParser::new(words)
        .try_map(move |text| all.iter().copied().find(|&word| as_str(word) == text).ok_or("unknown word"))
}

fn strength(text: &str) -> Result<f32, String> {
    match text.parse() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        _ => Err("strength is a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_words_are_wrong_usage() {
        let check = |line: &str, expected: bool| {
            assert_eq!(Cli::try_parse_from(line.split(' ')).is_ok(), expected, "{line}");
        };
        check("atelier submit a.jpg --style wave", true);
        check("atelier submit a.jpg b.jpg -s wave -o out/ --strength 0.5 --format webp --priority batch", true);
        check("atelier submit --style wave", false);
        check("atelier submit a.jpg", false);
        check("atelier submit a.jpg --style ../wave", false);
        check("atelier submit a.jpg --style wave --strength 7", false);
        check("atelier submit a.jpg --style wave --strength NaN", false);
        check("atelier submit a.jpg --style wave --size 0", false);
        check("atelier submit a.jpg --style wave --no-wait -o out/", false);
        check("atelier show 099a8057", true);
        check("atelier show 099a", false);
        check("atelier jobs --state running --limit 5 --json", true);
        check("atelier jobs --state walking", false);
        check("atelier jobs --server ftp://nowhere", false);
        check("atelier train art.jpg --name my-wave --recipe johnson --steps 100 --init none --no-wait", true);
        check("atelier train art.jpg", false);
        check("atelier train art.jpg --name My_Wave!", false);
        check("atelier train art.jpg --name a --norm layer", false);
        check("atelier train art.jpg --name a --steps many", false);
        check("atelier paint photo.jpg --artwork a.jpg:2 --artwork b.jpg -o out.png --optimizer adam", true);
        check("atelier paint photo.jpg", false);
        check("atelier paint photo.jpg --artwork a.jpg --no-wait -o out.png", false);
        check("atelier losses 099a8057 --plot --term style --max 500", true);
        check("atelier styles wave", true);
        check("atelier styles --measure wave --artwork a.jpg --photos photos/", true);
        check("atelier styles --measure wave --artwork a.jpg", false);
        check("atelier styles --artwork a.jpg --photos photos/", false);
        check("atelier styles wave --measure wave --artwork a.jpg --photos photos/", false);
        check("atelier losses 099a8057 --plot --csv", false);
        check("atelier losses 099a8057 --term style", false);
        check("atelier cancel --keep 099a8057", true);
        check("atelier", true);
        check("atelier --once --json", true);
        check("atelier --ascii --ground light", true);
        check("atelier --ground grey", false);
        check("atelier --pictures sixel", true);
        check("atelier --pictures oil", false);
    }
}

//! The configuration: every key of the TOML file, typed, with its default.
//!
//! A value comes from the file, then from the environment, then from a flag; the last one counts. `keys` holds the
//! one table of keys, and everything else follows from it: names of environment variables, what an unknown key is
//! told, what a reload can change.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

mod current;
mod draft;
mod keys;
mod load;
pub mod machine;
mod reload;
mod units;
mod value;

#[cfg(test)]
mod tests;

pub(crate) use current::Current;
pub use load::{ConfigError, Origin, Origins, Sources};

/// Everything that can be configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where the daemon listens and under which names.
    pub server: Server,
    /// Who may ask.
    pub auth: Auth,
    /// Where jobs live and for how long.
    pub data: Data,
    /// Where styles live.
    pub models: Models,
    /// What does the work, as given: `auto`, `cpu`, `cpu:2`, `cuda:0`, `metal`.
    pub devices: Vec<String>,
    /// How many jobs may wait.
    pub max_waiting: usize,
    /// What a request may cost.
    pub limits: Limits,
    /// How results are mailed.
    pub mail: Mail,
    /// What styles are learned on.
    pub train: Train,
    /// How the log looks.
    pub log: Log,
}

/// `[server]`
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// TCP address of page, API and gRPC.
    pub listen: SocketAddr,
    /// Unix socket for the same, mode 0600.
    pub unix_socket: Option<PathBuf>,
    /// The address under which people reach the daemon, for links in mails.
    pub public_url: Option<String>,
    /// Further host names that browsers may use.
    pub allowed_hosts: Vec<String>,
}

/// `[auth]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Auth {
    /// Hashes of the tokens, with names and roles; without it only loopback is served.
    pub tokens_file: Option<PathBuf>,
    /// Serves everybody as `admin` on any address.
    pub open: bool,
}

/// `[data]`
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// The spool, the index and the outbox.
    pub dir: PathBuf,
    /// How long results are kept.
    pub keep_results: Duration,
    /// How long finished jobs are remembered.
    pub keep_jobs: Duration,
    /// Most bytes that the spool may take; oldest results go first.
    pub max_bytes: Option<u64>,
    /// Free space below which nothing is accepted.
    pub reserve_bytes: u64,
}

/// `[models]`
#[derive(Clone, Debug, PartialEq)]
pub struct Models {
    /// One folder a style.
    pub dir: PathBuf,
    /// What the losses of training and painting see with.
    pub loss_network: LossNetwork,
}

/// `models.loss_network`
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LossNetwork {
    /// The VGG19 in the program.
    #[default]
    Builtin,
    /// Another VGG19.
    File(PathBuf),
}

/// `[limits]`
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Largest request body.
    pub upload_bytes: u64,
    /// Most pixels of a decoded picture, in and out.
    pub pixels: u64,
    /// Memory for all jobs together, in bytes.
    pub memory_bytes: u64,
    /// Most connections at once.
    pub connections: usize,
    /// Requests a minute for each token or address; none means no limit on loopback and 600 elsewhere.
    pub requests_per_minute: Option<u32>,
}

/// `[mail]`
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// How mail leaves.
    pub transport: Transport,
    /// The sender.
    pub from: Option<String>,
    /// Recipients that anyone who may submit can name: `*@example.org`, `me@example.org`, `*`.
    pub allow: Vec<String>,
    /// Most mails to one recipient in an hour.
    pub per_recipient_per_hour: u32,
    /// Largest attachment; above it the mail carries a link.
    pub attach_limit: u64,
    /// When a mail that can't be delivered is given up.
    pub give_up_after: Duration,
}

/// How mail leaves.
#[derive(Clone, Debug, PartialEq)]
pub enum Transport {
    /// It does not: addresses are refused.
    Off,
    /// `.eml` files under the data folder.
    Outbox,
    /// The machine's own `sendmail`.
    Sendmail,
    /// A mail server.
    Smtp(Smtp),
}

/// `[mail.smtp]`
#[derive(Clone, Debug, PartialEq)]
pub struct Smtp {
    /// The server's name.
    pub host: String,
    /// Its port; the security's usual one where absent.
    pub port: Option<u16>,
    /// How the connection is protected.
    pub security: SmtpSecurity,
    /// Login name.
    pub username: Option<String>,
    /// Login password, read from `password_file` or the environment; never logged.
    pub password: Option<Secret>,
    /// A private certificate authority to trust.
    pub ca_file: Option<PathBuf>,
}

/// How an SMTP connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SmtpSecurity {
    /// TLS from the first byte, port 465.
    Tls,
    /// Plain, then upgraded before anything is said, else nothing is sent; port 587.
    Starttls,
    /// Never protected; port 25.
    None,
}

/// A text that is never printed.
#[derive(Clone, PartialEq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

impl SmtpSecurity {
    /// Returns the port where servers of this kind listen.
    #[must_use]
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::Tls => 465,
            Self::Starttls => 587,
            Self::None => 25,
        }
    }
}

/// `[train]`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Train {
    /// Folders of photos to learn on, by the names that people ask for them by.
    pub datasets: BTreeMap<String, PathBuf>,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// `text` or `json`.
    pub json: bool,
    /// A `tracing` filter such as `info` or `daemon=debug`.
    pub level: String,
}

impl Default for Config {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        const MIB: u64 = 1 << 20;
        Self {
            server: Server {
                listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7878)),
                unix_socket: None,
                public_url: None,
                allowed_hosts: Vec::new(),
            },
            auth: Auth::default(),
            data: Data {
                dir: PathBuf::from("atelier-data"),
                keep_results: Duration::from_secs(30 * DAY),
                keep_jobs: Duration::from_secs(365 * DAY),
                max_bytes: None,
                reserve_bytes: 256 * MIB,
            },
            models: Models { dir: PathBuf::from("atelier-data/styles"), loss_network: LossNetwork::Builtin },
            devices: vec!["auto".to_owned()],
            max_waiting: 10_000,
            limits: Limits {
                upload_bytes: 32 * MIB,
                pixels: 40_000_000,
                memory_bytes: machine::memory_bytes() / 100 * 75,
                connections: 1024,
                requests_per_minute: None,
            },
            mail: Mail {
                transport: Transport::Outbox,
                from: None,
                allow: Vec::new(),
                per_recipient_per_hour: 20,
                attach_limit: 10 * MIB,
                give_up_after: Duration::from_secs(5 * DAY),
            },
            train: Train::default(),
            log: Log { json: false, level: "info".to_owned() },
        }
    }
}

//! How mail leaves: into a folder, through a mail server, through the machine's `sendmail`, or not at all.

use std::io;
use std::path::PathBuf;

use lettre::Message;
use lettre::message::Mailbox;

use super::{address, outbox, sendmail, smtp};
use crate::config::{Config, Transport};

/// What became of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken, with this answer.
    Delivered(String),
    /// Not this time.
    TryAgain(String),
    /// Never: this recipient or this letter is refused.
    Refused(String),
}

/// A way out for mail.
pub enum Post {
    /// There is none at present.
    Off,
    /// A folder of `.eml` files.
    Outbox(PathBuf),
    /// The machine's own program.
    Sendmail(PathBuf),
    /// A mail server.
    Smtp(Box<smtp::Relay>),
}

impl Post {
    /// Opens the way that the configuration names.
    ///
    /// # Errors
    /// When the private certificate authority can't be read.
    pub fn open(config: &Config) -> io::Result<Self> {
        Ok(match &config.mail.transport {
            Transport::Off => Self::Off,
            Transport::Outbox => Self::Outbox(config.data.dir.join("outbox")),
            Transport::Sendmail => Self::Sendmail(sendmail::program()),
            Transport::Smtp(settings) => Self::Smtp(Box::new(smtp::Relay::new(settings)?)),
        })
    }

    /// Hands a letter over; `name` is the same for every try of the same letter.
    pub async fn send(&self, name: &str, message: &Message) -> Outcome {
        let outcome = match self {
            Self::Off => Outcome::TryAgain("mail.transport is \"off\"".to_owned()),
            Self::Outbox(folder) => outbox::put(folder, name, message).await,
            Self::Sendmail(program) => sendmail::send(program, message).await,
            Self::Smtp(relay) => relay.send(message).await,
        };
        outcome.in_one_line()
    }

    /// Tries whether mail would be taken, without sending any.
    ///
    /// # Errors
    /// One line that says why not.
    pub async fn probe(&self) -> Result<(), String> {
        match self {
            Self::Off => Ok(()),
            Self::Outbox(folder) => outbox::probe(folder).await,
            Self::Sendmail(program) => sendmail::probe(program),
            Self::Smtp(relay) => relay.probe().await,
        }
    }
}

impl Outcome {
    /// Keeps an answer short and on one line, whatever a server says.
    fn in_one_line(self) -> Self {
        let tidy = |answer: String| {
            let line: String = answer.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
            line.trim().to_owned()
        };
        match self {
            Self::Delivered(answer) => Self::Delivered(tidy(answer)),
            Self::TryAgain(answer) => Self::TryAgain(tidy(answer)),
            Self::Refused(answer) => Self::Refused(tidy(answer)),
        }
    }
}

/// Returns the sender: `mail.from`, or the daemon at this machine.
///
/// # Panics
/// Never: the daemon's own address has the form of one.
#[must_use]
pub fn sender(config: &Config) -> Mailbox {
    let given = config.mail.from.as_deref().and_then(|from| address::sender(from).ok());
    given.unwrap_or_else(|| {
        let address = lettre::Address::new("atelier", "localhost").expect("it has the form of an address");
        Mailbox::new(Some("Atelier".to_owned()), address)
    })
}

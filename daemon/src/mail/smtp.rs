//! A mail server.

use std::io;
use std::time::Duration;

use lettre::Message;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, response::Response};
use tokio::time::timeout;

use super::transport::Outcome;
use crate::config::{Smtp, SmtpSecurity};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For connecting, encrypting and logging in.
    pub(super) connect: Duration,
    /// For the letter itself; a large one over a slow line takes a while.
    pub(super) send: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(60), send: Duration::from_secs(300) }
    }
}

/// A mail server and how to talk to it. Each letter has a connection of its own: one that was left in the middle of
/// a letter can't spoil the next.
pub struct Relay {
    host: String,
    port: u16,
    security: SmtpSecurity,
    tls: TlsParameters,
    credentials: Option<Credentials>,
    pub(super) patience: Patience,
}

impl Relay {
    pub(super) fn new(settings: &Smtp) -> io::Result<Self> {
        let mut tls = TlsParameters::builder(settings.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
        if let Some(path) = &settings.ca_file {
            let unusable = |reason: String| io::Error::other(format!("mail.smtp.ca_file {}: {reason}", path.display()));
            let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            let authority = Certificate::from_pem(&pem).map_err(|error| unusable(error.to_string()))?;
            tls = tls.add_root_certificate(authority);
        }
        let login = settings.username.clone().zip(settings.password.clone());
        Ok(Self {
            host: settings.host.clone(),
            port: settings.port.unwrap_or_else(|| settings.security.usual_port()),
            security: settings.security,
            tls: tls.build().map_err(io::Error::other)?,
            credentials: login.map(|(name, password)| Credentials::new(name, password.0)),
            patience: Patience::default(),
        })
    }

    /// Hands a letter over.
    pub(super) async fn send(&self, message: &Message) -> Outcome {
        // Nothing that goes wrong before the letter says anything about the letter.
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(problem) => return Outcome::TryAgain(problem),
        };
        let letter = message.formatted();
        let outcome = match timeout(self.patience.send, connection.send(message.envelope(), &letter)).await {
            Err(_) => Outcome::TryAgain(format!("{} did not answer in time", self.host)),
            Ok(Ok(response)) => Outcome::Delivered(answer(&response)),
            Ok(Err(error)) if is_about_the_letter(&error) => Outcome::Refused(error.to_string()),
            Ok(Err(error)) => Outcome::TryAgain(error.to_string()),
        };
        // The letter's fate is known; a server that does not say goodbye changes nothing.
        let _ = timeout(Duration::from_secs(2), connection.quit()).await;
        outcome
    }

    /// Connects and logs in.
    pub(super) async fn probe(&self) -> Result<(), String> {
        let mut connection = self.connect().await?;
        let _ = timeout(Duration::from_secs(2), connection.quit()).await;
        Ok(())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let place = format!("{}:{}", self.host, self.port);
        match timeout(self.patience.connect, self.log_in()).await {
            Err(_) => Err(format!("{place} did not answer in time")),
            Ok(connected) => connected.map_err(|error| format!("{place}: {error}")),
        }
    }

    async fn log_in(&self) -> Result<AsyncSmtpConnection, Error> {
        let name = ClientId::default();
        let from_the_first_byte = (self.security == SmtpSecurity::Tls).then(|| self.tls.clone());
        let server = (self.host.as_str(), self.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, None, &name, from_the_first_byte, None).await?;
        if self.security == SmtpSecurity::Starttls {
            connection.starttls(self.tls.clone(), &name).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }
}

/// Says whether a server's refusal is final: a 5xx that is not about our login or our right to use the server, which
/// somebody can mend while the letter waits.
fn is_about_the_letter(error: &Error) -> bool {
    let code = error.status().map(|code| code.to_string());
    error.is_permanent() && !matches!(code.as_deref(), Some("530" | "534" | "535" | "538"))
}

fn answer(response: &Response) -> String {
    format!("{} {}", response.code(), response.message().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests;

//! The block that a start prints.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use protocol::{Device, Style, StyleState};

use crate::config::{Config, Transport};

/// What the block tells.
pub(super) struct Started<'a> {
    pub(super) config: &'a Config,
    pub(super) address: SocketAddr,
    pub(super) styles: &'a [Style],
    pub(super) devices: &'a [Device],
    pub(super) jobs: usize,
}

/// Writes the block: where the daemon is reached, what it has, where things go.
pub(super) fn block(started: &Started<'_>) -> String {
    let Started { config, address, styles, devices, jobs } = started;
    let mut text = format!("atelierd {}", env!("CARGO_PKG_VERSION"));
    let mut row = |name: &str, value: &str| {
        let _ = write!(text, "\n  {name:<14}{value}");
    };
    row("page and API", &format!("http://{address}"));
    if let Some(url) = &config.server.public_url {
        row("in public", url);
    }
    if let Some(socket) = &config.server.unix_socket {
        row("Unix socket", &shown(socket));
    }
    let broken = styles.iter().filter(|style| style.state == StyleState::Broken).count();
    let and_broken = if broken == 0 { String::new() } else { format!(", {broken} broken") };
    row("styles", &format!("{} ready{and_broken}, in {}", styles.len() - broken, shown(&config.models.dir)));
    let devices: Vec<_> = devices.iter().map(device).collect();
    row("devices", &devices.join(", "));
    row("data", &format!("{} ({jobs} {})", shown(&config.data.dir), if *jobs == 1 { "job" } else { "jobs" }));
    row("mail", &mail(config));
    text
}

fn device(device: &Device) -> String {
    match device.threads {
        0 => device.name.clone(),
        1 => format!("{} (1 core)", device.name),
        threads => format!("{} ({threads} cores)", device.name),
    }
}

/// Says where mail goes.
pub(super) fn mail(config: &Config) -> String {
    match &config.mail.transport {
        Transport::Off => "off".to_owned(),
        Transport::Outbox => format!("files in {}", shown(&config.data.dir.join("outbox"))),
        Transport::Sendmail => "through sendmail".to_owned(),
        Transport::Smtp(smtp) => {
            format!("through {}:{}", smtp.host, smtp.port.unwrap_or_else(|| smtp.security.usual_port()))
        }
    }
}

/// A path that means the same in any directory.
fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)).display().to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use protocol::DeviceKind;

    use super::*;

    #[test]
    fn the_block_is_short_and_aligned() {
        let mut config = Config::default();
        config.data.dir = PathBuf::from("/srv/atelier");
        config.models.dir = PathBuf::from("/srv/atelier/styles");
        let device = Device {
            name: "cpu".to_owned(),
            kind: DeviceKind::Cpu,
            model: None,
            threads: 2,
            memory_bytes: 0,
            busy: false,
            job: None,
            utilisation: None,
            temperature: None,
        };
        let started = Started {
            config: &config,
            address: "127.0.0.1:7878".parse().unwrap(),
            styles: &[],
            devices: &[device],
            jobs: 1,
        };
        insta::assert_snapshot!(block(&started).replace(env!("CARGO_PKG_VERSION"), "VERSION"), @r"
        atelierd VERSION
          page and API  http://127.0.0.1:7878
          styles        0 ready, in /srv/atelier/styles
          devices       cpu (2 cores)
          data          /srv/atelier (1 job)
          mail          files in /srv/atelier/outbox
        ");
    }
}

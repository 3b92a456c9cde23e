//! `atelier` without a command: the console on a terminal, lines elsewhere.

use std::fmt::Write as _;

use protocol::{Device, EventBody, Job, Mail, Style};
use serde::Serialize;

use super::args::{Console, Global};
use super::printer::Printer;
use super::{CliError, jobs, view};
use crate::conn::Connection;
use crate::console::{self, ConsoleError, Ended, Looks};
use crate::theme::Charset;

/// Shows what there is: as it changes, or once.
pub(super) async fn run(order: Console, global: Global, printer: &Printer) -> Result<(), CliError> {
    if order.once {
        return once(&Connection::open(global.server, global.token).await?, printer).await;
    }
    if printer.is_json() || !console::has_terminal() {
        return jobs::watch(&Connection::open(global.server, global.token).await?, None, printer).await;
    }
    let looks = Looks {
        charset: if order.ascii { Charset::Ascii } else { Charset::Unicode },
        ground: order.ground,
        pictures: order.pictures,
    };
    match console::run(global.server, global.token, looks).await {
        Ok(Ended::Left) => Ok(()),
        Ok(Ended::NeverConnected(error)) | Err(ConsoleError::Call(error)) => Err(error.into()),
        Ok(Ended::Signal(number)) => Err(CliError::Signal(number)),
        Err(ConsoleError::Crashed) => Err(CliError::Failed),
        // A terminal that hangs up reads like any reader that has gone.
        Err(ConsoleError::Terminal(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Err(CliError::ClosedPipe)
        }
        Err(ConsoleError::Terminal(error)) => Err(CliError::Output(error)),
    }
}

/// Everything there is, as programs read it.
#[derive(Debug, Serialize)]
struct Everything {
    server: Server,
    jobs: Vec<Job>,
    styles: Vec<Style>,
    devices: Vec<Device>,
    mail: Vec<Mail>,
}

/// The daemon itself.
#[derive(Debug, Serialize)]
struct Server {
    version: String,
    role: String,
    uptime_seconds: u64,
    queued: u64,
    running: u64,
    not_ready: Option<String>,
}

async fn once(connection: &Connection, printer: &Printer) -> Result<(), CliError> {
    let server = connection.server().await?;
    let mut events = connection.events(None).await?;
    // The first event of a stream that goes on after nothing is a snapshot.
    let EventBody::Snapshot(snapshot) = events.next().await?.body else { return Err(CliError::Failed) };
    let server = Server {
        version: server.version,
        role: server.role,
        uptime_seconds: server.uptime_seconds,
        queued: server.queued,
        running: server.running,
        not_ready: server.not_ready,
    };
    let mail = connection.mail().await?;
    let all = Everything { server, jobs: snapshot.jobs, styles: snapshot.styles, devices: snapshot.devices, mail };
    printer.value(&all, |look| {
        let mut text =
            format!("atelierd {}: {} running, {} queued\n", all.server.version, all.server.running, all.server.queued);
        let parts = [
            view::jobs(&all.jobs, look),
            view::styles(&all.styles, look),
            view::devices(&all.devices, look),
            view::mail(&all.mail, look),
        ];
        for part in parts {
            let _ = write!(text, "\n{part}");
        }
        text
    })
}

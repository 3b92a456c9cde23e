//! `atelierd serve`: everything is started here, watched, and taken down in reverse.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::banner::{self, Started};
use super::signals::{Signals, Wish};
use super::{Failure, devices, open_files, out, systemd};
use crate::access::{Guard, Signer, check_exposure};
use crate::config::{Config, Sources};
use crate::daemon::Daemon;
use crate::http::{self, Front, Listeners, Patience};
use crate::log::{self, LogLevel};
use crate::mail::Postman;

/// How often the daemon looks for what has been kept long enough.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

pub(super) fn serve(sources: &Sources) -> Result<ExitCode, Failure> {
    let (config, origins) = sources.load_with_origins()?;
    check_exposure(&config).map_err(Failure::Exposed)?;
    let log_level = log::set_up(&config.log).map_err(|error| Failure::System(std::io::Error::other(error)))?;
    let engines = devices::engines(&config, &origins)?;
    open_files::allow_many();
    let runtime = runtime().map_err(Failure::System)?;
    // Listening comes first: a second daemon is told about the address before it touches anything on the disk.
    let (signals, listeners) = runtime.block_on(async {
        let signals = Signals::listen().map_err(Failure::System)?;
        let listeners = Listeners::bind(&config.server).await.map_err(Failure::Listen)?;
        Ok::<_, Failure>((signals, listeners))
    })?;
    let address = listeners.address().map_err(Failure::Listen)?;
    let this_program = std::env::current_exe().ok();
    let daemon = Daemon::start(config.clone(), engines, this_program.as_deref())?;
    let signer = Signer::open(&config.data.dir).map_err(Failure::Links)?;
    let postman = Postman::new(daemon.store().clone(), Arc::clone(daemon.spool()), signer.clone());
    let guard = Arc::new(Guard::open(&config, signer)?);
    let front = Front { intake: daemon.intake().clone(), guard: Arc::clone(&guard), patience: Patience::default() };
    let closing = CancellationToken::new();
    let house = House { daemon: Arc::new(daemon), config, guard, log_level, closing };
    runtime.block_on(async {
        let doors = tokio::spawn(http::serve(listeners, front, house.closing.clone()));
        let post =
            postman.start(house.daemon.intake().clone(), Arc::clone(house.daemon.outbox()), house.closing.clone());
        house.announce(address);
        Ok(house.run(sources, signals, doors, post).await)
    })
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().thread_name("edge").enable_all().build()
}

/// The running daemon and what is around it.
struct House {
    daemon: Arc<Daemon>,
    config: Config,
    guard: Arc<Guard>,
    log_level: LogLevel,
    closing: CancellationToken,
}

impl House {
    fn announce(&self, address: SocketAddr) {
        let report = self.daemon.report();
        for unreadable in &report.unreadable {
            tracing::warn!(job = unreadable, "a job's folder can't be read; atelierd check says more");
        }
        let intake = self.daemon.intake();
        let block = banner::block(&Started {
            config: &self.config,
            address,
            styles: &intake.styles(),
            devices: &intake.devices(),
            jobs: report.jobs,
        });
        if let Err(error) = out::line(&block) {
            // Whoever started it may have stopped reading; that is no reason not to serve.
            tracing::warn!(%error, "the start-up block could not be printed");
        }
        systemd::ready();
    }

    /// Serves until a signal says to end, or the doors have closed by themselves, which is a failure.
    async fn run(
        mut self,
        sources: &Sources,
        mut signals: Signals,
        mut doors: JoinHandle<()>,
        post: JoinHandle<()>,
    ) -> ExitCode {
        let sweeper = tokio::spawn(sweep(Arc::clone(&self.daemon), self.closing.clone()));
        let mut watchdog = systemd::watchdog_interval().map(interval);
        let code = loop {
            tokio::select! {
                wish = signals.next() => match wish {
                    Wish::End => break ExitCode::SUCCESS,
                    Wish::Reload => self.reload(sources),
                },
                () = tick(&mut watchdog) => self.show_life(),
                ended = &mut doors => {
                    tracing::error!(?ended, "the front doors have closed");
                    break ExitCode::FAILURE;
                }
            }
        };
        tracing::info!("ending: running work goes back to the queue; a second signal ends at once");
        systemd::stopping();
        signals.end_at_the_next();
        self.daemon.drain();
        self.closing.cancel();
        if !doors.is_finished() && doors.await.is_err() {
            tracing::error!("the front doors crashed");
        }
        for (task, ended) in [("sweeper", sweeper.await), ("postman", post.await)] {
            if ended.is_err() {
                tracing::error!(task, "a task crashed");
            }
        }
        if let Some(daemon) = Arc::into_inner(self.daemon)
            && tokio::task::spawn_blocking(|| daemon.stop()).await.is_err()
        {
            tracing::error!("the daemon crashed while it ended");
        }
        code
    }

    /// Reads the configuration and the tokens again.
    fn reload(&mut self, sources: &Sources) {
        if let Err(error) = self.guard.reload() {
            tracing::error!(%error, "the tokens stay as they are");
        }
        match self.config.reload(sources) {
            Ok((config, waiting)) => {
                self.log_level.change(&config.log.level);
                self.guard.reconfigure(&config);
                self.daemon.intake().reconfigure(config.clone());
                self.config = config;
                if waiting.is_empty() {
                    tracing::info!("the configuration has been read again");
                } else {
                    tracing::warn!(keys = waiting.join(", "), "read again, but these keys wait for a restart");
                }
            }
            Err(error) => tracing::error!(%error, "the configuration stays as it is"),
        }
    }

    /// Tells systemd that all is well, unless only a restart helps.
    fn show_life(&self) {
        if !self.daemon.store().has_failed() {
            systemd::alive();
        }
    }
}

/// Waits for the next tick, for ever without an interval.
async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn sweep(daemon: Arc<Daemon>, closing: CancellationToken) {
    let mut rounds = interval(SWEEP_INTERVAL);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = closing.cancelled() => return,
            _ = rounds.tick() => {}
        }
        let daemon = Arc::clone(&daemon);
        if tokio::task::spawn_blocking(move || daemon.sweep()).await.is_err() {
            tracing::error!("sweeping crashed; it is tried again");
        }
    }
}

//! The use cases: everything a caller can ask for. HTTP, gRPC and the page call only this.
//!
//! Reading the index, the spool and pictures happens on tokio's blocking threads, through `blocking`.

mod footprints;
mod jobs;
mod learning;
mod measure;
mod paint;
mod photo;
mod receiving;
mod steering;
mod styles;
mod stylize;
mod submit;
mod ticket;
mod train;
mod watch;

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use models::picture::Limits;
use protocol::{Device, ErrorCode, Mail, MailState, StateName};
use registry::Registry;
use tokio::sync::Semaphore;
use tokio::sync::watch::Receiver;

use crate::config::{Config, Current};
use crate::dispatch::Dispatch;
use crate::feed::Shown;
use crate::live::Live;
use crate::mail::{self, RecipientLimiter};
use crate::refusal::Refusal;
use crate::scheduler::Input;
use crate::spool::Spool;
use crate::store::{Failed, IndexError, Store};

pub use crate::spool::Draft;
pub use jobs::{JobFilter, ResultFile};
pub use learning::Losses;
pub use measure::Measuring;
pub use paint::PaintFiles;
pub(crate) use photo::picture_refusal;
pub use receiving::Receiving;
pub use steering::Amendment;
pub use stylize::StylizeOrder;
pub use submit::Submission;
pub use ticket::Ticket;
pub use watch::Watcher;

/// As many mails are listed that have been sent or given up.
const ENDED_MAILS: usize = 200;

/// The use cases. Cheap to clone.
#[derive(Clone)]
pub struct Intake(Arc<House>);

/// The parts that the use cases work on.
pub(crate) struct Parts {
    pub(crate) config: Current,
    pub(crate) store: Store,
    pub(crate) spool: Arc<Spool>,
    pub(crate) registry: Registry,
    pub(crate) dispatch: Dispatch,
    pub(crate) live: Live,
}

struct House {
    config: Current,
    store: Store,
    spool: Arc<Spool>,
    registry: Registry,
    dispatch: Dispatch,
    live: Live,
    decoding: photo::Decoding,
    footprints: Arc<footprints::Footprints>,
    receiving: Mutex<HashSet<ticket::ReceivedKey>>,
    /// Held while the name of a new style is checked and taken.
    naming: Arc<tokio::sync::Mutex<()>>,
    recipients: Mutex<RecipientLimiter>,
    /// The last snapshot of everything, which those who come together share; locked while one is taken.
    snapshot: tokio::sync::Mutex<Option<Arc<Shown>>>,
    /// Held by whoever measures a style.
    measuring: Arc<Semaphore>,
    /// Held while a package is unpacked and read: a small one can become a large one.
    importing: Arc<tokio::sync::Mutex<()>>,
    began: Instant,
    draining: AtomicBool,
}

/// What the daemon is and how it does.
#[derive(Clone, Debug)]
pub struct ServerStatus {
    /// How long it has been up.
    pub uptime: Duration,
    /// Waiting jobs.
    pub queued: u64,
    /// Jobs on devices.
    pub running: u64,
    /// How many jobs there are in each state.
    pub jobs: Vec<(StateName, u64)>,
    /// Bytes that all jobs' pictures take on the disk.
    pub disk_bytes: u64,
    /// Whether the store takes writes, the disk has room and nothing drains; else why not.
    pub ready: Result<(), String>,
}

impl Intake {
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { config, store, spool, registry, dispatch, live } = parts;
        Self(Arc::new(House {
            decoding: photo::Decoding::default(),
            footprints: Arc::default(),
            recipients: Mutex::new(recent_recipients(&store)),
            measuring: Arc::new(Semaphore::new(1)),
            importing: Arc::default(),
            config,
            store,
            spool,
            registry,
            dispatch,
            live,
            receiving: Mutex::default(),
            naming: Arc::default(),
            snapshot: tokio::sync::Mutex::default(),
            began: Instant::now(),
            draining: AtomicBool::new(false),
        }))
    }

    /// Returns the configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.0.config.now()
    }

    /// Puts a new configuration in force, as far as it can change at run time.
    pub fn reconfigure(&self, config: Config) {
        let memory_bytes = config.limits.memory_bytes;
        self.0.spool.set_reserve(config.data.reserve_bytes);
        self.0.live.set_memory(memory_bytes);
        self.0.config.replace(config);
        self.0.dispatch.tell(Input::Budget { memory_bytes });
    }

    /// Begins to look out for another configuration.
    pub(crate) fn follow_config(&self) -> Receiver<Arc<Config>> {
        self.0.config.follow()
    }

    /// Accepts nothing from now on.
    pub(crate) fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
    }

    /// Says whether the daemon is shutting down.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// Lists the devices.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        self.0.live.devices()
    }

    /// Lists the outbox, newest first: every mail that is to be sent, and the newest of the others.
    ///
    /// # Errors
    /// `storage_failed`.
    pub async fn mail(&self) -> Result<Vec<Mail>, Refusal> {
        let store = self.0.store.clone();
        blocking(move || {
            let with_mail = store.summaries(|summaries| {
                let mut room = ENDED_MAILS;
                let mut is_listed = |state| match state {
                    MailState::Pending | MailState::Queued => true,
                    MailState::Sent | MailState::Failed => {
                        let is_listed = room > 0;
                        room = room.saturating_sub(1);
                        is_listed
                    }
                };
                let listed = summaries.newest_first().filter(|(_, job)| job.mail.is_some_and(&mut is_listed));
                listed.map(|(id, _)| id).collect::<Vec<_>>()
            });
            let mut mails = Vec::new();
            for id in with_mail {
                mails.extend(store.record(id)?.and_then(|record| record.as_mail()));
            }
            Ok(mails)
        })
        .await
    }

    /// Says how the daemon does.
    #[must_use]
    pub fn status(&self) -> ServerStatus {
        let (jobs, disk_bytes) = self.0.store.summaries(|jobs| {
            let counts: Vec<_> = StateName::ALL.iter().map(|state| (*state, jobs.count(*state))).collect();
            (counts, jobs.disk_bytes())
        });
        let count = |wanted| jobs.iter().find(|(state, _)| *state == wanted).map_or(0, |(_, count)| *count);
        let (queued, running) = (count(StateName::Queued), count(StateName::Running));
        let ready = self.accepts().map_err(|refusal| refusal.detail);
        ServerStatus { uptime: self.0.began.elapsed(), queued, running, jobs, disk_bytes, ready }
    }

    /// Refuses when nothing at all is accepted at present.
    fn accepts(&self) -> Result<(), Refusal> {
        if self.is_draining() {
            let refusal = Refusal::new(ErrorCode::Draining, "the daemon is shutting down; try again once it is back");
            return Err(refusal.retry_after(Duration::from_secs(5)));
        }
        if self.0.store.has_failed() {
            return Err(Refusal::new(
                ErrorCode::StorageFailed,
                "the data folder failed, so nothing is accepted; look at the daemon's log, mend the disk, restart atelierd",
            ));
        }
        self.0.spool.check_room()
    }

    fn picture_limits(&self) -> Limits {
        Limits { pixels: self.config().limits.pixels }
    }
}

impl From<Failed> for Refusal {
    fn from(failed: Failed) -> Self {
        Self::new(ErrorCode::StorageFailed, failed.to_string())
    }
}

impl From<IndexError> for Refusal {
    fn from(error: IndexError) -> Self {
        Self::new(ErrorCode::StorageFailed, error.to_string())
    }
}

/// Counts the mails of the last hour, so that a restart does not begin to count anew.
fn recent_recipients(store: &Store) -> RecipientLimiter {
    let begin = Timestamp::now().saturating_sub(mail::policy::WINDOW).unwrap_or(Timestamp::MIN);
    let ids: Vec<_> = store.summaries(|jobs| {
        let with_mail = jobs.newest_first().filter(|(_, job)| job.mail.is_some());
        with_mail.map(|(id, _)| id).collect()
    });
    let records = ids.into_iter().map_while(|id| store.record(id).ok());
    let mut recent: Vec<_> = records.flatten().take_while(|record| record.job.created_at > begin).collect();
    recent.reverse();
    let mut limiter = RecipientLimiter::default();
    for record in recent {
        if let Some(letter) = record.letter {
            limiter.remember(record.job.created_at, &letter.recipient);
        }
    }
    limiter
}

/// The one door from async code to work that blocks.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, Refusal> + Send + 'static,
) -> Result<R, Refusal> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request's work panicked");
        Err(Refusal::new(ErrorCode::WorkerPanicked, "the work on this request crashed; report it if it happens again"))
    })
}

//! A daemon in a temporary folder, without front doors.

use std::time::Duration;

use daemon::access::{Caller, Proof, Role};
use daemon::config::Config;
use daemon::daemon::Daemon;
use daemon::engine::Engine;
use daemon::intake::{Intake, PaintFiles, StylizeOrder, Submission};
use daemon::refusal::Refusal;
use models::picture::{OutputFormat, Picture, encode};
use protocol::{Job, JobId, JobRef, PaintOrder, TrainOrder, Wishes};
use tempfile::TempDir;

use crate::Chance;

/// A daemon and its folder. The folder outlives the daemon, so that it can be opened again.
pub struct House {
    daemon: Option<Daemon>,
    /// The configuration, to be changed before a restart.
    pub config: Config,
    _folder: TempDir,
}

impl House {
    /// Starts a daemon in a fresh folder.
    pub fn open(engines: Vec<Box<dyn Engine>>) -> Self {
        Self::open_with(engines, |_| {})
    }

    /// Starts a daemon in a fresh folder with a changed configuration.
    pub fn open_with(engines: Vec<Box<dyn Engine>>, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.data.dir = folder.path().join("data");
        config.models.dir = folder.path().join("styles");
        config.data.reserve_bytes = 0;
        change(&mut config);
        let daemon = Daemon::start(config.clone(), engines, None).unwrap();
        Self { daemon: Some(daemon), config, _folder: folder }
    }

    /// Returns the running daemon.
    pub fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("the daemon runs")
    }

    /// Says whether the daemon runs.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.daemon.is_some()
    }

    /// Returns the use cases.
    pub fn intake(&self) -> &Intake {
        self.daemon().intake()
    }

    /// Ends the daemon as a signal does.
    pub fn close(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
    }

    /// Ends the daemon and starts another one on the same folder.
    pub fn reopen(&mut self, engines: Vec<Box<dyn Engine>>) {
        self.close();
        self.daemon = Some(Daemon::start(self.config.clone(), engines, None).unwrap());
    }

    /// Submits a photo.
    ///
    /// # Errors
    /// What the daemon refuses it for.
    pub async fn submit(&self, key: Option<&str>, order: StylizeOrder, photo: &[u8]) -> Result<Submission, Refusal> {
        let ticket = self.intake().open(&admin(), "/v1/stylize", key.map(str::to_owned)).await?;
        let draft = ticket.receive()?.write(photo.to_vec().into()).await?.finish().await?;
        self.intake().stylize(ticket, order, draft).await
    }

    /// Submits a small photo with every default.
    pub async fn submit_one(&self) -> Job {
        self.submit(None, order(), &picture(4, 3)).await.unwrap().job
    }

    /// Submits an artwork to learn.
    ///
    /// # Errors
    /// What the daemon refuses it for.
    pub async fn train(&self, order: TrainOrder) -> Result<Job, Refusal> {
        let ticket = self.intake().open(&admin(), "/v1/train", None).await?;
        let draft = ticket.receive()?.write(picture(300, 280).into()).await?.finish().await?;
        let wishes = Wishes { priority: None, email: Some("me@example.org".to_owned()), note: None };
        Ok(self.intake().train(ticket, order, wishes, draft).await?.job)
    }

    /// Submits a small photo to be painted pixel by pixel after two artworks.
    ///
    /// # Errors
    /// What the daemon refuses it for.
    pub async fn paint(&self, order: PaintOrder) -> Result<Job, Refusal> {
        let ticket = self.intake().open(&admin(), "/v1/paint", None).await?;
        let file = async |width, height| ticket.receive()?.write(picture(width, height).into()).await?.finish().await;
        let files = PaintFiles { photo: file(40, 30).await?, artworks: vec![file(64, 64).await?, file(80, 70).await?] };
        let wishes = Wishes { priority: None, email: None, note: None };
        Ok(self.intake().paint(ticket, order, wishes, files).await?.job)
    }

    /// Waits until a job is finished.
    pub async fn finished(&self, job: JobId) -> Job {
        let job = self.intake().wait(job, Duration::from_secs(20)).await.unwrap();
        assert!(job.state.is_finished(), "{job:?}");
        job
    }

    /// Returns a job as it is now.
    pub async fn job(&self, job: JobId) -> Job {
        self.intake().job(JobRef::Id(job)).await.unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.close();
    }
}

/// Somebody who may do everything.
#[must_use]
pub fn admin() -> Caller {
    Caller { name: "tester".to_owned(), role: Role::Admin, proof: Proof::Address }
}

/// An order with every default.
#[must_use]
pub fn order() -> StylizeOrder {
    StylizeOrder {
        style: "great-wave".parse().unwrap(),
        strength: None,
        size: None,
        preserve_color: false,
        format: None,
        priority: None,
        email: None,
        note: None,
    }
}

/// A PNG of this size in which no two rows are alike.
#[must_use]
pub fn picture(width: u32, height: u32) -> Vec<u8> {
    png(width, height, |at| (at * 37 % 251) as u8)
}

/// A PNG of 190 kB that holds nothing to compress: such a job is made safe by itself, without the journal of arrivals.
#[must_use]
pub fn noise() -> Vec<u8> {
    let mut chance = Chance(1);
    png(256, 248, |_| chance.below(256) as u8)
}

fn png(width: u32, height: u32, byte: impl FnMut(u32) -> u8) -> Vec<u8> {
    let rgb = (0..width * height * 3).map(byte).collect();
    encode(&Picture::new(width, height, rgb, None).unwrap(), OutputFormat::Png).unwrap()
}

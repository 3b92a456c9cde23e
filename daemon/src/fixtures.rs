//! Small made-up things for this crate's tests.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use protocol::{Delivery, Job, JobId, JobState, MailState, OutputFormat, Parameters, Priority, StylizeParameters};

use crate::record::{Idempotency, Input, Origin, Record};
use crate::refusal::Refusal;
use crate::spool::{Draft, Spool};
use crate::store::{self, Opened, Store};

/// A spool and a store in a temporary folder.
pub(crate) struct House {
    pub(crate) spool: Arc<Spool>,
    pub(crate) store: Store,
    pub(crate) report: store::Report,
    thread: std::thread::JoinHandle<()>,
}

impl House {
    pub(crate) fn open(data: &Path) -> Self {
        let spool = Arc::new(Spool::open(data, 0).unwrap());
        let opened: Opened = store::open(data, &spool, None).unwrap();
        let report = opened.report.clone();
        let (store, thread) = Store::start(opened).unwrap();
        Self { spool, store, report, thread }
    }

    /// Ends as a daemon does that is told to.
    pub(crate) fn close(self) {
        let spool = Arc::clone(&self.spool);
        self.crash();
        spool.settle();
        assert_eq!(spool.failure(), None);
    }

    /// Ends the writing thread and lets go of sled's lock; the journal of arrivals stays as it is.
    pub(crate) fn crash(self) {
        self.store.close();
        self.thread.join().unwrap();
    }

    /// Accepts a job as the use cases do.
    pub(crate) fn accept(&self, record: &Record) {
        let mut draft = self.spool.draft(1 << 20);
        draft.write(b"a photo").unwrap();
        assert_eq!(self.admit(record, draft).unwrap(), *record);
    }

    /// Submits a job with its photo.
    pub(crate) fn admit(&self, record: &Record, photo: Draft) -> Result<Record, Refusal> {
        let (answer, answered) = std::sync::mpsc::channel();
        self.store.admit(record.clone(), photo, Vec::new(), move |admitted| answer.send(admitted).unwrap());
        answered.recv().unwrap()
    }
}

pub(crate) fn record() -> Record {
    record_with(None, None)
}

pub(crate) fn record_with(key: Option<&str>, email: Option<&str>) -> Record {
    let parameters = StylizeParameters {
        style: "great-wave".parse().unwrap(),
        strength: 1.0,
        size: None,
        preserve_color: false,
        format: OutputFormat::Png,
    };
    let job = Job {
        id: JobId::new(),
        parameters: Parameters::Stylize(parameters),
        priority: Priority::Interactive,
        state: JobState::Queued { steps_done: 0 },
        created_at: Timestamp::now(),
        attempt: 0,
        mail: email.map(|to| Delivery { to: to.to_owned(), state: MailState::Pending, attempts: 0 }),
        note: None,
        warnings: Vec::new(),
        skipped_files: Vec::new(),
        queue_position: None,
    };
    let idempotency = key.map(|key| Idempotency { key: key.to_owned(), fingerprint: "f".to_owned() });
    let origin = Origin { caller: "tester".to_owned(), idempotency };
    let input = Input { bytes: 7, sha256: "0".repeat(64), width: 1, height: 1 };
    Record::new(job, origin, input, 1)
}

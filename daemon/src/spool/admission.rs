//! How new jobs get into the spool, and become safe there.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use protocol::JobId;

use super::arrivals::{self, Arrivals, Left};
use super::staged::{Arriving, Parts, Unwritten};
use super::{Draft, Spool, artwork_name, place, storage_refusal};
use crate::disk::{CAN_SYNC_ALL, Trust};
use crate::record::{Record, RecordError};
use crate::refusal::Refusal;

/// Jobs whose folders the next start holds against the journal of arrivals.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unsettled {
    /// New ones, which it makes whole where they are not.
    pub arrived: Vec<JobId>,
    /// Those that were being forgotten: it removes what there still is of them.
    pub gone: HashSet<JobId>,
}

impl Spool {
    /// Says how many new jobs were in pieces when the spool was opened, and have been made whole from the journal.
    #[must_use]
    pub fn completed(&self) -> usize {
        self.completed
    }

    /// Reads what the journal of arrivals tells of jobs, without changing anything.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn unsettled(data: &Path) -> io::Result<Unsettled> {
        let Left { arrived, gone } = arrivals::left(&data.join("spool"))?;
        Ok(Unsettled { arrived: arrived.into_iter().map(|(job, _)| job).collect(), gone })
    }

    /// Brings a new job to the door, from its record and its uploads: the picture, and the artworks of a painting. A large
    /// one is written and synced at once. The folder of a small one is for the caller to write, once [`Spool::admit`] is
    /// under way: the journal takes the job up meanwhile.
    ///
    /// # Errors
    /// Those of the file system; nothing of the job remains then.
    pub fn bring<'a>(
        &'a self,
        id: JobId,
        record: &'a [u8],
        input: Draft,
        artworks: Vec<Draft>,
    ) -> io::Result<(Arriving, Option<Unwritten<'a>>)> {
        self.trust.check()?;
        let parts = Parts { id, record, input, artworks };
        let has_room = self.has_room.load(Ordering::Acquire);
        match has_room.then(|| parts.entry()).flatten() {
            Some(entry) => {
                let (arriving, folder) = parts.with_entry(entry, &self.incoming);
                Ok((arriving, Some(folder)))
            }
            None => Ok((parts.synced(&self.incoming, &self.trust)?, None)),
        }
    }

    /// Lets new jobs into the list, all with one sync or two. Returns those that it could not let in, and why; nothing
    /// of them remains. The others are safe, unless [`Spool::failure`] says otherwise.
    pub fn admit(&self, new: Vec<Arriving>) -> Vec<(JobId, Refusal)> {
        let mut arrivals = self.arrivals();
        let entries: Vec<_> = new.iter().filter_map(|job| job.entry.as_deref()).collect();
        let noted = if entries.is_empty() { Ok(()) } else { arrivals.add(&entries, &self.trust) };
        let noted = noted.map_err(|error| storage_refusal(&error));
        self.note_room(&arrivals);
        let (mut refused, mut must_list) = (Vec::new(), false);
        for job in new {
            let (id, has_entry) = (job.id, job.entry.is_some());
            let admitted = match &noted {
                Err(refusal) if has_entry => Err(refusal.clone()),
                _ => self.let_in(job, &mut arrivals).map_err(|error| storage_refusal(&error)),
            };
            match admitted {
                Ok(()) => must_list |= !has_entry,
                Err(refusal) => refused.push((id, refusal)),
            }
        }
        // A failure is remembered.
        if must_list && self.trust.sync(&self.list, &self.root).is_ok() {
            arrivals.listed();
        }
        refused
    }

    fn let_in(&self, job: Arriving, arrivals: &mut Arrivals) -> io::Result<()> {
        let id = job.id;
        self.trust.check()?;
        if job.entry.is_some() {
            arrivals.enters(id);
        }
        job.enter(&self.root).inspect_err(|_| {
            // Or the next start would let it in.
            if let Err(error) = arrivals.forget(id, &self.trust) {
                self.trust.lose(&format!("job {id} can't be taken out of the journal of arrivals again: {error}"));
            }
        })
    }

    /// Says whether the journal of arrivals is to be settled soon.
    #[must_use]
    pub(crate) fn wants_settling(&self) -> bool {
        !self.has_room.load(Ordering::Acquire)
    }

    /// Makes the folders of all jobs safe that are so only by the journal, and empties it. Takes as long as the disk
    /// needs for all that it has to write. What fails is told and remembered as any failed sync is.
    pub fn settle(&self) {
        let _one = self.settling.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(full) = self.turn() else { return };
        if self.trust.sync_all(&self.list, &self.root).is_ok() {
            let _ = self.arrivals().empty(full, &self.trust);
        }
    }

    /// Begins with the journal's other file, and returns which one is to be emptied.
    fn turn(&self) -> Option<usize> {
        let mut arrivals = self.arrivals();
        let full = arrivals.turn();
        self.note_room(&arrivals);
        full
    }

    fn note_room(&self, arrivals: &Arrivals) {
        self.has_room.store(CAN_SYNC_ALL && !arrivals.is_full(), Ordering::Release);
    }

    pub(super) fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the jobs whole that the journal of arrivals has, and returns how many were not.
pub(super) fn restore(root: &Path, incoming: &Path, list: &File, trust: &Trust) -> io::Result<usize> {
    let Left { arrived, gone } = arrivals::left(root)?;
    if arrived.is_empty() && gone.is_empty() {
        return Ok(0);
    }
    let mut completed = 0;
    for (job, files) in arrived {
        completed += usize::from(complete(&root.join(job.to_string()), &files, incoming, trust)?);
    }
    for job in gone {
        match fs::remove_dir_all(root.join(job.to_string())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    trust.sync_all(list, root)?;
    Ok(completed)
}

/// Makes one job whole: what has become of it since it arrived stays. Returns whether anything was missing.
fn complete(folder: &Path, files: &[Vec<u8>], incoming: &Path, trust: &Trust) -> io::Result<bool> {
    let names = || ["job.json", "input"].map(str::to_owned).into_iter().chain((1..).map(artwork_name));
    if !folder.exists() {
        let staging = incoming.join(folder.file_name().unwrap_or_default());
        fs::create_dir(&staging)?;
        for (name, bytes) in names().zip(files) {
            fs::write(staging.join(name), bytes)?;
        }
        fs::rename(staging, folder)?;
        return Ok(true);
    }
    let record = fs::read(folder.join("job.json")).map(|bytes| Record::from_json(&bytes));
    if matches!(&record, Ok(Ok(record)) if record.expired) {
        // Its pictures are no longer kept.
        return Ok(false);
    }
    let mut completed = false;
    for (name, bytes) in names().zip(files) {
        let is_whole = match name.as_str() {
            "job.json" => matches!(record, Ok(Ok(_) | Err(RecordError::Newer(_)))),
            name => fs::read(folder.join(name)).is_ok_and(|read| read == *bytes),
        };
        if !is_whole {
            place(folder, &name, bytes, trust)?;
            completed = true;
        }
    }
    Ok(completed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::path::PathBuf;

    use protocol::{ErrorCode, JobState};

    use super::*;
    use crate::fixtures::{self, House};
    use crate::spool::SMALL_BYTES;

    /// Two jobs whose folders nothing but the journal makes safe.
    fn arrived(data: &Path) -> (House, [Record; 2]) {
        let house = House::open(data);
        let records = [fixtures::record(), fixtures::record()];
        for record in &records {
            house.accept(record);
        }
        assert_eq!(Spool::unsettled(data).unwrap().arrived, records.each_ref().map(|record| record.job.id));
        (house, records)
    }

    /// Opens the data folder anew, as a start after a power cut does: the journal is as it was.
    fn reopened(data: &Path, house: House, cut: impl FnOnce()) -> House {
        house.crash();
        cut();
        House::open(data)
    }

    #[test]
    fn what_a_power_cut_takes_of_a_new_job_comes_back() {
        let takes: [fn(PathBuf); 4] = [
            |folder| fs::remove_dir_all(folder).unwrap(),
            |folder| fs::remove_file(folder.join("input")).unwrap(),
            |folder| fs::write(folder.join("input"), b"a ph").unwrap(),
            |folder| fs::write(folder.join("job.json"), b"").unwrap(),
        ];
        for take in takes {
            let data = tempfile::tempdir().unwrap();
            let (house, [first, second]) = arrived(data.path());
            let folder = house.spool.folder(first.job.id);
            let house = reopened(data.path(), house, || take(folder));
            assert_eq!(house.spool.completed(), 1);
            assert_eq!((house.report.jobs, &house.report.unreadable), (2, &Vec::new()));
            for record in [first, second] {
                assert_eq!(house.spool.read(record.job.id).unwrap(), record);
                assert_eq!(fs::read(house.spool.input(record.job.id)).unwrap(), b"a photo");
            }
            assert_eq!(Spool::unsettled(data.path()).unwrap(), Unsettled::default());
            house.close();
        }
    }

    #[test]
    fn what_has_become_of_a_job_since_it_arrived_stays() {
        let data = tempfile::tempdir().unwrap();
        let (house, [mut changed, mut expired]) = arrived(data.path());
        changed.job.note = Some("seen".to_owned());
        house.spool.update(&changed).unwrap();
        let finished_at = jiff::Timestamp::now();
        expired.job.state = JobState::Cancelled { started_at: None, finished_at, device: None };
        expired.expired = true;
        house.spool.update(&expired).unwrap();
        house.spool.remove_pictures(expired.job.id).unwrap();
        let torn = house.spool.input(changed.job.id);
        let house = reopened(data.path(), house, || fs::write(torn, b"").unwrap());
        assert_eq!(house.spool.completed(), 1);
        assert_eq!(house.spool.read(changed.job.id).unwrap(), changed);
        assert_eq!(fs::read(house.spool.input(changed.job.id)).unwrap(), b"a photo");
        assert_eq!(house.spool.read(expired.job.id).unwrap(), expired);
        assert!(!house.spool.input(expired.job.id).exists(), "what is no longer kept does not come back");
        house.close();
    }

    #[test]
    fn a_job_whose_folder_can_not_be_written_never_was() {
        for photo in [vec![8; SMALL_BYTES], vec![7; SMALL_BYTES + 1]] {
            let data = tempfile::tempdir().unwrap();
            let (house, records) = arrived(data.path());
            let refused = fixtures::record();
            let mut draft = house.spool.draft(1 << 20);
            draft.write(&photo).unwrap();
            // The journal takes a small one up before that is known.
            let incoming = data.path().join("spool/incoming");
            fs::rename(&incoming, data.path().join("elsewhere")).unwrap();
            assert_eq!(house.admit(&refused, draft).unwrap_err().code, ErrorCode::StorageFailed);
            assert_eq!(house.store.record(refused.job.id).unwrap(), None);
            assert_eq!(house.spool.failure(), None);
            fs::create_dir(&incoming).unwrap();
            house.accept(&fixtures::record());
            let house = reopened(data.path(), house, || {});
            assert!(!house.spool.list().unwrap().contains(&refused.job.id));
            assert_eq!(house.report.jobs, records.len() + 1);
            house.close();
        }
    }

    #[test]
    fn a_job_that_is_forgotten_stays_forgotten() {
        for is_settling in [false, true] {
            let data = tempfile::tempdir().unwrap();
            let (house, [gone, kept]) = arrived(data.path());
            if is_settling {
                house.spool.turn().unwrap();
            }
            house.spool.remove(gone.job.id).unwrap();
            // The power cut comes before its name is off the disk, and one more after the first file is emptied again.
            let folder = house.spool.folder(gone.job.id);
            let house = reopened(data.path(), house, || {
                fs::create_dir(folder).unwrap();
                fs::write(data.path().join("spool/arrivals-1"), b"").unwrap();
            });
            assert_eq!(house.spool.list().unwrap(), [kept.job.id]);
            house.close();
        }
    }

    #[test]
    fn a_settled_journal_is_empty_and_its_jobs_need_it_no_more() {
        let data = tempfile::tempdir().unwrap();
        let (house, [first, second]) = arrived(data.path());
        house.spool.settle();
        assert_eq!(house.spool.failure(), None);
        assert_eq!(Spool::unsettled(data.path()).unwrap(), Unsettled::default());
        let third = fixtures::record();
        house.accept(&third);
        assert_eq!(Spool::unsettled(data.path()).unwrap().arrived, [third.job.id]);
        // What is settled is no longer spoken of when it goes.
        house.spool.remove(first.job.id).unwrap();
        let house = reopened(data.path(), house, || {});
        assert_eq!(house.spool.list().unwrap(), [second.job.id, third.job.id]);
        assert_eq!(house.spool.completed(), 0);
        house.close();
    }

    #[test]
    fn a_large_job_and_one_that_comes_while_the_journal_is_full_need_no_entry() {
        let data = tempfile::tempdir().unwrap();
        let house = House::open(data.path());
        let accept = |photo: &[u8]| {
            let record = fixtures::record();
            let mut draft = house.spool.draft(1 << 20);
            draft.write(photo).unwrap();
            house.admit(&record, draft).unwrap();
            record.job.id
        };
        let (small, too_large) = (vec![8; SMALL_BYTES], vec![7; SMALL_BYTES + 1]);
        let large = accept(&too_large);
        assert_eq!(fs::read(house.spool.input(large)).unwrap(), too_large);
        assert_eq!(Spool::unsettled(data.path()).unwrap(), Unsettled::default());
        // While somebody settles one file, the other fills up; then folders are synced again.
        let settling = house.spool.settling.lock().unwrap();
        let mut noted = Vec::new();
        while !house.spool.wants_settling() {
            noted.push(accept(&small));
        }
        let last = accept(b"a photo");
        assert_eq!(Spool::unsettled(data.path()).unwrap().arrived, noted);
        assert_eq!(fs::read(house.spool.input(last)).unwrap(), b"a photo");
        drop(settling);
        let house = reopened(data.path(), house, || {});
        assert_eq!(house.report.jobs, noted.len() + 2);
        house.close();
    }
}

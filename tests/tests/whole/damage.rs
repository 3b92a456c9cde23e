//! Damaged files, the index's and the spool's: the daemon starts, says so, and loses no job whose folder is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use daemon::record::Record;
use daemon::spool::{Spool, Unsettled};
use protocol::{JobId, StateName};
use tests::Chance;
use tests::disk::{Cut, Platter};

use crate::recorded_life::{DATA, Life, recorded};
use crate::reopened::Reopened;

/// How many damaged folders the default test opens; `ATELIER_DAMAGES` asks for more.
const DAMAGES: u64 = 32;

/// A start takes 10 seconds at most; a machine that does much else may take a little longer.
const LONGEST_START: Duration = Duration::from_secs(30);

/// A data folder with damage in it.
struct Damaged {
    /// What was done to which files.
    done: Vec<(PathBuf, &'static str)>,
    /// The jobs that had a folder and were not being forgotten, as that was.
    truth: BTreeMap<JobId, Record>,
    /// Jobs that were just arriving or leaving: a start may let them in, or not have heard of their end.
    passing: Vec<JobId>,
}

/// Leaves a data folder as a kill at some moment does, and damages some of its files.
fn damaged(life: &Life, seed: u64, data: &Path) -> Damaged {
    let mut chance = Chance(seed);
    let calls = life.calls.len() / 3 + chance.below(life.calls.len() as u64 * 2 / 3) as usize;
    let mut platter = Platter::empty();
    life.calls[..calls].iter().for_each(|call| platter.apply(call));
    let left = data.with_extension("left");
    platter.leave(Cut::Nothing, &left);
    fs::rename(left.join(DATA), data).unwrap();
    let (mut truth, Unsettled { arrived, gone }) = (BTreeMap::new(), Spool::unsettled(data).unwrap());
    for folder in fs::read_dir(data.join("spool")).unwrap().map(|entry| entry.unwrap()) {
        if let Some(id) = folder.file_name().to_str().and_then(|name| name.parse().ok()) {
            truth.insert(id, Record::from_json(&fs::read(folder.path().join("job.json")).unwrap()).unwrap());
        }
    }
    truth.retain(|id, _| !gone.contains(id));
    let passing = arrived.into_iter().chain(gone).collect();
    let (mut index, mut spool) = (Vec::new(), Vec::new());
    list(&data.join("index"), &mut index);
    index.push(data.join("sequence"));
    list(&data.join("spool"), &mut spool);
    let mut done = Vec::new();
    for _ in 0..=chance.below(3) {
        // The index first and foremost: it is by far the most intricate.
        let files = if chance.below(3) == 0 { &spool } else { &index };
        let file = files[chance.below(files.len() as u64) as usize].clone();
        done.push((file.clone(), harm(&file, &mut chance)));
    }
    Damaged { done, truth, passing }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

/// Damages a file in one of the ways in which disks and people do.
fn harm(file: &Path, chance: &mut Chance) -> &'static str {
    let mut bytes = fs::read(file).unwrap_or_default();
    let length = bytes.len() as u64;
    let at = |chance: &mut Chance| chance.below(length.max(1)) as usize;
    let kind = match chance.below(6) {
        0 => {
            bytes.clear();
            "emptied"
        }
        1 => {
            bytes.truncate(at(chance));
            "torn"
        }
        2 => {
            bytes.resize(bytes.len() + 4096, 0);
            "followed by zeroes"
        }
        3 => {
            let begin = at(chance);
            bytes.iter_mut().skip(begin).take(512).for_each(|byte| *byte = 0);
            "a sector of it zeroed"
        }
        _ => {
            for _ in 0..=chance.below(16) {
                let (at, bit) = (at(chance), chance.below(8));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            "bits flipped"
        }
    };
    fs::write(file, bytes).unwrap();
    kind
}

/// What a start on a damaged folder came to.
struct Start {
    took: Duration,
    restored: usize,
    is_set_aside: bool,
}

/// Opens a damaged folder and says what is wrong with what comes of it.
fn judge(life: &Life, seed: u64) -> Result<Start, String> {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let Damaged { done, truth, passing } = damaged(life, seed, &data);
    let hurt: BTreeSet<JobId> = done
        .iter()
        .filter_map(|(file, _)| file.strip_prefix(data.join("spool")).ok()?.iter().next()?.to_str()?.parse().ok())
        .collect();
    let shown: Vec<_> =
        done.iter().map(|(file, kind)| format!("{} {kind}", file.strip_prefix(&data).unwrap().display())).collect();
    let said = |problem: String| format!("seed {seed}, {shown:?}: {problem}");
    let began = Instant::now();
    let house = Reopened::open(&data).map_err(said)?;
    let took = began.elapsed();
    let (restored, is_set_aside) = (house.report.restored, house.report.set_aside.is_some());
    let kept = keeps(&house, &truth, &passing, &hurt);
    house.close();
    kept.map_err(said)?;
    if took > LONGEST_START {
        return Err(said(format!("opening it took {took:?}")));
    }
    Ok(Start { took, restored, is_set_aside })
}

/// Checks every job whose folder is whole, and that the store can be written.
fn keeps(
    house: &Reopened,
    truth: &BTreeMap<JobId, Record>,
    passing: &[JobId],
    hurt: &BTreeSet<JobId>,
) -> Result<(), String> {
    for (id, kept) in truth {
        let row = house.store.record(*id).map_err(|error| error.to_string())?;
        let is_reported = house.report.unreadable.iter().any(|line| line.starts_with(&id.to_string()));
        let Some(row) = row else {
            if hurt.contains(id) && is_reported {
                continue;
            }
            return Err(format!("{id} is gone, reported: {is_reported}"));
        };
        if hurt.contains(id) {
            continue;
        }
        house.is_whole(*id)?;
        let plain = |record: &Record| (record.job.state.name(), record.job.note.clone(), record.input.sha256.clone());
        if plain(&row) != plain(kept) || row.job.state.name() == StateName::Running {
            return Err(format!("{id} is {:?} and was {:?}", plain(&row), plain(kept)));
        }
        let written = house.store.write(move |ledger| ledger.save(&row).map_err(|refusal| refusal.detail));
        written.durable_blocking().map_err(|error| error.to_string())??;
    }
    let listed = house.store.summaries(|jobs| jobs.oldest_first().map(|(id, _)| id).collect::<Vec<_>>());
    let strangers: Vec<_> = listed.iter().filter(|id| !truth.contains_key(id) && !passing.contains(id)).collect();
    if !strangers.is_empty() {
        return Err(format!("there was no {strangers:?}"));
    }
    listed.into_iter().filter(|id| !truth.contains_key(id)).try_for_each(|id| house.is_whole(id))
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_cost_no_job_whose_folder_is_whole() {
    let Some(life) = recorded().await else { return };
    let damages = std::env::var("ATELIER_DAMAGES").map_or(DAMAGES, |text| text.parse().unwrap());
    let next = AtomicU64::new(0);
    // A damaged index may have to be waited for, which costs nothing but time.
    let work = || {
        let seeds = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed)).take_while(|seed| *seed < damages);
        seeds.map(|seed| judge(life, seed)).collect::<Vec<_>>()
    };
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let starts: Vec<_> = outcomes.iter().flatten().collect();
    let longest = starts.iter().map(|start| start.took).max();
    let set_aside = starts.iter().filter(|start| start.is_set_aside).count();
    let restored: usize = starts.iter().map(|start| start.restored).sum();
    let problems: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
    eprintln!(
        "{damages} damaged folders: {set_aside} indices set aside, {restored} jobs restored, {} problems, the longest \
         start took {longest:?}",
        problems.len()
    );
    assert!(set_aside > 0 && restored > 0, "no damage was noticed");
    assert!(problems.is_empty(), "{problems:#?}");
}

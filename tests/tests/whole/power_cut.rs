//! Power cuts: whatever a disk that honours flushes can be left with, what was told is there.
//!
//! One life of the real program is recorded, call by call. Then its disk is left as a power cut could leave it after
//! any of these calls, and opened by the daemon's own code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use daemon::store::Summary;
use protocol::{EventBody, JobId, StateName};
use tests::Chance;
use tests::disk::{Call, Cut, Platter, SyncNames, Told, What};

use crate::recorded_life::{DATA, Life, recorded};
use crate::reopened::Reopened;

/// How many power cuts the default test has; `ATELIER_POWER_CUTS` asks for more.
const POWER_CUTS: u64 = 120;

/// What becomes of the index, which the daemon promises to do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Index {
    /// What a power cut leaves of it.
    AsCut,
    /// It is as it was at an earlier time.
    Older,
    /// It is gone.
    Lost,
}

/// One power cut.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// How many calls came before it.
    calls: usize,
    cut: Cut,
    index: Index,
}

/// A life played again up to some call, with some syncs left out.
struct Replay<'a> {
    life: &'a Life,
    without: Option<&'a str>,
    names: SyncNames,
    platter: Platter,
    older: Platter,
    calls: usize,
}

impl<'a> Replay<'a> {
    fn new(life: &'a Life, without: Option<&'a str>) -> Self {
        let platter = Platter::empty();
        Self { life, without, names: SyncNames::default(), older: platter.clone(), platter, calls: 0 }
    }

    fn until(&mut self, calls: usize) {
        assert!(calls >= self.calls, "time goes on");
        for call in &self.life.calls[self.calls..calls] {
            let name = self.names.see(call);
            if name.is_none() || name.as_deref() != self.without {
                self.platter.apply(call);
            }
        }
        self.calls = calls;
    }

    /// Leaves the disk as a case says, opens it, and says what is wrong with it.
    fn judge(&mut self, case: Case) -> Result<(), String> {
        if self.calls / 40 != case.calls / 40 {
            self.older = self.platter.clone();
        }
        self.until(case.calls);
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join(DATA);
        self.platter.leave(case.cut, folder.path());
        let index = data.join("index");
        if case.index != Index::AsCut && index.exists() {
            fs::remove_dir_all(&index).unwrap();
        }
        if case.index == Index::Older {
            self.older.leave_part(Cut::Nothing, &Path::new(DATA).join("index"), &index);
        }
        fs::create_dir_all(&data).unwrap();
        let told: Vec<_> = self.life.facts.iter().filter(|fact| fact.after < case.calls).collect();
        let later: Vec<_> = self.life.facts.iter().filter(|fact| fact.after >= case.calls).collect();
        let house = Reopened::open(&data)?;
        let judged = house.keeps(self.life, &told, &later);
        house.close();
        judged.map_err(|problem| format!("{case:?}: {problem}"))
    }
}

fn case(life: &Life, calls: usize, chance: &mut Chance) -> Case {
    let cut = if chance.below(3) == 0 { Cut::Everything } else { Cut::Chance(chance.number()) };
    let index = [Index::AsCut, Index::Older, Index::Lost][chance.below(3) as usize];
    Case { calls: calls.min(life.calls.len()), cut, index }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_survives_a_power_cut_at_any_moment() {
    let Some(life) = recorded().await else { return };
    let cuts = std::env::var("ATELIER_POWER_CUTS").map_or(POWER_CUTS, |text| text.parse().unwrap());
    let mut chance = Chance(cuts);
    let mut cases: Vec<_> = (0..cuts)
        .map(|_| {
            let calls = chance.below(life.calls.len() as u64 + 1) as usize;
            case(life, calls, &mut chance)
        })
        .collect();
    cases.sort_by_key(|case| case.calls);
    let mut replay = Replay::new(life, None);
    let problems: Vec<_> = cases.into_iter().filter_map(|case| replay.judge(case).err()).collect();
    eprintln!("{} calls, {} facts, {cuts} power cuts, {} problems", life.calls.len(), life.facts.len(), problems.len());
    assert!(problems.is_empty(), "{problems:#?}");
}

/// Syncs that a power cut does not show to be needed: the index may be lost with all that is in it, an old link in a
/// mail may end, what is new in a new data folder is made safe again, with more in it, before the first answer, and after
/// an emptied counter of events the numbers jump ahead.
const NEEDLESS: [&str; 7] = [
    "data/index/",
    "data/ after index",
    "data/ after links.key",
    "data/.links.key",
    "data/ after spool",
    "data/spool/ after incoming",
    "data/sequence.new",
];

/// How many calls after a sync that was left out a power cut comes at the latest, if not when the next job or the next
/// letter is told: on a busy machine much may come in between.
const SOON: usize = 25;

/// How often chance says at such a moment what is kept.
const CHANCES: u64 = 8;

/// Returns every sync of a life, by name: how many calls come before it, each time.
fn syncs(life: &Life) -> BTreeMap<String, Vec<usize>> {
    let (mut names, mut syncs) = (SyncNames::default(), BTreeMap::<_, Vec<_>>::new());
    for (at, call) in life.calls.iter().enumerate() {
        if let Some(name) = names.see(call) {
            syncs.entry(name).or_default().push(at);
        }
    }
    syncs
}

/// Looks for a power cut that a daemon without one of its syncs would not survive, soon after it was left out.
fn failure_without(life: &Life, sync: &str, times: &[usize]) -> Option<String> {
    let cases = |cuts: &[Cut]| {
        let mut replay = Replay::new(life, Some(sync));
        let next = |at: usize, is_of_kind: fn(&Told) -> bool| {
            let of_kind = life.facts.iter().filter(move |fact| is_of_kind(&fact.told));
            of_kind.map(|fact| fact.after + 1).find(move |told| *told > at)
        };
        let next_job = |at| next(at, |told| matches!(told, Told::Job(..)));
        let next_letter = |at| next(at, |told| matches!(told, Told::Sent(_)));
        let soon = |at: usize| (at + 1..at + SOON).chain(next_job(at)).chain(next_letter(at));
        let moments = times.iter().take(8).copied().flat_map(soon);
        let moments: BTreeSet<_> = moments.map(|calls| calls.min(life.calls.len())).collect();
        let cases = moments.into_iter().flat_map(|calls| cuts.iter().map(move |&cut| (calls, cut)));
        let mut cases = cases.map(|(calls, cut)| Case { calls, cut, index: Index::Lost });
        cases.find_map(|case| replay.judge(case).err())
    };
    // What came later may be kept without what came before, which only chance shows.
    cases(&[Cut::Everything]).or_else(|| cases(&(0..CHANCES).map(Cut::Chance).collect::<Vec<_>>()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_power_cut_shows_when_any_sync_is_left_out() {
    let Some(life) = recorded().await else { return };
    let mut needless = Vec::new();
    for (sync, times) in syncs(life) {
        if NEEDLESS.iter().any(|start| sync.starts_with(start)) {
            continue;
        }
        match failure_without(life, &sync, &times) {
            Some(problem) => eprintln!("without the sync of {sync}: {problem}"),
            None => needless.push(sync),
        }
    }
    assert!(needless.is_empty(), "nothing is lost without the syncs of {needless:#?}");
}

/// Returns the state that watchers were told last of each job, and whether they were told that this is the end;
/// nothing where the index is a new one, and they are shown all jobs instead.
fn told(house: &Reopened) -> Option<BTreeMap<JobId, (StateName, bool)>> {
    let (mut told, mut cursor) = (BTreeMap::new(), 0);
    loop {
        let (events, reached) = house.store.feed().after(cursor, None).ok()?;
        if reached == cursor {
            return Some(told);
        }
        for event in events {
            match &event.body {
                EventBody::State(job) => {
                    let has_ended = told.get(&job.id).is_some_and(|(_, has_ended)| *has_ended);
                    told.insert(job.id, (job.state.name(), has_ended && job.state.is_finished()));
                }
                EventBody::End { job } => told.get_mut(job)?.1 = true,
                EventBody::Forgotten { job } => drop(told.remove(job)),
                _ => {}
            }
        }
        cursor = reached;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_told_what_rows_say_when_a_write_of_the_index_is_cut_short() {
    let Some(life) = recorded().await else { return };
    let (mut replay, mut chance, mut problems, mut judged) = (Replay::new(life, None), Chance(1), Vec::new(), 0);
    let index = Path::new(DATA).join("index/db");
    for (at, call) in life.calls.iter().enumerate() {
        let What::Write(offset, bytes) = &call.what else { continue };
        if call.path != index {
            continue;
        }
        replay.until(at);
        for _ in 0..CHANCES {
            let mut platter = replay.platter.clone();
            let kept = bytes[..chance.below(bytes.len() as u64) as usize].to_vec();
            platter.apply(&Call { what: What::Write(*offset, kept), ..call.clone() });
            let folder = tempfile::tempdir().unwrap();
            platter.leave(Cut::Nothing, folder.path());
            let house = Reopened::open(&folder.path().join(DATA)).unwrap();
            let told = told(&house);
            let rows = house.store.summaries(|jobs| {
                let has_ended = |job: &Summary| job.finished_at.is_some();
                jobs.oldest_first().map(|(id, job)| (id, (job.state, has_ended(job)))).collect::<BTreeMap<_, _>>()
            });
            house.close();
            let Some(told) = told else { continue };
            judged += 1;
            if told != rows {
                problems.push(format!("after {at} calls told {told:?}, and rows say {rows:?}"));
            }
        }
    }
    eprintln!("{judged} cuts with an index that is kept, {} told otherwise", problems.len());
    assert!(judged > 0 && problems.is_empty(), "of {judged} cuts: {problems:#?}");
}

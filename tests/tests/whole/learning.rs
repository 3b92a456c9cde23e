//! Training behind photos, with devices that do as they are told: whose turn it is, what is kept, how it ends.

use std::path::PathBuf;
use std::time::Duration;

use daemon::curve::Curve;
use daemon::record::Letter;
use protocol::{ErrorCode, EventBody, Job, JobId, JobRef, JobState, MailState, PaintOrder, StateName, TrainOrder};
use tests::{Act, Deed, House, Move, Puppet, admin, puppet};

fn order(steps: u32) -> TrainOrder {
    TrainOrder {
        steps: Some(steps),
        checkpoint_every: Some(4),
        preview_every: Some(3),
        ..TrainOrder::new("my-wave".parse().unwrap())
    }
}

/// A house with one device that has begun to learn a style in so many steps, and waits for its first one.
async fn learning(steps: u32) -> (House, Puppet, Job) {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    let job = house.train(order(steps)).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(0));
    (house, strings, job)
}

fn folder(house: &House, job: JobId) -> PathBuf {
    house.config.data.dir.join("spool").join(job.to_string())
}

/// Returns the steps of a job's curve.
fn steps(house: &House, job: JobId) -> Vec<u64> {
    let Some(curve) = Curve::open(&folder(house, job).join("curve")).unwrap() else { return Vec::new() };
    (0..curve.len()).map(|place| curve.point(place).unwrap().unwrap().step).collect()
}

fn up_to(last: u64) -> Vec<u64> {
    (1..=last).collect()
}

/// Waits until the dispatcher has given out everything before a job that has to wait itself. It tells the queue's order a
/// moment after a device has heard of its work.
async fn is_given_out(house: &House, waiting: JobId) {
    let given_out = async {
        while house.job(waiting).await.queue_position != Some(0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), given_out).await.expect("it comes to the head of the queue");
}

/// Waits until a job is in a state.
async fn reaches(house: &House, job: JobId, state: StateName) -> Job {
    becomes(house, job, |now| now.state.name() == state).await
}

/// Waits until a job is as it should be.
async fn becomes(house: &House, job: JobId, is_right: impl Fn(&Job) -> bool) -> Job {
    let mut news = house.daemon().store().feed().follow();
    let reached = async {
        loop {
            let now = house.job(job).await;
            if is_right(&now) {
                return now;
            }
            news.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("the job gets there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_style_is_learned_published_and_usable() {
    let (house, strings, job) = learning(10).await;
    let before = house.daemon().store().feed().latest();
    strings.steps(10);
    assert_eq!(strings.deed(), Deed::Dropped);
    let done = house.finished(job.id).await;
    let JobState::Succeeded { result, .. } = &done.state else { panic!("{done:?}") };
    assert_eq!((result.width, result.media_type.as_str()), (None, "application/octet-stream"));
    assert_eq!(done.skipped_files, ["broken.jpg: cut short"]);
    assert_eq!(steps(&house, job.id), up_to(10));
    assert!(folder(&house, job.id).join("preview").exists());
    assert!(!folder(&house, job.id).join("checkpoint").exists(), "nobody needs it any more");
    let file = house.intake().result(JobRef::Id(job.id)).await.unwrap();
    assert_eq!(std::fs::read(&file.path).unwrap().len() as u64, result.bytes);

    let (events, _) = house.daemon().store().feed().after(before, Some(job.id)).unwrap();
    let losses = events.iter().filter_map(|event| match &event.body {
        EventBody::Loss { point, .. } => Some(point.step),
        _ => None,
    });
    assert_eq!(losses.collect::<Vec<_>>(), up_to(10));
    assert_eq!(events.iter().filter(|event| matches!(event.body, EventBody::Preview { .. })).count(), 3);

    let photo = house.submit(None, in_style("my-wave"), &tests::picture(4, 3)).await.unwrap().job;
    strings.begun();
    strings.act(Act::Finish);
    assert_eq!(house.finished(photo.id).await.state.name(), StateName::Succeeded);
}

fn in_style(style: &str) -> daemon::intake::StylizeOrder {
    daemon::intake::StylizeOrder { style: style.parse().unwrap(), ..tests::order() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_is_painted_between_two_steps_and_the_training_goes_on() {
    let (house, strings, job) = learning(10).await;
    strings.steps(2);
    assert_eq!(strings.deed(), Deed::Asked);
    // The step is under way while the photos come in; they go before the next one.
    let photos = [house.submit_one().await, house.submit_one().await];
    is_given_out(&house, photos[1].id).await;
    strings.act(Act::Finish);
    strings.act(Act::Finish);
    strings.play(Move::Step);
    assert_eq!([strings.deed(), strings.deed(), strings.deed()], [Deed::Photo, Deed::Photo, Deed::Asked]);
    for photo in photos {
        assert_eq!(house.finished(photo.id).await.state.name(), StateName::Succeeded);
    }
    let now = house.job(job.id).await;
    let JobState::Running { progress, .. } = now.state else { panic!("{now:?}") };
    assert_eq!((progress.done, now.attempt), (3, 1), "it was neither stopped nor begun again");
    strings.play(Move::Run);
    assert_eq!(house.finished(job.id).await.state.name(), StateName::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_stream_of_photos_a_training_still_gets_its_steps() {
    let (house, strings, job) = learning(3).await;
    assert_eq!(strings.deed(), Deed::Asked);
    let first = [house.submit_one().await, house.submit_one().await];
    is_given_out(&house, first[1].id).await;
    strings.play(Move::Step);
    // There is always another photo waiting, and still the next step comes: after ten seconds of photos.
    let mut painted = 0;
    loop {
        match strings.deed() {
            Deed::Photo => {
                house.submit_one().await;
                // Photos of this kind take a while, or there would be too many of them.
                tokio::time::timeout(Duration::from_millis(100), std::future::pending::<()>()).await.unwrap_err();
                strings.act(Act::Finish);
                painted += 1;
            }
            Deed::Asked => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(painted > 2, "photos go first");
    strings.play(Move::Step);
    assert_eq!(strings.deed(), Deed::Photo, "one step, then the photos again");
    house.intake().cancel(&admin(), JobRef::Id(job.id)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_training_goes_on_where_it_was() {
    let (house, strings, job) = learning(100).await;
    strings.steps(5);
    assert_eq!(strings.deed(), Deed::Asked);
    house.intake().pause(&admin(), JobRef::Id(job.id)).await.unwrap();
    let more = strings.until_dropped();
    house.intake().resume(&admin(), JobRef::Id(job.id)).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(5 + more), "the step that was under way is kept too");
    strings.play(Move::Run);
    house.finished(job.id).await;
    assert_eq!(steps(&house, job.id), up_to(100));
}

/// Says how many of how many steps a job shows as done.
fn shown(job: &Job) -> Option<(u64, u64)> {
    job.progress().map(|progress| (progress.done, progress.total))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_training_shows_how_far_it_is_also_after_a_restart_and_while_it_waits() {
    let (mut house, strings, job) = learning(100).await;
    strings.steps(5);
    assert_eq!(strings.deed(), Deed::Asked);
    let paused = house.intake().pause(&admin(), JobRef::Id(job.id)).await.unwrap();
    assert_eq!(shown(&paused), Some((5, 100)));
    let done = 5 + strings.until_dropped();
    let paused = becomes(&house, job.id, |now| shown(now) == Some((done, 100))).await;
    let json = serde_json::to_value(&paused).unwrap();
    assert_eq!(json["progress"], serde_json::json!({"done": done, "total": 100, "unit": "step"}));
    assert_eq!((&json["state"], &json["rate"], &json["eta_seconds"]), (&"paused".into(), &().into(), &().into()));
    let feed = house.daemon().store().feed().after(0, Some(job.id)).unwrap().0;
    let told = feed.iter().rev().find_map(|event| match &event.body {
        EventBody::State(job) => Some(shown(job)),
        _ => None,
    });
    assert_eq!(told, Some(Some((done, 100))), "who watches hears of it");

    house.reopen(Vec::new());
    assert_eq!(house.job(job.id).await, paused);
    let resumed = house.intake().resume(&admin(), JobRef::Id(job.id)).await.unwrap();
    assert_eq!((resumed.state.name(), shown(&resumed)), (StateName::Queued, Some((done, 100))));
    let (engine, strings) = puppet("b");
    house.reopen(vec![engine]);
    assert_eq!(strings.deed(), Deed::Open(done));
    strings.steps(1);
    assert_eq!(strings.deed(), Deed::Asked);
    assert_eq!(shown(&house.job(job.id).await), Some((done + 1, 100)));
    strings.play(Move::Run);
    let ended = house.finished(job.id).await;
    assert_eq!((ended.state.name(), shown(&ended)), (StateName::Succeeded, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_the_end_of_the_daemon_interrupts_shows_how_far_it_is_while_it_waits() {
    let (mut house, strings, job) = learning(100).await;
    strings.steps(5);
    assert_eq!(strings.deed(), Deed::Asked);
    let answering = std::thread::spawn(move || strings.until_dropped());
    house.reopen(Vec::new());
    let done = 5 + answering.join().unwrap();
    let waiting = house.job(job.id).await;
    assert_eq!((waiting.state.name(), shown(&waiting)), (StateName::Queued, Some((done, 100))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_ends_goes_on_with_the_training_after_its_next_start() {
    let (mut house, strings, job) = learning(100).await;
    strings.steps(5);
    assert_eq!(strings.deed(), Deed::Asked);
    let answering = std::thread::spawn(move || strings.until_dropped());
    let (engine, strings) = puppet("b");
    house.reopen(vec![engine]);
    assert_eq!(strings.deed(), Deed::Open(5 + answering.join().unwrap()));
    strings.play(Move::Run);
    house.finished(job.id).await;
    assert_eq!(steps(&house, job.id), up_to(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_throws_away_and_a_retry_begins_anew() {
    let (house, strings, job) = learning(100).await;
    strings.steps(5);
    assert_eq!(strings.deed(), Deed::Asked);
    house.intake().cancel(&admin(), JobRef::Id(job.id)).await.unwrap();
    strings.until_dropped();
    // The device is free, so what the training left is settled.
    house.submit_one().await;
    strings.begun();
    assert!(!folder(&house, job.id).join("checkpoint").exists());
    strings.act(Act::Finish);
    house.intake().retry(&admin(), JobRef::Id(job.id)).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(0));
    strings.play(Move::Run);
    house.finished(job.id).await;
    assert_eq!(steps(&house, job.id), up_to(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_can_be_kept_running_or_paused() {
    // Paused, and by the time that it is to be kept the device has let go of it, or is still in its step.
    for (is_paused, has_let_go) in [(false, false), (true, true), (true, false)] {
        let (house, strings, job) = learning(100).await;
        // Before the first checkpoint.
        strings.steps(3);
        assert_eq!(strings.deed(), Deed::Asked);
        if is_paused {
            house.intake().pause(&admin(), JobRef::Id(job.id)).await.unwrap();
        }
        let mut more = if has_let_go { strings.until_dropped() } else { 0 };
        house.intake().keep(&admin(), JobRef::Id(job.id)).await.unwrap();
        if !has_let_go {
            more = strings.until_dropped();
        }
        assert_eq!(house.finished(job.id).await.state.name(), StateName::Succeeded);
        assert_eq!(steps(&house, job.id), up_to(3 + more));
        house.intake().style(&"my-wave".parse().unwrap()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_that_is_cancelled_while_it_finishes_leaves_no_style() {
    let (house, strings, job) = learning(2).await;
    strings.finish_slowly();
    strings.steps(2);
    assert_eq!(strings.deed(), Deed::Finishing);
    house.intake().cancel(&admin(), JobRef::Id(job.id)).await.unwrap();
    strings.play(Move::Step);
    assert_eq!(strings.deed(), Deed::Dropped);
    assert_eq!(house.job(job.id).await.state.name(), StateName::Cancelled);
    let style = house.intake().style(&"my-wave".parse().unwrap());
    assert_eq!(style.unwrap_err().code, ErrorCode::StyleNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_training_without_a_step_has_nothing_to_keep() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    let running = house.train(order(9)).await.unwrap();
    let other = TrainOrder { name: "other".parse().unwrap(), ..order(9) };
    let waiting = house.train(other).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(0));
    let ended = house.intake().keep(&admin(), JobRef::Id(waiting.id)).await.unwrap();
    assert_eq!(ended.state.name(), StateName::Cancelled);
    assert_eq!(house.job(running.id).await.state.name(), StateName::Running);
    let photo = house.submit_one().await;
    let refused = house.intake().keep(&admin(), JobRef::Id(photo.id)).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::WrongKind);
    // The house waits for its device, and the device for its strings.
    drop(strings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_or_panic_ends_that_training_only_and_a_retry_goes_on_from_its_checkpoint() {
    for (wrong, code) in [(Move::Fail, ErrorCode::NotFinite), (Move::Panic, ErrorCode::WorkerPanicked)] {
        let (house, strings, job) = learning(10).await;
        strings.steps(6);
        assert_eq!(strings.deed(), Deed::Asked);
        let photos = [house.submit_one().await, house.submit_one().await];
        is_given_out(&house, photos[1].id).await;
        strings.play(wrong);
        assert_eq!(strings.deed(), Deed::Dropped);
        let JobState::Failed { error, .. } = house.finished(job.id).await.state else { panic!("it did not fail") };
        assert_eq!(error.code, code);
        for photo in photos {
            strings.begun();
            strings.act(Act::Finish);
            assert_eq!(house.finished(photo.id).await.state.name(), StateName::Succeeded);
        }
        let retried = house.intake().retry(&admin(), JobRef::Id(job.id)).await.unwrap();
        assert_eq!(shown(&retried), Some((4, 10)));
        assert_eq!(strings.deed(), Deed::Open(4));
        assert_eq!(strings.deed(), Deed::Asked);
        assert_eq!(steps(&house, job.id), up_to(4), "what lay beyond the checkpoint is cut off");
        strings.play(Move::Run);
        house.finished(job.id).await;
        assert_eq!(steps(&house, job.id), up_to(10));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_that_panics_leaves_the_training_alone() {
    let (house, strings, job) = learning(4).await;
    assert_eq!(strings.deed(), Deed::Asked);
    let photos = [house.submit_one().await, house.submit_one().await];
    is_given_out(&house, photos[1].id).await;
    strings.act(Act::Panic);
    strings.act(Act::Finish);
    strings.play(Move::Step);
    assert_eq!([strings.deed(), strings.deed(), strings.deed()], [Deed::Photo, Deed::Photo, Deed::Asked]);
    assert_eq!(house.finished(photos[0].id).await.state.name(), StateName::Failed);
    strings.play(Move::Run);
    assert_eq!(house.finished(job.id).await.state.name(), StateName::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_rolled_back_replaces_the_points_after_it() {
    let (house, strings, job) = learning(10).await;
    strings.steps(6);
    assert_eq!(strings.deed(), Deed::Asked);
    strings.play(Move::RollBack(3));
    assert_eq!(strings.deed(), Deed::Asked);
    assert_eq!(steps(&house, job.id), up_to(4));
    strings.play(Move::Run);
    house.finished(job.id).await;
    assert_eq!(steps(&house, job.id), up_to(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_pauses_a_training_which_goes_on_by_itself() {
    let (house, strings, job) = learning(10).await;
    strings.steps(7);
    assert_eq!(strings.deed(), Deed::Asked);
    // Whatever is written there, the device has no room for it.
    std::os::unix::fs::symlink("/dev/full", folder(&house, job.id).join(".checkpoint")).unwrap();
    strings.play(Move::Step);
    assert_eq!(strings.deed(), Deed::Dropped);
    let paused = reaches(&house, job.id, StateName::Paused).await;
    assert!(paused.warnings[0].contains("no room for its checkpoint"), "{:?}", paused.warnings);
    assert_eq!(shown(&paused), Some((4, 10)), "what comes after the last good checkpoint is done again");
    tokio::task::block_in_place(|| house.daemon().sweep());
    assert_eq!(strings.deed(), Deed::Open(4), "from the last good checkpoint");
    strings.play(Move::Run);
    let done = house.finished(job.id).await;
    assert_eq!((done.state.name(), done.warnings.len()), (StateName::Succeeded, 0));
    assert_eq!(steps(&house, job.id), up_to(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_can_not_keep_the_newest_steps_says_so() {
    let (house, strings, job) = learning(10).await;
    strings.steps(7);
    assert_eq!(strings.deed(), Deed::Asked);
    std::os::unix::fs::symlink("/dev/full", folder(&house, job.id).join(".checkpoint")).unwrap();
    house.intake().pause(&admin(), JobRef::Id(job.id)).await.unwrap();
    strings.until_dropped();
    let is_told = |job: &Job| job.warnings.iter().any(|warning| warning.contains("newest steps could not be kept"));
    let paused = becomes(&house, job.id, is_told).await;
    assert_eq!((paused.state.name(), shown(&paused)), (StateName::Paused, Some((4, 10))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_pauses_a_job_that_waits_for_room_is_heeded() {
    let (house, strings, job) = learning(10).await;
    strings.steps(3);
    assert_eq!(strings.deed(), Deed::Asked);
    std::os::unix::fs::symlink("/dev/full", folder(&house, job.id).join(".checkpoint")).unwrap();
    strings.play(Move::Step);
    reaches(&house, job.id, StateName::Paused).await;
    let paused = house.intake().pause(&admin(), JobRef::Id(job.id)).await.unwrap();
    assert!(paused.warnings.is_empty());
    tokio::task::block_in_place(|| house.daemon().sweep());
    assert_eq!(house.job(job.id).await.state.name(), StateName::Paused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_checkpoint_is_told_and_the_training_begins_anew() {
    let (mut house, strings, job) = learning(100).await;
    strings.steps(5);
    assert_eq!(strings.deed(), Deed::Asked);
    house.intake().pause(&admin(), JobRef::Id(job.id)).await.unwrap();
    strings.until_dropped();
    let (engine, strings) = puppet("b");
    house.reopen(vec![engine]);
    let checkpoint = folder(&house, job.id).join("checkpoint");
    let mut bytes = std::fs::read(&checkpoint).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&checkpoint, bytes).unwrap();
    house.intake().resume(&admin(), JobRef::Id(job.id)).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(0));
    strings.play(Move::Run);
    let done = house.finished(job.id).await;
    assert!(done.warnings[0].contains("begun anew"), "{:?}", done.warnings);
    assert_eq!(steps(&house, job.id), up_to(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_taken_meanwhile_keeps_the_style_for_another_one() {
    let (house, strings, job) = learning(4).await;
    strings.steps(3);
    assert_eq!(strings.deed(), Deed::Asked);
    let styles = &house.config.models.dir;
    std::fs::create_dir(styles.join("my-wave")).unwrap();
    for file in ["style.toml", "weights.safetensors"] {
        std::fs::copy(styles.join("great-wave").join(file), styles.join("my-wave").join(file)).unwrap();
    }
    strings.play(Move::Step);
    let failed = house.finished(job.id).await;
    let JobState::Failed { error, .. } = &failed.state else { panic!("{failed:?}") };
    assert_eq!(error.code, ErrorCode::StyleExists);
    assert!(error.detail.contains("atelier import"), "{}", error.detail);
    let file = house.intake().result(JobRef::Id(job.id)).await.unwrap();
    assert_eq!(std::fs::read(file.path).unwrap().len() as u64, file.bytes);

    std::fs::remove_dir_all(styles.join("my-wave")).unwrap();
    assert_eq!(strings.deed(), Deed::Dropped);
    while house.intake().style(&"my-wave".parse().unwrap()).is_ok() {
        tokio::task::yield_now().await;
    }
    house.intake().retry(&admin(), JobRef::Id(job.id)).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(4), "nothing is learned twice");
    assert_eq!(house.finished(job.id).await.state.name(), StateName::Succeeded);
    // Its name is taken now, by itself; but that is not why.
    let refusal = house.intake().retry(&admin(), JobRef::Id(job.id)).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::WrongState);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_is_painted_pixel_by_pixel_paused_and_kept() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    let job = house.paint(PaintOrder { steps: Some(100), ..PaintOrder::default() }).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(0));
    strings.steps(3);
    assert_eq!(strings.deed(), Deed::Asked);
    house.intake().pause(&admin(), JobRef::Id(job.id)).await.unwrap();
    let done = 3 + strings.until_dropped();
    house.intake().resume(&admin(), JobRef::Id(job.id)).await.unwrap();
    assert_eq!([strings.deed(), strings.deed()], [Deed::Open(done), Deed::Asked]);
    house.intake().keep(&admin(), JobRef::Id(job.id)).await.unwrap();
    strings.until_dropped();
    let JobState::Succeeded { result, .. } = house.finished(job.id).await.state else { panic!("no painting") };
    assert_eq!((result.width, result.height, result.media_type.as_str()), (Some(40), Some(30), "image/png"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_that_needs_a_trainings_memory_gets_it_and_the_training_goes_on_after() {
    let (engine, strings) = puppet("a");
    let recipe = models::training::Recipe::house();
    let budget = recipe.memory_bytes(300, 280) + (1 << 20);
    let house = House::open_with(vec![engine], |config| config.limits.memory_bytes = budget);
    let job = house.train(order(100)).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(0));
    strings.steps(2);
    assert_eq!(strings.deed(), Deed::Asked);
    let photo = house.submit(None, tests::order(), &tests::picture(600, 400)).await.unwrap().job;
    let done = 2 + strings.until_dropped();
    strings.begun();
    is_given_out(&house, job.id).await;
    let waiting = house.job(job.id).await;
    assert_eq!((waiting.state.name(), shown(&waiting)), (StateName::Queued, Some((done, 100))));
    strings.act(Act::Finish);
    assert_eq!(house.finished(photo.id).await.state.name(), StateName::Succeeded);
    assert_eq!(strings.deed(), Deed::Open(done));
    strings.play(Move::Run);
    let ended = house.finished(job.id).await;
    assert_eq!((ended.state.name(), ended.attempt), (StateName::Succeeded, 2));
    assert_eq!(steps(&house, job.id), up_to(100));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_time_is_over_a_training_keeps_its_curve_alone() {
    let (engine, strings) = puppet("a");
    let house = House::open_with(vec![engine], |config| config.data.keep_results = Duration::ZERO);
    let job = house.train(order(5)).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(0));
    strings.play(Move::Run);
    house.finished(job.id).await;
    assert_eq!([strings.deed(), strings.deed()], [Deed::Asked, Deed::Dropped]);
    let bytes = || house.intake().status().disk_bytes;
    let files = std::fs::read_dir(folder(&house, job.id)).unwrap().flatten();
    let sizes = files.filter(|file| file.file_name() != "job.json").map(|file| file.metadata().unwrap().len());
    let all = sizes.sum::<u64>();
    assert_eq!(bytes(), all);
    tokio::task::block_in_place(|| house.daemon().sweep());
    assert_eq!(bytes(), all, "its letter has not left yet");
    let id = job.id;
    let sent = house.daemon().store().write(move |ledger| {
        let mut record = ledger.record(id).unwrap();
        let letter = record.letter.clone().unwrap();
        record.set_letter(Letter { state: MailState::Sent, ..letter });
        ledger.save(&record)
    });
    sent.durable().await.unwrap().unwrap();
    tokio::task::block_in_place(|| house.daemon().sweep());
    assert_eq!(bytes(), 0);
    let mut left: Vec<_> =
        std::fs::read_dir(folder(&house, job.id)).unwrap().flatten().map(|file| file.file_name()).collect();
    left.sort();
    assert_eq!(left, ["curve", "job.json"]);
    assert_eq!(house.intake().result(JobRef::Id(job.id)).await.unwrap_err().code, ErrorCode::ResultGone);
    let losses = house.intake().losses(JobRef::Id(job.id), None).await.unwrap();
    assert_eq!(losses.whole().await.unwrap().points.len(), 5);
}

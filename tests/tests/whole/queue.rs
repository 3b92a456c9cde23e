//! The queue: every state, every transition, every race, with devices that do as they are told.

use std::time::Duration;

use daemon::access::{Caller, Role};
use daemon::config::Transport;
use daemon::intake::{Amendment, StylizeOrder};
use protocol::{ErrorCode, EventBody, Job, JobRef, JobState, Priority, StateName};
use tests::{Act, House, admin, order, picture, puppet};

fn to(priority: Priority) -> Amendment {
    Amendment { priority: Some(priority), ..Amendment::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_goes_in_and_a_painting_of_its_size_comes_out() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let job = house.submit_one().await;
    assert_eq!(job.state, JobState::Queued { steps_done: 0 });
    puppet.begun();
    assert_eq!(house.job(job.id).await.state.name(), StateName::Running);
    puppet.act(Act::Finish);
    let JobState::Succeeded { result, device, .. } = house.finished(job.id).await.state else { panic!("no result") };
    assert_eq!((result.width, result.height, device.as_str()), (Some(4), Some(3), "a"));
    let file = house.intake().result(JobRef::Id(job.id)).await.unwrap();
    assert_eq!(std::fs::read(&file.path).unwrap().len() as u64, result.bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_work_at_the_same_time() {
    let (first, one) = puppet("cpu:0");
    let (second, two) = puppet("cpu:1");
    let house = House::open(vec![first, second]);
    let jobs = [house.submit_one().await, house.submit_one().await];
    // Both have begun and neither has ended.
    one.begun();
    two.begun();
    one.act(Act::Finish);
    two.act(Act::Finish);
    for job in jobs {
        house.finished(job.id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interactive_jobs_overtake_batch_jobs() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let running = house.submit_one().await;
    puppet.begun();
    let batch = || {
        house.submit(
            None,
            daemon::intake::StylizeOrder { priority: Some(Priority::Batch), ..order() },
            PHOTO.as_slice(),
        )
    };
    let first = batch().await.unwrap().job;
    let second = house.submit_one().await;
    // The dispatcher tells the queue's order a moment after the job is accepted.
    let in_order = async {
        loop {
            let (first, second) = (house.job(first.id).await, house.job(second.id).await);
            if (second.queue_position, first.queue_position) == (Some(0), Some(1)) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), in_order).await.expect("the interactive job goes first");
    house.intake().amend(&admin(), JobRef::Id(first.id), to(Priority::Interactive)).await.unwrap();
    for job in [running, first, second] {
        puppet.act(Act::Finish);
        house.finished(job.id).await;
    }
}

static PHOTO: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| picture(4, 3));

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_fails_one_job_and_the_device_goes_on() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    for (act, code) in [(Act::Panic, ErrorCode::WorkerPanicked), (Act::NotFinite, ErrorCode::NotFinite)] {
        let job = house.submit_one().await;
        puppet.act(act);
        let failed = house.finished(job.id).await.state;
        let JobState::Failed { error, device, .. } = failed else { panic!("it did not fail: {failed:?}") };
        assert_eq!((error.code, device.as_deref()), (code, Some("a")));
    }
    let job = house.submit_one().await;
    puppet.act(Act::Finish);
    assert_eq!(house.finished(job.id).await.state.name(), StateName::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_works_in_every_state_and_twice() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let running = house.submit_one().await;
    puppet.begun();
    let queued = house.submit_one().await;
    let paused = house.submit_one().await;
    house.intake().pause(&admin(), JobRef::Id(paused.id)).await.unwrap();
    for job in [&running, &queued, &paused] {
        for _ in 0..2 {
            let cancelled = house.intake().cancel(&admin(), JobRef::Id(job.id)).await.unwrap();
            assert_eq!(cancelled.state.name(), StateName::Cancelled);
            assert_eq!(cancelled.state.device(), (job.id == running.id).then_some("a"), "where it ran");
        }
    }
    // The device is free for the next one.
    let next = house.submit_one().await;
    puppet.act(Act::Finish);
    assert_eq!(house.finished(next.id).await.state.name(), StateName::Succeeded);
    assert_eq!(house.job(running.id).await.state.name(), StateName::Cancelled);
    let cancelled = house.intake().cancel(&admin(), JobRef::Id(next.id)).await.unwrap();
    assert_eq!(cancelled.state.name(), StateName::Succeeded, "a finished job stays as it is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_that_is_paused_and_resumed_ends_once() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let job = house.submit_one().await;
    puppet.begun();
    house.intake().pause(&admin(), JobRef::Id(job.id)).await.unwrap();
    let resumed = house.intake().resume(&admin(), JobRef::Id(job.id)).await.unwrap();
    assert_eq!(resumed.state, JobState::Queued { steps_done: 0 });
    puppet.begun();
    puppet.act(Act::Finish);
    let job = house.finished(job.id).await;
    assert_eq!((job.state.name(), job.attempt), (StateName::Succeeded, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn transitions_that_make_no_sense_are_refused() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let job = JobRef::Id(house.submit_one().await.id);
    let intake = house.intake();
    let refused = |answer: Result<protocol::Job, daemon::refusal::Refusal>| answer.unwrap_err().code;
    assert_eq!(refused(intake.resume(&admin(), job).await), ErrorCode::WrongState);
    assert_eq!(refused(intake.retry(&admin(), job).await), ErrorCode::WrongState);
    assert_eq!(refused(intake.forget(&admin(), job).await), ErrorCode::WrongState);
    assert_eq!(intake.result(job).await.unwrap_err().code, ErrorCode::ResultNotReady);
    puppet.act(Act::Finish);
    let JobRef::Id(id) = job else { unreachable!() };
    house.finished(id).await;
    assert_eq!(refused(intake.pause(&admin(), job).await), ErrorCode::WrongState);
    assert_eq!(refused(intake.amend(&admin(), job, to(Priority::Batch)).await), ErrorCode::WrongState);
    assert_eq!(refused(intake.retry(&admin(), job).await), ErrorCode::WrongState);
    intake.forget(&admin(), job).await.unwrap();
    assert_eq!(refused(intake.job(job).await), ErrorCode::JobNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_can_be_retried() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let job = house.submit_one().await;
    puppet.act(Act::NotFinite);
    house.finished(job.id).await;
    house.intake().retry(&admin(), JobRef::Id(job.id)).await.unwrap();
    puppet.act(Act::Finish);
    assert_eq!(house.finished(job.id).await.state.name(), StateName::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_puts_running_work_back_and_a_restart_does_it() {
    let (engine, strings) = puppet("a");
    let mut house = House::open(vec![engine]);
    let running = house.submit_one().await;
    let waiting = house.submit_one().await;
    strings.begun();
    let (engine, strings) = puppet("b");
    house.reopen(vec![engine]);
    for job in [running, waiting] {
        strings.act(Act::Finish);
        assert_eq!(house.finished(job.id).await.state.name(), StateName::Succeeded);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_daemon_accepts_nothing_and_lets_waiters_go() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    let job = house.submit_one().await;
    strings.begun();
    let waiter = house.intake().wait(job.id, Duration::from_secs(60));
    let (waited, ()) = tokio::join!(waiter, async { house.daemon().drain() });
    assert!(!waited.unwrap().state.is_finished());
    let refusal = house.submit(None, order(), &PHOTO).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::Draining);
    assert!(refusal.retry_after.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draining_daemon_stops_its_devices_while_the_doors_are_still_open() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    let job = house.submit_one().await;
    strings.begun();
    let mut latest = house.daemon().store().feed().follow();
    house.daemon().drain();
    while house.job(job.id).await.state.name() != StateName::Queued {
        latest.changed().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_full_says_when_to_come_back() {
    let (engine, strings) = puppet("a");
    let house = House::open_with(vec![engine], |config| config.max_waiting = 1);
    house.submit_one().await;
    strings.begun();
    let first = house.submit(Some("key"), order(), &PHOTO).await.unwrap();
    for key in [None, Some("another")] {
        let refusal = house.submit(key, order(), &PHOTO).await.unwrap_err();
        assert_eq!(refusal.code, ErrorCode::QueueFull);
        assert!(refusal.retry_after.is_some_and(|wait| wait >= Duration::from_secs(1)));
    }
    // Who repeats a submit whose answer was lost wants no second place.
    let again = house.submit(Some("key"), order(), &PHOTO).await.unwrap();
    assert_eq!((again.job.id, again.replayed), (first.job.id, true));
    let other = house.submit(Some("key"), order(), &picture(5, 3)).await.unwrap_err();
    assert_eq!(other.code, ErrorCode::IdempotencyMismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_can_never_run_is_refused_with_the_number() {
    let (engine, _strings) = puppet("a");
    let house = House::open_with(vec![engine], |config| config.limits.memory_bytes = 64 << 20);
    let refusal = house.submit(None, order(), &picture(1500, 1000)).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::TooMuchMemory);
    assert!(refusal.detail.contains("MiB"), "{}", refusal.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_and_reserve_change_while_the_daemon_runs() {
    let (engine, _strings) = puppet("a");
    let house = House::open(vec![engine]);
    let refused = async |config: daemon::config::Config| {
        house.intake().reconfigure(config);
        house.submit(None, order(), &picture(1500, 1000)).await.err().map(|refusal| refusal.code)
    };
    assert_eq!(refused(house.config.clone()).await, None);
    let mut config = house.config.clone();
    config.limits.memory_bytes = 64 << 20;
    assert_eq!(refused(config.clone()).await, Some(ErrorCode::TooMuchMemory));
    assert_eq!(house.intake().devices()[0].memory_bytes, 64 << 20);
    config.data.reserve_bytes = u64::MAX;
    assert_eq!(refused(config).await, Some(ErrorCode::StorageFull));
    assert_eq!(refused(house.config.clone()).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_submit_is_answered_by_the_first_also_after_a_restart() {
    let (engine, _strings) = puppet("a");
    let mut house = House::open(vec![engine]);
    let first = house.submit(Some("k"), order(), &PHOTO).await.unwrap();
    let again = house.submit(Some("k"), order(), &PHOTO).await.unwrap();
    assert_eq!((first.replayed, again.replayed, again.job.id), (false, true, first.job.id));
    let other = daemon::intake::StylizeOrder { strength: Some(0.5), ..order() };
    let refusal = house.submit(Some("k"), other, &PHOTO).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::IdempotencyMismatch);
    let (engine, _strings) = puppet("a");
    house.reopen(vec![engine]);
    assert!(house.submit(Some("k"), order(), &PHOTO).await.unwrap().replayed);
    let _receiving = house.intake().open(&admin(), "/v1/stylize", Some("r".to_owned())).await.unwrap();
    let refusal = house.submit(Some("r"), order(), &PHOTO).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::IdempotencyInProgress);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_reset_how_many_mails_a_recipient_has_had() {
    let (engine, _strings) = puppet("a");
    let mut house = House::open_with(vec![engine], |config| config.mail.per_recipient_per_hour = 1);
    let to = |recipient: &str| StylizeOrder { email: Some(recipient.to_owned()), ..order() };
    house.submit(None, to("me@example.org"), &PHOTO).await.unwrap();
    let (engine, _strings) = puppet("b");
    house.reopen(vec![engine]);
    let refusal = house.submit(None, to("Me@example.org"), &PHOTO).await.unwrap_err();
    assert_eq!(refusal.code, ErrorCode::MailLimit);
    house.submit(None, to("you@example.org"), &PHOTO).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_mails_nobody_whom_a_submit_could_not_mail() {
    let (engine, strings) = puppet("a");
    let house = House::open_with(vec![engine], |config| config.mail.per_recipient_per_hour = 2);
    let job = house.submit(None, StylizeOrder { email: Some("me@example.org".to_owned()), ..order() }, &PHOTO).await;
    let job = job.unwrap().job.id;
    let retry = async |caller| house.intake().retry(&caller, JobRef::Id(job)).await.map_err(|refusal| refusal.code);
    strings.act(Act::NotFinite);
    house.finished(job).await;
    let submitter = Caller { role: Role::Submit, ..admin() };
    assert_eq!(retry(submitter.clone()).await.unwrap_err(), ErrorCode::MailNotAllowed);
    assert_eq!(retry(admin()).await.unwrap().state.name(), StateName::Queued);
    strings.act(Act::NotFinite);
    house.finished(job).await;
    assert_eq!(retry(admin()).await.unwrap_err(), ErrorCode::MailLimit);
    let mut config = house.config.clone();
    config.mail.transport = Transport::Off;
    house.intake().reconfigure(config);
    assert_eq!(retry(submitter).await.unwrap().state.name(), StateName::Queued, "it will mail nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_style_is_gone_fails_and_says_so() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    house.submit_one().await;
    strings.begun();
    let waiting = house.submit_one().await;
    house.intake().delete_style(&admin(), &"great-wave".parse().unwrap()).await.unwrap();
    strings.act(Act::Finish);
    let JobState::Failed { error, .. } = house.finished(waiting.id).await.state else { panic!("it did not fail") };
    assert_eq!(error.code, ErrorCode::StyleGone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_of_a_job_sees_it_through_and_its_stream_ends() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    let job = house.submit_one().await;
    let mut watcher = house.intake().watch(Some(JobRef::Id(job.id)), None).unwrap();
    strings.act(Act::Finish);
    let mut names = Vec::new();
    let mut numbers = Vec::new();
    while let Some(event) = watcher.next().await {
        names.push(event.body.name());
        numbers.push(event.sequence);
    }
    assert_eq!((names.first(), names.last()), (Some(&"snapshot"), Some(&"end")));
    assert!(names.contains(&"state"), "{names:?}");
    assert!(numbers.is_sorted());
    // Whoever comes later, or back, gets an end as well.
    for after in [None, numbers.last().copied(), Some(0)] {
        let mut watcher = house.intake().watch(Some(JobRef::Id(job.id)), after).unwrap();
        let mut last = None;
        while let Some(event) = watcher.next().await {
            last = Some(event);
        }
        assert!(last.is_some_and(|event| matches!(event.body, EventBody::End { .. })), "after {after:?}");
    }
}

/// Returns the names of all events of a job, as one gets them who was away since the start.
async fn missed(house: &House, job: Option<&Job>, until: impl Fn(&EventBody) -> bool) -> Vec<&'static str> {
    let mut watcher = house.intake().watch(job.map(|job| JobRef::Id(job.id)), Some(0)).unwrap();
    let mut names = Vec::new();
    while let Some(event) = watcher.next().await {
        names.push(event.body.name());
        if until(&event.body) {
            break;
        }
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_told_once_and_a_retried_job_is_watched_further() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    let job = house.submit_one().await;
    strings.act(Act::NotFinite);
    house.finished(job.id).await;
    let amend = async |note: &str| {
        let amendment = Amendment { note: Some(Some(note.to_owned())), ..Amendment::default() };
        house.intake().amend(&admin(), JobRef::Id(job.id), amendment).await.unwrap();
    };
    amend("seen").await;
    amend("seen again").await;
    amend("seen again").await;
    let is_noted =
        |body: &EventBody| matches!(body, EventBody::State(job) if job.note.as_deref() == Some("seen again"));
    let all = missed(&house, None, is_noted).await;
    assert_eq!(all.iter().filter(|name| **name == "end").count(), 1, "{all:?}");
    let own = missed(&house, Some(&job), |_| false).await;
    assert_eq!(
        (own.iter().position(|name| *name == "end"), own.last()),
        (Some(own.len() - 1), Some(&"end")),
        "{own:?}"
    );

    house.intake().retry(&admin(), JobRef::Id(job.id)).await.unwrap();
    strings.begun();
    strings.begun();
    let is_running = |body: &EventBody| matches!(body, EventBody::State(job) if job.attempt == 2 && job.state.name() == StateName::Running);
    let running = missed(&house, Some(&job), is_running).await;
    assert!(!running.contains(&"end"), "it goes on: {running:?}");
    // More than a watcher takes at once.
    for count in 0..100 {
        amend(&count.to_string()).await;
    }
    strings.act(Act::Finish);
    house.finished(job.id).await;
    let own = missed(&house, Some(&job), |_| false).await;
    assert_eq!(
        (own.iter().position(|name| *name == "end"), own.last()),
        (Some(own.len() - 1), Some(&"end")),
        "{own:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn results_are_let_go_in_time() {
    let (engine, strings) = puppet("a");
    let mut house = House::open(vec![engine]);
    let job = house.submit_one().await;
    strings.act(Act::Finish);
    house.finished(job.id).await;
    tokio::task::block_in_place(|| house.daemon().sweep());
    house.intake().result(JobRef::Id(job.id)).await.unwrap();
    house.config.data.keep_results = Duration::ZERO;
    let (engine, _strings) = puppet("a");
    house.reopen(vec![engine]);
    tokio::task::block_in_place(|| house.daemon().sweep());
    assert_eq!(house.intake().result(JobRef::Id(job.id)).await.unwrap_err().code, ErrorCode::ResultGone);
    house.config.data.keep_jobs = Duration::ZERO;
    let (engine, _strings) = puppet("a");
    house.reopen(vec![engine]);
    tokio::task::block_in_place(|| house.daemon().sweep());
    assert_eq!(house.intake().job(JobRef::Id(job.id)).await.unwrap_err().code, ErrorCode::JobNotFound);
}

//! Callers that hang up, each at another moment: what they have begun takes its whole way, or has never been.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use daemon::intake::{Amendment, JobFilter};
use protocol::{ErrorCode, Job, JobRef, StateName, TrainOrder};
use tests::{Act, Deed, House, Move, admin, noise, order, picture, puppet};

/// Polls some work so many times, and drops it where it is not done then, as a server does whose client hangs up.
async fn given_up<F: Future>(work: F, polls: usize) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = polls;
    poll_fn(|context| {
        left -= 1;
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

async fn all(house: &House) -> Vec<Job> {
    house.intake().jobs(JobFilter::default()).await.unwrap().jobs
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submit_makes_one_job_that_is_done_or_none() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    for photo in [picture(4, 3), noise()] {
        let before = all(&house).await.len();
        let mut polls = 1;
        while given_up(house.submit(Some(&format!("{before}-{polls}")), order(), &photo), polls).await.is_none() {
            polls += 1;
        }
        assert!(polls > 2, "it waits for the disk, and then for its answer");
        // Sent again, as a client does that knows nothing of an answer.
        for polls in 1..=polls {
            let again = async {
                loop {
                    match house.submit(Some(&format!("{before}-{polls}")), order(), &photo).await {
                        Err(refusal) if refusal.code == ErrorCode::IdempotencyInProgress => {
                            tokio::task::yield_now().await;
                        }
                        done => break done.unwrap(),
                    }
                }
            };
            again.await;
            puppet.act(Act::Finish);
        }
        let jobs = all(&house).await;
        assert_eq!(jobs.len(), before + polls, "one for each key");
        for job in jobs {
            assert_eq!(house.finished(job.id).await.state.name(), StateName::Succeeded);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_to_a_job_is_followed_or_was_never_said() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    for polls in 1.. {
        let job = house.submit_one().await.id;
        puppet.begun();
        // Whatever becomes of the words, the device does what the job's state says.
        let paused = given_up(house.intake().pause(&admin(), JobRef::Id(job)), polls).await;
        let held = house.intake().pause(&admin(), JobRef::Id(job)).await.unwrap();
        assert_eq!(held.state.name(), StateName::Paused);
        let _ = given_up(house.intake().resume(&admin(), JobRef::Id(job)), polls).await;
        // It comes after the resuming, if that has been said.
        let _ = house.intake().amend(&admin(), JobRef::Id(job), Amendment::default()).await.unwrap();
        if house.job(job).await.state.name() == StateName::Paused {
            house.intake().resume(&admin(), JobRef::Id(job)).await.unwrap();
        }
        puppet.begun();
        let _ = given_up(house.intake().cancel(&admin(), JobRef::Id(job)), polls).await;
        house.intake().cancel(&admin(), JobRef::Id(job)).await.unwrap();
        let next = house.submit_one().await.id;
        puppet.begun();
        puppet.act(Act::Finish);
        assert_eq!(house.finished(next).await.state.name(), StateName::Succeeded, "the device is free again");
        if paused.is_some() {
            assert!(polls > 1, "it waits for the disk");
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_style_is_taken_once() {
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let order = |name: &str| TrainOrder { steps: Some(1), ..TrainOrder::new(name.parse().unwrap()) };
    let mut polls = 1;
    while given_up(house.train(order(&format!("style-{polls}"))), polls).await.is_none() {
        polls += 1;
    }
    for polls in 1..polls {
        // It is taken by the one who has hung up, or free.
        let taken = house.train(order(&format!("style-{polls}"))).await;
        assert!(taken.is_ok() || taken.is_err_and(|refusal| refusal.code == ErrorCode::StyleExists));
    }
    for _ in 0..polls {
        assert_eq!(puppet.deed(), Deed::Open(0));
        assert_eq!(puppet.deed(), Deed::Asked);
        puppet.play(Move::Run);
        while puppet.deed() != Deed::Dropped {}
    }
    let jobs = all(&house).await;
    assert_eq!(jobs.len(), polls);
    for job in jobs {
        assert_eq!(house.finished(job.id).await.state.name(), StateName::Succeeded);
    }
}

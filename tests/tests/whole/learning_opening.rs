//! Making a training ready, with a device that does as it is told: photos and whoever interrupts come in between.

use std::time::Duration;

use protocol::{JobRef, StateName, TrainOrder};
use tests::{Act, Deed, House, Move, Puppet, admin, puppet};

fn order(name: &str) -> TrainOrder {
    TrainOrder { steps: Some(5), ..TrainOrder::new(name.parse().unwrap()) }
}

/// Lets a device go on with making ready until it does something else.
fn until_another_deed(strings: &Puppet) -> Deed {
    loop {
        match strings.deed() {
            Deed::Opening => strings.play(Move::Step),
            other => return other,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_waits_for_a_piece_of_the_opening_and_not_for_all_of_it() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    strings.open_slowly(true);
    let job = house.train(order("my-wave")).await.unwrap();
    assert_eq!(strings.deed(), Deed::Opening);
    let photo = house.submit_one().await;
    strings.play(Move::Step);
    assert_eq!(until_another_deed(&strings), Deed::Photo, "the opening is not over, and never would be");
    strings.act(Act::Finish);
    assert_eq!(house.finished(photo.id).await.state.name(), StateName::Succeeded);
    strings.open_slowly(false);
    assert_eq!(until_another_deed(&strings), Deed::Open(0));
    strings.play(Move::Run);
    assert_eq!(house.finished(job.id).await.state.name(), StateName::Succeeded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_training_that_is_kept_does_not_wait_for_the_one_that_runs() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    let long = |name| TrainOrder { steps: Some(1000), ..order(name) };
    let kept = house.train(long("kept")).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(0));
    strings.steps(2);
    assert_eq!(strings.deed(), Deed::Asked);
    house.intake().pause(&admin(), JobRef::Id(kept.id)).await.unwrap();
    let done = 2 + strings.until_dropped();
    house.train(long("other")).await.unwrap();
    assert_eq!(strings.deed(), Deed::Open(0));
    assert_eq!(strings.deed(), Deed::Asked);
    house.intake().keep(&admin(), JobRef::Id(kept.id)).await.unwrap();
    let steps = strings.until_dropped();
    assert_eq!(strings.deed(), Deed::Open(done));
    assert_eq!(house.finished(kept.id).await.state.name(), StateName::Succeeded);
    assert_eq!(strings.deed(), Deed::Dropped);
    assert_eq!(strings.deed(), Deed::Open(steps), "and goes on from where it was");
    // The house waits for its device, and the device for its strings.
    drop(strings);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_is_interrupted_between_two_pieces() {
    let (engine, strings) = puppet("a");
    let house = House::open(vec![engine]);
    strings.open_slowly(true);
    let [first, second] = [house.train(order("first")).await.unwrap(), house.train(order("second")).await.unwrap()];
    let pieces = async |of: protocol::JobId| {
        let mut news = house.daemon().store().feed().follow();
        while house.intake().devices()[0].job == Some(of) {
            strings.play(Move::Step);
            let _ = tokio::time::timeout(Duration::from_millis(5), news.changed()).await;
        }
    };
    assert_eq!(strings.deed(), Deed::Opening);
    house.intake().pause(&admin(), JobRef::Id(first.id)).await.unwrap();
    pieces(first.id).await;
    assert_eq!(house.job(first.id).await.state.name(), StateName::Paused);
    house.intake().cancel(&admin(), JobRef::Id(second.id)).await.unwrap();
    pieces(second.id).await;
    assert_eq!(house.job(second.id).await.state.name(), StateName::Cancelled);
    strings.open_slowly(false);
    house.intake().resume(&admin(), JobRef::Id(first.id)).await.unwrap();
    assert_eq!(until_another_deed(&strings), Deed::Open(0));
    strings.play(Move::Run);
    assert_eq!(house.finished(first.id).await.state.name(), StateName::Succeeded);
}

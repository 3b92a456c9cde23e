//! The page in a browser: the daemon goes away and comes back.

use daemon::intake::JobFilter;
use tests::{Act, Browser, DESK, Door, House, picture, puppet};

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_given_while_the_daemon_is_away_is_painted_once_it_is_back() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, _gone) = puppet("a");
    let mut house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.png");
    std::fs::write(&photo, picture(16, 9)).unwrap();
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    let address = door.address;
    door.close().await;
    house.close();
    browser.until("!away.hidden && away.textContent.startsWith('The daemon is away.')").await;
    browser.choose(&[&photo]).await;
    browser.click("#paint").await;
    browser.until("paint.textContent === 'Sending…'").await;

    let (engine, puppet) = puppet("a");
    house.reopen(vec![engine]);
    let _door = Door::open_at(&house, address).await;
    browser.until("away.hidden").await;
    puppet.begun();
    puppet.act(Act::Finish);
    browser.until("!painting.hidden && painting.naturalWidth === 16").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_answer_is_lost_is_sent_again_and_painted_once() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.png");
    std::fs::write(&photo, picture(16, 9)).unwrap();
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    let lose_one = "const real = fetch;
                    window.sent = 0;
                    window.fetch = async (path, request) => {
                      const answer = await real(path, request);
                      if (path === '/v1/stylize' && (window.sent += 1) === 1) throw new TypeError('lost');
                      return answer;
                    }";
    browser.run(lose_one, Vec::new()).await;
    browser.choose(&[&photo]).await;
    browser.click("#paint").await;
    puppet.act(Act::Finish);
    browser.until("!painting.hidden && window.sent === 2").await;
    assert_eq!(house.intake().jobs(JobFilter::default()).await.unwrap().jobs.len(), 1);
}

//! The page in a browser: the daemon goes away and comes back.

use std::net::SocketAddr;

use daemon::intake::JobFilter;
use protocol::JobRef;
use serde_json::json;
use tests::{Act, Browser, DESK, Door, House, admin, picture, puppet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Tells the page whether somebody sees it.
const HIDE: &str = "Object.defineProperty(document, 'hidden', { value: arguments[0], configurable: true });
                    document.dispatchEvent(new Event('visibilitychange'))";

/// Answers whoever comes with a refusal, until that was somebody who wants to watch.
async fn refuse_a_watcher(address: SocketAddr) {
    let listener = TcpListener::bind(address).await.unwrap();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = vec![0; 8192];
        let read = stream.read(&mut asked).await.unwrap_or_default();
        let refusal = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(refusal).await;
        if asked[..read].starts_with(b"GET /v1/events") {
            return;
        }
    }
}

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

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_the_stream_survives_does_not_hold_an_order_for_ever() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.png");
    std::fs::write(&photo, picture(16, 9)).unwrap();
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    let lose_two = "const [real, lost] = [fetch, ['/v1/stylize', '/livez']];
                    window.fetch = async (path, request) => {
                      if (path !== lost[0]) return real(path, request);
                      lost.shift();
                      throw new TypeError('lost');
                    }";
    browser.run(lose_two, Vec::new()).await;
    browser.choose(&[&photo]).await;
    browser.click("#paint").await;
    puppet.act(Act::Finish);
    browser.until("!painting.hidden && painting.naturalWidth === 16").await;
    assert_eq!(browser.value("away.hidden").await, json!(true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_nobody_sees_leaves_the_stream_and_comes_back_to_it() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, _puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    let watch = "new MutationObserver(() => (window.wasAway ||= !away.hidden)).observe(away, { attributes: true })";
    browser.run(watch, Vec::new()).await;
    browser.run(HIDE, vec![json!(true)]).await;
    // A stream that is still there would end here, and the page would say so before it could show the job.
    let address = door.address;
    door.close().await;
    let _door = Door::open_at(&house, address).await;
    house.submit_one().await;
    browser.run(HIDE, vec![json!(false)]).await;
    browser.until("jobs.children.length === 1").await;
    assert_eq!(browser.value("window.wasAway ?? false").await, json!(false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forgotten_while_nobody_sees_the_page_is_gone_from_it() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    puppet.act(Act::Finish);
    let [gone, kept] = [house.submit_one().await, house.submit_one().await];
    for job in [&gone, &kept] {
        puppet.act(Act::Finish);
        house.finished(job.id).await;
    }
    browser.visit(&door).await;
    browser.until("jobs.children.length === 2").await;
    browser.run(HIDE, vec![json!(true)]).await;
    house.intake().forget(&admin(), JobRef::Id(gone.id)).await.unwrap();
    browser.run(HIDE, vec![json!(false)]).await;
    browser.until("jobs.children.length === 1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_photo_that_waits_behind_more_than_a_snapshot_tells_of_stays_on_its_page() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.png");
    std::fs::write(&photo, picture(16, 9)).unwrap();
    house.submit_one().await;
    puppet.begun();
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    browser.choose(&[&photo]).await;
    browser.click("#paint").await;
    browser.until("caption.textContent.includes('Next in line')").await;
    let address = door.address;
    door.close().await;
    for _ in 0..201 {
        house.submit_one().await;
    }
    // After a refusal the browser forgets how far it had read, so that a snapshot is what it gets next.
    refuse_a_watcher(address).await;
    let _door = Door::open_at(&house, address).await;
    browser.until("away.hidden && document.querySelectorAll('#jobs > *').length > 5").await;
    browser.until("caption.textContent.includes('Next in line')").await;
}

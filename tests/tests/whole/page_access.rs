//! The page in a browser: who gets in, and what may run there.

use std::str::FromStr;

use daemon::access::{Role, tokens};
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use reqwest::{Method, Url};
use serde_json::json;
use tests::{Act, Browser, DESK, Door, House, picture, puppet};

/// Has a script run in each page before the page's own.
#[derive(Debug)]
struct RunFirst(&'static str);

impl WebDriverCompatibleCommand for RunFirst {
    fn endpoint(&self, driver: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        driver.join(&format!("session/{}/goog/cdp/execute", session.expect("the session is open")))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        let command = json!({ "cmd": "Page.addScriptToEvaluateOnNewDocument", "params": { "source": self.0 } });
        (Method::POST, Some(command.to_string()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_and_no_script_sees_the_session() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let token = tokens::add(&file, "sam", Role::Submit).unwrap();
    let looker = tokens::add(&file, "vera", Role::View).unwrap();
    let (engine, puppet) = puppet("a");
    let house = House::open_with(vec![engine], |config| config.auth.tokens_file = Some(file));
    let door = Door::open(&house).await;
    let photo = folder.path().join("photo.png");
    std::fs::write(&photo, picture(12, 8)).unwrap();

    browser.visit(&door).await;
    browser.until("!gate.hidden && studio.hidden && document.activeElement.id === 'token'").await;
    browser.type_into("#token", "guess").await;
    browser.press(Key::Enter).await;
    browser.until("document.getElementById('sign-in-problem').textContent === 'No such token'").await;
    browser.type_into("#token", &token).await;
    browser.press(Key::Enter).await;
    browser.until("gate.hidden && !studio.hidden").await;

    // The stream, the previews and the painting come with the cookie alone.
    browser.until("[...styles.querySelectorAll('img')].every((image) => image.naturalWidth > 100)").await;
    browser.choose(&[&photo]).await;
    browser.click("#paint").await;
    puppet.act(Act::Finish);
    browser.until("!painting.hidden && painting.naturalWidth === 12").await;

    assert_eq!(browser.value("document.cookie").await, json!(""));
    let stored = "JSON.stringify([localStorage, sessionStorage]).includes(arguments[0])";
    assert_eq!(browser.run(&format!("return {stored}"), vec![json!(token)]).await, json!(false));
    let cookies = browser.window.get_all_cookies().await.unwrap();
    let [cookie] = cookies.as_slice() else { panic!("one cookie, not {cookies:?}") };
    assert_eq!(cookie.http_only(), Some(true));
    assert_eq!(cookie.same_site().map(|rule| rule.to_string()).as_deref(), Some("Strict"));

    // Whoever could not be signed out still is signed in, and can try again.
    let lose = "const real = fetch;
                window.fetch = async (path, request) => {
                  if (request?.method === 'DELETE') throw new TypeError('lost');
                  return real(path, request);
                }";
    browser.run(lose, Vec::new()).await;
    browser.click("#sign-out").await;
    browser.until("problem.textContent.startsWith('The daemon does not answer')").await;
    browser.window.refresh().await.unwrap();
    browser.until("!studio.hidden && jobs.children.length === 1").await;
    browser.click(".job-open").await;
    browser.until("compare.dataset.shows === 'both'").await;
    browser.click("#sign-out").await;
    browser.until("!gate.hidden && studio.hidden").await;
    browser.type_into("#token", &looker).await;
    browser.press(Key::Enter).await;
    browser.until("!studio.hidden && paint.hidden && !looking.hidden").await;
    let kept = "return import('/assets/app.js').then(({ keptPhotos }) => keptPhotos())";
    assert_eq!(browser.run(kept, Vec::new()).await, json!([]), "the photos of somebody else");
    browser.click(".job-open").await;
    browser.until("compare.dataset.shows === 'painting' && !painting.hidden").await;
    house.submit_one().await;
    browser.until("jobs.children[0].dataset.state === 'running'").await;
    let offered = "document.querySelectorAll('[data-do]:not([hidden], [data-do=download])').length";
    assert_eq!(browser.value(offered).await, json!(0), "what a viewer may not do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_blocks_site_data_keeps_nothing_and_paints() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens.toml");
    let token = tokens::add(&file, "sam", Role::Submit).unwrap();
    let (engine, puppet) = puppet("a");
    let house = House::open_with(vec![engine], |config| config.auth.tokens_file = Some(file));
    let door = Door::open(&house).await;
    let photo = folder.path().join("photo.png");
    std::fs::write(&photo, picture(12, 8)).unwrap();
    let block = "const refuse = () => { throw new DOMException('denied', 'SecurityError') };
                 Object.defineProperty(window, 'localStorage', { get: refuse });
                 IDBFactory.prototype.open = refuse";
    browser.window.issue_cmd(RunFirst(block)).await.unwrap();
    browser.visit(&door).await;
    browser.until("!gate.hidden").await;
    browser.type_into("#token", &token).await;
    browser.press(Key::Enter).await;
    browser.until("!studio.hidden").await;
    browser.complaints().await;
    browser.choose(&[&photo]).await;
    browser.click("#paint").await;
    puppet.act(Act::Finish);
    browser.until("!painting.hidden && painting.naturalWidth === 12").await;
    assert_eq!(browser.complaints().await, [""; 0], "nothing fails");
    browser.click("#sign-out").await;
    browser.until("!gate.hidden && studio.hidden").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_but_the_page_s_own_script() {
    let Some(browser) = Browser::start(DESK).await else { return };
    let (engine, _puppet) = puppet("a");
    let house = House::open(vec![engine]);
    let door = Door::open(&house).await;
    browser.visit(&door).await;
    browser.until("!studio.hidden").await;
    assert_eq!(browser.complaints().await, [""; 0]);
    let smuggle = "const script = document.createElement('script');
                   script.textContent = 'window.smuggled = true';
                   document.body.append(script);
                   const image = new Image();
                   image.src = 'http://127.0.0.1:9/picture.png';
                   document.body.insertAdjacentHTML('beforeend', '<p id=dyed style=\"color: red\">dyed</p>');
                   return [window.smuggled ?? false, getComputedStyle(dyed).color === 'rgb(255, 0, 0)']";
    assert_eq!(browser.run(smuggle, Vec::new()).await, json!([false, false]));
    let complaints = browser.complaints().await;
    for kind in ["inline script", "loading the image", "inline style"] {
        let is_told = complaints.iter().any(|line| line.to_lowercase().contains(kind));
        assert!(is_told, "{kind}: {complaints:?}");
    }
}

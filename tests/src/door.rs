//! A house's front door, on a port of its own, and two ways to knock: a well-behaved client and a bare socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use daemon::access::{Guard, Signer};
use daemon::http::{Front, Listeners, Patience, serve};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::House;

/// How long a test waits for an answer before it counts as a hang.
const LONG: Duration = Duration::from_secs(20);

/// An open front door.
pub struct Door {
    /// Where it is.
    pub address: SocketAddr,
    /// A client that follows nothing and remembers nothing, not even connections: an impatient daemon closes idle ones.
    pub client: Client,
    /// Signs links as the daemon's mails do.
    pub signer: Signer,
    closing: CancellationToken,
    serving: JoinHandle<()>,
}

impl Door {
    /// Opens the door that the house's configuration describes, on a port of its own.
    pub async fn open(house: &House) -> Self {
        Self::open_with(house, Patience::default()).await
    }

    /// Opens a door with less patience than usual.
    pub async fn open_with(house: &House, patience: Patience) -> Self {
        Self::open_on(house, patience, 0).await
    }

    /// Opens a door where one has been before.
    pub async fn open_at(house: &House, address: SocketAddr) -> Self {
        Self::open_on(house, Patience::default(), address.port()).await
    }

    async fn open_on(house: &House, patience: Patience, port: u16) -> Self {
        let mut server = house.config.server.clone();
        server.listen.set_port(port);
        let listeners = Listeners::bind(&server).await.unwrap();
        let address = listeners.address().unwrap();
        let signer = Signer::open(&house.config.data.dir).unwrap();
        let guard = Arc::new(Guard::open(&house.config, signer.clone()).unwrap());
        let front = Front { intake: house.intake().clone(), guard, patience };
        let closing = CancellationToken::new();
        let serving = tokio::spawn(serve(listeners, front, closing.clone()));
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(0)
            .timeout(LONG)
            .build()
            .unwrap();
        Self { address, client, signer, closing, serving }
    }

    /// Begins a request.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// Asks for something.
    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// Asks for a JSON document.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }

    /// Posts something without a body.
    pub async fn post(&self, path: &str) -> Response {
        self.request(Method::POST, path).send().await.unwrap()
    }

    /// Sends a form somewhere.
    pub async fn form(&self, path: &str, form: reqwest::multipart::Form) -> Response {
        self.request(Method::POST, path).multipart(form).send().await.unwrap()
    }

    /// Sends a form.
    pub async fn stylize(&self, form: reqwest::multipart::Form) -> Response {
        self.form("/v1/stylize", form).await
    }

    /// Opens a bare connection.
    pub async fn raw(&self) -> Raw {
        Raw { stream: TcpStream::connect(self.address).await.unwrap() }
    }

    /// Starts to close the door.
    pub fn begin_to_close(&self) {
        self.closing.cancel();
    }

    /// Closes the door and waits until everybody has left.
    pub async fn close(self) {
        self.closing.cancel();
        tokio::time::timeout(LONG, self.serving).await.expect("the door closes").unwrap();
    }
}

/// A connection that says what it is told to say.
pub struct Raw {
    /// The connection.
    pub stream: TcpStream,
}

impl Raw {
    /// Says something. A peer that has hung up already is no failure.
    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Listens until the other side hangs up.
    pub async fn rest(&mut self) -> String {
        let mut heard = Vec::new();
        let listened = tokio::time::timeout(LONG, self.stream.read_to_end(&mut heard)).await;
        assert!(listened.is_ok(), "no end after {:?}", String::from_utf8_lossy(&heard));
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// Listens until a text has come.
    pub async fn until(&mut self, text: &str) -> String {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(text) {
            let mut piece = [0; 4096];
            let read = tokio::time::timeout(LONG, self.stream.read(&mut piece)).await.expect("it comes").unwrap();
            assert!(read > 0, "hung up after {:?}", String::from_utf8_lossy(&heard));
            heard.extend_from_slice(&piece[..read]);
        }
        String::from_utf8_lossy(&heard).into_owned()
    }
}

/// Checks that an answer is a problem document of this status and code, and returns its detail.
pub async fn problem(answer: Response, status: u16, code: &str) -> String {
    let (got, headers) = (answer.status(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    assert_eq!(got, StatusCode::from_u16(status).unwrap(), "{text}");
    assert_eq!(headers["content-type"], "application/problem+json", "{text}");
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&code.into(), &status.into()), "{text}");
    assert_eq!(problem["request_id"], headers["x-request-id"].to_str().unwrap());
    problem["detail"].as_str().unwrap().to_owned()
}

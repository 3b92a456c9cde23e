//! A daemon with its front doors open, and clients for them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use daemon::access::{Guard, Signer};
use daemon::config::Config;
use daemon::engine::Engine;
use daemon::http::{Front, Listeners, Patience, serve};
use protocol::wire::atelier_client::AtelierClient;
use protocol::wire::{StylizeOrder, StylizeRequest, stylize_request::Part};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use crate::House;

/// A [`House`] that is served on a port of its own and on a Unix socket.
pub struct Served {
    /// The daemon behind the doors.
    pub house: House,
    address: SocketAddr,
    socket: PathBuf,
    closing: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Served {
    /// Starts a daemon in a fresh folder and serves it.
    pub async fn open(engines: Vec<Box<dyn Engine>>) -> Self {
        Self::open_with(engines, |_| {}).await
    }

    /// Starts a daemon in a fresh folder with a changed configuration and serves it.
    pub async fn open_with(engines: Vec<Box<dyn Engine>>, change: impl FnOnce(&mut Config)) -> Self {
        let house = House::open_with(engines, change);
        let socket = house.config.data.dir.join("test.sock");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut served = Self { house, address, socket, closing: CancellationToken::new(), serving: None };
        served.serve().await;
        served
    }

    async fn serve(&mut self) {
        let mut config = self.house.config.clone();
        config.server.listen = self.address;
        config.server.unix_socket = Some(self.socket.clone());
        let listeners = Listeners::bind(&config.server).await.unwrap();
        self.address = listeners.address().unwrap();
        let front = Front {
            intake: self.house.intake().clone(),
            guard: Arc::new(Guard::open(&config, Signer::open(&config.data.dir).unwrap()).unwrap()),
            patience: Patience::default(),
        };
        self.closing = CancellationToken::new();
        self.serving = Some(tokio::spawn(serve(listeners, front, self.closing.clone())));
    }

    /// Returns the page's and the API's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the Unix socket's address as the command line takes it.
    #[must_use]
    pub fn socket(&self) -> String {
        format!("unix:{}", self.socket.display())
    }

    /// Ends the daemon as a signal does, doors first.
    pub async fn close(&mut self) {
        if self.house.is_open() {
            self.house.daemon().drain();
        }
        self.closing.cancel();
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap();
        }
        self.house.close();
    }

    /// Ends the daemon and starts another one on the same folder and port.
    pub async fn restart(&mut self, engines: Vec<Box<dyn Engine>>) {
        self.close().await;
        self.house.reopen(engines);
        self.serve().await;
    }

    /// Connects the generated client.
    pub async fn client(&self) -> AtelierClient<Channel> {
        AtelierClient::new(self.channel().await)
    }

    /// Connects a client of any service.
    pub async fn channel(&self) -> Channel {
        Endpoint::from_shared(self.url()).unwrap().connect().await.unwrap()
    }
}

/// The messages of an upload: the order, then the photo in chunks.
pub fn upload(order: StylizeOrder, photo: &[u8]) -> impl futures::Stream<Item = StylizeRequest> + Send + 'static {
    let chunks: Vec<_> = photo.chunks(1000).map(|chunk| Part::Chunk(chunk.to_vec().into())).collect();
    let parts = std::iter::once(Part::Order(order)).chain(chunks);
    futures::stream::iter(parts.map(|part| StylizeRequest { part: Some(part) }))
}

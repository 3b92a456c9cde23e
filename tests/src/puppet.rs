//! A device that says when it begins and waits to be told how to go on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use daemon::engine::{Engine, EngineError, Painted, Profile, Watch};
use models::package::Package;
use models::picture::Picture;
use protocol::DeviceKind;

/// How a test waits for what must happen before it counts as never.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a puppet does with the picture it has begun.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Finish: the painting is the photo.
    Finish,
    /// Fail as a network does that produces NaN.
    NotFinite,
    /// Panic.
    Panic,
}

/// The strings of one puppet.
pub struct Puppet {
    began: Receiver<()>,
    acts: Sender<Act>,
}

impl Puppet {
    /// Waits until the device has begun a picture.
    pub fn begun(&self) {
        self.began.recv_timeout(PATIENCE).expect("the device begins a picture");
    }

    /// Tells the device what to do with the picture it has begun, or with the next one.
    pub fn act(&self, act: Act) {
        self.acts.send(act).unwrap();
    }
}

struct Device {
    name: String,
    began: Sender<()>,
    acts: Receiver<Act>,
}

/// Makes a device and its strings.
#[must_use]
pub fn puppet(name: &str) -> (Box<dyn Engine>, Puppet) {
    let (began_sender, began) = channel();
    let (acts, acts_receiver) = channel();
    let device = Device { name: name.to_owned(), began: began_sender, acts: acts_receiver };
    (Box::new(device), Puppet { began, acts })
}

impl Engine for Device {
    fn profile(&self) -> Profile {
        Profile { name: self.name.clone(), kind: DeviceKind::Cpu, model: None, threads: 1, memory_bytes: 1 << 30 }
    }

    fn paint(&mut self, _: &Arc<Package>, photo: &Picture, _: u64, watch: Watch<'_>) -> Result<Painted, EngineError> {
        let _ = self.began.send(());
        loop {
            if watch(0.5).is_break() {
                return Ok(Painted::Interrupted);
            }
            match self.acts.recv_timeout(Duration::from_millis(2)) {
                Ok(Act::Finish) => return Ok(Painted::Finished(photo.clone())),
                Ok(Act::NotFinite) => return Err(EngineError::NotFinite("layer x is not finite".to_owned())),
                Ok(Act::Panic) => panic!("the puppet was told to panic"),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(Painted::Interrupted),
            }
        }
    }
}

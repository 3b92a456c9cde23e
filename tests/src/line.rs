//! A bad line between a client and a server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the line does to a connection.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is cut once the client has sent so many bytes.
    CutAfter(usize),
    /// An answer with this text in it never arrives, nor does anything after it.
    Swallow(&'static str),
}

/// A line to a server on this machine. Each fault spoils one connection; all others are whole.
pub struct Line {
    /// Where clients connect to.
    pub port: u16,
    fault: Arc<Mutex<Option<Fault>>>,
    struck: Receiver<()>,
}

impl Line {
    /// Lays a line to a port.
    #[must_use]
    pub fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let fault: Arc<Mutex<Option<Fault>>> = Arc::default();
        let (strikes, struck) = channel();
        let next = Arc::clone(&fault);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let fault = next.lock().unwrap().take();
                let answers = Way { from: server.try_clone().unwrap(), to: client.try_clone().unwrap() };
                let questions = Way { from: client, to: server };
                let (cuts, swallows) = (strikes.clone(), strikes.clone());
                thread::spawn(move || {
                    let cut_after = if let Some(Fault::CutAfter(bytes)) = fault { bytes } else { usize::MAX };
                    questions.carry_while(|sent| sent.len() <= cut_after, &cuts).close();
                });
                thread::spawn(move || {
                    let swallowed = if let Some(Fault::Swallow(text)) = fault { Some(text) } else { None };
                    let mut answers = answers.carry_while(|said| !is_in(swallowed, said), &swallows);
                    // Who waits for the answer waits.
                    while answers.from.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
                    answers.close();
                });
            }
        });
        Self { port, fault, struck }
    }

    /// Spoils the next connection.
    pub fn spoil(&self, fault: Fault) {
        *self.fault.lock().unwrap() = Some(fault);
    }

    /// Waits until a fault has struck.
    pub fn has_struck(&self) {
        self.struck.recv_timeout(Duration::from_secs(60)).expect("the line is used");
    }
}

fn is_in(text: Option<&str>, said: &[u8]) -> bool {
    text.is_some_and(|text| said.windows(text.len()).any(|window| window == text.as_bytes()))
}

/// One direction of a connection.
struct Way {
    from: TcpStream,
    to: TcpStream,
}

impl Way {
    /// Carries bytes while all of them, the newest included, are fine; otherwise that is a strike.
    fn carry_while(mut self, is_fine: impl Fn(&[u8]) -> bool, strikes: &Sender<()>) -> Self {
        let (mut carried, mut piece) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = self.from.read(&mut piece) {
            carried.extend_from_slice(&piece[..read]);
            if !is_fine(&carried) {
                let _ = strikes.send(());
                break;
            }
            if self.to.write_all(&piece[..read]).is_err() {
                break;
            }
        }
        self
    }

    fn close(&self) {
        let _ = self.to.shutdown(Shutdown::Both);
        let _ = self.from.shutdown(Shutdown::Both);
    }
}

//! A mail server that does as it is told, and a letter to send to it.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use lettre::Message;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// What the server does with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It takes it.
    Good,
    /// It answers a command, or the whole letter (`"."`), with this line.
    Says(&'static str, &'static str),
    /// It never answers this command.
    Stalls(&'static str),
    /// It hangs up at this command.
    Cuts(&'static str),
}

/// A running server. It ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Every letter that it took.
    pub(crate) taken: Arc<Mutex<Vec<String>>>,
    /// Every command that it heard.
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts a server; with an acceptor it speaks TLS, from the first byte or after STARTTLS.
    pub(crate) async fn start(mood: Mood, tls: Option<TlsAcceptor>, from_the_first_byte: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (taken, heard) = (Arc::default(), Arc::default());
        let talk = Talk { mood, taken: Arc::clone(&taken), heard: Arc::clone(&heard), offers_tls: false };
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (talk, tls) = (talk.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) if from_the_first_byte => {
                            if let Ok(socket) = tls.accept(socket).await {
                                talk.run(socket, "220 here\r\n").await;
                            }
                        }
                        Some(tls) => {
                            let plain = Talk { offers_tls: true, ..talk.clone() };
                            if let Some(socket) = plain.run(socket, "220 here\r\n").await
                                && let Ok(socket) = tls.accept(socket).await
                            {
                                talk.run(socket, "").await;
                            }
                        }
                        None => drop(talk.run(socket, "220 here\r\n").await),
                    }
                });
            }
        });
        Self { address, taken, heard }
    }

    pub(crate) fn taken(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Talk {
    mood: Mood,
    taken: Arc<Mutex<Vec<String>>>,
    heard: Arc<Mutex<Vec<String>>>,
    offers_tls: bool,
}

impl Talk {
    /// Talks until the client goes; returns the socket when it is to be encrypted.
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&self, socket: S, greeting: &str) -> Option<S> {
        let mut socket = BufReader::new(socket);
        socket.write_all(greeting.as_bytes()).await.ok()?;
        socket.flush().await.ok()?;
        let mut line = String::new();
        while {
            line.clear();
            socket.read_line(&mut line).await.ok()?
        } > 0
        {
            let command = line.split([' ', ':', '\r']).next().unwrap_or_default().to_ascii_uppercase();
            self.heard.lock().unwrap().push(line.trim().to_owned());
            if command == "STARTTLS" {
                socket.write_all(b"220 go\r\n").await.ok()?;
                socket.flush().await.ok()?;
                return Some(socket.into_inner());
            }
            self.answer(&mut socket, &command).await?;
            if command == "DATA" && !matches!(self.mood, Mood::Says("DATA", _)) {
                let letter = read_letter(&mut socket).await?;
                if matches!(self.mood, Mood::Good) {
                    self.taken.lock().unwrap().push(letter);
                }
                self.answer(&mut socket, ".").await?;
            }
        }
        None
    }

    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(&self, socket: &mut BufReader<S>, command: &str) -> Option<()> {
        let usual = match command {
            "EHLO" if self.offers_tls => "250-here\r\n250 STARTTLS",
            "EHLO" => "250-here\r\n250 AUTH PLAIN",
            "AUTH" => "235 welcome",
            "DATA" => "354 go on",
            "." => "250 taken as 4711",
            "QUIT" => "221 bye",
            _ => "250 fine",
        };
        let line = match self.mood {
            Mood::Says(at, line) if at == command => line,
            Mood::Stalls(at) if at == command => std::future::pending().await,
            Mood::Cuts(at) if at == command => return None,
            _ => usual,
        };
        socket.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
        socket.flush().await.ok()
    }
}

async fn read_letter<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut BufReader<S>) -> Option<String> {
    let mut letter = String::new();
    let mut line = String::new();
    loop {
        line.clear();
        socket.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
        if line == ".\r\n" {
            return Some(letter);
        }
        letter.push_str(&line);
    }
}

/// A letter to `me@example.org`.
pub(crate) fn message() -> Message {
    Message::builder()
        .message_id(Some("<1@example.org>".to_owned()))
        .date(std::time::SystemTime::UNIX_EPOCH)
        .from("Atelier <atelier@example.org>".parse().unwrap())
        .to("me@example.org".parse().unwrap())
        .subject("A painting")
        .body("Hello\r\n.\r\nthe line above is a dot\r\n".to_owned())
        .unwrap()
}

//! A TCP proxy that makes the network slow, cuts it, or counts what passes.

mod connection;
mod fuse;
mod state;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::{During, Error, Result};
use crate::port;
use fuse::Fuse;
use state::{Doors, State};

/// A proxy on a port of `127.0.0.1` before one address. It is gone, and its connections cut, when
/// the value is dropped.
///
/// What is set applies at once, to connections that are there and to later ones. What passes is
/// not understood but for two things of PostgreSQL's protocol, both only without TLS: the end of
/// an answer, and the words that [`cut_before_reply_to`](Self::cut_before_reply_to) looks for.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts a proxy that passes everything on at once.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()));
        let listener =
            TcpListener::bind(address).during(format_args!("the proxy listens on {address}"))?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let listening = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || listen(listener, address, target, &shared))
            .during("starting the proxy's thread")?;
        Ok(Self { address, state, listening: Some(listening) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `url` with its host and port replaced by the proxy's. `url` must be one over TCP, with one
    /// host.
    pub fn url(&self, url: &str) -> String {
        let start = url.find("://").map_or(0, |at| at + 3);
        let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
        let host = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
        format!("{}{}{}", &url[..host], self.address, &url[end..])
    }

    /// Delays everything by `latency`, each way: a round trip takes twice as much longer. Delays
    /// run side by side, so that throughput stays what it was. The system may add some 0.1 ms.
    pub fn set_latency(&self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.state.latency.store(nanoseconds, Ordering::Relaxed);
    }

    /// Closes every connection at once; what is under way is lost.
    pub fn cut_all(&self) {
        for connection in self.state.connections() {
            connection.cut(&self.state);
        }
    }

    /// Whether new connections are refused (nobody listens). Those that are there stay.
    pub fn refuse(&self, refuse: bool) -> Result<()> {
        self.state.set_doors(if refuse { Doors::Shut } else { Doors::Open });
        if refuse {
            self.wake_listener();
        }
        if self.state.wait_for_listener(!refuse) {
            Ok(())
        } else {
            Err(Error::Failed(format!("the proxy cannot listen on {} again", self.address)))
        }
    }

    /// Whether connections stay but nothing passes in either direction. What arrives meanwhile
    /// passes when this ends, as on a network that was interrupted.
    pub fn black_hole(&self, swallow: bool) {
        self.state.set_black_hole(swallow);
    }

    /// Cuts the connection on which the `bytes`th byte from now on goes to the server, counted
    /// over all connections; that byte still goes.
    pub fn cut_after_bytes(&self, bytes: u64) {
        self.state.set_fuse(Fuse::Bytes(bytes));
    }

    /// Lets the `request`th request from now on (the first is 1, counted over all connections)
    /// reach the server, waits until the server has answered it in full, keeps the answer, and
    /// cuts the connection: it was done and its client cannot know.
    ///
    /// A request is everything that a client sends until the answer comes.
    pub fn cut_before_reply(&self, request: u64) {
        self.state.set_fuse(Fuse::Requests(request.max(1)));
    }

    /// The same for the next request in which `words` occur, in one piece and in exactly these
    /// bytes, such as `COMMIT`.
    pub fn cut_before_reply_to(&self, words: &str) {
        self.state.set_fuse(Fuse::Words(words.as_bytes().to_vec()));
    }

    /// Whether a cut that was asked for has not happened yet.
    pub fn is_cut_pending(&self) -> bool {
        self.state.is_fuse_set()
    }

    /// How many requests clients have sent: changes of direction from the server's answers (or the
    /// start of the connection) to the client. Connecting takes one or more of them.
    pub fn round_trips(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// How many bytes passed, in both directions.
    pub fn bytes(&self) -> u64 {
        self.state.bytes.load(Ordering::Relaxed)
    }

    /// How many connections were accepted.
    pub fn accepted(&self) -> u64 {
        self.state.accepted.load(Ordering::Relaxed)
    }

    /// How many connections there are now.
    pub fn open_connections(&self) -> usize {
        self.state.connections().len()
    }

    /// Sets [`round_trips`](Self::round_trips), [`bytes`](Self::bytes) and
    /// [`accepted`](Self::accepted) to 0.
    pub fn reset_counters(&self) {
        for counter in [&self.state.requests, &self.state.bytes, &self.state.accepted] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    /// The listener looks at its state when somebody connects.
    fn wake_listener(&self) {
        // Refused where it does not listen, and then it is awake.
        drop(TcpStream::connect(self.address));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.set_doors(Doors::Gone);
        self.wake_listener();
        if let Some(listening) = self.listening.take() {
            // Its panic was printed, and a panic here would hide the test's own.
            let _ = listening.join();
        }
        self.cut_all();
    }
}

fn listen(listener: TcpListener, address: SocketAddr, target: SocketAddr, state: &Arc<State>) {
    let mut listener = Some(listener);
    loop {
        match state.doors() {
            Doors::Gone => return,
            Doors::Shut => {
                listener = None;
                state.set_listening(false);
                state.wait_until_not_shut();
            }
            Doors::Open => {
                if listener.is_none() {
                    listener = TcpListener::bind(address).ok();
                }
                let Some(open) = &listener else {
                    thread::sleep(Duration::from_millis(5));
                    continue;
                };
                state.set_listening(true);
                if let Ok((client, _)) = open.accept()
                    && state.doors() == Doors::Open
                {
                    connection::open(client, target, state);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Proxy;

    #[test]
    fn a_url_leads_to_the_proxy() {
        let proxy = Proxy::start(([127, 0, 0, 1], 1).into()).unwrap();
        let here = proxy.address();
        let url = proxy.url("postgres://u:a%40@127.0.0.1:5/d?sslmode=require");
        assert_eq!(url, format!("postgres://u:a%40@{here}/d?sslmode=require"));
        assert_eq!(proxy.url("postgres://127.0.0.1"), format!("postgres://{here}"));
    }
}

//! One proxied connection: a reader and a writer thread each way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::fuse::Verdict;
use super::state::{Doors, State};

/// The most that is read at once.
const PIECE: usize = 64 * 1024;

/// How many pieces may be under way in one direction before the sender has to wait.
const UNDER_WAY: usize = 256;

/// When a kept answer counts as complete although its end was not seen.
const QUIET: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Connection {
    client: TcpStream,
    server: TcpStream,
    cut: AtomicBool,
    /// Whether the last thing that passed came from the server, so that the next bytes of the
    /// client begin a request.
    answered: AtomicBool,
    /// Whether answers are kept, and the connection is cut after the next one.
    doomed: AtomicBool,
}

/// Bytes on their way.
struct Piece {
    due: Instant,
    bytes: Vec<u8>,
    then: Verdict,
}

/// Connects to the server and starts passing on. Where the server is not there, the client's
/// connection is closed.
pub(super) fn open(client: TcpStream, target: SocketAddr, state: &Arc<State>) {
    let Ok(server) = TcpStream::connect(target) else { return };
    // Delays are the proxy's own business.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let connection = Arc::new(Connection {
        client,
        server,
        cut: AtomicBool::new(false),
        answered: AtomicBool::new(true),
        doomed: AtomicBool::new(false),
    });
    state.add(Arc::clone(&connection));
    let state = Arc::clone(state);
    // Four threads more end with this one. It fails only when the system has no threads left, and
    // then the client sees its connection close.
    let _ = thread::Builder::new().name("proxied".to_owned()).spawn(move || {
        if state.doors() != Doors::Gone {
            connection.pass(&state);
        }
        connection.cut(&state);
        state.remove(&connection);
    });
}

impl Connection {
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Closes both sides at once.
    pub(super) fn cut(&self, state: &State) {
        self.cut.store(true, Ordering::Relaxed);
        // They fail only when the other side has closed already.
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
        state.wake();
    }

    /// Passes on both ways until both sides are done.
    fn pass(&self, state: &State) {
        let (requests, to_server) = sync_channel(UNDER_WAY);
        let (answers, to_client) = sync_channel(UNDER_WAY);
        thread::scope(|scope| {
            scope.spawn(move || self.read_client(state, &requests));
            scope.spawn(move || self.write_server(state, &to_server));
            scope.spawn(move || self.read_server(state, &answers));
            self.write_client(state, &to_client);
        });
    }

    fn read_client(&self, state: &State, requests: &SyncSender<Piece>) {
        while let Some(mut bytes) = read(&self.client) {
            let new_request = bytes != GOODBYE && self.answered.swap(false, Ordering::Relaxed);
            state.requests.fetch_add(u64::from(new_request), Ordering::Relaxed);
            let then = state.judge(&bytes, new_request);
            if let Verdict::PassThenCut(size) = then {
                bytes.truncate(size);
            }
            if requests.send(Piece { due: Instant::now() + state.latency(), bytes, then }).is_err()
            {
                return;
            }
        }
    }

    fn write_server(&self, state: &State, requests: &Receiver<Piece>) {
        for piece in requests {
            if piece.then == Verdict::CutBeforeReply {
                self.doomed.store(true, Ordering::Release);
            }
            if !self.deliver(&self.server, &piece, state) {
                return self.cut(state);
            }
            if matches!(piece.then, Verdict::PassThenCut(_)) {
                return self.cut(state);
            }
        }
        let _ = self.server.shutdown(Shutdown::Write);
    }

    fn read_server(&self, state: &State, answers: &SyncSender<Piece>) {
        while let Some(bytes) = read(&self.server) {
            if self.doomed.load(Ordering::Acquire) {
                self.keep_answer(bytes);
                return self.cut(state);
            }
            let due = Instant::now() + state.latency();
            if answers.send(Piece { due, bytes, then: Verdict::Pass }).is_err() {
                return;
            }
        }
    }

    fn write_client(&self, state: &State, answers: &Receiver<Piece>) {
        for piece in answers {
            self.answered.store(true, Ordering::Relaxed);
            if !self.deliver(&self.client, &piece, state) {
                return self.cut(state);
            }
        }
        let _ = self.client.shutdown(Shutdown::Write);
    }

    /// Reads an answer to its end: until the server says that it is ready for the next request.
    fn keep_answer(&self, mut answer: Vec<u8>) {
        // Without it, an answer that is no end of a request would be waited on for ever.
        let _ = self.server.set_read_timeout(Some(QUIET));
        while !ends_with_ready(&answer) {
            let Some(more) = read(&self.server) else { return };
            let rest = answer.len().saturating_sub(READY.len() + 1);
            answer.drain(..rest);
            answer.extend(more);
        }
    }

    /// Writes a piece when it is due; `false` when the connection is gone.
    fn deliver(&self, mut to: &TcpStream, piece: &Piece, state: &State) -> bool {
        if let Some(wait) = piece.due.checked_duration_since(Instant::now()) {
            sleep(wait);
        }
        state.wait_while_black_hole(self);
        if self.is_cut() {
            return false;
        }
        state.bytes.fetch_add(piece.bytes.len() as u64, Ordering::Relaxed);
        to.write_all(&piece.bytes).is_ok()
    }
}

/// The message `Terminate`, which nobody answers and which is therefore no request.
const GOODBYE: [u8; 5] = [b'X', 0, 0, 0, 4];

/// The message `ReadyForQuery`, without its last byte, the state of the transaction.
const READY: [u8; 5] = [b'Z', 0, 0, 0, 5];

fn ends_with_ready(answer: &[u8]) -> bool {
    answer.split_last().is_some_and(|(_, start)| start.ends_with(&READY))
}

/// What has arrived; `None` when nothing more comes.
fn read(mut from: &TcpStream) -> Option<Vec<u8>> {
    let mut bytes = vec![0; PIECE];
    match from.read(&mut bytes) {
        Ok(0) | Err(_) => None,
        Ok(size) => {
            bytes.truncate(size);
            Some(bytes)
        }
    }
}

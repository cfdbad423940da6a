//! Accepts connections, a thread each, until it is stopped.

use std::collections::HashMap;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::connection;
use super::error::DepotError;
use super::reply::{Answer, ErrorType};
use super::route::Routes;
use crate::sys::socket::send_unpaced;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A listening socket and what is said on its connections.
#[derive(Debug)]
pub(super) struct Server {
    listener: TcpListener,
    address: SocketAddr,
    routes: Routes,
    limits: Limits,
    stop: Arc<Stop>,
    stopped: PipeReader,
}

/// What one client may take.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    /// Connections at once. Each has a thread and two or three descriptors, of the 1,024 that a process
    /// has by default.
    pub(super) connections: usize,
    /// How long a connection may wait for its next request.
    pub(super) idle: Duration,
    /// How long the head of a request may take, once it has begun.
    pub(super) head: Duration,
    /// How long a client may take nothing of an answer. Long: a container may well do something else
    /// before it reads on, and clients that are gone are found out by keep-alive.
    pub(super) stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            idle: Duration::from_secs(75),
            head: Duration::from_secs(30),
            stall: Duration::from_secs(3600),
        }
    }
}

/// Stops a depot.
#[derive(Debug, Clone)]
pub struct StopHandle(Arc<Stop>);

impl StopHandle {
    /// Makes [`Depot::serve`](super::Depot::serve) close its connections and return. Does not wait.
    pub fn stop(&self) {
        if !self.0.asked.swap(true, Ordering::SeqCst) {
            // One byte into an empty pipe: does not block, and cannot fail while the depot is there.
            let _ = (&self.0.waker).write_all(&[0]);
        }
    }
}

#[derive(Debug)]
struct Stop {
    asked: AtomicBool,
    waker: PipeWriter,
}

/// The sockets of the threads at work, to be shut down from outside.
type Connections = Mutex<HashMap<u64, Arc<TcpStream>>>;

impl Server {
    pub(super) fn new(
        listener: TcpListener,
        routes: Routes,
        limits: Limits,
    ) -> Result<Self, DepotError> {
        let wait = |source| DepotError::Wait { source };
        let address = listener.local_addr().map_err(wait)?;
        // A client that went away between poll and accept must not hold the loop.
        listener.set_nonblocking(true).map_err(wait)?;
        if address.ip().to_canonical().is_loopback() {
            // Without it they are slower.
            let _ = send_unpaced(&listener);
        }
        let (stopped, waker) = io::pipe().map_err(wait)?;
        let stop = Arc::new(Stop { asked: AtomicBool::new(false), waker });
        Ok(Self { listener, address, routes, limits, stop, stopped })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn stop_handle(&self) -> StopHandle {
        StopHandle(Arc::clone(&self.stop))
    }

    /// Serves until it is stopped, and until the last thread has ended.
    pub(super) fn serve(&self) -> Result<(), DepotError> {
        let open = Connections::default();
        thread::scope(|threads| {
            let result = self.accept_all(threads, &open);
            for socket in lock(&open).values() {
                // One that is closed already need not be.
                let _ = socket.shutdown(Shutdown::Both);
            }
            result
        })
    }

    fn accept_all<'s, 'e>(
        &'e self,
        threads: &'s thread::Scope<'s, 'e>,
        open: &'e Connections,
    ) -> Result<(), DepotError> {
        let mut number = 0;
        let mut pause = PollTimeout::NONE;
        loop {
            let listener = if pause.is_none() { PollFlags::POLLIN } else { PollFlags::empty() };
            let mut ready = [
                PollFd::new(self.stopped.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.listener.as_fd(), listener),
            ];
            match poll(&mut ready, pause) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(DepotError::Wait { source: errno.into() }),
            }
            if self.stop.asked.load(Ordering::SeqCst) {
                return Ok(());
            }
            pause = PollTimeout::NONE;
            match self.listener.accept() {
                Ok((socket, _)) => {
                    number += 1;
                    self.admit(socket, number, threads, open);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "the depot cannot accept a connection");
                    pause = PAUSE_MILLISECONDS.into();
                }
            }
        }
    }

    /// Gives a connection its thread, or tells it that there is none.
    fn admit<'s, 'e>(
        &'e self,
        socket: TcpStream,
        number: u64,
        threads: &'s thread::Scope<'s, 'e>,
        open: &'e Connections,
    ) {
        let socket = Arc::new(socket);
        let full = lock(open).len() >= self.limits.connections;
        let serve = {
            let socket = Arc::clone(&socket);
            move || {
                connection::serve(&socket, &self.routes, &self.limits);
                lock(open).remove(&number);
            }
        };
        if !full {
            lock(open).insert(number, Arc::clone(&socket));
            let thread = thread::Builder::new().name("depot".to_owned()).stack_size(STACK);
            match thread.spawn_scoped(threads, serve) {
                Ok(_) => return,
                Err(error) => {
                    tracing::warn!(%error, "the depot cannot start a thread");
                    lock(open).remove(&number);
                }
            }
        }
        refuse(&socket);
    }
}

/// 503, in one write that does not wait: a socket that is new has room for it.
fn refuse(socket: &TcpStream) {
    let why = "This depot has as many connections as it serves at once.";
    let answer = Answer::error(503, ErrorType::Rest, why);
    let message = answer.head_and_text(false);
    let mut socket = socket;
    let _ = socket.set_nonblocking(true).and_then(|()| socket.write_all(&message));
}

/// Errors of accept(2) that are the client's, and `EAGAIN` when it has gone.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
    )
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // No thread panics with half a change in a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long accepting rests when the process or the machine has no more descriptors.
const PAUSE_MILLISECONDS: u8 = 200;
/// A connection's thread parses a head and writes JSON.
const STACK: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use tempfile::TempDir;

    use super::super::tree::Tree;
    use super::*;

    /// Serves an empty folder while `clients` are at work.
    fn serve(limits: Limits, clients: impl FnOnce(SocketAddr)) {
        let directory = TempDir::new().unwrap();
        let tree = Tree::open(directory.path()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::new(listener, Routes::new(Arc::new(tree), None), limits).unwrap();
        thread::scope(|threads| {
            threads.spawn(|| server.serve().unwrap());
            clients(server.address());
            server.stop_handle().stop();
        });
    }

    #[test]
    fn what_it_accepts_over_loopback_is_not_paced() {
        let directory = TempDir::new().unwrap();
        let routes = Routes::new(Arc::new(Tree::open(directory.path()).unwrap()), None);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::new(listener, routes, Limits::default()).unwrap();
        let _client = connect(server.address());
        // It is complete: connect has returned.
        let (accepted, _) = server.listener.accept().unwrap();
        let name = socket2::SockRef::from(&accepted).tcp_congestion().unwrap();
        assert!(name.starts_with(b"reno"), "{name:?}");
    }

    fn connect(address: SocketAddr) -> TcpStream {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    }

    fn ask(mut socket: &TcpStream, bytes: &str) {
        socket.write_all(bytes.as_bytes()).unwrap();
    }

    fn rest(mut socket: &TcpStream) -> String {
        let mut all = String::new();
        socket.read_to_string(&mut all).unwrap();
        all
    }

    const REQUEST: &str = "GET /api/v1/system/version HTTP/1.1\r\nHost: x\r\n";

    #[test]
    fn a_connection_that_is_idle_for_too_long_is_closed() {
        serve(Limits { idle: Duration::from_millis(50), ..Limits::default() }, |address| {
            let silent = connect(address);
            assert_eq!(rest(&silent), "");
            let one_request = connect(address);
            ask(&one_request, &format!("{REQUEST}\r\n"));
            assert!(rest(&one_request).starts_with("HTTP/1.1 200 OK\r\n"));
        });
    }

    #[test]
    fn a_head_that_does_not_become_whole_in_time_is_answered_with_408() {
        serve(Limits { head: Duration::from_millis(50), ..Limits::default() }, |address| {
            let slow = connect(address);
            ask(&slow, REQUEST);
            assert!(rest(&slow).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
        });
    }

    #[test]
    fn one_connection_too_many_is_told_so_and_the_others_go_on() {
        serve(Limits { connections: 2, ..Limits::default() }, |address| {
            let admitted = [connect(address), connect(address)];
            for socket in &admitted {
                // Once it has an answer, it has a thread.
                ask(socket, &format!("{REQUEST}\r\n"));
                socket.peek(&mut [0]).unwrap();
            }
            assert!(rest(&connect(address)).starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
            let [first, second] = admitted;
            ask(&first, &format!("{REQUEST}Connection: close\r\n\r\n"));
            assert_eq!(rest(&first).matches("HTTP/1.1 200 OK").count(), 2);
            drop(second);
        });
    }
}

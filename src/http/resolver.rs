//! The addresses of hosts, for all who share it: one look-up a host and minute, whoever asks.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};

/// Finds the addresses of hosts. The clones share what was found.
///
/// `getaddrinfo` blocks, so at most [`THREADS`] threads ask the system, and end when they have nothing to do.
/// What was found is good for [`GOOD_FOR`]; that a host was not found is not kept.
#[derive(Clone, Default)]
pub struct Resolver {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    hosts: Mutex<Hosts>,
    /// There is a name to be asked for.
    wanted: Condvar,
}

#[derive(Default)]
struct Hosts {
    known: HashMap<String, Known>,
    wanted: VecDeque<String>,
    threads: usize,
    idle: usize,
}

enum Known {
    /// The system is being asked, for these.
    Asked(Vec<Waiter>),
    /// The port of the addresses says nothing.
    Found { addresses: Vec<SocketAddr>, until: Instant },
}

/// Who waits for the addresses of a host.
struct Waiter {
    port: u16,
    then: Box<dyn FnOnce(io::Result<Vec<SocketAddr>>) + Send>,
}

impl Resolver {
    /// Knows no host yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds the addresses of a host, and tells them to `then`: at once if they are known, otherwise from
    /// another thread.
    pub fn find(
        &self,
        host: &str,
        port: u16,
        then: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static,
    ) {
        let waiter = Waiter { port, then: Box::new(then) };
        let mut hosts = self.shared.lock();
        match hosts.known.get_mut(host) {
            Some(Known::Found { addresses, until }) if Instant::now() < *until => {
                let found = Ok(addresses.clone());
                drop(hosts);
                return waiter.tell(found);
            }
            Some(Known::Asked(waiters)) => return waiters.push(waiter),
            _ => {}
        }
        hosts.known.insert(host.to_owned(), Known::Asked(vec![waiter]));
        hosts.wanted.push_back(host.to_owned());
        self.shared.wanted.notify_one();
        if hosts.idle >= hosts.wanted.len() || hosts.threads == THREADS {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let spawned =
            thread::Builder::new().name("gantline-lookup".into()).spawn(move || shared.serve());
        match spawned {
            Ok(_) => hosts.threads += 1,
            Err(_) if hosts.threads > 0 => {}
            Err(error) => {
                drop(hosts);
                self.shared.told(host, Err(error));
            }
        }
    }

    /// Finds the addresses of a host, and blocks until they are known.
    ///
    /// # Errors
    /// `getaddrinfo` failed. [`io::ErrorKind::TimedOut`]: it took longer than `limit`.
    pub fn wait(&self, host: &str, port: u16, limit: Duration) -> io::Result<Vec<SocketAddr>> {
        let (teller, told) = bounded(1);
        self.find(host, port, move |found| {
            // Who does not wait any more does not want it.
            let _ = teller.send(found);
        });
        told.recv_timeout(limit).map_err(|error| match error {
            RecvTimeoutError::Timeout => io::Error::from(io::ErrorKind::TimedOut),
            RecvTimeoutError::Disconnected => io::Error::other("nobody looks for the host"),
        })?
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the system for what is wanted, until nothing was for a while.
    fn serve(&self) {
        let mut hosts = self.lock();
        loop {
            if let Some(host) = hosts.wanted.pop_front() {
                drop(hosts);
                self.told(&host, ask(&host));
                hosts = self.lock();
                continue;
            }
            hosts.idle += 1;
            let (woken, waited) =
                self.wanted.wait_timeout(hosts, IDLE).unwrap_or_else(PoisonError::into_inner);
            hosts = woken;
            hosts.idle -= 1;
            if waited.timed_out() && hosts.wanted.is_empty() {
                hosts.threads -= 1;
                return;
            }
        }
    }

    /// Tells what was found to all who wait for it, and keeps it.
    fn told(&self, host: &str, found: io::Result<Vec<SocketAddr>>) {
        let mut hosts = self.lock();
        let waiters = match hosts.known.remove(host) {
            Some(Known::Asked(waiters)) => waiters,
            _ => Vec::new(),
        };
        if let Ok(addresses) = &found {
            let now = Instant::now();
            hosts
                .known
                .retain(|_, known| !matches!(known, Known::Found { until, .. } if *until < now));
            if hosts.known.len() < MOST && !addresses.is_empty() {
                let (addresses, until) = (addresses.clone(), now + GOOD_FOR);
                hosts.known.insert(host.to_owned(), Known::Found { addresses, until });
            }
        }
        drop(hosts);
        for waiter in waiters {
            waiter.tell(match &found {
                Ok(addresses) => Ok(addresses.clone()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            });
        }
    }
}

impl Waiter {
    fn tell(self, found: io::Result<Vec<SocketAddr>>) {
        (self.then)(found.map(|mut addresses| {
            addresses.iter_mut().for_each(|address| address.set_port(self.port));
            addresses
        }));
    }
}

/// Asks the system, and blocks for as long as it takes.
fn ask(host: &str) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in (host, 0).to_socket_addrs()? {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Ok(addresses)
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("hosts", &self.shared.lock().known.len()).finish()
    }
}

/// Threads that ask at the same time: a host whose name server is silent does not hold up the others.
const THREADS: usize = 4;

/// How long a thread waits for another name to ask for.
const IDLE: Duration = Duration::from_secs(5);

/// How long addresses are good. Names of servers that move are given for a minute, as a rule.
const GOOD_FOR: Duration = Duration::from_secs(60);

/// Hosts whose addresses are kept. A job has one or two.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_host_is_asked_for_once_and_has_the_port_that_was_asked_for() {
        let resolver = Resolver::new();
        let first = resolver.wait("localhost", 81, LONG).unwrap();
        assert!(first.iter().all(|address| address.ip().is_loopback() && address.port() == 81));
        // Whoever asks now is answered before the call is over.
        let (teller, told) = bounded(1);
        resolver.find("localhost", 82, move |found| teller.send(found).unwrap());
        let second = told.try_recv().unwrap().unwrap();
        assert_eq!(second.len(), first.len());
        assert!(second.iter().all(|address| address.port() == 82));
        assert_eq!(resolver.shared.lock().threads, 1);
    }

    #[test]
    fn who_asks_while_the_system_is_asked_waits_for_the_same_answer() {
        let resolver = Resolver::new();
        let (teller, told) = bounded(100);
        for port in 0..100 {
            let teller = teller.clone();
            resolver.find("localhost", port, move |found| teller.send((port, found)).unwrap());
        }
        for _ in 0..100 {
            let (port, found) = told.recv_timeout(LONG).unwrap();
            assert!(found.unwrap().iter().all(|address| address.port() == port));
        }
        assert!(resolver.shared.lock().threads <= THREADS);
    }

    #[test]
    fn what_is_not_found_is_asked_for_again() {
        let resolver = Resolver::new();
        for _ in 0..2 {
            resolver.wait("does-not-exist.invalid", 80, LONG).unwrap_err();
            assert!(resolver.shared.lock().known.is_empty());
        }
    }

    #[test]
    fn hosts_that_are_many_have_few_threads() {
        let resolver = Resolver::new();
        let (teller, told) = bounded(50);
        for nth in 0..50 {
            let teller = teller.clone();
            let then =
                move |found: io::Result<Vec<SocketAddr>>| teller.send(found.is_err()).unwrap();
            resolver.find(&format!("{nth}.does-not-exist.invalid"), 80, then);
        }
        (0..50).for_each(|_| assert!(told.recv_timeout(LONG).unwrap()));
        assert!(resolver.shared.lock().threads <= THREADS);
    }

    #[test]
    fn the_addresses_of_so_many_hosts_are_kept_and_of_no_more() {
        let resolver = Resolver::new();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        for nth in 0..=MOST {
            resolver.shared.told(&format!("host-{nth}"), Ok(vec![address]));
            assert_eq!(resolver.shared.lock().known.len(), MOST.min(nth + 1));
        }
    }
}

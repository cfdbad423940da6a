//! A way to a Girder that the test can close, and on which it can hold requests back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes connections on to a Girder.
pub(crate) struct Way {
    port: u16,
    /// The connections, while it is open.
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
    held: Arc<AtomicUsize>,
}

impl Way {
    /// A way to the Girder at this address of its API.
    pub(crate) fn to(api: &str) -> Self {
        Self::holding(api, "\0")
    }

    /// One that keeps requests with this in them, and their connections, for itself.
    pub(crate) fn holding(api: &str, what: &'static str) -> Self {
        let far = api.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let held = Arc::new(AtomicUsize::new(0));
        let (connections, kept) = (Arc::clone(&open), Arc::clone(&held));
        thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                let Some(open) = &mut *connections.lock().unwrap() else { continue };
                let far = TcpStream::connect(&far).unwrap();
                let [to_far, from_far] = [&far, &far].map(|stream| stream.try_clone().unwrap());
                let [to_near, from_near] = [&near, &near].map(|stream| stream.try_clone().unwrap());
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    pass(from_near, to_far, |bytes| {
                        let is_kept = bytes.windows(what.len()).any(|part| part == what.as_bytes());
                        kept.fetch_add(is_kept.into(), Ordering::Relaxed);
                        is_kept
                    })
                });
                thread::spawn(move || pass(from_far, to_near, |_| false));
                open.push(near);
            }
        });
        Self { port, open, held }
    }

    /// The API at its beginning.
    pub(crate) fn api(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1", self.port)
    }

    /// How many requests were held back.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Cuts all connections, and takes no more.
    pub(crate) fn closes(&self) {
        for connection in self.open.lock().unwrap().take().into_iter().flatten() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Takes connections again.
    pub(crate) fn opens(&self) {
        self.open.lock().unwrap().get_or_insert_default();
    }
}

/// Passes bytes on, until some are to be kept.
fn pass(mut from: TcpStream, mut to: TcpStream, is_kept: impl Fn(&[u8]) -> bool) {
    let mut bytes = [0; 16384];
    while let Ok(length @ 1..) = from.read(&mut bytes) {
        if is_kept(&bytes[..length]) {
            // What comes after it is kept as well.
            while let Ok(1..) = from.read(&mut bytes) {}
            break;
        }
        if to.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

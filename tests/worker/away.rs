//! A Girder that goes away, and does not come back for as long as the worker is patient.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;

use crate::jobs::ERROR;
use crate::place::Kind;
use crate::site::{Site, script};

/// A way to a Girder that can be closed.
struct Way {
    port: u16,
    /// The connections, while it is open.
    open: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Way {
    /// A way to the Girder at this address of its API.
    fn to(api: &str) -> Self {
        let far = api.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let connections = Arc::clone(&open);
        thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                let Some(open) = &mut *connections.lock().unwrap() else { continue };
                let far = TcpStream::connect(&far).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let mut bytes = [0; 16384];
                        while let Ok(length @ 1..) = from.read(&mut bytes)
                            && to.write_all(&bytes[..length]).is_ok()
                        {}
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                open.push(near);
            }
        });
        Self { port, open }
    }

    /// The API at its beginning.
    fn api(&self) -> String {
        format!("http://127.0.0.1:{}/api/v1", self.port)
    }

    fn closes(&self) {
        for connection in self.open.lock().unwrap().take().into_iter().flatten() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn opens(&self) {
        self.open.lock().unwrap().get_or_insert_default();
    }
}

#[test]
fn a_girder_that_stays_away_ends_the_job_as_a_failure() {
    let site = Site::new(Kind::Redis);
    let way = Way::to(site.api());
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let worker = site.starting_worker(&["--girder-patience", "3"], &environment);
    let endless = "trap 'exit 0' TERM; while :; do echo up; sleep 1 & wait; done";
    let job = site.send(&script(endless), json!({}));
    job.says("up");
    let id = job.task_id();
    way.closes();
    let meta = site.result_of(&id).unwrap();
    assert_eq!(
        (&meta["status"], &meta["result"]["exc_type"]),
        (&json!("FAILURE"), &json!("RuntimeError"))
    );
    let words = meta["result"]["exc_message"][0].as_str().unwrap();
    assert!(words.contains("Girder could not be told of the job for 3 s"), "{words}");
    assert!(!job.has_container());
    way.opens();
    worker.ends_well();
}

#[test]
fn a_job_whose_start_girder_could_not_be_told_is_an_error_when_girder_is_back() {
    let site = Site::new(Kind::Redis);
    let way = Way::to(site.api());
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    way.closes();
    let worker = site.starting_worker(&["--girder-patience", "4"], &environment);
    let job = site.send(&script("echo never"), json!({}));
    let id = job.task_id();
    let meta = site.result_of(&id).unwrap();
    let words = meta["result"]["exc_message"][0].as_str().unwrap();
    assert!(words.contains("Girder could not be told that the job runs"), "{words}");
    way.opens();
    assert_eq!(job.ended(), ERROR);
    assert!(job.log().contains("could not be told"), "{}", job.log());
    assert!(!job.log().contains("container"), "{}", job.log());
    worker.ends_well();
}

#[test]
fn a_success_that_girder_could_not_be_told_is_a_failure() {
    let site = Site::new(Kind::Redis);
    let way = Way::to(site.api());
    let environment = [("GIRDER_WORKER_API_URL", &*way.api())];
    let worker = site.starting_worker(&["--girder-patience", "6"], &environment);
    let job = site.send(&script("echo up; sleep 2"), json!({}));
    job.says("up");
    let id = job.task_id();
    way.closes();
    let meta = site.result_of(&id).unwrap();
    assert_eq!(meta["status"], "FAILURE", "{meta}");
    let words = meta["result"]["exc_message"][0].as_str().unwrap();
    assert!(words.contains("was not told everything"), "{words}");
    way.opens();
    worker.ends_well();
}

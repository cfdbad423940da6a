//! What is logged of two runs at once.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use gantline::{JobSpec, RunId, RunSettings, Runner};
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use crate::depot_client::Serving;
use crate::run_many::engine;

/// The lines of this process, each an object of JSON.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The run in whose span a line was logged.
fn run_of(line: &Value) -> Option<&str> {
    let spans = line["spans"].as_array()?;
    spans.iter().find(|span| span["name"] == "run")?["id"].as_str()
}

#[test]
fn each_line_of_a_run_says_whose_it_is_whichever_thread_it_comes_from() {
    let log = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().with_thread_names(true);
    let subscriber = subscriber.with_max_level(tracing::Level::TRACE).with_writer(log.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let engine = engine();
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let depots = folders.each_ref().map(|folder| {
        fs::write(folder.path().join("small"), "x").unwrap();
        fs::write(folder.path().join("large"), vec![b'x'; 1 << 20]).unwrap();
        Serving::folder(folder.path())
    });
    let volumes = tempfile::tempdir().unwrap();
    let runner = Runner::builder().engine(engine.settings()).temporary_folder(volumes.path());
    let runner = runner.build().unwrap();
    let ids = ["run-one", "run-two"];
    let handles = [0, 1].map(|nth| {
        let depot: &Serving = &depots[nth];
        let job = json!({
            "image": "i:1",
            "pull_image": false,
            "girder_api_url": format!("http://{}/api/v1", depot.address),
            "container_args": [
                "cat",
                {
                    "type": "Connect",
                    "input": {"type": "GirderFileIdToStream", "id": depot.id("large")},
                    "output": {"type": "NamedInputPipe", "name": "in"},
                },
                {"type": "GirderFileIdToVolume", "id": depot.id("small")},
            ],
        });
        let settings = RunSettings::new().with_id(RunId::new(ids[nth]).unwrap());
        let settings = settings.with_stdout_writer(io::sink());
        runner.start_with(&JobSpec::from_json(&job.to_string()).unwrap(), settings).unwrap()
    });
    for handle in handles {
        assert_eq!(handle.wait().unwrap().exit_code(), Some(0));
    }
    drop(runner);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ours = |line: &Value| line["target"].as_str().unwrap().starts_with("gantline::");
    // A depot is nobody's.
    let is_a_depots = |line: &Value| line["target"].as_str().unwrap().contains("::depot");
    let lines: Vec<_> = lines.filter(|line| ours(line) && !is_a_depots(line)).collect();
    let nobodys: Vec<_> = lines.iter().filter(|line| run_of(line).is_none()).collect();
    assert!(nobodys.is_empty(), "{nobodys:#?}");
    for (nth, id) in ids.into_iter().enumerate() {
        let address = depots[nth].address.to_string();
        let its: Vec<_> = lines.iter().filter(|line| run_of(line) == Some(id)).collect();
        let threads: BTreeSet<_> =
            its.iter().map(|line| line["threadName"].as_str().unwrap()).collect();
        for thread in [&*format!("gantline-{}", &id[..6]), "gantline-pump", "gantline-fetch"] {
            assert!(threads.iter().any(|name| name.starts_with(thread)), "{thread}: {threads:?}");
        }
        // What came from its server is in its lines, and only there.
        let come = lines.iter().filter(|line| line.to_string().contains(&address));
        let whose: BTreeSet<_> = come.map(|line| run_of(line)).collect();
        assert_eq!(whose, BTreeSet::from([Some(id)]));
    }
}

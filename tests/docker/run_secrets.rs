//! A token is shown to its server, and to nobody else.

use std::fs;
use std::process::Command;
use std::thread;

use gantline::internal::depot::{Depot, DepotOptions, DepotToken};
use nix::sys::signal::Signal;
use serde_json::json;

use crate::run_jobs::job;
use crate::support::command::Invocation;

const TOKEN: &str = "hidden-7c5d0a1f";

#[test]
fn a_token_is_in_no_label_log_report_message_or_argument() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), "x").unwrap();
    let mut options = DepotOptions::new(folder.path());
    options.listen.set_port(0);
    options.token = Some(DepotToken::new(TOKEN));
    let depot = Depot::open(options).unwrap();
    let id = depot.files().unwrap()[0].id.clone();
    let (api, stop) = (format!("http://{}/api/v1", depot.address()), depot.stop_handle());
    let served = thread::spawn(move || depot.serve());

    let connect = json!({
        "type": "Connect",
        "input": {"type": "GirderFileIdToStream", "id": id},
        "output": {"type": "NamedInputPipe", "name": "in"},
    });
    let mut given = job(&["sh", "-c", "cat \"$0\"; exec sleep 600"]);
    given["container_args"].as_array_mut().unwrap().push(connect);
    given["girder_api_url"] = json!(api);
    given["girder_client_token"] = json!(TOKEN);
    let run = Invocation::job(&given).env("GANTLINE_LOG", "trace").arg("--stop-timeout").arg("0");
    let run = run.start();
    let container = run.container_started();
    let inspected = Command::new("docker").args(["inspect", &container]).output().unwrap();
    let inspected = String::from_utf8(inspected.stdout).unwrap();
    assert!(inspected.contains("gantline.run"), "{inspected}");
    assert!(!inspected.contains(TOKEN), "{inspected}");
    let arguments = fs::read(format!("/proc/{}/cmdline", run.id())).unwrap();
    assert!(!String::from_utf8_lossy(&arguments).contains(TOKEN));
    run.signal(Signal::SIGTERM);
    let run = run.finish();
    assert_eq!(run.code, 143, "{run}");
    assert!(run.stderr.contains("DEBUG"), "there is a log: {run}");
    assert!(!format!("{run}").contains(TOKEN), "{run}");

    given["girder_client_token"] = json!(format!("{TOKEN}-wrong"));
    let run = Invocation::job(&given).env("GANTLINE_LOG", "trace").finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(!format!("{run}").contains(TOKEN), "{run}");
    stop.stop();
    served.join().unwrap().unwrap();
}

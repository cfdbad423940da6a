//! Through a real proxy to a real Girder: what a job gets and gives, and what it says when the proxy says no.

use serde_json::json;

use crate::support::command::{Finished, Invocation};
use crate::support::girder::Girder;
use crate::support::girder_job;
use crate::support::in_front::Limiting;
use crate::support::job::{Job, connect, end, girder_file, named_input_pipe};
use crate::support::seeded::Seeded;
use crate::support::tinyproxy::{PASSWORD, Tinyproxy};

/// Everything is reached by this proxy.
fn by(run: Invocation, proxy: &str) -> Invocation {
    let run = run.env("http_proxy", proxy).env("https_proxy", proxy);
    ["no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"]
        .iter()
        .fold(run, |run, name| run.env(name, ""))
}

/// A job that streams a file, gets another one into a volume, uploads a third, and tells its job in Girder.
fn job(girder: &Girder, api: &str, item: &str, told: &girder_job::Job) -> Job {
    let streamed = girder.upload("streamed", Seeded::new(5, 3_300_000));
    let stored = girder.upload("stored", Seeded::new(6, 100_000));
    let volume = json!({"type": "TemporaryVolume.default"});
    let result = json!({"type": "VolumePath", "filename": "result", "volume": volume});
    let mut info = told.info.clone();
    info["url"] = info["url"].as_str().unwrap().replace(girder.api(), api).into();
    Job::script("sha256sum < $1; sha256sum < $2; head -c 12000000 /dev/zero > $3")
        .arg(connect(girder_file(&streamed), named_input_pipe("in")))
        .arg(json!({"type": "GirderFileIdToVolume", "id": stored.id, "volume": volume}))
        .arg(result.clone())
        .girder(girder)
        .set("girder_api_url", api)
        .set("girder_job", info)
        .set(
            "girder_result_hooks",
            json!([
            {"type": "GirderUploadVolumePathToItem", "volumepath": result, "item_id": item}]),
        )
}

fn assert_whole(girder: &Girder, item: &str, told: &girder_job::Job, run: &Finished) {
    assert_eq!(run.code, 0, "{run}");
    let mut sums = run.text().lines();
    for seeded in [Seeded::new(5, 3_300_000), Seeded::new(6, 100_000)] {
        assert!(sums.next().unwrap().starts_with(&seeded.sha256()), "{run}");
    }
    let files = girder.files(item);
    assert_eq!(files.len(), 1, "{run}");
    assert_eq!(files[0].1["size"], 12_000_000, "{run}");
    assert_eq!(told.record()["status"], 3, "{run}");
    let warnings = run.reported("warnings").to_string();
    assert_eq!(warnings, "[]", "{run}");
}

#[test]
fn all_that_a_job_asks_of_girder_goes_by_the_proxy() {
    let (girder, proxy) = (Girder::log_in(), Tinyproxy::start(""));
    let (item, told) = (girder.make_item(girder.folder(), "r"), girder_job::Job::new(&girder));
    let job = job(&girder, girder.api(), &item, &told);
    let run = by(job.invocation(), &proxy.open()).finish();
    assert_whole(&girder, &item, &told, &run);
    let asked = proxy.asked();
    for path in ["/download", "/file/chunk", "/file?", "/job/"] {
        assert!(asked.contains(&format!("{}/", girder.api())) && asked.contains(path), "{asked}");
    }
    assert!(!asked.contains("CONNECT 127"), "{asked}");
}

#[test]
fn tls_goes_through_tunnels_of_the_proxy() {
    let (girder, proxy) = (Girder::log_in(), Tinyproxy::start(""));
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let nginx = Limiting::with_tls(&girder, &own.cert.pem(), &own.signing_key.serialize_pem());
    let (item, told) = (girder.make_item(girder.folder(), "r"), girder_job::Job::new(&girder));
    let job = job(&girder, &nginx.api(), &item, &told);
    let run = job.invocation().arg("--ca-file").arg(nginx.certificate());
    let run = by(run, &proxy.open()).finish();
    assert_whole(&girder, &item, &told, &run);
    let asked = proxy.asked();
    assert!(asked.contains("CONNECT localhost:"), "{asked}");
    assert!(!asked.contains("GET ") && !asked.contains("PUT "), "{asked}");
}

#[test]
fn a_proxy_that_does_not_let_a_job_through_is_named_before_there_is_a_container() {
    let (girder, proxy) = (Girder::log_in(), Tinyproxy::start(""));
    let (item, told) = (girder.make_item(girder.folder(), "r"), girder_job::Job::new(&girder));
    let job = job(&girder, girder.api(), &item, &told);
    let streams = Job::script("cat $1")
        .arg(connect(girder_file(&girder.upload("s", Seeded::new(5, 10))), named_input_pipe("in")))
        .stream(end("ContainerStdOut"), end("HostStdOut"))
        .girder(&girder);
    let away = "http://user:a-secret@127.0.0.1:9".to_owned();
    for address in [proxy.address(&format!("another:{PASSWORD}")), away, proxy.address("x:y")] {
        for job in [&job, &streams] {
            let run = by(job.invocation(), &address).finish();
            assert_eq!(run.code, 125, "{run}");
            assert!(run.stderr.contains("proxy"), "{run}");
            assert!(run.reported("container_id").is_null(), "{run}");
            let told = format!("{run}");
            assert!(!told.contains(PASSWORD) && !told.contains("a-secret"), "{run}");
        }
    }
    assert!(girder.files(&item).is_empty());
}

#[test]
fn who_needs_no_proxy_is_asked_directly_by_a_job() {
    let girder = Girder::log_in();
    let (item, told) = (girder.make_item(girder.folder(), "r"), girder_job::Job::new(&girder));
    let job = job(&girder, girder.api(), &item, &told);
    let run = by(job.invocation(), "http://127.0.0.1:9").env("no_proxy", "127.0.0.0/8");
    assert_whole(&girder, &item, &told, &run.finish());
}

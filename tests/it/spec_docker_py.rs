//! docker-py's keywords with wrong values: what docker-py means, in our words, and where.

use gantline::JobSpec;
use gantline::spec::RunOptions;
use serde_json::json;

/// What the parser says of a job with this keyword.
#[track_caller]
fn refusal(keyword: &str, value: &serde_json::Value) -> String {
    let document = json!({"image": "i", keyword: value}).to_string();
    match JobSpec::from_json(&document) {
        Ok(job) => panic!("accepted: {document}\n{job:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_wrong_value_is_refused_with_its_place_and_what_would_be_right() {
    for (keyword, value, place, expected) in [
        ("mem_limit", json!("lots"), "$.mem_limit ", "with a unit of 1024s behind it"),
        ("mem_limit", json!("5x"), "$.mem_limit ", "`b`, `k`, `m` or `g` (as in `512m`)"),
        ("mem_limit", json!(1.5), "$.mem_limit ", "found the number 1.5"),
        ("mem_limit", json!("99999999999g"), "$.mem_limit ", "fewer than 2^63 bytes"),
        ("mem_swappiness", json!("10"), "$.mem_swappiness ", "expected a whole number"),
        ("cpu_shares", json!(0.5), "$.cpu_shares ", "expected a whole number"),
        ("devices", json!([1]), "$.devices[0] ", "`host:container:permissions`"),
        ("devices", json!(["/dev/a:/dev/b:x"]), "$.devices[0] ", "(of `r`, `w`, `m`)"),
        ("ports", json!({"http": 80}), "$.ports.http ", "the name \"http\", expected a port"),
        ("ports", json!({"80": 70000}), "$.ports.80 ", "a whole number from 0 to 65535"),
        ("ports", json!({"80": [1, "::1"]}), "$.ports.80[1] ", "an address and a port"),
        ("ports", json!({"80": {"HostIp": "::1"}}), "$.ports.80 ", "needs `HostPort`"),
        ("ulimits", json!({"nofile": 5}), "$.ulimits ", "an array"),
        ("ulimits", json!([{"soft": 5}]), "$.ulimits[0] ", "a ulimit needs `name`"),
        ("ulimits", json!([{"name": "a", "softt": 5}]), "$.ulimits[0].softt ", "mean `Soft`?"),
        ("healthcheck", json!({"test": 1}), "$.healthcheck.test ", "found the number 1"),
        ("healthcheck", json!({"intervall": 1}), "$.healthcheck.intervall ", "mean `Interval`?"),
        ("environment", json!({"A=B": "c"}), "$.environment[\"A=B\"] ", "without `=`"),
        ("environment", json!({"A": ["c"]}), "$.environment.A ", "found an array"),
        ("cap_add", json!("SYS_ADMIN"), "$.cap_add ", "expected an array of strings"),
        ("labels", json!({"gantline.run": "x"}), "$.labels[\"gantline.run\"] ", "a run's own"),
        ("sysctls", json!(["a=b"]), "$.sysctls ", "expected an object"),
        ("tmpfs", json!("/a"), "$.tmpfs ", "found the string \"/a\""),
        ("tmpfs", json!({"a": ""}), "$.tmpfs.a ", "an absolute path in the container"),
        ("userns_mode", json!("private"), "$.userns_mode ", "expected \"host\""),
        ("uts_mode", json!("x"), "$.uts_mode ", "expected \"host\""),
        ("log_config", json!("none"), "$.log_config ", "an object (a log configuration)"),
        ("restart_policy", json!("always"), "$.restart_policy ", "an object (a restart policy)"),
        ("device_requests", json!([{"count": "all"}]), "$.device_requests[0].count ", "number"),
        ("gpu", json!(true), "$.gpu ", "expected \"required\" or \"preferred\""),
        ("mac_address", json!("x"), "$.mac_address ", "a MAC address"),
        ("platform", json!("a b"), "$.platform ", "such as `linux/amd64`"),
        ("working_dir", json!("work"), "$.working_dir ", "an absolute path in the container"),
        ("name", json!("a b"), "$.name ", "a container's name"),
        ("privileged", json!("yes"), "$.privileged ", "expected true or false"),
    ] {
        let message = refusal(keyword, &value);
        assert!(message.starts_with(place), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_container_on_the_hosts_network_opens_no_ports() {
    for network in ["network", "network_mode"] {
        let document = json!({"image": "i", network: "host", "ports": {"80": 80}}).to_string();
        let message = JobSpec::from_json(&document).unwrap_err().to_string();
        assert!(message.starts_with("$.ports "), "{message}");
        assert!(message.contains("the host's network has no ports of its own"), "{message}");
    }
    let none = json!({"image": "i", "network": "host", "ports": {}}).to_string();
    assert!(JobSpec::from_json(&none).is_ok());
}

#[test]
fn values_that_may_be_passwords_are_in_no_message() {
    for (keyword, value) in [
        ("environment", json!(["=hunter2"])),
        ("environment", json!({"PASSWORD": "hunter2\u{0}"})),
        ("log_config", json!({"config": {"splunk-token": "hunter2\u{0}"}})),
    ] {
        let message = refusal(keyword, &value);
        assert!(!message.contains("hunter2"), "{message}");
    }
    let document = json!({"image": "i", "environment": {"PASSWORD": "hunter2"}}).to_string();
    let job = JobSpec::from_json(&document).unwrap();
    assert!(!format!("{job:?}").contains("hunter2"));
    assert!(format!("{job:?}").contains("environment"));
}

#[test]
fn a_keyword_set_in_rust_is_the_documents() {
    let document = json!({"image": "i", "mem_limit": "1g", "environment": {"A": "b"}});
    let job = JobSpec::builder("i").option("mem_limit", "1g");
    let job = job.option("environment", json!({"A": "b"}));
    assert_eq!(job.clone().build(), JobSpec::from_json(&document.to_string()));
    let error = job.option("mem_limits", 1).build().unwrap_err().to_string();
    assert!(error.contains("a job has no `mem_limits`; did you mean `mem_limit`?"), "{error}");
}

#[test]
fn run_options_fill_in_what_a_job_leaves_out() {
    let options = RunOptions::from_json(
        r#"{"network": "girder", "mem_limit": "1g", "entrypoint": "sh -c 'a b'", "tty": true,
            "volumes": ["/h:/c", "/w:/d:rw"]}"#,
    )
    .unwrap();
    let merged = |document: &str| {
        let mut job = JobSpec::from_json(document).unwrap();
        options.merge_into(&mut job);
        job
    };
    let of = |document: &str| JobSpec::from_json(document).unwrap();
    assert_eq!(
        merged(r#"{"image": "i"}"#),
        of(r#"{"image": "i", "network": "girder", "mem_limit": "1g",
               "entrypoint": ["sh", "-c", "a b"], "volumes": ["/h:/c:ro", "/w:/d"]}"#)
    );
    // The job's keywords go first, also when they are null; the options' volumes do.
    assert_eq!(
        merged(
            r#"{"image": "i", "network": null, "mem_limit": "2g", "entrypoint": "own x",
                "volumes": {"/h": {"bind": "/other"}, "/own": {"bind": "/own"}}}"#
        ),
        of(r#"{"image": "i", "network": null, "mem_limit": "2g", "entrypoint": "own x",
               "volumes": {"/h": {"bind": "/c", "mode": "ro"}, "/own": {"bind": "/own"},
                           "/w": {"bind": "/d"}}}"#)
    );
}

//! docker-py's keywords by their effect: what the container sees of them.

use std::process::Command;

use serde_json::{Value, json};

use crate::run_jobs::{script, script_apart};
use crate::support::command::{Finished, Invocation};

/// A job that runs a script in a container with these keywords.
fn with(text: &str, keywords: Value) -> Value {
    let mut job = script_apart(text);
    job.as_object_mut().unwrap().extend(keywords.as_object().unwrap().clone());
    job
}

/// What the script prints.
#[track_caller]
fn printed(text: &str, keywords: Value) -> String {
    let run = Invocation::job(&with(text, keywords)).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(run.stderr, "", "{run}");
    stdout(&run)
}

fn stdout(run: &Finished) -> String {
    String::from_utf8_lossy(&run.stdout).trim_end().to_owned()
}

/// What `docker inspect` says of a container that goes on while it is looked at.
#[track_caller]
fn inspected(format: &str, keywords: Value) -> String {
    // Its exit code says that it was stopped by us and has not ended by itself.
    let run = Invocation::job(&with("trap 'exit 7' TERM; sleep 600 & wait", keywords)).start();
    let id = run.container_started();
    let said = docker(&["inspect", "--format", format, &id]);
    docker(&["stop", "--time", "20", &id]);
    let run = run.finish();
    assert_eq!(run.code, 7, "{run}");
    said
}

#[track_caller]
fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn the_process_is_what_the_job_says() {
    let keywords = json!({"environment": {"A": "b c", "N": 1.5, "T": true, "E": "", "PATH": "/bin"},
        "user": "1000:1000", "group_add": [2000], "working_dir": "/work/dir", "hostname": "host-1",
        "domainname": "example.org", "ulimits": [{"Name": "nofile", "Soft": 512, "Hard": 1024}]});
    let text = "echo \"$A|$N|$T|${E-unset}\"; id -u; id -G; pwd; hostname; \
        cat /proc/sys/kernel/domainname; ulimit -Sn; ulimit -Hn";
    let expected = "b c|1.5|True|\n1000\n1000 2000\n/work/dir\nhost-1\nexample.org\n512\n1024";
    assert_eq!(printed(text, keywords), expected);
    assert_eq!(printed("echo $A", json!({"environment": ["A=x=y"]})), "x=y");
}

#[test]
fn the_proxies_of_the_docker_configuration_are_the_containers() {
    let folder = tempfile::tempdir().unwrap();
    let config = json!({"proxies": {"default": {"httpProxy": "http://proxy:1", "noProxy": "a"}}});
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let run = |keywords| {
        let run = Invocation::job(&with("echo $http_proxy $HTTP_PROXY $NO_PROXY", keywords));
        let run = run.env("DOCKER_CONFIG", folder.path()).finish();
        assert_eq!(run.code, 0, "{run}");
        stdout(&run)
    };
    assert_eq!(run(json!({})), "http://proxy:1 http://proxy:1 a");
    let own = json!({"environment": {"http_proxy": "own"}});
    assert_eq!(run(own), "own http://proxy:1 a");
    assert_eq!(run(json!({"use_config_proxy": false})), "");
}

#[test]
fn the_limits_are_the_kernels() {
    let text = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max \
        /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null; \
        df -k /dev/shm | tail -1 | tr -s ' ' | cut -d ' ' -f 2";
    let keywords = json!({"mem_limit": "64m", "memswap_limit": -1, "pids_limit": 50,
        "shm_size": "2m"});
    assert_eq!(printed(text, keywords), "67108864\n50\n2048");
}

#[test]
fn a_container_that_needs_more_memory_than_it_may_is_killed_for_it() {
    let keywords = json!({"mem_limit": "16m", "memswap_limit": "16m"});
    let run = Invocation::job(&with("exec tail -c 64m /dev/zero", keywords)).finish();
    assert_eq!(run.code, 137, "{run}");
    assert_eq!(run.report.as_ref().unwrap()["oom_killed"], true);
    assert!(run.stderr.contains("want of memory"), "{run}");
}

#[test]
fn rights_and_devices_are_given_and_taken() {
    let text = "grep CapEff /proc/self/status | cut -f 2";
    let usual = u64::from_str_radix(&printed(text, json!({})), 16).unwrap();
    let bits = |keywords| u64::from_str_radix(&printed(text, keywords), 16).unwrap();
    let (net_admin, chown) = (1 << 12, 1 << 0);
    assert_eq!(bits(json!({"cap_add": ["NET_ADMIN"]})), usual | net_admin);
    assert_eq!(bits(json!({"cap_drop": ["CHOWN"]})), usual & !chown);
    let devices = json!({"devices": ["/dev/null:/dev/nothing:rw", "/dev/full"]});
    let text = "echo x > /dev/nothing && ls /dev/nothing /dev/full";
    assert_eq!(printed(text, devices), "/dev/full\n/dev/nothing");
    let secured = json!({"security_opt": ["no-new-privileges"]});
    assert_eq!(printed("grep NoNewPrivs /proc/self/status | cut -f 2", secured), "1");
}

#[test]
fn a_privileged_container_has_every_right_that_the_engine_can_give() {
    let text = "ls /dev/loop-control; grep CapEff /proc/self/status | cut -f 2";
    let run = Invocation::job(&with(text, json!({"privileged": true}))).finish();
    // An engine that is itself in a container may not have them all.
    let refused = run.stderr.contains("unable to apply caps");
    let rights = stdout(&run).lines().last().map(|bits| u64::from_str_radix(bits, 16).unwrap());
    assert!(refused || rights.is_some_and(|bits| bits & (1 << 21) != 0), "{run}");
}

#[test]
fn the_file_system_is_the_jobs() {
    let keywords = json!({"read_only": true, "tmpfs": {"/scratch": "size=1m,mode=1777"}});
    let text = "touch /x 2>&1 || touch /scratch/x; ls /scratch; df -k /scratch | tail -1 | tr -s ' ' | cut -d ' ' -f 2";
    assert_eq!(printed(text, keywords), "touch: /x: Read-only file system\nx\n1024");
    let keywords = json!({"tmpfs": ["/scratch:size=2m"],
        "mounts": [{"Type": "bind", "Source": "/proc/version", "Target": "/version", "ReadOnly": true}]});
    let text = "df -k /scratch | tail -1 | tr -s ' ' | cut -d ' ' -f 2; cmp /version /proc/version";
    assert_eq!(printed(text, keywords), "2048");
}

#[test]
fn names_are_resolved_as_the_job_says() {
    let keywords = json!({"extra_hosts": {"db.example": "10.9.8.7"}, "dns": ["192.0.2.53"],
        "dns_opt": ["ndots:2"], "dns_search": ["example.org"]});
    let text = "grep db.example /etc/hosts; cat /etc/resolv.conf | sort";
    let expected =
        "10.9.8.7\tdb.example\nnameserver 192.0.2.53\noptions ndots:2\nsearch example.org";
    assert_eq!(printed(text, keywords), expected);
}

#[test]
fn the_network_is_the_jobs() {
    let text = "ls /sys/class/net | tr '\\n' ' '";
    assert_eq!(printed(text, json!({"network_mode": "none"})), "lo");
    assert_eq!(printed(text, json!({"network": "none"})), "lo");
    let mac = json!({"mac_address": "92:d0:c6:0a:29:33"});
    assert_eq!(printed("cat /sys/class/net/eth0/address", mac), "92:d0:c6:0a:29:33");
    let name = "gantline-test-options-net";
    let _ = Command::new("docker").args(["network", "rm", name]).output().unwrap();
    docker(&["network", "create", name]);
    let keywords = json!({"network": name, "networking_config": {name: {"Aliases": ["me"]}}});
    let format = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    let said = inspected(format, keywords);
    docker(&["network", "rm", name]);
    assert_eq!(said, name);
}

#[test]
fn links_may_be_pairs_and_a_volume_may_be_a_path_of_the_container_alone() {
    let linked = format!("gantline-test-linked-{}", std::process::id());
    docker(&["run", "--detach", "--name", &linked, "gantline-test:busybox", "sleep", "600"]);
    let keywords = json!({"network_mode": "bridge", "links": [[&linked, "db"]],
        "volumes": ["/only/container"]});
    let text = "grep -c '\\sdb\\s' /etc/hosts; grep -c ' /only/container ' /proc/mounts";
    let run = Invocation::job(&with(text, keywords)).finish();
    docker(&["rm", "--force", &linked]);
    assert_eq!((run.code, stdout(&run).as_str()), (0, "1\n1"), "{run}");
}

#[test]
fn ports_are_open_on_the_host() {
    let ports = json!({"2222/tcp": null, "53/udp": ["127.0.0.1", 0]});
    let keywords = json!({"network_mode": "bridge", "ports": ports});
    let format = r#"{{range $port, $b := .NetworkSettings.Ports}}{{$port}} {{len $b | lt 0}} {{(index $b 0).HostIp}} {{end}}"#;
    assert_eq!(inspected(format, keywords), "2222/tcp true 0.0.0.0 53/udp true 127.0.0.1");
}

#[test]
fn the_engine_knows_of_the_container_what_the_job_says() {
    let format = "{{.Name}} {{.Config.Labels.a}} {{index .Config.Labels \"gantline.run\" | len}} \
        {{.HostConfig.AutoRemove}} {{.HostConfig.LogConfig.Type}}";
    let keywords = json!({"name": "gantline-test-options-name", "labels": {"a": "b"},
        "auto_remove": true, "log_config": {"type": "local"}});
    let said = inspected(format, keywords);
    assert_eq!(said, "/gantline-test-options-name b 32 false local");
    let format = "{{.Config.Healthcheck.Test}} {{.Config.StopSignal}} {{.HostConfig.OomScoreAdj}}";
    let keywords = json!({"healthcheck": {"test": "true", "interval": 30000000000_u64},
        "stop_signal": "SIGTERM", "oom_score_adj": 500});
    assert_eq!(inspected(format, keywords), "[CMD-SHELL true] SIGTERM 500");
}

#[test]
fn a_healthcheck_and_an_init_are_run() {
    assert_eq!(printed("cat /proc/1/comm", json!({"init": true})), "docker-init");
    // The container ends when its healthcheck has been run.
    let healthcheck = json!({"healthcheck": {"test": "echo well > /health", "interval": 10000000}});
    let text = "mkfifo /health; cat /health";
    assert_eq!(printed(text, healthcheck), "well");
    let sysctls = json!({"sysctls": {"net.core.somaxconn": 777}});
    assert_eq!(printed("cat /proc/sys/net/core/somaxconn", sysctls), "777");
    let pid_mode = printed("cat /proc/1/comm", json!({"pid_mode": "host", "uts_mode": "host"}));
    assert_ne!(pid_mode, "sh");
}

#[test]
fn what_is_streamed_does_not_depend_on_the_log_driver() {
    for driver in ["none", "local", "json-file"] {
        let run = with("seq 20000; echo end >&2; exit 3", json!({"log_config": {"type": driver}}));
        let run = Invocation::job(&run).finish();
        assert_eq!(run.code, 3, "{run}");
        assert_eq!(run.stderr, "end\n", "{driver}");
        assert_eq!(stdout(&run).lines().count(), 20_000, "{driver}");
    }
}

#[test]
fn a_run_that_removes_its_container_by_keyword_still_knows_how_it_ended() {
    for keyword in ["auto_remove", "remove"] {
        let run = Invocation::job(&with("echo out; exit 4", json!({keyword: true}))).finish();
        assert_eq!(run.code, 4, "{run}");
        assert_eq!(stdout(&run), "out");
        assert_eq!(run.report.as_ref().unwrap()["warnings"], json!([]));
    }
}

#[test]
fn a_run_ends_with_the_first_exit_whatever_the_restart_policy() {
    let policy = json!({"restart_policy": {"Name": "on-failure", "MaximumRetryCount": 3}});
    let run = Invocation::job(&with("echo once; exit 5", policy)).finish();
    assert_eq!(run.code, 5, "{run}");
    assert_eq!(stdout(&run), "once");
    let warnings = &run.report.as_ref().unwrap()["warnings"];
    assert!(warnings[0].as_str().unwrap().contains("restart_policy"), "{warnings}");
}

#[test]
fn a_name_that_is_taken_and_an_option_that_the_engine_refuses_fail_the_run() {
    let name = "gantline-test-options-taken";
    let _ = Command::new("docker").args(["rm", "--force", name]).output().unwrap();
    docker(&["create", "--name", name, "gantline-test:busybox"]);
    let run = Invocation::job(&with("true", json!({"name": name}))).finish();
    docker(&["rm", name]);
    assert_eq!(run.code, 125, "{run}");
    assert!(
        run.stderr.contains("cannot create the container") && run.stderr.contains(name),
        "{run}"
    );
    let run = Invocation::job(&with("true", json!({"mem_limit": "1k"}))).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("memory limit"), "{run}");
}

#[test]
fn the_platform_is_the_jobs_or_the_run_fails() {
    let ours =
        docker(&["image", "inspect", "--format", "{{.Architecture}}", "gantline-test:busybox"]);
    let own = json!({"platform": format!("linux/{ours}")});
    assert_eq!(printed("echo ran", own.clone()), "ran");
    let run = Invocation::job(&with("true", json!({"platform": "linux/s390x"}))).finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("linux/s390x"), "{run}");
    let run = Invocation::job(&with("true", own)).env("DOCKER_API_VERSION", "1.40").finish();
    assert_eq!(run.code, 125, "{run}");
    assert!(run.stderr.contains("speaks API 1.40, and the job's `platform` needs 1.41"), "{run}");
}

#[test]
fn the_run_options_of_a_worker_are_merged_and_the_job_goes_first() {
    let options = json!({"environment": {"FROM": "options"}, "hostname": "by-options", "tty": true,
        "detach": false, "mem_limit": "64m", "volumes": ["/proc/version:/by/options"]});
    let run = |keywords: Value| {
        let text = "echo $FROM $OWN; hostname; cmp /by/options /proc/version; tty; \
            grep -c ' /by/options ro' /proc/mounts || grep ' /by/options ' /proc/mounts";
        let run = Invocation::job(&with(text, keywords));
        let run = run.env("GIRDER_WORKER_DOCKER_RUN_OPTIONS", options.to_string()).finish();
        assert_eq!(run.code, 0, "{run}");
        stdout(&run).lines().take(3).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(run(json!({})), ["options", "by-options", "not a tty"]);
    let own = json!({"environment": {"OWN": "own"}, "hostname": "by-job"});
    assert_eq!(run(own), ["own", "by-job", "not a tty"]);
}

#[test]
fn bad_run_options_are_bad_usage() {
    for (options, expected) in [
        ("{", "not valid JSON"),
        (r#"{"mem_limit": "lots"}"#, "$.mem_limit (line 1, column 15)"),
        (r#"{"image": "x"}"#, "has no `image`"),
        (r#"{"stream": true}"#, "`stream` cannot be set"),
    ] {
        let run = Invocation::job(&script("true"));
        let run = run.env("GIRDER_WORKER_DOCKER_RUN_OPTIONS", options).finish();
        assert_eq!(run.code, 2, "{run}");
        assert!(run.stderr.contains("GIRDER_WORKER_DOCKER_RUN_OPTIONS"), "{run}");
        assert!(run.stderr.contains(expected), "{run}");
    }
}

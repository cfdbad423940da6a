//! What the container writes: FIFOs, standard output and standard error, into every kind of sink.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::girder::Girder;
use crate::support::job::{
    Job, bind_mount, connect, end, host_file, named_input_pipe, named_output_pipe,
};
use crate::support::posted::{ACCEPTED, server};
use crate::support::seeded::hex;

/// Shell: so many random bytes to `$1`, and their hash to standard error.
fn random(bytes: u64) -> String {
    format!(
        "mkfifo /tmp/copy; sha256sum < /tmp/copy >&2 & \
         head -c {bytes} /dev/urandom | tee /tmp/copy > $1; wait"
    )
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The argument `$1` of a script: a FIFO that streams into `output`.
fn output(output: Value) -> Value {
    connect(named_output_pipe("out"), output)
}

#[test]
fn binary_bytes_arrive_on_our_standard_output() {
    let size = 50_000_000;
    let job = Job::script(&random(size)).arg(output(end("HostStdOut")));
    let run = job.finish();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.stdout.len() as u64, size);
    assert!(run.stderr.starts_with(&sha256(&run.stdout)), "{}", run.stderr);
    let transfers = run.reported("transfers").as_array().unwrap();
    let fifo = transfers.iter().find(|transfer| transfer["source"] == "fifo:out").unwrap();
    assert_eq!((&fifo["bytes"], &fifo["finish"]), (&json!(size), &json!("complete")));
    assert_eq!(fifo["sink"], "host:stdout");
}

#[test]
fn binary_bytes_arrive_in_a_file_of_the_host() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out.bin");
    let size = 30_000_001;
    let run = Job::script(&random(size)).arg(output(host_file(&path))).finish();
    assert_eq!(run.code, 0, "{run}");
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len() as u64, size);
    assert!(run.stderr.starts_with(&sha256(&bytes)), "{run}");
    let transfer = run.transfer(&format!("file:{}", path.display()));
    assert_eq!((&transfer["bytes"], &transfer["finish"]), (&json!(size), &json!("complete")));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn standard_output_that_is_data_is_not_in_the_engines_log() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out");
    let job = Job::script("echo data; trap 'exit 0' TERM; sleep 600 & wait");
    let job = job.stream(end("ContainerStdOut"), host_file(&path));
    let run = job.invocation().start();
    let id = run.container_started();
    let docker = |arguments: &[&str]| {
        let output = Command::new("docker").args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let driver = docker(&["inspect", "--format", "{{.HostConfig.LogConfig.Type}}", &id]);
    docker(&["stop", "--time", "20", &id]);
    let run = run.finish();
    assert_eq!((run.code, driver.trim_end()), (0, "none"), "{run}");
    assert_eq!(fs::read(&path).unwrap(), b"data\n");
}

#[test]
fn bytes_arrive_on_our_standard_error() {
    let job = Job::script("echo to the pipe > $1").arg(output(end("HostStdErr")));
    let run = job.finish();
    assert_eq!((run.code, &*run.stderr, run.text()), (0, "to the pipe\n", ""), "{run}");
}

#[test]
fn a_writer_that_is_not_root_is_heard() {
    let job = Job::script("id -u > $1").arg(output(end("HostStdOut")));
    let run = job.set("image", "gantline-test:user1000").finish();
    assert_eq!((run.code, run.text()), (0, "1000\n"), "{run}");
}

#[test]
fn writers_one_after_the_other_are_all_heard() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out");
    let script = "for nth in $(seq 100); do echo $nth > $1; done; sleep 0.3; \
                  head -c 3000000 /dev/zero > $1; echo last > $1";
    let run = Job::script(script).arg(output(host_file(&path))).finish();
    assert_eq!(run.code, 0, "{run}");
    let lines: String = (1..=100).map(|nth| format!("{nth}\n")).collect();
    let expected = [lines.as_bytes(), &vec![0; 3_000_000], b"last\n"].concat();
    assert!(fs::read(&path).unwrap() == expected, "{run}");
}

#[test]
fn a_writer_that_never_comes_holds_nothing_up_and_its_file_is_empty() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out");
    for code in [0, 7] {
        let run = Job::script(&format!("exit {code}")).arg(output(host_file(&path))).finish();
        assert_eq!(run.code, code, "{run}");
        assert_eq!(run.reported("error"), &json!(null));
        assert_eq!(run.transfer(&format!("file:{}", path.display()))["bytes"], 0, "{run}");
        assert_eq!(fs::read(&path).unwrap(), b"");
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_file_that_takes_the_place_of_an_output_is_the_output() {
    let replacing = [
        "rm $1; echo result > $1",
        "echo result > $1.part; mv -f $1.part $1",
        "echo first > $1; sleep 0.2; rm $1; echo result > $1",
    ];
    for script in replacing {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("out");
        let run = Job::script(script).arg(output(host_file(&path))).finish();
        assert_eq!(run.code, 0, "{run}");
        let first = if script.starts_with("echo first") { "first\n" } else { "" };
        let expected = format!("{first}result\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), expected, "{run}");
        let transfer = run.transfer(&format!("file:{}", path.display()));
        assert_eq!(transfer["bytes"], expected.len(), "{run}");
        let warnings = run.reported("warnings").to_string();
        assert!(warnings.contains("replaced its output FIFO by a file"), "{run}");
    }
}

/// An output `$1` in the folder `$d` of a folder of the host, named in both ways, and a folder for its sink.
fn in_a_folder(script: &str) -> [(Job, TempDir, TempDir); 2] {
    let by_volume = |mounted: &Path| {
        let volume = bind_mount(mounted, "/mnt");
        json!({"type": "NamedOutputPipe", "name": "sub/out", "volume": volume})
    };
    let by_paths = |mounted: &Path| {
        json!({"type": "NamedOutputPipe", "name": "out", "container_path": "/mnt/sub",
               "host_path": mounted.join("sub")})
    };
    let named: [&dyn Fn(&Path) -> Value; 2] = [&by_volume, &by_paths];
    named.map(|pipe| {
        let (mounted, results) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        fs::create_dir(mounted.path().join("sub")).unwrap();
        let sink = host_file(&results.path().join("out"));
        let job = Job::script(&format!("d=$(dirname $1); {script}"))
            .mount(mounted.path(), "/mnt")
            .arg(connect(pipe(mounted.path()), sink));
        (job, mounted, results)
    })
}

#[test]
fn a_file_in_a_folder_that_takes_the_place_of_an_outputs_is_the_output() {
    let replacing = [
        "rm -rf $d; mkdir $d; echo result > $1",
        "mv $d $d.old; mkdir $d; echo result > $1",
        "mkdir $d.new; echo result > $d.new/out; rm -rf $d; mv $d.new $d",
        "mv $d $d.old; mkdir $d.new; ln -s sub.new $d; echo result > $1",
        "rm $1; echo result > $1; mv $d $d.old",
    ];
    for (script, (job, _mounted, results)) in
        replacing.into_iter().flat_map(|script| in_a_folder(script).map(|one| (script, one)))
    {
        let run = job.finish();
        assert_eq!(run.code, 0, "{script}: {run}");
        let result = fs::read_to_string(results.path().join("out")).unwrap();
        assert_eq!(result, "result\n", "{script}: {run}");
        let warnings = run.reported("warnings").to_string();
        assert!(warnings.contains("replaced its output FIFO by a file"), "{script}: {run}");
    }
}

#[test]
fn an_output_whose_folder_was_moved_is_written_to_all_the_same() {
    let moving = [
        "mv $d $d.old; echo result > $d.old/out",
        "mv $d $d.old; ln -s sub.old $d; echo result > $1",
        "echo result > $1; rm -rf $d",
    ];
    for (script, (job, _mounted, results)) in
        moving.into_iter().flat_map(|script| in_a_folder(script).map(|one| (script, one)))
    {
        let run = job.finish();
        assert_eq!(run.code, 0, "{script}: {run}");
        let result = fs::read_to_string(results.path().join("out")).unwrap();
        assert_eq!(result, "result\n", "{script}: {run}");
        assert_eq!(run.reported("warnings"), &json!([]), "{script}: {run}");
    }
}

#[test]
fn what_is_no_folder_in_the_place_of_an_outputs_is_an_error() {
    let replacing = [
        (
            "rm -rf $d; ln -s /tmp $d; echo result > $1",
            "no output: it is a link out of the volume, where its folder was",
        ),
        ("rm -rf $d; echo result > $d", "no output: it is no folder, where its folder was"),
        ("rm -rf $d; mkdir -p $1", "no output: it is a folder"),
        ("rm -rf $d; mkdir $d; echo r > $d/r; ln -s r $1", "no output: it is a symbolic link"),
    ];
    for (script, words) in replacing {
        for (job, _mounted, results) in in_a_folder(script) {
            let run = job.finish();
            assert_eq!(run.code, 125, "{script}: {run}");
            assert!(run.stderr.contains(words), "{script}: {run}");
            assert_eq!(fs::read_dir(results.path()).unwrap().count(), 0, "{script}: {run}");
        }
    }
}

#[test]
fn a_file_that_takes_the_place_of_an_output_is_posted_and_comes_into_its_item() {
    let (url, serving) = server(ACCEPTED);
    let sink = json!({"type": "ChunkedTransferEncodingStream", "url": url});
    let run = Job::script("rm $1; echo result > $1").arg(output(sink)).finish();
    assert_eq!(run.code, 0, "{run}");
    let (_, digest, bytes) = serving.join().unwrap();
    assert_eq!((digest, bytes), (sha256(b"result\n"), 7), "{run}");

    let girder = Girder::log_in();
    for size in [json!(null), json!(7)] {
        let item = girder.make_item(girder.folder(), "results");
        let mut sink = json!({"type": "GirderStreamToItem", "item_id": item, "name": "r"});
        if !size.is_null() {
            sink["size"] = size;
        }
        let job = Job::script("rm $1; echo result > $1").girder(&girder).arg(output(sink));
        let run = job.finish();
        assert_eq!(run.code, 0, "{run}");
        let files = girder.files(&item);
        assert_eq!(files.len(), 1, "{run}");
        let content = girder.content(files[0].1["_id"].as_str().unwrap());
        assert_eq!(content, b"result\n", "{run}");
    }
}

#[test]
fn a_large_file_that_takes_the_place_of_an_output_arrives_whole() {
    let size = 20_000_001;
    let script = format!(
        "head -c {size} /dev/urandom > $1.part; sha256sum < $1.part >&2; mv -f $1.part $1; exit 3"
    );
    let run = Job::script(&script).arg(output(end("HostStdOut"))).finish();
    assert_eq!((run.code, run.stdout.len()), (3, size), "{}", run.stderr);
    assert!(run.stderr.contains(&sha256(&run.stdout)), "{}", run.stderr);
}

#[test]
fn what_is_no_file_in_the_place_of_an_output_is_an_error() {
    let replacing = [
        ("rm $1; ln -s /etc/passwd $1", "a symbolic link"),
        ("rm $1; mkdir $1", "a folder"),
        ("rm $1; mkfifo $1", "a FIFO"),
    ];
    for (script, what) in replacing {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("out");
        let run = Job::script(script).arg(output(host_file(&path))).finish();
        assert_eq!(run.code, 125, "{run}");
        assert!(run.stderr.contains(&format!("no output: it is {what}")), "{run}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{run}");
    }
}

#[test]
fn a_folder_of_results_in_the_place_of_an_output_stays_and_is_said_where() {
    for (keep, stays) in [("on-failure", true), ("never", false)] {
        let temporary = TempDir::new().unwrap();
        let job = Job::script("rm $1; mkdir $1; echo result > $1/r").arg(output(end("HostStdOut")));
        let run = job.invocation().env("TMPDIR", temporary.path()).args(&["--keep", keep]).finish();
        assert_eq!(run.code, 125, "{run}");
        let kept = run.report.as_ref().unwrap().get("kept");
        assert_eq!(kept.is_some(), stays, "{run}");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), usize::from(stays), "{run}");
        if let Some(kept) = kept {
            let path = kept[0]["path"].as_str().unwrap();
            assert_eq!(fs::read(Path::new(path).join("r")).unwrap(), b"result\n", "{run}");
            assert!(run.stderr.contains(&format!("{path} stays")), "{run}");
        }
    }
}

#[test]
fn a_writer_that_outlives_the_shell_is_cut_off_and_the_run_ends() {
    // With the first process of a container the kernel kills all others.
    let job = Job::script("(while :; do echo x; done > $1) & exec sleep 0.2");
    let run = job.arg(output(end("HostStdOut"))).finish();
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stdout.chunks(2).all(|line| b"x\n".starts_with(line)));
}

#[test]
fn what_a_failing_container_wrote_is_whole_and_stays() {
    let folder = TempDir::new().unwrap();
    let [fifo, stdout, stderr] = ["fifo", "stdout", "stderr"].map(|name| folder.path().join(name));
    let job = Job::script("echo 1 > $1; echo 2; echo 3 >&2; exit 3")
        .arg(output(host_file(&fifo)))
        .stream(end("ContainerStdOut"), host_file(&stdout))
        .stream(end("ContainerStdErr"), host_file(&stderr));
    let run = job.finish();
    assert_eq!((run.code, run.text(), &*run.stderr), (3, "", ""), "{run}");
    for (path, expected) in [(fifo, "1\n"), (stdout, "2\n"), (stderr, "3\n")] {
        assert_eq!(fs::read_to_string(path).unwrap(), expected);
    }
}

#[test]
fn a_file_of_the_host_is_not_touched_by_a_run_that_fails() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out");
    fs::write(&path, "of the last run").unwrap();
    let run = Job::program(&["no-such-program"]).arg(output(host_file(&path))).finish();
    assert_eq!(run.code, 127, "{run}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "of the last run");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn the_containers_streams_go_into_files_byte_by_byte() {
    let folder = TempDir::new().unwrap();
    let [stdout, stderr] = ["stdout", "stderr"].map(|name| folder.path().join(name));
    let script = "head -c 20000000 /dev/urandom > /tmp/a; head -c 5000000 /dev/urandom > /tmp/b; \
                  sha256sum /tmp/a /tmp/b > $1; cat /tmp/b >&2 & cat /tmp/a; wait";
    let job = Job::script(script)
        .arg(output(end("HostStdOut")))
        .stream(end("ContainerStdOut"), host_file(&stdout))
        .stream(end("ContainerStdErr"), host_file(&stderr));
    let run = job.invocation().deadline(Duration::from_secs(90)).finish();
    assert_eq!(run.code, 0, "{run}");
    let hashes = [stdout, stderr].map(|path| sha256(&fs::read(path).unwrap()));
    assert_eq!(run.text(), format!("{}  /tmp/a\n{}  /tmp/b\n", hashes[0], hashes[1]), "{run}");
    assert_eq!(run.stderr, "");
}

#[test]
fn the_containers_streams_may_change_places() {
    let job = Job::script("echo out; echo err >&2")
        .stream(end("ContainerStdOut"), end("HostStdErr"))
        .stream(end("ContainerStdErr"), end("HostStdOut"));
    let run = job.finish();
    assert_eq!((run.code, run.text(), &*run.stderr), (0, "err\n", "out\n"), "{run}");
}

#[test]
fn an_output_is_anothers_input() {
    // It has no end before the container exits, so that its reader has to know when it has enough.
    let script = "head -c 10000000 /dev/urandom > /tmp/file; cat /tmp/file > $1 & \
                  head -c 10000000 $2 | cmp - /tmp/file && wait && echo same";
    let job = Job::script(script)
        .arg(named_output_pipe("out"))
        .arg(named_input_pipe("in"))
        .stream(named_output_pipe("out"), named_input_pipe("in"));
    let run = job.finish();
    assert_eq!((run.code, run.text()), (0, "same\n"), "{run}");
}

#[test]
fn the_containers_standard_output_is_its_own_input() {
    let job = Job::script("echo word; read word < $1; echo it said $word >&2")
        .arg(named_input_pipe("in"))
        .stream(end("ContainerStdOut"), named_input_pipe("in"));
    let run = job.finish();
    assert_eq!((run.code, run.text(), &*run.stderr), (0, "", "it said word\n"), "{run}");
}

#[test]
fn an_end_that_two_would_share_is_refused_before_anything_runs() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("out");
    let job = Job::script("true")
        .arg(output(host_file(&path)))
        .stream(end("ContainerStdOut"), host_file(&path));
    let run = job.finish();
    assert_eq!(run.code, 2, "{run}");
    assert!(!path.exists());
}

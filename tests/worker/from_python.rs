//! The manual's chapter for Python, with Girder Worker's real classes.

use std::fs;
use std::path::Path;
use std::process::Output;

use tempfile::TempDir;

use crate::python;

fn chapter(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manual").join(name);
    fs::read_to_string(path).unwrap()
}

/// The blocks of Python in a text, with an image that the engine has.
fn blocks(text: &str) -> Vec<String> {
    let blocks = text.split("```python\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| block.replace("'busybox'", "'gantline-test:busybox'")).collect()
}

/// Runs a program of Python's that finds our command as `gantline`.
async fn run(program: &str) -> Output {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let ours = folder.path().join("gantline");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gantline"), ours).unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let mut command = python::command();
    command.env("PATH", path).args(["-W", "ignore", "-c", program]);
    command.stderr(std::process::Stdio::piped()).output().await.unwrap()
}

#[tokio::test]
async fn docker_run_of_unchanged_code_runs_by_the_command_and_gives_its_outputs_back() {
    let text = chapter("from_python.md");
    let [function, call, dictionary] = &blocks(&text)[..] else { panic!("{text}") };
    let output = run(&format!("{function}\n{call}")).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "b'hello\\n'\n", "{output:?}");

    let output = run(dictionary).await;
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0 b'hello\\n'\n", "{output:?}");

    // Volumes, what is no string, and an exit code.
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    fs::write(folder.path().join("in"), "of the host\n").unwrap();
    let folder = folder.path().display();
    let output = run(&format!(
        "{function}\n\
         from girder_worker.docker.transforms import BindMountVolume, VolumePath\n\
         volume = BindMountVolume('{folder}', '/mnt/data')\n\
         print(docker_run('gantline-test:busybox', pull_image=False, volumes=[volume],\n\
                          container_args=['cat', VolumePath('in', volume)]))\n\
         print(docker_run('gantline-test:busybox', pull_image=False,\n\
                          container_args=['echo', None, True, [1, 'a'], 2.5]))\n\
         try:\n\
         \x20   docker_run('gantline-test:busybox', pull_image=False, container_args=['sh', '-c', 'exit 3'])\n\
         except subprocess.CalledProcessError as error:\n\
         \x20   print(error.returncode)\n"
    ))
    .await;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(stdout, "b'of the host\\n'\nb\"None True [1, 'a'] 2.5\\n\"\n3\n", "{output:?}");
}

#[tokio::test]
async fn every_line_of_python_in_the_table_is_the_type_beside_it() {
    let text = chapter("types.md");
    let mut pairs = Vec::new();
    for section in text.split("\n## ").skip(1) {
        let between =
            |fence: &str| Some(section.split(fence).nth(1)?.split("\n```").next()?.to_owned());
        let (Some(json), Some(python)) = (between("```json\n"), between("```python\n")) else {
            continue;
        };
        // Slicer CLI Web's are Python's as well, but not Girder Worker's.
        if python.contains("slicer_cli_web") {
            continue;
        }
        pairs.push((json, python.split("  # ").next().unwrap().to_owned(), section));
    }
    assert!(pairs.len() >= 18, "{}", pairs.len());
    let lines: Vec<_> = pairs.iter().map(|(_, python, _)| python.as_str()).collect();
    let list = serde_json::to_string(&lines).unwrap();
    let program = format!(
        "import json\n\
         from kombu.serialization import dumps\n\
         from girder_worker import app\n\
         from girder_worker.docker.transforms import *\n\
         from girder_worker.docker.transforms import Connect, VolumePath, TemporaryVolume\n\
         from girder_worker.docker.transforms.girder import *\n\
         for line in json.loads({list:?}):\n\
         \x20   print(dumps(eval(line), serializer='girder_io')[2])\n"
    );
    let output = run(&program).await;
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let pickles: Vec<_> = stdout.lines().collect();
    assert_eq!(pickles.len(), pairs.len(), "{output:?}");
    for ((json, python, section), pickle) in pairs.iter().zip(pickles) {
        let (document, message) = jobs(section, json, pickle);
        let message = gantline::JobSpec::from_message(&message)
            .unwrap_or_else(|error| panic!("{python}: {error}\n{message}"));
        let document = gantline::JobSpec::from_json(&document)
            .unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(message, document, "{python}");
    }
}

/// A job with a transform where it belongs: as a document, and as a message.
fn jobs(section: &str, json: &str, pickle: &str) -> (String, String) {
    let class = |name: &str, members: &str| {
        format!(r#"{{"py/object": "girder_worker.docker.transforms.{name}", {members}}}"#)
    };
    if section.contains("It belongs in `girder_result_hooks`") {
        return (
            format!(r#"{{"image": "i", "girder_result_hooks": [{json}]}}"#),
            format!(
                r#"{{"headers": {{"girder_result_hooks": [{pickle}]}}, "body": [["i"], {{}}, {{}}]}}"#
            ),
        );
    }
    let (ours, theirs) = if section.contains("It belongs in the `input`") {
        (
            format!(
                r#"{{"type": "Connect", "input": {json}, "output": {{"type": "NamedInputPipe", "name": "x"}}}}"#
            ),
            class(
                "Connect",
                &format!(
                    r#""_input": {pickle}, "_output": {}"#,
                    class("NamedInputPipe", r#""name": "x""#)
                ),
            ),
        )
    } else if section.contains("It belongs in the `output`") {
        (
            format!(
                r#"{{"type": "Connect", "input": {{"type": "NamedOutputPipe", "name": "x"}}, "output": {json}}}"#
            ),
            class(
                "Connect",
                &format!(
                    r#""_input": {}, "_output": {pickle}"#,
                    class("NamedOutputPipe", r#""name": "x""#)
                ),
            ),
        )
    } else {
        (json.to_owned(), pickle.to_owned())
    };
    (
        format!(r#"{{"image": "i", "container_args": [{ours}]}}"#),
        format!(r#"{{"headers": {{}}, "body": [["i"], {{"container_args": [{theirs}]}}, {{}}]}}"#),
    )
}

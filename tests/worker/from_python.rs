//! The manual's chapter for Python, with Girder Worker's real classes.

use std::fs;
use std::process::Output;

use gantline::JobSpec;
use gantline::spec::Secret;
use tempfile::TempDir;

use crate::python;
use crate::support::blocks;
use crate::support::pasted::chapter;

/// The blocks of Python in a text, with an image that the engine has.
fn blocks(text: &str) -> Vec<String> {
    let blocks = blocks::blocks(text).into_iter().filter(|block| block.language == "python");
    blocks.map(|block| block.text.replace("'busybox'", "'gantline-test:busybox'")).collect()
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
    let text = chapter("src/manual/from_python.md");
    let [function, call, dictionary] = &blocks(&text)[..] else { panic!("{text}") };
    let all = blocks::blocks(&text);
    let outputs: Vec<_> = all.iter().filter(|block| block.language == "output").collect();
    let [called, of_dictionary] = outputs[..] else { panic!("{outputs:?}") };
    for (program, shown) in [(&format!("{function}\n{call}"), called), (dictionary, of_dictionary)]
    {
        let output = run(program).await;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(printed, format!("{}\n", shown.text), "{output:?}");
    }

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
    let text = chapter("src/manual/types.md");
    let mut pairs = Vec::new();
    for section in text.split("\n## ").skip(1) {
        let between =
            |fence: &str| Some(section.split(fence).nth(1)?.split("\n```").next()?.to_owned());
        let (Some(json), Some(python)) = (between("```json\n"), between("```python\n")) else {
            continue;
        };
        let python = python.split("  # ").next().unwrap().to_owned();
        pairs.push((document(section, &json), message(section, &python), python));
    }
    assert!(pairs.len() >= 22, "{}", pairs.len());
    let program = pairs.iter().fold(BEGINNING.to_owned(), |program, (_, message, _)| {
        program + "print(" + message + ")\n"
    });
    let output = run(&program).await;
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    let messages: Vec<_> = stdout.lines().collect();
    assert_eq!(messages.len(), pairs.len(), "{output:?}");
    for ((document, _, python), message) in pairs.iter().zip(messages) {
        let message = JobSpec::from_message(message)
            .unwrap_or_else(|error| panic!("{python}: {error}\n{message}"));
        let mut document =
            JobSpec::from_json(document).unwrap_or_else(|error| panic!("{document}: {error}"));
        // Girder's transforms have a client, which knows the address and has a token.
        let token = message.girder_api_url().map(|_| Secret::new("t"));
        document.set_girder(message.girder_api_url(), token.as_ref()).unwrap();
        assert_eq!(message, document, "{python}");
    }
}

/// What Girder's transforms ask of the Girder that they are made in, and what makes messages.
const BEGINNING: &str = "\
import girder_plugin_worker.utils, girder.api.rest
girder_plugin_worker.utils.getWorkerApiUrl = lambda: 'http://girder.example/api/v1'
girder.api.rest.getCurrentUser = lambda: None
girder.api.rest.getCurrentToken = lambda: {'_id': 't'}
from kombu.serialization import dumps
from girder_worker import app
from girder_worker.docker.transforms import *
from girder_worker.docker.transforms.girder import *
# Slicer CLI Web's worker plugin; the package itself asks for more than is here.
import sys, types
slicer = sys.modules['slicer_cli_web'] = types.ModuleType('slicer_cli_web')
slicer.__path__ = [sys.prefix + '/beside/slicer_cli_web']
from slicer_cli_web.girder_worker_plugin.direct_docker_run import (
    CommaJoinedVolumes, DirectGirderFileIdToVolume, GirderApiUrl, GirderToken)
def pickled(value):
    return dumps(value, serializer='girder_io')[2]
def argument(value):
    return '{\"headers\": {}, \"body\": %s}' % pickled([('i',), {'container_args': [value]}, {}])
def hook(value):
    return '{\"headers\": {\"girder_result_hooks\": [%s]}, \"body\": [[\"i\"], {}, {}]}' % pickled(value)
";

/// A job document with a transform where it belongs.
fn document(section: &str, json: &str) -> String {
    let input = r#"{"type": "NamedOutputPipe", "name": "x"}"#;
    let output = r#"{"type": "NamedInputPipe", "name": "x"}"#;
    let connect = |input: &str, output: &str| {
        let connect = format!(r#"{{"type": "Connect", "input": {input}, "output": {output}}}"#);
        format!(r#"{{"image": "i", "container_args": [{connect}]}}"#)
    };
    match belongs(section) {
        "hooks" => format!(r#"{{"image": "i", "girder_result_hooks": [{json}]}}"#),
        "input" => connect(json, output),
        "output" => connect(input, json),
        _ => format!(r#"{{"image": "i", "container_args": [{json}]}}"#),
    }
}

/// The Python that makes the message with the same.
fn message(section: &str, python: &str) -> String {
    match belongs(section) {
        "hooks" => format!("hook({python})"),
        "input" => format!("argument(Connect({python}, NamedInputPipe('x')))"),
        "output" => format!("argument(Connect(NamedOutputPipe('x'), {python}))"),
        _ => format!("argument({python})"),
    }
}

fn belongs(section: &str) -> &'static str {
    let places = [
        ("hooks", "It belongs in `girder_result_hooks`"),
        ("input", "It belongs in the `input`"),
        ("output", "It belongs in the `output`"),
    ];
    places
        .into_iter()
        .find(|(_, words)| section.contains(words))
        .map_or("argument", |(name, _)| name)
}

//! A reader pastes the blocks of a text into a shell as they stand, and sees what the text shows.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::blocks::blocks;

/// A chapter of the manual, or the README.
pub(crate) fn chapter(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// A shell in a fresh folder that a text's blocks are pasted into.
pub(crate) struct Shell {
    folder: TempDir,
    replaced: Vec<(String, String)>,
    command: Command,
}

impl Shell {
    pub(crate) fn new() -> Self {
        let folder = TempDir::with_prefix("gantline-test-").unwrap();
        let inside = |name: &str| folder.path().join(name);
        for name in ["bin", "here", "tmp", "records"] {
            fs::create_dir(inside(name)).unwrap();
        }
        let ours = inside("bin").join("gantline");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_gantline"), ours).unwrap();
        let path = format!("{}:{}", inside("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.current_dir(inside("here")).env("PATH", path);
        command.env("TMPDIR", inside("tmp")).env("GANTLINE_RECORD_DIR", inside("records"));
        for name in ["GIRDER_TOKEN", "GIRDER_API_KEY", "GIRDER_API_URL"] {
            command.env_remove(name);
        }
        // What the engine of the tests has, and a folder of the test's own.
        let replaced = vec![
            ("busybox".to_owned(), "gantline-test:busybox".to_owned()),
            ("/tmp/".to_owned(), format!("{}/", inside("tmp").display())),
        ];
        Self { folder, replaced, command }
    }

    /// What there is here in place of what the text names.
    pub(crate) fn replacing(mut self, named: &str, here: &str) -> Self {
        self.replaced.push((named.to_owned(), here.to_owned()));
        self
    }

    /// Sets a variable of its environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Pastes all that is not marked, and compares all that is printed.
    #[track_caller]
    pub(crate) fn prints_what_it_says(mut self, text: &str) {
        let mut script =
            "set -eu -o pipefail; trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n".to_owned();
        let mut expected = String::new();
        let blocks = blocks(text);
        let mut blocks = blocks.iter().filter(|block| block.reason.is_none()).peekable();
        while let Some(block) = blocks.next() {
            let text = self
                .replaced
                .iter()
                .fold(block.text.to_owned(), |text, (named, here)| text.replace(named, here));
            match block.language {
                "sh" => writeln!(script, "{text}").unwrap(),
                "output" => writeln!(expected, "{text}").unwrap(),
                "json" if is_job(&text) => {
                    writeln!(script, "cat > job.json <<'END'\n{}\nEND", local(&text)).unwrap();
                    if blocks.peek().is_none_or(|next| next.language != "sh") {
                        script += "gantline run job.json\n";
                    }
                }
                _ => {}
            }
        }
        let output = self.command.args(["-c", &script]).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stdout, expected, "{script}\n{stderr}");
        assert!(output.status.success(), "{script}\n{stderr}");
        let left: Vec<_> = fs::read_dir(self.folder.path().join("records")).unwrap().collect();
        assert!(left.iter().all(|user| is_empty(&user.as_ref().unwrap().path())), "{left:?}");
    }
}

/// Whether a block of JSON is a job document.
fn is_job(text: &str) -> bool {
    text.contains("\"image\"") && !text.contains("\"run_id\"")
}

/// A document whose image is not pulled unless it says so: here is no registry.
fn local(text: &str) -> String {
    let mut job: Value = serde_json::from_str(text).unwrap();
    let job = job.as_object_mut().unwrap();
    job.entry("pull_image").or_insert(Value::Bool(false));
    Value::Object(job.clone()).to_string()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

//! A `gantline depot` in a process of its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The process; it is killed in the end.
#[derive(Debug)]
pub(crate) struct Depot {
    process: Child,
    api: String,
    ids: HashMap<String, String>,
}

impl Depot {
    /// Serves a folder. Its files must be there already.
    pub(crate) fn serve(folder: &Path, arguments: &[&str]) -> Self {
        let files = std::fs::read_dir(folder).unwrap().count();
        let mut process = Command::new(env!("CARGO_BIN_EXE_gantline"))
            .args(["depot", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .arg(folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let api = lines.next().unwrap().strip_prefix("serving on ").unwrap().to_owned();
        // id, size, unit, path
        let id = |line: String| {
            let words: Vec<_> = line.split_whitespace().collect();
            (words[words.len() - 1].to_owned(), words[0].to_owned())
        };
        let ids = lines.take(files).map(id).collect();
        Self { process, api, ids }
    }

    /// The address of its REST API.
    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    /// The id of a file.
    pub(crate) fn id(&self, name: &str) -> &str {
        &self.ids[name]
    }
}

impl Drop for Depot {
    fn drop(&mut self) {
        // It may have been killed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

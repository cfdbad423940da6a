//! What the command writes for others: words for shells, pages for man, its version, a first job.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::cli::{gantline, said};

/// What bash offers behind `gantline`, when these words are there and the last one is begun.
fn offered(words: &[&str]) -> Vec<String> {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let file = folder.path().join("gantline.bash");
    fs::write(&file, said(&["completions", "bash"], "").1).unwrap();
    let script = format!(
        "source {}; COMP_WORDS=(gantline {}); COMP_CWORD={}; _gantline gantline {} {}; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        file.display(),
        words.join(" "),
        words.len(),
        words.last().unwrap(),
        words.iter().nth_back(1).unwrap_or(&"gantline"),
    );
    let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options() {
    assert_eq!(offered(&["ru"]), ["run"]);
    assert_eq!(offered(&["run", "--summ"]), ["--summary"]);
    assert_eq!(offered(&["run", "--progress", "pl"]), ["plain"]);
    assert_eq!(offered(&["completions", "z"]), ["zsh"]);
    assert_eq!(offered(&["help", "ty"]), ["types"]);
    assert_eq!(offered(&["help", "wor"]), ["worker"]);
}

#[test]
fn what_other_shells_get_is_theirs() {
    assert!(said(&["completions", "zsh"], "").1.starts_with("#compdef gantline\n"));
    assert!(said(&["completions", "fish"], "").1.contains("complete -c gantline"));
}

#[test]
fn there_is_a_page_for_the_command_and_for_each_below_it() {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let pages = folder.path().join("man1");
    let (code, stdout, stderr) = said(&["man", pages.to_str().unwrap()], "");
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (0, "", ""));
    for name in ["gantline", "gantline-run", "gantline-check", "gantline-worker", "gantline-prune"]
    {
        let page = fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}: {page}");
    }
    let run = fs::read_to_string(pages.join("gantline-run.1")).unwrap();
    assert!(run.contains("\\-\\-summary"), "{run}");
    assert!(run.contains(".SH NOTES\n.nf\n"), "{run}");
    let (code, _, stderr) = said(&["man", "/dev/null/pages"], "");
    assert!(code == 125 && stderr.contains("into /dev/null/pages"), "{code}: {stderr}");
}

#[test]
fn the_version_is_json_for_programs() {
    let version: Value = serde_json::from_str(&said(&["version", "--json"], "").1).unwrap();
    assert_eq!(version["name"], "gantline");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(said(&["version"], "").1, said(&["--version"], "").1);
}

#[test]
fn the_first_job_is_one_that_its_schema_describes_and_is_not_overwritten() {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = gantline(arguments);
        let child = command.current_dir(folder.path()).spawn().unwrap();
        let output = super::cli::finish(child, "");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, _, stderr) = run(&["init"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, plan, stderr) = run(&["check", "job.json"]);
    assert!(code == 0 && plan.contains("→ fifo:in"), "{plan}{stderr}");

    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (job, schema) = (read("job.json"), read("job.schema.json"));
    let parsed: Value = serde_json::from_str(&job).unwrap();
    assert_eq!(parsed["$schema"], "./job.schema.json");
    assert_eq!(schema, said(&["schema"], "").1);
    let members = &serde_json::from_str::<Value>(&schema).unwrap()["properties"];
    for member in parsed.as_object().unwrap().keys() {
        assert!(members.get(member).is_some(), "the schema has no {member}");
    }

    let (code, _, stderr) = run(&["init"]);
    assert!(code != 0 && stderr.contains("job.json"), "{code}: {stderr}");
    assert_eq!(read("job.json"), job);
}

#[test]
fn a_depot_whose_port_is_taken_says_how_another_is_had() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let depot = gantline(&["depot", "--listen", &address]).arg(folder.path()).output().unwrap();
    let said = String::from_utf8(depot.stderr).unwrap();
    assert_eq!(depot.status.code(), Some(125), "{said}");
    assert!(said.contains(&address), "{said}");
    assert!(said.ends_with("; --listen 127.0.0.1:0 takes a port that is free\n"), "{said}");
}

#[test]
fn a_depot_that_everybody_reaches_warns_and_one_with_a_token_does_not() {
    let folder = TempDir::with_prefix("gantline-test-").unwrap();
    let first_words = |arguments: &[&str]| {
        let mut command = gantline(&["depot", "--listen", "0.0.0.0:0"]);
        let mut depot = command.args(arguments).arg(folder.path()).spawn().unwrap();
        // It has said all that it will when it serves.
        let mut said = String::new();
        let mut stdout = BufReader::new(depot.stdout.take().unwrap());
        stdout.read_line(&mut said).unwrap();
        depot.kill().unwrap();
        String::from_utf8(depot.wait_with_output().unwrap().stderr).unwrap()
    };
    let warned = first_words(&[]);
    assert!(warned.contains("whoever reaches 0.0.0.0:"), "{warned}");
    assert!(warned.contains("--token lets in only those who show it"), "{warned}");
    let quiet = first_words(&["--token", "secret"]);
    assert!(!quiet.contains("whoever"), "{quiet}");
}

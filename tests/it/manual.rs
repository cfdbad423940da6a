//! The manual: its jobs are jobs, its table is the schema's, its messages are said, and `gantline help`
//! shows it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use gantline::spec::{JobSpec, schema};
use serde_json::{Map, Value};

use super::blocks;
use super::cli::said;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/manual")
}

fn chapter(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// Every chapter that is a file, with its text.
fn chapters() -> Vec<(String, String)> {
    let entries = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let texts = entries.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    texts.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn every_job_of_the_manual_is_one() {
    let mut jobs = 0;
    for (name, text) in chapters() {
        let blocks = blocks::blocks(&text).into_iter().filter(|block| block.language == "json");
        for block in blocks.map(|block| block.text).filter(|text| text.contains("\"image\": ")) {
            JobSpec::from_json(block).unwrap_or_else(|error| panic!("{name}: {error}\n{block}"));
            jobs += 1;
        }
    }
    assert!(jobs >= 5, "{jobs}");
}

/// `docker::readme` pastes each chapter's blocks, `worker::manual` those that need a broker, `worker::from_python` runs
/// Python's, and the documentation's tests compile the README's Rust.
#[test]
fn every_block_of_the_readme_and_the_manual_is_run_or_says_why_not() {
    let mut texts = chapters();
    // It is made from the schema, and `girder::types` and `worker::from_python` run each example.
    texts.retain(|(name, _)| name != "types.md");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    texts.push(("README.md".to_owned(), fs::read_to_string(readme).unwrap()));
    let mut wrong = Vec::new();
    let mut run = 0;
    for (name, text) in &texts {
        let fences = text.lines().filter(|line| line.starts_with("```")).count();
        let blocks = blocks::blocks(text);
        assert_eq!(blocks.len() * 2, fences, "{name}");
        for block in blocks {
            let is_run = match block.language {
                "sh" | "json" | "output" => name != "from_python.md" || block.language == "output",
                "python" => name == "from_python.md",
                "rust,no_run" => name == "README.md",
                _ => false,
            };
            run += usize::from(is_run);
            if is_run == block.reason.is_some() {
                wrong.push(format!("{name}, line {}: {}", block.line, block.language));
            }
        }
    }
    assert!(wrong.is_empty(), "neither run nor marked, or both: {wrong:#?}");
    assert!(run > 30, "{run}");
}

/// The README says it in words of its own, and benches/README.md, which rivals.sh writes, in those of its cases.
#[test]
fn every_figure_of_the_readmes_speed_is_in_the_whole_table() {
    let text = |name: &str| fs::read_to_string(folder().join("../..").join(name)).unwrap();
    let (readme, whole) = (text("README.md"), text("benches/README.md"));
    let short = readme.split("| what | gantline | the other | ratio |").nth(1).unwrap();
    let rows: Vec<_> = short.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 6, "{rows:#?}");
    for row in rows {
        let mut said = row.to_owned();
        for (ours, theirs) in [
            ("4 GiB of a pipe in a container → HTTP", "4 GiB FIFO in a container → chunked HTTP"),
            ("a pipe in a container", "FIFO in a container"),
            ("a program that only splices", "splice_in"),
            ("Girder Worker", "girder_worker"),
        ] {
            said = said.replace(ours, theirs);
        }
        let [what, numbers @ ..] = &said.trim_matches('|').split(" | ").collect::<Vec<_>>()[..]
        else {
            panic!("{row}")
        };
        let numbers = format!("| {}", numbers.join(" | "));
        let stands = |line: &&str| line.contains(what.trim()) && line.contains(numbers.trim_end());
        assert_eq!(whole.lines().filter(stands).count(), 1, "{said}");
    }
}

#[test]
fn the_chapter_of_types_is_what_the_schema_says() {
    let text = types(&schema());
    let path = folder().join("types.md");
    if std::env::var_os("GANTLINE_TEST_WRITE").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert!(
        chapter("types.md") == text,
        "write {} anew: GANTLINE_TEST_WRITE=1 cargo nextest run manual",
        path.display()
    );
}

#[test]
fn every_example_of_a_type_is_taken_where_it_belongs() {
    for (name, definition) in definitions(&schema()) {
        let example = definition["examples"][0].to_string();
        let belongs = definition["$comment"].as_str().unwrap();
        let connect = |end: &str, other: &str| {
            format!(r#""stream_connectors": [{{"type": "Connect", "{end}": {example}, {other}}}]"#)
        };
        let members = match belongs {
            _ if belongs.contains("`container_args`") => {
                format!(r#""container_args": [{example}]"#)
            }
            _ if belongs.contains("`input` of a Connect") => {
                connect("input", r#""output": {"type": "NamedInputPipe", "name": "x"}"#)
            }
            _ if belongs.contains("`output` of a Connect") => {
                connect("output", r#""input": {"type": "NamedOutputPipe", "name": "x"}"#)
            }
            _ => format!(r#""girder_result_hooks": [{example}]"#),
        };
        let job = format!(r#"{{"image": "i", {members}}}"#);
        JobSpec::from_json(&job).unwrap_or_else(|error| panic!("{name}: {error}\n{job}"));
    }
}

#[test]
fn what_troubleshooting_quotes_is_said() {
    let mut source = String::new();
    let mut unread = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(path) = unread.pop() {
        if path.is_dir() {
            unread.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            source += &fs::read_to_string(path).unwrap();
        }
    }
    // Literals that go on in the next line.
    let joined: Vec<_> = source.split("\\\n").map(str::trim_start).collect();
    let source = joined.concat();
    // The kernel's, the shell's, the engine's and the program's own.
    const OTHERS: [&str; 5] = [
        "no such file",
        "Permission denied",
        "No space left on device",
        "Too many open files",
        "Client sent an HTTP request to an HTTPS server",
    ];
    let text = chapter("troubleshooting.md");
    let mut seen = 0;
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let quoted = row.split('`').nth(1).unwrap();
        assert!(OTHERS.contains(&quoted) || source.contains(quoted), "nobody says {quoted:?}");
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
}

#[test]
fn help_shows_every_chapter_and_every_command() {
    let (code, overview, _) = said(&["help"], "");
    assert_eq!(code, 0);
    for (file, text) in chapters() {
        let topic = match file.trim_end_matches(".md") {
            "job_document" => "job".to_owned(),
            "from_python" => "python".to_owned(),
            name => name.replace('_', "-"),
        };
        let shown: Vec<_> = text.lines().filter(|line| !line.contains("<!-- not run")).collect();
        let (code, stdout, stderr) = said(&["help", &topic], "");
        assert_eq!((code, stderr), (0, String::new()), "{topic}");
        assert_eq!(stdout.lines().collect::<Vec<_>>(), shown, "{topic}");
        assert!(said(&["help", "--help"], "").1.contains(&topic), "{topic}");
    }
    assert!(overview.contains("  run "), "{overview}");
    assert!(said(&["help", "run"], "").1.contains("--report <FILE>"));
    let (code, stdout, stderr) = said(&["help", "nonsense"], "");
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(
        stderr.contains("there is no help about \"nonsense\", but about job, types"),
        "{stderr}"
    );
}

/// The chapter of types.
fn types(schema: &Value) -> String {
    let mut text = BEGINNING.to_owned();
    text += &table(schema);
    for (name, definition) in definitions(schema) {
        let about = definition["description"].as_str().unwrap();
        let (belongs, class) = definition["$comment"].as_str().unwrap().split_once("; ").unwrap();
        write!(text, "\n## {name}\n\n{about} It belongs in {belongs}.\n").unwrap();
        if definition["properties"].as_object().unwrap().len() > 1 {
            write!(text, "\n{}", table(definition)).unwrap();
        }
        let example = &definition["examples"][0];
        write!(text, "\n```json\n{}\n```\n", json(example)).unwrap();
        match class.contains('.') {
            true => write!(text, "\n```python\n{}  # {class}\n```\n", python(example)).unwrap(),
            false => write!(text, "\nGirder Worker has nothing like it.\n").unwrap(),
        }
    }
    text
}

const BEGINNING: &str = "\
The types: each member of the document and each type, with an example.

This chapter is made of the table that documents are checked against, and of which `gantline schema` is made. Below
each example stands what it is in Python, with Girder Worker's class.

# The document

";

/// A table of an object's members.
fn table(of: &Value) -> String {
    let required = of["required"].as_array().unwrap();
    let mut text = "| member | what it says | default | example |\n|---|---|---|---|\n".to_owned();
    let members = of["properties"].as_object().unwrap().iter();
    for (name, member) in members.filter(|(name, _)| *name != "type") {
        let about = member["description"].as_str().unwrap();
        let default = match member.get("default") {
            _ if required.contains(&Value::from(name.as_str())) => "required".to_owned(),
            Some(default) => format!("`{}`", json(default)),
            None => String::new(),
        };
        let example = member.get("examples").map(|all| format!("`{}`", json(&all[0])));
        let cells =
            [about, &default, &example.unwrap_or_default()].map(|cell| cell.replace('|', "\\|"));
        writeln!(text, "| `{name}` | {} |", cells.join(" | ")).unwrap();
    }
    text
}

pub(super) fn definitions(schema: &Value) -> &Map<String, Value> {
    schema["$defs"].as_object().unwrap()
}

/// JSON in one line, as people write it.
fn json(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", list(items.iter().map(json))),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| format!("\"{name}\": {}", json(value));
            format!("{{{}}}", list(members.iter().map(member)))
        }
        other => other.to_string(),
    }
}

/// The same in Python: a transform is its class, called with what must be there.
fn python(value: &Value) -> String {
    match value {
        Value::Object(members) if members.contains_key("type") => {
            let name = members["type"].as_str().unwrap();
            let arguments = members.iter().filter(|(member, _)| *member != "type");
            let arguments = list(arguments.map(|(_, argument)| python(argument)));
            // An object, and no class.
            if name.contains('.') { name.to_owned() } else { format!("{name}({arguments})") }
        }
        Value::Array(items) => format!("[{}]", list(items.iter().map(python))),
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

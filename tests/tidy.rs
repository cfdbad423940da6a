//! Holds the source to its architecture: who may import whom, who prints, who reads the environment, and
//! how long a file may be. It looks at text, not at syntax; what it says tells what to do.

#![cfg(test)]

#[path = "tidy/bare.rs"]
mod bare;
#[path = "tidy/faults.rs"]
mod faults;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/shape.rs"]
mod shape;
#[path = "tidy/store.rs"]
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The table of imports. A module is a folder or a file of `src/`; a new edge needs a reason in the commit.
const IMPORTS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    (
        "cli",
        &["settings", "run", "plan", "event", "spec", "depot", "worker", "bench", "guard", "sys"],
    ),
    ("bench", &["run", "pump", "depot", "volume", "http", "sys"]),
    ("worker", &["backoff", "girder", "reporter", "run", "event", "spec"]),
    ("settings", &["run", "spec"]),
    (
        "run",
        &[
            "backoff", "span", "docker", "girder", "pump", "hook", "plan", "reporter", "store",
            "volume", "event", "spec", "sys", "http", "guard",
        ],
    ),
    ("hook", &["backoff", "span", "store", "volume", "event", "spec"]),
    ("plan", &["volume", "spec"]),
    ("store", &["backoff", "girder", "spec"]),
    ("reporter", &["backoff", "span", "girder", "event", "spec"]),
    ("girder", &["backoff", "http", "secret"]),
    ("pump", &["backoff", "sys", "http", "guard"]),
    ("volume", &["sys", "spec"]),
    ("docker", &["image", "secret"]),
    ("depot", &["secret", "sys"]),
    ("spec", &["image", "secret"]),
    ("event", &["pump"]),
    ("transfers", &["pump", "http"]),
    ("backoff", &[]),
    ("span", &[]),
    ("sys", &[]),
    ("guard", &["backoff", "sys"]),
    ("secret", &[]),
    ("image", &[]),
    ("http", &["backoff", "sys", "secret"]),
];

/// These see everything, or nothing: the tour, what fuzz targets call, chapters without code.
const FREE: &[&str] = &["lib", "fuzzing", "changelog", "contributing", "manual"];

const LINES: usize = 500;

#[test]
fn modules_import_only_what_the_table_allows() {
    let modules: BTreeSet<_> = IMPORTS.iter().map(|(module, _)| *module).collect();
    let mut wrong = Vec::new();
    for file in sources("src") {
        let Some(allowed) = allowed(&file.module) else {
            if !FREE.contains(&&*file.module) {
                wrong.push(format!(
                    "{}: add `{}` to the table in tests/tidy.rs",
                    file.path, file.module
                ));
            }
            continue;
        };
        for (line, imported) in file.imports() {
            let known = modules.contains(&*imported);
            if known && imported != file.module && !allowed.contains(&&*imported) {
                wrong.push(format!(
                    "{}:{line}: `{}` may not import `{imported}`, only {allowed:?}: move the code, or pass a value in",
                    file.path, file.module
                ));
            }
        }
    }
    assert_clean(wrong);
}

/// The crate's documentation has a table of layers, in which every edge of ours leads down.
#[test]
fn the_table_of_layers_in_the_documentation_is_this_one() {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let rows = text.lines().skip_while(|line| *line != "//! | layer | modules |").skip(2);
    let rows: Vec<_> = rows.map_while(|line| line.strip_prefix("//! | ")).collect();
    let layers: BTreeMap<&str, &str> = rows
        .iter()
        .filter_map(|row| row.split_once(" | "))
        .flat_map(|(layer, row)| words(row).map(move |module| (module, layer)))
        .collect();
    let modules = IMPORTS.iter().map(|(module, _)| *module).filter(|module| *module != "main");
    assert_eq!(modules.collect::<BTreeSet<_>>(), layers.keys().copied().collect());
    let named = rows.iter().filter_map(|row| Some(words(row.split_once(" | ")?.1).count()));
    assert_eq!(named.sum::<usize>(), layers.len(), "a module has one layer");
    for (module, imports) in IMPORTS.iter().filter(|(module, _)| *module != "main") {
        for import in *imports {
            assert!(
                layers[import] < layers[module],
                "{module} imports {import}, of its layer or above"
            );
        }
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long = ["src", "tests", "benches", "fuzz/fuzz_targets"]
        .into_iter()
        .flat_map(sources)
        .filter_map(|file| {
            let lines = file.text.lines().count();
            (lines > LINES).then(|| format!("{}: {lines} lines: split it by idea", file.path))
        });
    assert_clean(long.collect());
}

#[test]
fn only_the_command_prints() {
    let words = ["println!", "eprintln!", "print!", "eprint!"];
    assert_clean(found(&words, &["cli"], "only cli prints: return a value, or send an Event"));
}

#[test]
fn only_the_command_names_its_options() {
    // Whole commands for a shell, and an argument of a container's.
    const OTHERS: [&str; 6] =
        ["says(\"--", "docker ", "\"--host ", "rm -rf ", "prlimit ", "\"--level\""];
    let names_one = |code: &str| {
        let mut rest = code.split("--").skip(1);
        rest.any(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    let mut wrong = Vec::new();
    for file in sources("src") {
        if ["bench", "cli", "worker"].contains(&&*file.module) {
            continue;
        }
        for (line, code) in file.product() {
            if names_one(code) && !OTHERS.iter().any(|other| code.contains(other)) {
                wrong.push(format!(
                    "{}:{line}: who embeds the library has no options: the command adds such words",
                    file.path
                ));
            }
        }
    }
    assert_clean(wrong);
}

#[test]
fn only_the_settings_and_the_command_read_the_environment() {
    let words = ["env::var(", "env::var_os(", "env::vars(", "env::vars_os("];
    let words = words.iter().chain(&["env::args(", "env::temp_dir(", "env::home_dir("]);
    let words: Vec<&str> = words.copied().collect();
    let advice = "only settings and cli read the environment: take a setting";
    assert_clean(found(&words, &["cli", "settings"], advice));
    // A guard knows itself by its name.
    assert_clean(found(&["env::args_os("], &["cli", "settings", "guard"], advice));
}

#[test]
fn the_product_knows_nothing_of_tests_and_leaves_nothing_open() {
    // In two parts, so that this file is not found.
    let words = [concat!("cfg!(", "test)"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    assert_clean(found(&words, &[], "the product has no code for tests, and no stubs"));
}

#[test]
fn unsafe_code_stands_under_an_expect_with_a_reason() {
    let mut wrong = Vec::new();
    for file in ["src", "tests", "benches"].into_iter().flat_map(sources) {
        let lines: Vec<_> = file.code();
        for (at, (line, code)) in lines.iter().enumerate() {
            if words(code).any(|word| word == concat!("un", "safe")) {
                let before = &lines[at.saturating_sub(10)..at];
                if !before.iter().any(|(_, code)| code.contains("expect(unsafe_code")) {
                    wrong.push(format!(
                        "{}:{line}: use nix's safe call, or say why not in #[expect(unsafe_code, reason = …)]",
                        file.path
                    ));
                }
            }
        }
    }
    assert_clean(wrong);
}

#[test]
fn nothing_waits_by_sleeping() {
    // In two parts, so that this file is not found.
    let word = concat!("thread::", "sleep");
    let wrong = ["src", "tests", "benches"].into_iter().flat_map(sources).flat_map(|file| {
        lines_with(&file, &file.code(), &[word], "wait for an event, with a deadline")
    });
    assert_clean(wrong.collect());
}

#[test]
fn every_file_opens_with_what_it_is() {
    let wrong = ["src", "tests", "benches"].into_iter().flat_map(sources).filter_map(|file| {
        let documented = file.text.starts_with("//! ");
        (!documented)
            .then(|| format!("{}: open it with a `//!` line that says what it is", file.path))
    });
    assert_clean(wrong.collect());
}

#[test]
fn every_module_of_src_has_its_chapter() {
    let mut wrong = Vec::new();
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let chapter = path.join("mod.rs");
        if path.is_dir() && !fs::read_to_string(&chapter).is_ok_and(|text| text.starts_with("//! "))
        {
            wrong.push(format!("{}: write the chapter of the module, in `//!`", chapter.display()));
        }
    }
    assert_clean(wrong);
}

#[test]
fn every_fuzz_target_has_its_line_its_entry_and_its_corpus() {
    let fuzz = root().join("fuzz");
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(fuzz.join(folder)).unwrap();
        let names = entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned());
        names.map(|name| name.into_string().unwrap()).collect()
    };
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    let entries = manifest.split("\n[[bin]]\n").skip(1);
    let entries: BTreeSet<_> =
        entries.map(|entry| entry.split('"').nth(1).unwrap().to_owned()).collect();
    assert_eq!(entries, names("fuzz_targets"));
    assert_eq!(entries, names("corpus"));
}

#[test]
fn the_rust_version_is_the_most_that_a_dependency_asks_for() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--offline", "--all-features", "--format-version", "1"]);
    cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]).current_dir(root());
    let metadata: Value = serde_json::from_slice(&cargo.output().unwrap().stdout).unwrap();
    let version = |package: &Value| -> Option<(u32, u32)> {
        let mut parts = package["rust_version"].as_str()?.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let packages = metadata["packages"].as_array().unwrap();
    let (ours, theirs): (Vec<_>, Vec<_>) =
        packages.iter().partition(|package| package["name"] == "gantline");
    let asks = theirs.iter().max_by_key(|package| version(package)).unwrap();
    assert_eq!(version(ours[0]), version(asks), "rust-version, and that of {}", asks["name"]);
}

/// A Rust file.
struct Source {
    /// From the root of the repository.
    path: String,
    /// The folder or file of `src/` that it belongs to.
    module: String,
    text: String,
}

impl Source {
    /// The lines with their numbers, without what stands behind `//`.
    fn code(&self) -> Vec<(usize, &str)> {
        let lines = self.text.lines().enumerate();
        lines.map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default())).collect()
    }

    /// The lines that are not unit tests: those stand at the end of a file, or in a file called `…tests.rs`.
    fn product(&self) -> Vec<(usize, &str)> {
        let mut code = self.code();
        let begins = |pair: &[(usize, &str)]| {
            pair[0].1 == "#[cfg(test)]" && pair[1].1.starts_with("mod ") && pair[1].1.ends_with('{')
        };
        let tests = code.windows(2).position(begins).unwrap_or(code.len());
        code.truncate(if self.path.ends_with("tests.rs") { 0 } else { tests });
        code
    }

    /// The modules that the lines name: `crate::x`, also in `use crate::{x, y::Z}`.
    fn imports(&self) -> Vec<(usize, String)> {
        let code = self.code();
        // Joined, since rustfmt breaks a list into lines.
        let joined: String = code.iter().flat_map(|(_, line)| [line, "\n"]).collect();
        let prefixes = ["crate::", "gantline::"];
        let mut imports = Vec::new();
        for prefix in prefixes {
            for (at, _) in joined.match_indices(prefix) {
                let before = joined[..at].chars().next_back();
                if before.is_some_and(|char| char.is_alphanumeric() || char == '_' || char == ':') {
                    continue;
                }
                let line = code[joined[..at].matches('\n').count()].0;
                let after = &joined[at + prefix.len()..];
                let names = match after.strip_prefix('{') {
                    Some(list) => list_of_names(list),
                    None => vec![words(after).next().unwrap_or_default().to_owned()],
                };
                imports.extend(names.into_iter().map(|name| (line, name)));
            }
        }
        imports
    }
}

/// The lines in which one of the words stands.
fn lines_with(
    file: &Source,
    code: &[(usize, &str)],
    words: &[&str],
    what_to_do: &str,
) -> Vec<String> {
    let hits = code.iter().filter(|(_, code)| words.iter().any(|word| code.contains(word)));
    hits.map(|(line, _)| format!("{}:{line}: {what_to_do}", file.path)).collect()
}

/// The first names of a list in braces, without those of the lists in it.
fn list_of_names(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut name) = (0, Vec::new(), String::new());
    for char in list.chars() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut name)),
            _ if depth == 0 => name.push(char),
            _ => {}
        }
    }
    names.push(name);
    names.iter().filter_map(|name| words(name).next()).map(str::to_owned).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|char: char| !char.is_alphanumeric() && char != '_').filter(|word| !word.is_empty())
}

fn allowed(module: &str) -> Option<&'static [&'static str]> {
    IMPORTS.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed)
}

/// The places in the product, but for some modules, where one of the words stands.
fn found(words: &[&str], except: &[&str], what_to_do: &str) -> Vec<String> {
    let files = sources("src").into_iter().filter(|file| !except.contains(&&*file.module));
    files.flat_map(|file| lines_with(&file, &file.product(), words, what_to_do)).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Rust files under a folder of the repository; none if it is not there.
fn sources(folder: &str) -> Vec<Source> {
    let mut unread = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = unread.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                unread.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(source(&path));
            }
        }
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn source(path: &Path) -> Source {
    let relative: PathBuf = path.strip_prefix(root()).unwrap().to_owned();
    let module = relative.components().nth(1).unwrap().as_os_str().to_string_lossy().into_owned();
    Source {
        module: module.trim_end_matches(".rs").to_owned(),
        path: relative.display().to_string(),
        text: fs::read_to_string(path).unwrap(),
    }
}

fn assert_clean(wrong: Vec<String>) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

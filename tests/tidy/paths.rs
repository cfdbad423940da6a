//! What a file names of other files.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, sources};

/// The files of `src`, by the path of the module that each is.
pub(super) struct Files {
    by_module: BTreeMap<Vec<String>, Source>,
}

impl Files {
    pub(super) fn new() -> Self {
        let named = sources("src").into_iter().filter(|file| !file.path.ends_with("tests.rs"));
        Self { by_module: named.map(|file| (module_path(&file.path), file)).collect() }
    }

    /// Who imports whom.
    pub(super) fn edges(&self) -> BTreeMap<String, BTreeSet<String>> {
        let edges = self.by_module.iter().map(|(module, file)| {
            let imports = uses(file).into_iter();
            let found = imports.filter_map(|path| self.find(&absolute(module, &path)?, 0));
            (file.path.clone(), found.filter(|other| *other != file.path).collect())
        });
        edges.collect()
    }

    /// The file in which the last name of a path is, or of what a face shows of its own files.
    fn find(&self, path: &[String], depth: usize) -> Option<String> {
        let most =
            (1..=path.len()).rev().find(|most| self.by_module.contains_key(&path[..*most]))?;
        let file = self.by_module.get(&path[..most])?;
        let Some(name) = path.get(most).filter(|_| depth < 4) else {
            return Some(file.path.clone());
        };
        let shown = uses(file).into_iter().find(|shown| {
            shown.first().is_some_and(|first| first == "self") && shown.last() == Some(name)
        });
        match shown.and_then(|shown| absolute(&path[..most], &shown)) {
            Some(shown) => self.find(&shown, depth + 1),
            None => Some(file.path.clone()),
        }
    }
}

fn module_path(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let names = path.split('/').map(str::to_owned);
    names.filter(|name| name != "mod" && name != "lib").collect()
}

/// A path from the crate's root. None: it leads out of the crate.
fn absolute(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let mut base = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => module.to_vec(),
        _ => return None,
    };
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => drop(base.pop()),
            name => base.push(name.to_owned()),
        }
    }
    Some(base)
}

/// The paths that a file's `use` items name, each from its first name to its last.
pub(super) fn uses(file: &Source) -> Vec<Vec<String>> {
    let code: String = file.product().iter().flat_map(|(_, line)| [*line, "\n"]).collect();
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line_starts = code[..at].rfind('\n').map_or(0, |end| end + 1);
        let before = code[line_starts..at].trim();
        if before.is_empty() || before.starts_with("pub") {
            let item = code[at + 4..].split(';').next().unwrap_or_default();
            spread(item, &mut Vec::new(), &mut paths);
        }
    }
    paths
}

/// Takes a tree of names apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn spread(item: &str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    let item = item.trim();
    let depth = before.len();
    let (head, list) = match item.split_once('{') {
        Some((head, list)) => (head, Some(list.trim_end().trim_end_matches('}'))),
        None => (item.split(" as ").next().unwrap_or_default(), None),
    };
    before
        .extend(head.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
    match list {
        Some(list) => parts(list).into_iter().for_each(|part| spread(part, before, paths)),
        None if before.len() > depth => paths.push(before.clone()),
        None => {}
    }
    before.truncate(depth);
}

/// The items of a list, without taking the lists in it apart.
fn parts(list: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, char) in list.char_indices() {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[from..]);
    parts
}

#[test]
fn a_tree_of_names_is_taken_apart() {
    let mut paths = Vec::new();
    spread("crate::a::{b::{self, C}, d::E as F}", &mut Vec::new(), &mut paths);
    let joined: Vec<String> = paths.iter().map(|path| path.join("::")).collect();
    assert_eq!(joined, ["crate::a::b::self", "crate::a::b::C", "crate::a::d::E"]);
}

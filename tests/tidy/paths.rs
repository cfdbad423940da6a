//! What a file names of other files: in its `use` items, and in the paths of its code.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::bare::bare;
use super::{Source, sources};

/// Faces behind each other that are looked through.
const DEEPEST: usize = 6;

/// The files of `src`, by the path of the module that each is.
pub(super) struct Files {
    by_module: BTreeMap<Vec<String>, Naming>,
}

/// What a file names, as it is written there.
struct Naming {
    file: String,
    uses: Vec<Use>,
    paths: Vec<Vec<String>>,
}

/// One path of a `use` item.
pub(super) struct Use {
    pub(super) path: Vec<String>,
    /// What it is called in the file.
    name: String,
}

impl Files {
    /// Those of `src` that are no tests.
    pub(super) fn new() -> Self {
        let named = sources("src").into_iter().filter(|file| !file.path.ends_with("tests.rs"));
        Self::of(&named.collect::<Vec<_>>())
    }

    fn of(files: &[Source]) -> Self {
        let named = files.iter().map(|file| (module_path(&file.path), Naming::new(file)));
        Self { by_module: named.collect() }
    }

    /// Who names whom.
    pub(super) fn edges(&self) -> BTreeMap<String, BTreeSet<String>> {
        let edges = self.by_module.iter().map(|(module, naming)| {
            let imported = naming.uses.iter().filter_map(|item| self.absolute(module, &item.path));
            let in_code = naming.paths.iter().filter_map(|path| self.in_code(module, path));
            let found = imported.chain(in_code).filter_map(|path| self.find(&path, 0));
            let others = found.filter(|other| *other != naming.file).map(str::to_owned);
            (naming.file.clone(), others.collect())
        });
        edges.collect()
    }

    /// The file in which the last name of a path is, or of what a face shows of other files.
    fn find(&self, path: &[String], depth: usize) -> Option<&str> {
        let most =
            (0..=path.len()).rev().find(|most| self.by_module.contains_key(&path[..*most]))?;
        let (module, rest) = path.split_at(most);
        let naming = self.by_module.get(module)?;
        let shown = rest.first().and_then(|name| self.named(module, name));
        match shown.filter(|_| depth < DEEPEST) {
            Some(shown) => self.find(&[&shown, &rest[1..]].concat(), depth + 1),
            None => Some(&naming.file),
        }
    }

    /// A path of a file's code: also one that begins with a name which the file has from elsewhere.
    fn in_code(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let before = self.named(module, first).or_else(|| self.absolute(module, &path[..1]))?;
        Some([&before, rest].concat())
    }

    /// The path from the crate's root of what a file's `use` items call so.
    fn named(&self, module: &[String], name: &str) -> Option<Vec<String>> {
        let uses = &self.by_module.get(module)?.uses;
        let item = uses.iter().find(|item| item.name == name)?;
        self.absolute(module, &item.path)
    }

    /// A path from the crate's root. None: it leads out of the crate.
    fn absolute(&self, module: &[String], path: &[String]) -> Option<Vec<String>> {
        let first = path.first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => module.to_vec(),
            child => {
                let child = [module, &[child.to_owned()]].concat();
                self.by_module.contains_key(&child).then_some(module)?.to_vec()
            }
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
}

impl Naming {
    fn new(file: &Source) -> Self {
        let code = bare(file);
        let items = items(&code);
        let outside = [0].into_iter().chain(items.iter().map(|item| item.end));
        let outside = outside.zip(items.iter().map(|item| item.start).chain([code.len()]));
        let paths = outside.flat_map(|(from, to)| paths(&code[from..to]));
        Self { file: file.path.clone(), paths: paths.collect(), uses: in_items(&code, &items) }
    }
}

fn module_path(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("src/").trim_end_matches(".rs");
    let names = path.split('/').map(str::to_owned);
    names.filter(|name| name != "mod" && name != "lib").collect()
}

/// The paths that a file's `use` items name, each from its first name to its last.
pub(super) fn uses(file: &Source) -> Vec<Use> {
    let code = bare(file);
    in_items(&code, &items(&code))
}

fn in_items(code: &str, items: &[Range<usize>]) -> Vec<Use> {
    let mut uses = Vec::new();
    for item in items {
        spread(&code[item.clone()], &mut Vec::new(), &mut uses);
    }
    uses
}

/// Where the trees of names of the `use` items are.
fn items(code: &str) -> Vec<Range<usize>> {
    let begins = code.match_indices("use ").filter(|(at, _)| {
        let line_starts = code[..*at].rfind('\n').map_or(0, |end| end + 1);
        let before = code[line_starts..*at].trim();
        before.is_empty() || before.starts_with("pub")
    });
    let item = |(at, _)| at + 4..code[at..].find(';').map_or(code.len(), |end| at + end);
    begins.map(item).collect()
}

/// Takes a tree of names apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn spread(item: &str, before: &mut Vec<String>, uses: &mut Vec<Use>) {
    let item = item.trim();
    let depth = before.len();
    let names = |text: &str| -> Vec<String> {
        let names = text.split("::").map(str::trim).filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    if let Some((head, list)) = item.split_once('{') {
        before.extend(names(head));
        let list = list.trim_end().trim_end_matches('}');
        parts(list).into_iter().for_each(|part| spread(part, before, uses));
    } else {
        let (path, other) = item.split_once(" as ").map_or((item, None), |(a, b)| (a, Some(b)));
        before.extend(names(path).into_iter().filter(|name| depth == 0 || name != "self"));
        if let Some(last) = before.last().filter(|_| !item.is_empty()) {
            let name = other.map_or(last.as_str(), str::trim).to_owned();
            uses.push(Use { path: before.clone(), name });
        }
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

/// The paths of two names and more in code.
fn paths(code: &str) -> Vec<Vec<String>> {
    let is_name = |char: char| char.is_alphanumeric() || char == '_';
    let (mut paths, mut at) = (Vec::new(), 0);
    while let Some(next) = code[at..].find(is_name) {
        let from = at + next;
        let length = code[from..].find(|char| !is_name(char) && char != ':');
        at = length.map_or(code.len(), |length| from + length);
        let names = code[from..at].split("::").filter(|name| !name.is_empty());
        let names: Vec<String> = names.map(str::to_owned).collect();
        // `<T as a::B>::c` goes on with a name of B's, and `pub(in a::b)` says who sees it.
        let goes_on = code[..from].ends_with("::") || code[..from].ends_with("pub(in ");
        if names.len() > 1 && !goes_on {
            paths.push(names);
        }
    }
    paths
}

#[test]
fn a_tree_of_names_is_taken_apart() {
    let mut uses = Vec::new();
    spread("crate::a::{b::{self, C}, d::E as F}", &mut Vec::new(), &mut uses);
    let joined: Vec<_> = uses.iter().map(|item| (item.path.join("::"), &*item.name)).collect();
    let joined: Vec<_> = joined.iter().map(|(path, name)| (path.as_str(), *name)).collect();
    assert_eq!(joined, [("crate::a::b", "b"), ("crate::a::b::C", "C"), ("crate::a::d::E", "F")]);
}

#[test]
fn a_path_in_code_is_seen_as_an_import_is() {
    let text = |path: &str, text: &str| Source {
        path: path.to_owned(),
        module: "a".to_owned(),
        text: text.to_owned(),
    };
    let files = Files::of(&[
        text("src/a/mod.rs", "mod b;\nmod c;\nmod d;\npub use c::C;\nfn f() { b::g() }\n"),
        text("src/a/b.rs", "fn g(_: super::C) { crate::e::h::<u8>(\"super::d\") }\n"),
        text("src/a/c.rs", "use crate::e as other;\nfn i() { other::h() } // super::d::j()\n"),
        text(
            "src/a/d.rs",
            "const K: char = '\"';\nfn k() { <u8 as crate::e::E>::l(super::c::M) }\n",
        ),
        text("src/e.rs", "fn h() {}\n#[cfg(test)]\nmod tests {\n    use crate::a::d;\n}\n"),
    ]);
    let edges = files.edges();
    let of = |file: &str| edges[file].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("src/a/mod.rs"), ["src/a/b.rs", "src/a/c.rs"]);
    assert_eq!(of("src/a/b.rs"), ["src/a/c.rs", "src/e.rs"]);
    assert_eq!(of("src/a/c.rs"), ["src/e.rs"]);
    assert_eq!(of("src/a/d.rs"), ["src/a/c.rs", "src/e.rs"]);
    assert!(of("src/e.rs").is_empty());
}

//! How much code one type has, and whether files import each other in circles.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::Files;
use super::{assert_clean, sources};

/// Lines of code that one type has in all its `impl`s.
const MOST_CODE: usize = 500;

/// Files that may import each other in a circle.
const MOST_IN_A_CIRCLE: usize = 6;

#[test]
fn the_code_of_one_type_is_at_most_500_lines() {
    let mut code: BTreeMap<(String, String), usize> = BTreeMap::new();
    for file in sources("src") {
        let mut of = None;
        for (_, line) in file.product() {
            if let Some(name) = line.strip_prefix("impl").and_then(implemented) {
                of = Some((file.module.clone(), name));
            } else if line == "}" {
                of = None;
            } else if let (Some(of), false) = (&of, line.trim().is_empty()) {
                *code.entry(of.clone()).or_default() += 1;
            }
        }
    }
    let much = code.into_iter().filter(|(_, lines)| *lines > MOST_CODE);
    let wrong = much.map(|((module, name), lines)| {
        format!(
            "src/{module}: `{name}` has {lines} lines of code in its impls: what else is in it?"
        )
    });
    assert_clean(wrong.collect());
}

/// The type of an `impl`, without what is before and behind its name.
fn implemented(header: &str) -> Option<String> {
    let mut depth = 0;
    let plain: String = header
        .chars()
        .filter(|char| {
            depth += i32::from(*char == '<') - i32::from(*char == '>');
            depth == 0 && *char != '>'
        })
        .collect();
    let of = plain.split(" for ").last()?;
    let path = of.split_whitespace().next()?;
    path.rsplit("::").next().map(str::to_owned)
}

#[test]
fn no_circle_of_imports_has_more_than_six_files() {
    let files = Files::new();
    let mut wrong = Vec::new();
    for circle in circles(&files.edges()) {
        if circle.len() > MOST_IN_A_CIRCLE {
            let count = circle.len();
            wrong.push(format!(
                "{count} files import each other: move what they share into a file that imports none of \
                 them: {circle:?}"
            ));
        }
    }
    assert_clean(wrong);
}

/// The largest sets of files of which each imports each other, directly or not.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        edges.keys().map(|from| (from, reach(from, edges))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        let circle: Vec<String> = others
            .iter()
            .filter(|other| reached.get(**other).is_some_and(|back| back.contains(file)))
            .map(|other| (*other).clone())
            .collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// What can be reached from a file; itself only if it is in a circle.
fn reach<'a>(
    from: &'a String,
    edges: &'a BTreeMap<String, BTreeSet<String>>,
) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for next in edges.get(file).into_iter().flatten() {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}

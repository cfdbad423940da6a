//! Holds the manual's table of faults to the tests.

use std::fs;

use crate::sources;

#[test]
fn each_fault_of_the_manual_names_a_test_that_there_is() {
    let manual = fs::read_to_string("src/manual/faults.md").unwrap();
    let tests = sources("tests").into_iter().map(|file| file.text);
    let tests: String = tests.collect();
    let rows: Vec<_> = manual.lines().filter(|line| line.starts_with('|')).collect();
    // A head, and a line below it, for each table.
    let rows = rows.iter().filter(|row| !row.contains("---") && !row.ends_with("| test |"));
    let mut wrong = Vec::new();
    for row in rows {
        let shown = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let names = shown.split('`').filter(|name| name.contains('_') && !name.contains('/'));
        let missing: Vec<_> =
            names.clone().filter(|name| !tests.contains(&format!("fn {name}("))).collect();
        if names.count() == 0 || !missing.is_empty() {
            wrong.push(format!("{row}: no such test: {missing:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

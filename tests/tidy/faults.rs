//! Holds the manual's table of faults to the tests.

use std::fs;

use crate::sources;

#[test]
fn a_block_of_the_manual_that_is_not_run_names_tests_that_there_are() {
    let tests = sources("tests").into_iter().map(|file| file.text).collect::<String>();
    let mut wrong = Vec::new();
    let chapters = fs::read_dir("src/manual").unwrap().map(|entry| entry.unwrap().path());
    let chapters = chapters.filter(|path| path.extension().is_some_and(|end| end == "md"));
    for path in chapters.chain(["README.md".into()]) {
        let text = fs::read_to_string(&path).unwrap();
        for reason in text.lines().filter(|line| line.starts_with("<!-- not run: ")) {
            let names = reason.split('`').skip(1).step_by(2);
            let missing = names.filter(|name| !tests.contains(&format!("fn {name}(")));
            wrong.extend(missing.map(|name| format!("{}: {name}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

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

//! The programs of `tests/examples/`.

use std::path::Path;
use std::process::Command;

/// An example, built as these tests are: a run of some tests alone does not build it. With other features the library
/// would be built once more for it.
pub(crate) fn example(name: &str) -> Command {
    let tests = std::env::current_exe().unwrap();
    // Of target/debug/deps/….
    let folder = tests.parent().and_then(Path::parent).unwrap();
    let features = [
        ("default", cfg!(feature = "default")),
        ("command", cfg!(feature = "command")),
        ("worker", cfg!(feature = "worker")),
    ];
    let features = features.iter().filter(|(_, is_on)| *is_on).map(|(feature, _)| *feature);
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--offline", "--no-default-features"]);
    build.args(["--features", &features.collect::<Vec<_>>().join(",")]);
    build.args(["--example", name, "--target-dir"]).arg(folder.parent().unwrap());
    // nextest sets them, and ring's build script looks at them: it, and all that needs it, would be built once more here,
    // and again by whoever builds next.
    let is_of_the_tests =
        |name: &String| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(is_of_the_tests).for_each(|name| _ = build.env_remove(name));
    assert!(build.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success());
    Command::new(folder.join("examples").join(name))
}

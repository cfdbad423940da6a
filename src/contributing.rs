//! How to change it.
//!
//! # Begin
//!
//! `bash tests/demo.sh` shows that it works; `bash tests/all.sh` runs every check, and installs and starts
//! what it needs on a bare Debian, as root. While you work, `cargo nextest run` with a filter is enough: the
//! library's tests need nothing beside them, `--test it` needs nginx, Python and unshare(1), `--test docker` an
//! engine, `--test girder` a Girder (`tests/env/girder.sh up` says what to export), `--test worker` RabbitMQ and Redis.
//! `bash tests/worker/trials.sh` shows for minutes what the worker's tests show for seconds, with brokers that it restarts,
//! beside Python's workers, and `bash tests/docker/trials.sh` kills 200 runs and starts engines again 100 times at random
//! moments; they are no part of all checks.
//!
//! The end of the log names each test that failed, with its words. One that fails now and then is a fault: of the test, or
//! of what it tests. One or two are run again, three times each, so that the log says which it is.
//!
//! The tour on the crate's first page says where things are. `cargo doc --document-private-items` has the
//! chapters of the private modules, too.
//!
//! # Where something new goes
//!
//! | what | where |
//! |---|---|
//! | a transform of a job | a row in its family's file of `src/spec/vocabulary/`, with its reader; a variant of [`Source`](crate::spec::Source) or [`Sink`](crate::spec::Sink) if it is a new end; what opens it in `src/run/transfers/` |
//! | a call to the engine | a method in `src/docker/`, beside those of its object |
//! | a system call | one safe function in `src/sys/` |
//! | an option of the command | `src/cli/args.rs`; what the environment says, in `src/settings/` |
//! | a fuzz target | a function and its row in `src/fuzzing/`, one line in `fuzz/fuzz_targets/`, an entry in `fuzz/Cargo.toml`, a corpus |
//! | a public item | think first: who embeds the library needs it, or it is internal |
//!
//! # What the checks hold
//!
//! - `tests/tidy.rs`: who may import whom (the table of layers on the crate's first page), 500 lines a file, who
//!   prints, who reads the environment, `unsafe` with a reason, no waiting by sleeping, no stubs.
//! - The library without features: what it takes (at most 108 crates), and that it builds without a warning.
//! - What the worker takes beside that: at most 60 crates. No crate has C but ring, and none links a library of the
//!   system, so that a static command can be built.
//! - `cargo deny` where `Cargo.lock` changes; `rust-version` is the most that a dependency asks for.
//! - At most 150 public items, as rustdoc lists them on its page of all items.
//! - The package builds and tests by itself.
//!
//! # Style
//!
//! A file opens with `//!`, then the public type, its `impl`, its private parts, constants, tests. What decides is
//! apart from what does, and is pure. An error names the operation, the object and the cause. A test's name is the
//! behaviour, and it stands at the lowest level that shows it. Docs are short plain sentences, one thought each:
//! readers have English as a second language.
//!
//! A commit does one thing; moves are commits of their own; its first line says the effect. What users notice
//! stands in the [`changelog`](crate::changelog).

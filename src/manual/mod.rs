//! The manual: how to use it, by what you want to do. It has chapters, and no code.
//!
//! `gantline help TOPIC` shows the same text in a terminal, and `gantline help` the topics.
//!
//! - [`job_document`]: what a job says, and how its parts fit together.
//! - [`types`]: each member of the document and each type, with an example.
//! - [`report`]: what came of a run.
//! - [`from_python`]: a program that calls `docker_run` changes three lines, or none.
//! - [`replacing_girder_worker`]: a Girder installation changes its worker, and nothing else.
//! - [`elsewhere`]: not as root, in a container, with another engine, behind a proxy.
//! - [`security`]: what is trusted with what.
//! - [`disk`]: what a run writes on this machine, where, and for how long.
//! - [`troubleshooting`]: messages, and what to do about them.
//! - [`faults`]: what happens when something fails, and the test that shows it.
//! - [`performance`]: how quick it is, why, and how to measure it.

/// Declares the chapters: a module whose documentation is a file beside this one, and a line in
/// [`CHAPTERS`].
macro_rules! chapters {
    ($($module:ident $topic:literal $file:literal $about:literal;)*) => {
        $(
            #[doc = include_str!($file)]
            pub mod $module {}
        )*

        /// What `gantline help` shows: each topic, what it is about, and its text.
        #[cfg(feature = "command")]
        pub(crate) const CHAPTERS: &[(&str, &str, &str)] =
            &[$(($topic, $about, include_str!($file))),*];
    };
}

chapters! {
    job_document "job" "job_document.md" "the job document: what a job says";
    types "types" "types.md" "each member and each type, with an example";
    report "report" "report.md" "what came of a run: exit code and report";
    from_python "python" "from_python.md" "from docker_run in Python";
    replacing_girder_worker "replacing-girder-worker" "replacing_girder_worker.md" "the worker in a Girder installation";
    elsewhere "elsewhere" "elsewhere.md" "not as root, in a container, other engines, proxies";
    security "security" "security.md" "what is trusted with what";
    disk "disk" "disk.md" "what is written on this machine, and where";
    troubleshooting "troubleshooting" "troubleshooting.md" "messages, and what to do about them";
    faults "faults" "faults.md" "what happens when something fails";
    performance "performance" "performance.md" "how quick it is, and how to measure it";
}

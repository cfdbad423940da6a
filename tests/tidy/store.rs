//! A second store would have its place: few files know the client, the errors and the settings of Girder.

use super::paths::uses;
use super::{Source, assert_clean, sources};

/// What a store tells and is told: data, which says nothing of who the store is.
const DATA: &[&str] = &[
    "Archive",
    "ArchiveError",
    "FileRecord",
    "FolderRecord",
    "ItemRecord",
    "JobStatus",
    "Manner",
    "NewFile",
    "Pages",
    "Parent",
    "Payload",
    "Sha512",
    "UploadId",
    "UploadState",
    "UploadedFile",
];

/// Files of a run and its hooks that may know more.
const MOST: usize = 6;

#[test]
fn few_files_of_a_run_and_its_hooks_know_the_client_errors_and_settings_of_girder() {
    let files = ["src/run", "src/hook"].into_iter().flat_map(sources);
    let knowing: Vec<_> = files.filter(knows_girder).map(|file| file.path).collect();
    let wrong = (knowing.len() > MOST).then(|| {
        format!(
            "{} files name a store's client, errors or settings, at most {MOST} are wanted: pass a value in, or ask \
             the error a question: {knowing:?}",
            knowing.len()
        )
    });
    assert_clean(wrong.into_iter().collect());
}

/// Whether it names more of a store than its data. Showing a name to others is not counted.
fn knows_girder(file: &Source) -> bool {
    let own: Vec<&str> = file.text.split_inclusive(';').filter(|item| !shows(item)).collect();
    let own = Source { text: own.concat(), path: file.path.clone(), module: file.module.clone() };
    let imported = uses(&own).into_iter().map(|item| item.path).any(|path| {
        let is_a_stores = path.first().is_some_and(|first| first == "crate")
            && path.get(1).is_some_and(|module| module == "store" || module == "girder");
        is_a_stores && path.last().is_none_or(|name| !DATA.contains(&name.as_str()))
    });
    let in_code = own.product().iter().any(|(_, line)| {
        let names = ["crate::store::", "crate::girder::"].iter().any(|path| line.contains(path));
        names && !line.trim_start().starts_with("use ")
    });
    imported || in_code
}

/// Whether an item, with what stands before it, is a `pub use`.
fn shows(item: &str) -> bool {
    item.lines().any(|line| line.starts_with("pub use ") || line.starts_with("pub(crate) use "))
}

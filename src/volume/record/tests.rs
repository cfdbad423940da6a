//! What is written down, and found again.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};

use super::*;
use crate::volume::{HostFifo, RelativePath, TempDirectory, VolumeError};

/// A folder for records and one for things, and the record of a run.
struct Ground {
    _root: tempfile::TempDir,
    records: RecordFolders,
    things: PathBuf,
    record: Option<Record>,
}

impl Ground {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let things = root.path().join("things");
        fs::create_dir(&things).unwrap();
        let records = RecordFolders::only(root.path());
        let record = Some(records.begin("run"));
        Self { _root: root, records, things, record }
    }

    fn record(&self) -> &Record {
        self.record.as_ref().unwrap()
    }

    /// What is in the record file.
    fn files(&self) -> Vec<PathBuf> {
        let folder = self.records.of_this_user().remove(0);
        let files = fs::read_dir(folder.path()).unwrap();
        files.map(|entry| entry.unwrap().path()).collect()
    }

    /// As if the process were killed: nothing is taken away, the lock is gone.
    fn kill(&mut self, things: impl Sized) {
        std::mem::forget(things);
        let record = self.record.take().unwrap();
        let state = std::mem::replace(&mut *record.state(), State::new(None));
        let place = &state.place;
        place.as_ref().unwrap().file.unlock().unwrap();
        std::mem::forget(state);
    }

    fn dead(&self) -> Vec<DeadRecord> {
        self.records.of_this_user().remove(0).dead().unwrap().map(Result::unwrap).collect()
    }

    /// Removes what is left, and gives the paths that went.
    fn prune(&self) -> Vec<Result<PathBuf, VolumeError>> {
        let mut removed = Vec::new();
        for mut record in self.dead() {
            for (number, _, path) in record.paths() {
                let outcome = record.find(number).and_then(|found| match found {
                    Some(found) => found.remove().map(|()| Some(path)),
                    None => Ok(None),
                });
                if outcome.is_ok() {
                    record.gone(number);
                }
                removed.extend(outcome.transpose());
            }
            record.close();
        }
        removed
    }

    fn fifo(&self, name: &str) -> HostFifo {
        let name = RelativePath::new(name).unwrap();
        HostFifo::create(&self.things, &name, self.record()).unwrap()
    }
}

#[test]
fn a_record_is_there_as_long_as_what_it_names_and_the_living_lock_it() {
    let mut ground = Ground::new();
    let mut directory = TempDirectory::create(&ground.things, ground.record()).unwrap();
    let fifo = ground.fifo("in");
    assert_eq!(ground.files().len(), 1);
    assert!(ground.dead().is_empty());
    fifo.remove().unwrap();
    directory.remove().unwrap();
    ground.record = None;
    assert_eq!(ground.files(), [] as [PathBuf; 0]);
}

#[test]
fn a_record_that_names_nothing_goes_with_its_run_whoever_still_has_it_and_another_stays() {
    let ground = Ground::new();
    let another = ground.record().clone();
    let folder = File::open(&ground.things).unwrap();
    let note = another.intends_path(Kind::File, folder, &ground.things, Path::new("a")).unwrap();
    another.ends();
    assert_eq!(ground.files().len(), 1);
    note.gone();
    another.ends();
    assert_eq!(ground.files(), [] as [PathBuf; 0]);
}

#[test]
fn what_a_killed_run_made_is_found_and_goes_and_so_does_its_record() {
    let mut ground = Ground::new();
    let directory = TempDirectory::create(&ground.things, ground.record()).unwrap();
    fs::create_dir_all(directory.path().join("a/b")).unwrap();
    fs::write(ground.things.join("mine"), "x").unwrap();
    let things = (directory, ground.fifo("in"));
    ground.kill(things);
    let removed = ground.prune();
    assert_eq!(removed.len(), 2, "{removed:?}");
    assert!(removed.iter().all(Result::is_ok), "{removed:?}");
    let left: Vec<_> = fs::read_dir(&ground.things).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!(left, [ground.things.join("mine")]);
    assert_eq!(ground.files(), [] as [PathBuf; 0]);
}

#[test]
fn what_took_the_place_of_a_killed_runs_fifo_stays() {
    let mut ground = Ground::new();
    let outside = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&outside.path().join("in"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(ground.things.join("sub")).unwrap();
    let things = (ground.fifo("sub/in"), ground.fifo("in"));
    ground.kill(things);
    // As a container may: a link for the folder, another FIFO for the FIFO.
    fs::remove_file(ground.things.join("in")).unwrap();
    nix::unistd::mkfifo(&ground.things.join("in"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::rename(ground.things.join("sub"), ground.things.join("moved")).unwrap();
    symlink(outside.path(), ground.things.join("sub")).unwrap();
    let removed = ground.prune();
    assert!(removed.is_empty(), "{removed:?}");
    for kept in [outside.path().join("in"), ground.things.join("in")] {
        assert!(fs::symlink_metadata(kept).unwrap().file_type().is_fifo());
    }
}

#[test]
fn a_run_that_was_killed_before_it_noted_an_inode_is_found_by_its_owner_and_kind() {
    let mut ground = Ground::new();
    let folder = File::open(&ground.things).unwrap();
    let record = ground.record().clone();
    let note = |kind, name: &str| {
        record.intends_path(kind, &folder, &ground.things, Path::new(name)).unwrap()
    };
    let notes = [note(Kind::Fifo, "in"), note(Kind::Fifo, "file"), note(Kind::File, "not-made")];
    nix::unistd::mkfifo(&ground.things.join("in"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::write(ground.things.join("file"), "precious").unwrap();
    drop(record);
    ground.kill(notes);
    let removed: Vec<_> = ground.prune().into_iter().map(Result::unwrap).collect();
    assert_eq!(removed, [ground.things.join("in")]);
    assert!(ground.things.join("file").exists());
}

/// A FIFO that a killed run has left, with the text of its record, which names another one in its last line.
fn left_with(name: &str) -> (Ground, PathBuf, Vec<u8>, String) {
    let mut ground = Ground::new();
    let things = (ground.fifo("in"), ground.fifo(name));
    let file = ground.files().remove(0);
    ground.kill(things);
    let text = fs::read_to_string(&file).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let made = lines.pop().unwrap();
    assert!(made.starts_with("{\"made\":"), "{made}");
    let intended = lines.pop().unwrap();
    (ground, file, (lines.join("\n") + "\n").into_bytes(), intended)
}

#[test]
fn wherever_a_record_breaks_off_the_rest_of_it_counts_and_what_may_have_been_named_is_told() {
    // Two bytes a letter, which may be cut as well.
    let (ground, file, whole, line) = left_with("äöü");
    let names = |record: &DeadRecord| -> Vec<_> {
        record.paths().into_iter().map(|(.., path)| path).collect()
    };
    let [one, other] = ["in", "äöü"].map(|name| ground.things.join(name));
    for cut in 0..=line.len() {
        fs::write(&file, [&whole, &line.as_bytes()[..cut]].concat()).unwrap();
        let record = ground.dead().remove(0);
        let is_whole = cut == line.len();
        let expected = if is_whole { vec![other.clone(), one.clone()] } else { vec![one.clone()] };
        assert_eq!(names(&record), expected, "{cut}");
        let is_torn = !is_whole && cut > 0;
        assert_eq!(record.torn().len(), usize::from(is_torn), "{cut}: {:?}", record.torn());
    }
    let shown = &line[..line.len() - 1];
    for torn in [shown.as_bytes(), &[0; 100]] {
        fs::write(&file, [&whole, torn].concat()).unwrap();
        let record = ground.dead().remove(0);
        assert_eq!(record.torn(), [format!("{:?}", String::from_utf8_lossy(torn))]);
    }
    // What it may have named is not said to be gone, however often it is looked for.
    for removed in [1, 0] {
        assert_eq!(ground.prune().len(), removed);
        assert_eq!((ground.files(), ground.dead()[0].torn().len()), (vec![file.clone()], 1));
    }
    assert!(!one.exists() && other.exists());
}

#[test]
fn what_is_written_behind_a_line_that_broke_off_counts() {
    let (ground, file, whole, line) = left_with("other");
    let torn = &line.as_bytes()[..line.len() / 2];
    fs::write(&file, [&whole, torn, b"\n", line.as_bytes(), b"\n"].concat()).unwrap();
    assert_eq!(ground.dead()[0].paths().len(), 2);
    fs::write(&file, [&whole, torn].concat()).unwrap();
    let mut record = ground.dead().remove(0);
    record.gone(record.paths()[0].0);
    drop(record);
    let record = ground.dead().remove(0);
    assert_eq!((record.paths().len(), record.torn().len()), (0, 1));
}

#[test]
fn a_broken_line_that_names_nothing_new_is_not_told() {
    let (ground, file, whole, _) = left_with("other");
    for line in ["{\"made\":{\"number\":1,\"ino", "{\"created\":{\"num", "{\"gone\":{", "{\"g"] {
        fs::write(&file, [&whole, line.as_bytes()].concat()).unwrap();
        let record = ground.dead().remove(0);
        assert_eq!((record.paths().len(), record.torn()), (1, [].as_slice()), "{line}");
    }
    assert_eq!(ground.prune().len(), 1);
    assert_eq!(ground.files(), [] as [PathBuf; 0]);
}

#[test]
fn a_record_whose_first_line_is_not_whole_names_nothing_or_cannot_be_read() {
    let (ground, file, whole, line) = left_with("other");
    let folder = ground.records.of_this_user().remove(0);
    let first = whole.split_inclusive(|byte| *byte == b'\n').next().unwrap();
    fs::write(&file, [&first[..9], b"\n", line.as_bytes(), b"\n"].concat()).unwrap();
    let unread = folder.dead().unwrap().next().unwrap().unwrap_err();
    assert_eq!((unread.path, unread.source.kind()), (file.clone(), io::ErrorKind::InvalidData));
    fs::write(&file, &first[..9]).unwrap();
    assert_eq!(ground.prune().len(), 0);
    assert_eq!(ground.files(), [] as [PathBuf; 0]);
}

#[test]
fn what_cannot_be_removed_stays_in_the_record() {
    let mut ground = Ground::new();
    let fifo = ground.fifo("in");
    let kept = ground.fifo("kept");
    ground.kill((fifo, kept));
    let mut record = ground.dead().remove(0);
    let (number, _, path) = record.paths().remove(0);
    assert_eq!(path, ground.things.join("kept"));
    // Not removed, and so not said to be gone; the other one goes.
    let other = record.paths().remove(1).0;
    record.find(other).unwrap().unwrap().remove().unwrap();
    record.gone(other);
    record.close();
    let again = ground.dead().remove(0);
    assert_eq!(again.paths().iter().map(|(number, ..)| *number).collect::<Vec<_>>(), [number]);
    drop(again);
    assert_eq!(ground.prune().len(), 1);
    assert_eq!(ground.files(), [] as [PathBuf; 0]);
}

#[test]
fn a_folder_that_others_may_write_holds_no_records() {
    let ground = Ground::new();
    let folder = ground.records.of_this_user().remove(0);
    assert_eq!(fs::metadata(folder.path()).unwrap().mode() & 0o777, 0o700);
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let record = ground.records.begin("another");
    let refused = record.failure().unwrap();
    assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
    assert!(ground.records.of_this_user().is_empty());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    symlink(folder.path(), ground.things.join(folder.path().file_name().unwrap())).unwrap();
    assert!(RecordFolders::only(&ground.things).begin("another").failure().is_some());
}

#[test]
fn among_temporary_things_the_folder_of_records_goes_with_the_last_one() {
    let root = tempfile::tempdir().unwrap();
    let records = RecordFolders::usual_or(Path::new("/no/such"), root.path());
    let [first, second] = ["first", "second"].map(|run| records.begin(run));
    assert!(first.failure().is_none() && second.failure().is_none());
    drop(first);
    assert_eq!(records.of_this_user().len(), 1);
    drop(second);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    assert!(records.begin("third").failure().is_none());
}

#[test]
fn nothing_that_cannot_be_recorded_is_passed_over_in_silence() {
    let record = RecordFolders::only(Path::new("/no/such")).begin("run");
    let failure = record.failure().unwrap().to_string();
    assert_eq!(failure, "/no/such: No such file or directory (os error 2)");
    assert!(record.failure().is_none(), "it is said once");
}

#[test]
fn what_stands_behind_the_first_16_mib_of_a_record_is_not_read_and_told() {
    let mut ground = Ground::new();
    let first = TempDirectory::create(&ground.things, ground.record()).unwrap();
    ground.kill(first);
    let file = ground.files().remove(0);
    let text = fs::read_to_string(&file).unwrap();
    let intended = text.lines().find(|line| line.contains("intends")).unwrap();
    let another = format!("{}\n", intended.replacen("\"number\":", "\"number\":1", 1));
    let gone = "{\"gone\":{\"number\":99}}\n";
    let most: usize = 16 << 20;
    for (length, found) in [(most, 2), (most + 2, 1)] {
        let spaces = length - text.len() - gone.len() - another.len();
        fs::write(&file, format!("{text}{}{gone}{another}", " ".repeat(spaces))).unwrap();
        let record = ground.dead().remove(0);
        assert_eq!(record.paths().len(), found, "{length}: {another}");
        assert_eq!(record.torn().is_empty(), length == most, "{:?}", record.torn());
    }
}

//! The runs that are disturbed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::RESULTS;
use crate::item_streams::to_item;
use crate::prune::{Ground, docker};
use crate::support::girder::{Girder, Stored};
use crate::support::in_front::Slow;
use crate::support::job::{
    Job, connect, end, girder_file, host_file, named_input_pipe, named_output_pipe,
};
use crate::support::seeded::{Seeded, hex};

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A file of Girder's through a FIFO.
    Input,
    /// The same through FIFOs in a bind mount, and back into a file.
    Bound,
    /// A FIFO and the standard output into files.
    Output,
    /// Files of Girder's into a volume.
    Downloads,
    /// An image that is not there.
    Pull,
    /// A file of a volume into an item.
    Upload,
    /// The standard output into an item, while it is written.
    ItemStream,
}

impl Kind {
    /// Those that need nothing but the image of the tests.
    pub(super) const WITHOUT_A_PULL: [Self; 6] =
        [Self::Input, Self::Bound, Self::Output, Self::Downloads, Self::Upload, Self::ItemStream];
    pub(super) const ALL: [Self; 7] = {
        let [a, b, c, d, e, f] = Self::WITHOUT_A_PULL;
        [a, b, c, d, e, f, Self::Pull]
    };

    /// Whether its container reads a FIFO of ours.
    pub(super) fn reads(self) -> bool {
        matches!(self, Self::Input | Self::Bound)
    }
}

/// More than three FIFOs hold.
const BYTES: u64 = 3_300_000;

/// A Girder behind a slow line, with a file.
pub(super) struct Site {
    girder: Girder,
    slow: Slow,
    file: Stored,
    /// What is in the item is its only file.
    downloads: String,
    /// A copy of the file that is a container's.
    source: tempfile::TempDir,
    /// In the registry, with a layer of its own.
    image: String,
}

impl Site {
    pub(super) fn new() -> Self {
        let girder = Girder::log_in();
        let bytes = Seeded::new(47, BYTES);
        let file = girder.upload("whole", bytes.clone());
        let record = girder.get(&format!("file/{}", file.id));
        let downloads = record["itemId"].as_str().unwrap().to_owned();
        let source = tempfile::tempdir().unwrap();
        let mut whole = Vec::new();
        io::Read::read_to_end(&mut { bytes }, &mut whole).unwrap();
        fs::write(source.path().join("file"), whole).unwrap();
        let slow = Slow::before(&girder, Duration::from_millis(10));
        let image = Self::push_an_image();
        Self { girder, slow, file, downloads, source, image }
    }

    fn push_an_image() -> String {
        let registry = std::env::var("GANTLINE_TEST_REGISTRY").expect(
            "GANTLINE_TEST_REGISTRY is not set: run `eval \"$(tests/env/registry.sh up)\"`",
        );
        let tag = uuid::Uuid::new_v4();
        let image = format!("{registry}/gantline/trials:{tag}");
        let fill = "head -c 4000000 /dev/urandom > /layer";
        let container = format!("gantline-trials-{tag}");
        let name = ["--name", &container, "--network", "host"];
        docker(&[&["run"], &name[..], &["gantline-test:busybox", "sh", "-c", fill]].concat());
        docker(&["commit", &container, &image]);
        docker(&["rm", &container]);
        docker(&["push", "--quiet", &image]);
        image
    }

    /// A job of a kind, and where its results go.
    pub(super) fn trial<'a>(&'a self, kind: Kind, ground: &Ground) -> Trial<'a> {
        let item = match kind {
            Kind::Upload | Kind::ItemStream => {
                let name = uuid::Uuid::new_v4().to_string();
                Some(self.girder.make_item(self.girder.folder(), &name))
            }
            _ => None,
        };
        if kind == Kind::Pull {
            // The container of the trial before may have it in use.
            let _ = std::process::Command::new("docker").args(["rmi", "-f", &self.image]).output();
        }
        let job = self.job(kind, ground, item.as_deref()).document().clone();
        let [bound, out] = ["bound", "out"].map(|name| ground.folder(name));
        Trial { site: self, kind, job, bound, out, item }
    }

    fn job(&self, kind: Kind, ground: &Ground, item: Option<&str>) -> Job {
        let bound = ground.folder("bound");
        let in_volume = |mut end: Value| {
            end["volume"] = "other".into();
            end
        };
        let in_bound = |mut end: Value| {
            end["container_path"] = "/data".into();
            end["host_path"] = bound.display().to_string().into();
            end
        };
        let file = || host_file(&ground.folder("out").join("file"));
        let item = item.unwrap_or_default();
        let job = match kind {
            Kind::Input => Job::script(KEEP)
                .arg(connect(girder_file(&self.file), in_volume(named_input_pipe("in")))),
            Kind::Bound => Job::script(&format!(r#"{KEEP} && cat /data/part > "$2""#))
                .arg(connect(girder_file(&self.file), in_bound(named_input_pipe("in"))))
                .arg(connect(in_bound(named_output_pipe("out")), file())),
            Kind::Output => Job::script(&format!("exec > $1; {WRITE}"))
                .arg(connect(in_volume(named_output_pipe("out")), file()))
                .stream(end("ContainerStdErr"), host_file(&ground.folder("out").join("stderr"))),
            Kind::Downloads => Job::script(&format!(r#"{KEEP} && cmp "$1" "$2"/whole"#))
                .arg(in_volume(json!({
                    "type": "GirderFileIdToVolume", "id": self.file.id, "filename": "one",
                })))
                .arg(in_volume(json!({"type": "GirderItemIdToVolume", "id": self.downloads}))),
            Kind::Pull => Job::program(&["echo", "pulled"])
                .set("image", self.image.as_str())
                .set("pull_image", true),
            Kind::Upload => Job::script(r#"cp /source/file "$1""#).arg(path_of_the_result()).set(
                "girder_result_hooks",
                json!([{
                    "type": "GirderUploadVolumePathToItem",
                    "volumepath": path_of_the_result(), "item_id": item,
                }]),
            ),
            Kind::ItemStream => Job::script(WRITE)
                .stream(end("ContainerStdOut"), to_item(item, "streamed", self.file.size)),
        };
        job.volume(json!({"type": "TemporaryVolume", "name": "other",
                "host_dir": ground.folder("other")}))
            .mount(&bound, "/data")
            .mount(self.source.path(), "/source")
            .set("network_mode", "host")
            .girder(&self.girder)
            .set("girder_api_url", self.slow.api())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = std::process::Command::new("docker").args(["rmi", "-f", &self.image]).output();
    }
}

/// Shell: takes what it reads for a file, and says when it has all of it.
const KEEP: &str = r#"cat "$1" > /data/part && echo whole > /data/whole"#;

/// Shell: writes the file, by and by.
const WRITE: &str = "block=0; while [ $block -lt 51 ]; do \
    dd if=/source/file bs=65536 skip=$block count=1 2>/dev/null; block=$((block + 1)); \
    usleep 5000; done";

fn path_of_the_result() -> Value {
    json!({"type": "VolumePath", "filename": "result", "volume": "other"})
}

/// One run that is disturbed.
pub(super) struct Trial<'a> {
    site: &'a Site,
    kind: Kind,
    pub(super) job: Value,
    bound: PathBuf,
    out: PathBuf,
    item: Option<String>,
}

impl Trial<'_> {
    /// That whatever looks like a result is whole.
    pub(super) fn assert_nothing_short(&self, what: &str) {
        if self.bound.join("whole").exists() {
            assert_eq!(sha256(&self.bound.join("part")), self.site.file.sha256, "{what}");
        }
        let file = self.out.join("file");
        if file.exists() {
            assert_eq!(sha256(&file), self.site.file.sha256, "{what}");
        }
        for (_, record) in self.uploaded() {
            let content = self.site.girder.content(record["_id"].as_str().unwrap());
            assert_eq!(hex(&Sha256::digest(content)), self.site.file.sha256, "{what}");
        }
    }

    /// That every result is there, and whole.
    pub(super) fn assert_complete(&self, what: &str) {
        self.assert_nothing_short(what);
        let is_there = |path: &Path| assert!(path.exists(), "{what}: no {}", path.display());
        if matches!(self.kind, Kind::Input | Kind::Bound | Kind::Downloads) {
            is_there(&self.bound.join("whole"));
        }
        if matches!(self.kind, Kind::Bound | Kind::Output) {
            is_there(&self.out.join("file"));
        }
        assert_eq!(self.uploaded().len(), usize::from(self.item.is_some()), "{what}");
    }

    /// Removes its results: whatever else there is, is left.
    pub(super) fn clear(&self) {
        for name in RESULTS {
            let _ = fs::remove_file(self.bound.join(name));
            let _ = fs::remove_file(self.out.join(name));
        }
    }

    fn uploaded(&self) -> Vec<(String, Value)> {
        self.item.as_ref().map(|item| self.site.girder.files(item)).unwrap_or_default()
    }
}

fn sha256(path: &Path) -> String {
    hex(&Sha256::digest(fs::read(path).unwrap()))
}

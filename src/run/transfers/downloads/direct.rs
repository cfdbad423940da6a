//! Files of Girder's that this host has itself (`DirectGirderFileIdToVolume`): mounted, read-only,
//! where the engine finds them, instead of downloaded.
//!
//! Whoever writes the job says where Girder keeps the file. If it can be read there, by us, and if
//! the engine's path of it is known, it is mounted; in every other case it is downloaded. An engine
//! whose process we see, with our root, has our paths. While we run in a container of its own it has
//! others: what we see at the target of one of our mounts, the engine has at its source.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use crate::docker::{Client, Endpoint, MountPoint};
use crate::event::Finish;
use crate::plan::{Mount, PlannedDownload};
use crate::run::blocking::blocking;
use crate::run::container::network::own_container;
use crate::run::live::Live;
use crate::run::outcome::{DownloadCarrier, DownloadRecord};
use crate::spec::Downloaded;
use crate::sys::peer::peer_process;
use crate::volume::{Bind, ContainerPath};

/// A download of the plan that is not necessary.
#[derive(Debug)]
pub(crate) struct Direct {
    /// Its place in the plan.
    pub(crate) download: usize,
    file_id: String,
    filename: String,
    /// The engine's path.
    path: String,
    bytes: u64,
}

/// Finds the files that are here.
pub(crate) async fn find_direct(live: &Live) -> Vec<Direct> {
    let planned = live.plan.downloads.iter().enumerate();
    let wanted: Vec<_> = planned.filter_map(|(at, planned)| wanted(at, planned)).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let Some(view) = View::of(live).await else { return Vec::new() };
    let find = move || {
        let found = wanted.into_iter().filter_map(|(direct, path)| direct.found(&path, &view));
        Ok(found.collect())
    };
    blocking(find).await.unwrap_or_default()
}

fn wanted(download: usize, planned: &PlannedDownload) -> Option<(Direct, PathBuf)> {
    let Downloaded::File { id, filename: Some(filename), direct: Some(path) } = &planned.what
    else {
        return None;
    };
    let (file_id, filename) = (id.clone(), filename.clone());
    Some((Direct { download, file_id, filename, path: String::new(), bytes: 0 }, path.clone()))
}

impl Direct {
    fn found(self, path: &Path, view: &View) -> Option<Self> {
        // The file that a link leads to: the engine may see nothing where the link is.
        let path = path.canonicalize().ok()?;
        let bytes = readable(&path)?;
        let path = view.engine_path(&path)?.to_str()?.to_owned();
        // docker's bind strings cannot have it.
        let is_usable = !path.contains(':') && !self.filename.contains(':');
        is_usable.then_some(Self { path, bytes, ..self })
    }

    /// Mounts it beside what is `planned` and `found` already, once, at a place of its own; gives the
    /// argument.
    pub(crate) fn mount(&self, planned: &[Mount], found: &mut Vec<Mount>) -> Option<String> {
        let Self { file_id, filename, path, .. } = self;
        let others = (1_u32..).map(|nth| match nth {
            1 => format!("{PREFIX}/{file_id}/{filename}"),
            nth => format!("{PREFIX}/{file_id}-{nth}/{filename}"),
        });
        let mut targets = std::iter::once(format!("{PREFIX}/{filename}")).chain(others);
        let target = targets.find_map(|target| {
            let at_it =
                planned.iter().chain(&*found).find(|mount| mount.target().as_str() == target);
            match at_it {
                None => Some((target, false)),
                Some(Mount::Bind { bind, .. })
                    if bind.to_string() == format!("{path}:{target}:{READ_ONLY}") =>
                {
                    Some((target, true))
                }
                Some(_) => None,
            }
        });
        let (target, is_there) = target?;
        if is_there {
            return Some(target);
        }
        let inside = ContainerPath::new(&target).ok()?;
        let bind = Bind::new(path, inside.clone(), READ_ONLY).ok()?;
        found.push(Mount::Bind { bind, host_path: path.clone(), target: inside });
        Some(target)
    }

    pub(crate) fn record(&self) -> DownloadRecord {
        DownloadRecord {
            id: None,
            file_id: Some(self.file_id.clone()),
            item_id: None,
            path: self.filename.clone(),
            bytes: self.bytes,
            seconds: 0.0,
            carrier: DownloadCarrier::Mount,
            resumed: 0,
            checked: false,
            finish: Finish::Complete,
        }
    }
}

/// The size of a regular file that can be read.
fn readable(path: &Path) -> Option<u64> {
    // A FIFO must not hold us up.
    let flags = (OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    file.metadata().ok().filter(|found| found.is_file()).map(|found| found.len())
}

/// How the engine sees our files.
#[derive(Debug, Clone, PartialEq, Eq)]
enum View {
    /// As we do.
    Same,
    /// Only what is mounted into our container.
    Mounted(Vec<MountPoint>),
}

impl View {
    /// None: it sees other files than we do, or nobody knows.
    async fn of(live: &Live) -> Option<Self> {
        let settings = live.shared.engine.clone();
        let Endpoint::Unix(socket) = settings.endpoint.clone() else { return None };
        if blocking(move || Ok(is_beside_us(&socket))).await.unwrap_or(false) {
            return Some(Self::Same);
        }
        let id = own_container()?;
        let engine = Client::connect(settings).await.ok()?;
        match engine.inspect(&id).await {
            Ok(us) if us.running => Some(Self::Mounted(us.mounts)),
            other => {
                tracing::debug!(%id, ?other, "this container is not one of the engine's");
                None
            }
        }
    }

    fn engine_path(&self, ours: &Path) -> Option<PathBuf> {
        let Self::Mounted(mounts) = self else { return Some(ours.to_owned()) };
        let inside = |mount: &MountPoint| {
            let rest = ours.strip_prefix(&mount.destination).ok()?;
            let source = Path::new(&mount.source);
            // Joined to nothing, a path would get a slash at its end.
            let path =
                if rest.as_os_str().is_empty() { source.to_owned() } else { source.join(rest) };
            Some((rest.components().count(), path))
        };
        // Of mounts inside each other the innermost.
        let (_, path) = mounts.iter().filter_map(inside).min_by_key(|(depth, _)| *depth)?;
        // A tmpfs has no path.
        path.is_absolute().then_some(path)
    }
}

/// Whether the engine has the same root as we have.
fn is_beside_us(socket: &Path) -> bool {
    let pid = UnixStream::connect(socket).and_then(|socket| peer_process(&socket));
    let Ok(Some(pid)) = pid else { return false };
    match (fs::metadata(format!("/proc/{pid}/root/")), fs::metadata("/")) {
        (Ok(theirs), Ok(ours)) => (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()),
        // We may not look at another user's process.
        _ => own_container().is_none(),
    }
}

/// Where the original mounts such files; programs in images may rely on it.
const PREFIX: &str = "/mnt/girder_direct_worker";

/// docker's mode of a mount that nobody writes.
const READ_ONLY: &str = "ro";

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(download: usize, id: &str, filename: &str, path: &str) -> Direct {
        let (file_id, filename) = (id.to_owned(), filename.to_owned());
        Direct { download, file_id, filename, path: path.to_owned(), bytes: 1 }
    }

    #[test]
    fn files_of_one_name_have_places_of_their_own_and_one_file_has_one() {
        let mut mounts = Vec::new();
        let target = |mounts: &mut Vec<Mount>, id, path| {
            direct(0, id, "a.svs", path).mount(&[], mounts).unwrap()
        };
        assert_eq!(target(&mut mounts, "1", "/s/x"), "/mnt/girder_direct_worker/a.svs");
        assert_eq!(target(&mut mounts, "2", "/s/y"), "/mnt/girder_direct_worker/2/a.svs");
        assert_eq!(target(&mut mounts, "1", "/s/x"), "/mnt/girder_direct_worker/a.svs");
        assert_eq!(target(&mut mounts, "2", "/s/y"), "/mnt/girder_direct_worker/2/a.svs");
        assert_eq!(mounts.len(), 2);
        let Mount::Bind { bind, .. } = &mounts[1] else { panic!("{mounts:?}") };
        assert_eq!(bind.to_string(), "/s/y:/mnt/girder_direct_worker/2/a.svs:ro");
    }

    #[test]
    fn the_engine_has_what_we_see_at_the_source_of_the_innermost_mount() {
        let mount = |source: &str, destination: &str| MountPoint {
            source: source.to_owned(),
            destination: destination.to_owned(),
        };
        let view = View::Mounted(vec![
            mount("/srv/store", "/store"),
            mount("/other", "/store/deep"),
            mount("/one/file", "/single"),
            mount("", "/store/tmpfs"),
        ]);
        let path = |ours: &str| view.engine_path(Path::new(ours));
        assert_eq!(path("/store/ab/cd"), Some("/srv/store/ab/cd".into()));
        assert_eq!(path("/store/deep/x"), Some("/other/x".into()));
        assert_eq!(path("/single").unwrap().to_str(), Some("/one/file"));
        assert_eq!(path("/storehouse/x"), None);
        assert_eq!(path("/store/tmpfs/x"), None);
        assert_eq!(View::Same.engine_path(Path::new("/a")), Some("/a".into()));
    }
}

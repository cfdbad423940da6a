//! The depot: a folder, served over the part of Girder's REST API with which jobs read files.
//!
//! It is the store that is always at hand, to try Gantline, to show it and to measure it. It reads and
//! never writes, and it knows one user: whoever has its token, or everybody who reaches its address.
//!
//! The folder appears as Girder would show it: a collection `depot` that holds a folder `files`, in which
//! each regular file is an item with one file of the same name. So a file `a/b.bin` is found by
//! `GET /api/v1/resource/lookup?path=/collection/depot/files/a/b.bin/b.bin`, by browsing
//! (`collection`, `folder?parentType=…&parentId=…`, `item?folderId=…`, `item/{id}/files`), or in
//! [`Depot::files`]; and is read by `GET /api/v1/file/{id}` and `…/download`. An id is made of the path
//! in the folder and of nothing else: it stays what it is when the depot is started again, on
//! another machine as well. Symbolic links to files are followed as long as they stay in the folder;
//! those to folders are not.
//!
//! Answers are Girder 5's, but where it breaks HTTP: a range behind the end of a file is 416 here, and
//! there the whole file as 206. What Girder does not have and HTTP does is here as well: an `ETag`, and
//! `If-Range`. A file that changes while it is sent ends its connection before the last byte, by a
//! reset: what has arrived is never taken for the whole.
//!
//! One thread serves one connection, and bytes go from the page cache into the socket by sendfile(2).
//! `server` accepts and stops, `connection` is the life of one connection on its `socket`, `request`
//! parses, `route` decides, `reply` and `record` write what is said, `tree` is the folder.

mod connection;
pub(crate) mod date;
mod error;
mod id;
pub(crate) mod range;
mod record;
mod reply;
pub(crate) mod request;
mod route;
mod server;
mod socket;
mod tree;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

pub use error::DepotError;
pub use server::StopHandle;

use crate::secret::Secret;
use route::Routes;
use server::{Limits, Server};
use tree::Tree;

/// What a depot serves, where and to whom.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DepotOptions {
    /// The folder. It is held open: renaming it does not matter.
    pub directory: PathBuf,
    /// Where to listen; port 0 is any free one. Default: [`DepotOptions::LISTEN`].
    pub listen: SocketAddr,
    /// Without it, `Girder-Token` is not looked at.
    pub token: Option<DepotToken>,
}

impl DepotOptions {
    /// The loopback interface, and the port that Girder has by default.
    pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

    /// Serves the folder to this machine.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), listen: Self::LISTEN, token: None }
    }
}

/// The token that a depot asks for. It is never shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DepotToken(Secret);

impl DepotToken {
    /// A token of the user's.
    pub fn new(token: impl Into<String>) -> Self {
        Self(Secret::new(token))
    }

    /// Compares in a time that does not say where the first difference is.
    fn matches(&self, presented: &str) -> bool {
        let wanted = self.0.expose();
        let pairs = wanted.bytes().zip(presented.bytes());
        let differences = pairs.fold(0, |all, (ours, theirs)| all | (ours ^ theirs));
        wanted.len() == presented.len() && differences == 0
    }
}

/// A folder that can be reached. Connections wait in the kernel until [`Depot::serve`] is called.
#[derive(Debug)]
pub struct Depot {
    server: Server,
    tree: Arc<Tree>,
}

/// One file of a depot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DepotFile {
    /// Its id as Girder's are: 24 hexadecimal digits.
    pub id: String,
    /// Its size in bytes when it was looked at.
    pub size: u64,
    /// Its path in the folder.
    pub path: PathBuf,
}

/// The id of the folder that a depot serves.
#[cfg(feature = "command")]
pub(crate) fn root_folder() -> String {
    id::Id::of(id::Kind::Folder, std::path::Path::new("")).to_string()
}

impl Depot {
    /// Opens the folder, looks through it, and listens.
    ///
    /// # Errors
    /// When the folder cannot be read, when it holds more files than a depot keeps in mind, and when the
    /// address cannot be had.
    pub fn open(options: DepotOptions) -> Result<Self, DepotError> {
        let tree = Arc::new(Tree::open(&options.directory)?);
        let listener = TcpListener::bind(options.listen)
            .map_err(|source| DepotError::Listen { address: options.listen, source })?;
        let routes = Routes::new(Arc::clone(&tree), options.token);
        Ok(Self { server: Server::new(listener, routes, Limits::default())?, tree })
    }

    /// Where it listens, with the port that was given.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The files as they are now, in the order of their paths.
    ///
    /// # Errors
    /// When the folder cannot be read any more.
    pub fn files(&self) -> Result<Vec<DepotFile>, DepotError> {
        let index = self.tree.look_again()?;
        let files = index.files().filter_map(|(id, path)| {
            // One that went away meanwhile is not there.
            let size = self.tree.status(path)?.size;
            Some(DepotFile { id: id.to_string(), size, path: path.to_owned() })
        });
        Ok(files.collect())
    }

    /// What stops it, from another thread.
    pub fn stop_handle(&self) -> StopHandle {
        self.server.stop_handle()
    }

    /// Serves until it is stopped; connections that are open then are closed. The calling thread
    /// accepts, others serve.
    ///
    /// # Errors
    /// When the kernel does not let it wait for connections any more.
    pub fn serve(self) -> Result<(), DepotError> {
        self.server.serve()
    }
}

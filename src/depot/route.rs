//! What a request gets: from a [`Request`] to an [`Answer`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::DepotToken;
use super::date::Date;
use super::error::DepotError;
use super::id::{Id, Kind};
use super::range::{self, Wanted};
use super::record::{self, COLLECTION, ROOT_FOLDER};
use super::reply::{Answer, Body, ErrorType, disposition};
use super::request::Request;
use super::tree::{Index, Node, Tree};

/// The part of Girder's REST API that a depot has.
#[derive(Debug)]
pub(super) struct Routes {
    tree: Arc<Tree>,
    token: Option<DepotToken>,
    started: Date,
}

type Answered = Result<Answer, Answer>;

impl Routes {
    pub(super) fn new(tree: Arc<Tree>, token: Option<DepotToken>) -> Self {
        Self { tree, token, started: Date::now() }
    }

    /// Answers a request. The body of the answer to a HEAD is for the caller to leave out.
    pub(super) fn answer(&self, request: &Request) -> Answer {
        self.decide(request).unwrap_or_else(|error| error)
    }

    fn decide(&self, request: &Request) -> Answered {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let ["api", "v1", route @ ..] = &path[..] else {
            return Err(rest(
                404,
                "A depot has Girder's REST API under /api/v1, and nothing else.",
            ));
        };
        if !matches!(&*request.method, "GET" | "HEAD") {
            return Err(no_route(request));
        }
        if let ["system", "version"] = route {
            let release = concat!("gantline ", env!("CARGO_PKG_VERSION"));
            let version = json!({"release": release, "serverStartDate": self.started.iso()});
            return Ok(Answer::json(&version));
        }
        self.admit(request)?;
        match route {
            ["file", id] => self.record(Kind::File, id),
            ["file", id, "download"] | ["file", id, "download", _] => self.download(id, request),
            ["item"] => self.items(request),
            ["item", id] => self.record(Kind::Item, id),
            ["item", id, "files"] => self.files(id, request),
            ["folder"] => self.folders(request),
            ["folder", id] => self.record(Kind::Folder, id),
            ["collection"] => self.page(Kind::Collection, &[PathBuf::new()], request),
            ["collection", id] => self.record(Kind::Collection, id),
            ["resource", "lookup"] => self.lookup(request),
            _ => Err(no_route(request)),
        }
    }

    fn admit(&self, request: &Request) -> Result<(), Answer> {
        let Some(token) = &self.token else { return Ok(()) };
        match &request.token {
            Some(presented) if token.matches(presented) => Ok(()),
            Some(_) => {
                Err(access("Read access denied: this is not the Girder-Token of this depot."))
            }
            None => Err(access("Read access denied: this depot asks for a Girder-Token.")),
        }
    }

    fn record(&self, kind: Kind, id: &str) -> Answered {
        Ok(Answer::json(&self.describe(&self.find(kind, id)?)?))
    }

    fn download(&self, id: &str, request: &Request) -> Answered {
        let node = self.find(Kind::File, id)?;
        let (file, status) = self.tree.open_file(&node.path).map_err(|error| {
            tracing::warn!(path = %node.path.display(), %error, "cannot open a file of the depot");
            rest(404, &format!("The file {id} is no longer there, or cannot be read."))
        })?;
        let etag = status.etag();
        let current = request.if_range.as_ref().is_none_or(|validator| *validator == etag);
        let wanted = match &request.range {
            Some(range) if current => range::of_header(range, status.size),
            Some(_) => Wanted::Whole,
            None => {
                let offset = number(request, "offset")?.unwrap_or(0);
                range::of_query(offset, number(request, "endByte")?, status.size)
            }
        };
        let (code, start, end) = match wanted {
            Wanted::Whole => (200, 0, status.size),
            Wanted::Part(start, end) => (206, start, end),
            Wanted::Unsatisfiable => {
                let mut answer = rest(416, &format!("The file {id} has {} bytes.", status.size));
                answer.headers.push(("Content-Range", format!("bytes */{}", status.size)));
                return Err(answer);
            }
        };
        let inline = request.parameter("contentDisposition") == Some("inline");
        let kind = if inline { "inline" } else { "attachment" };
        let mut headers = vec![
            ("Content-Type", "application/octet-stream".to_owned()),
            ("Accept-Ranges", "bytes".to_owned()),
            ("Content-Disposition", disposition(kind, &record::name(&node))),
            ("ETag", etag),
        ];
        if code == 206 {
            headers.push(("Content-Range", format!("bytes {start}-{}/{}", end - 1, status.size)));
        }
        Ok(Answer { status: code, headers, body: Body::File { file, status, start, end } })
    }

    fn items(&self, request: &Request) -> Answered {
        let Some(id) = request.parameter("folderId") else {
            return Err(rest(400, "Invalid search mode."));
        };
        let folder = self.find(Kind::Folder, id)?;
        let index = self.listed(request)?;
        let files = index.contents(&folder.path).map(|contents| &*contents.files);
        self.page(Kind::Item, files.unwrap_or_default(), request)
    }

    fn files(&self, id: &str, request: &Request) -> Answered {
        let item = self.find(Kind::Item, id)?;
        self.page(Kind::File, &[item.path], request)
    }

    fn folders(&self, request: &Request) -> Answered {
        let (parent, id) = (request.parameter("parentType"), request.parameter("parentId"));
        match (parent, id) {
            (Some("collection"), Some(id)) => {
                self.find(Kind::Collection, id)?;
                self.page(Kind::Folder, &[PathBuf::new()], request)
            }
            (Some("folder"), Some(id)) => {
                let folder = self.find(Kind::Folder, id)?;
                let index = self.listed(request)?;
                let folders = index.contents(&folder.path).map(|contents| &*contents.folders);
                self.page(Kind::Folder, folders.unwrap_or_default(), request)
            }
            _ => Err(rest(400, "Invalid search mode.")),
        }
    }

    /// What there is for a listing: as it is now for its first page, and as it was for the others, which are of the same
    /// list then. A folder of 100,000 files is looked through once.
    fn listed(&self, request: &Request) -> Result<Arc<Index>, Answer> {
        match number(request, "offset")?.unwrap_or(0) {
            0 => self.tree.look_again().map_err(failed),
            _ => Ok(self.tree.index()),
        }
    }

    /// Part of a list, by `limit` (0: all) and `offset`; only what is called `name`, if the request says so.
    fn page(&self, kind: Kind, paths: &[PathBuf], request: &Request) -> Answered {
        let bound =
            |name| Ok(number(request, name)?.and_then(|number| usize::try_from(number).ok()));
        let limit = match bound("limit")? {
            Some(0) => usize::MAX,
            limit => limit.unwrap_or(PAGE),
        };
        let offset = bound("offset")?.unwrap_or(0);
        let node = |path: &PathBuf| Node { kind, path: path.clone() };
        let (nodes, count): (Vec<_>, _) = match request.parameter("name") {
            Some(name) if kind != Kind::File => {
                let named = paths.iter().map(node).filter(|node| record::name(node) == name);
                let named: Vec<_> = named.collect();
                let count = named.len();
                (named.into_iter().skip(offset).take(limit).collect(), count)
            }
            _ => (paths.iter().skip(offset).take(limit).map(node).collect(), paths.len()),
        };
        // What went away meanwhile is not there.
        let records = nodes.iter().filter_map(|node| self.describe(node).ok()).collect();
        Ok(Answer::list(records, count))
    }

    /// `/collection/depot/files/…`: a folder, an item, or the file in it of the same name.
    fn lookup(&self, request: &Request) -> Answered {
        let Some(path) = request.parameter("path") else {
            return Err(rest(400, "Parameter \"path\" is required."));
        };
        let words: Vec<_> = path.split('/').filter(|word| !word.is_empty()).collect();
        let node = match &words[..] {
            ["collection", COLLECTION] => Some(self.collection()),
            ["collection", COLLECTION, ROOT_FOLDER, inside @ ..] => self.at(inside)?,
            ["collection", COLLECTION, ..] => None,
            ["collection", name, ..] => {
                return Err(validation(&format!("Collection not found: {name}")));
            }
            _ => return Err(validation("Invalid path format")),
        };
        let found = node.and_then(|node| self.describe(&node).ok());
        found
            .map(|record| Answer::json(&record))
            .ok_or_else(|| validation(&format!("Path not found: {}", words.join("/"))))
    }

    fn at(&self, words: &[&str]) -> Result<Option<Node>, Answer> {
        let path: PathBuf = words.iter().collect();
        let node = |kind, path: &Path| self.tree.find(Id::of(kind, path)).map_err(failed);
        if let Some(found) = node(Kind::Folder, &path)? {
            return Ok(Some(found));
        }
        if let Some(found) = node(Kind::Item, &path)? {
            return Ok(Some(found));
        }
        match words {
            [inside @ .., item, file] if item == file => {
                node(Kind::File, &inside.iter().chain([item]).collect::<PathBuf>())
            }
            _ => Ok(None),
        }
    }

    fn find(&self, kind: Kind, text: &str) -> Result<Node, Answer> {
        let Some(id) = Id::parse(text) else {
            let message = format!("Invalid ObjectId: {text}");
            let error = json!({"field": "id", "message": message, "type": "validation"});
            return Err(Answer::document(400, &error));
        };
        let node = self.tree.find(id).map_err(failed)?.filter(|node| node.kind == kind);
        node.ok_or_else(|| rest(400, &format!("Invalid {} id ({text}).", kind.name())))
    }

    fn describe(&self, node: &Node) -> Result<Value, Answer> {
        let gone = || rest(404, &format!("The {} is no longer there.", node.kind.name()));
        let status = self.tree.status(&node.path).ok_or_else(gone)?;
        Ok(record::of(node, &status))
    }

    fn collection(&self) -> Node {
        Node { kind: Kind::Collection, path: PathBuf::new() }
    }
}

/// How many records a list has when the request does not say: as in Girder.
const PAGE: usize = 50;

/// A query parameter that is a number.
fn number(request: &Request, name: &str) -> Result<Option<u64>, Answer> {
    let parse = |text: &str| {
        let message = format!("Invalid value for integer parameter {name}: {text}.");
        text.parse().map_err(|_| rest(400, &message))
    };
    request.parameter(name).map(parse).transpose()
}

fn no_route(request: &Request) -> Answer {
    let path = request.path.get(3..).unwrap_or_default().join("/");
    rest(400, &format!("No matching route for \"{} {path}\"", request.method))
}

fn failed(error: DepotError) -> Answer {
    tracing::error!(%error, "the depot cannot look through its folder");
    Answer::error(500, ErrorType::Internal, "The folder of this depot cannot be read.")
}

fn rest(status: u16, message: &str) -> Answer {
    Answer::error(status, ErrorType::Rest, message)
}

fn access(message: &str) -> Answer {
    Answer::error(401, ErrorType::Access, message)
}

fn validation(message: &str) -> Answer {
    Answer::error(400, ErrorType::Validation, message)
}

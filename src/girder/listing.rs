//! What items and folders hold, page by page.

use std::collections::VecDeque;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::http::Method;

use super::call::Call;
use super::{Client, FileRecord, GirderError};

/// What Girder knows of an item.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ItemRecord {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its name: it may hold anything.
    pub name: String,
    /// The folder that it is in, whose rights are the item's.
    #[serde(default, rename = "folderId")]
    pub folder_id: Option<String>,
    /// Bytes of all of its files.
    #[serde(default)]
    pub size: Option<u64>,
}

/// What Girder knows of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FolderRecord {
    /// Its id.
    #[serde(rename = "_id")]
    pub id: String,
    /// Its name: it may hold anything.
    pub name: String,
    /// What who asks may do with it: 0 is to read, 1 to write, 2 everything.
    #[serde(default, rename = "_accessLevel")]
    pub access_level: Option<i32>,
}

impl Client {
    /// Asks for an item's record.
    ///
    /// # Errors
    /// As [`Client::file`].
    pub fn item(&self, id: &str) -> Result<ItemRecord, GirderError> {
        self.call(Call::new(self, Method::GET, &["item", id]), &self.asked("item", id)?)
    }

    /// Asks for a folder's record.
    ///
    /// # Errors
    /// As [`Client::file`].
    pub fn folder(&self, id: &str) -> Result<FolderRecord, GirderError> {
        self.call(Call::new(self, Method::GET, &["folder", id]), &self.asked("folder", id)?)
    }

    /// The files of an item.
    pub fn files_of_item(&self, id: &str) -> Pages<FileRecord> {
        let path = ["item".to_owned(), id.to_owned(), "files".to_owned()];
        Pages::new(self, "item", id, path.to_vec(), Vec::new())
    }

    /// The items of a folder.
    pub fn items_of_folder(&self, id: &str) -> Pages<ItemRecord> {
        let query = vec![("folderId", id.to_owned())];
        Pages::new(self, "folder", id, vec!["item".to_owned()], query)
    }

    /// The folders in a folder.
    pub fn folders_of_folder(&self, id: &str) -> Pages<FolderRecord> {
        let query = vec![("parentType", "folder".to_owned()), ("parentId", id.to_owned())];
        Pages::new(self, "folder", id, vec!["folder".to_owned()], query)
    }
}

/// A listing that is asked for page by page. It ends after an error.
#[derive(Debug)]
pub struct Pages<T> {
    client: Client,
    kind: &'static str,
    id: String,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    offset: usize,
    /// Records that are asked for at once, and whether the next time twice as many.
    limit: usize,
    grows: bool,
    page: VecDeque<T>,
    /// The id of the last page's first record.
    first: Option<String>,
    is_last: bool,
}

impl<T> Pages<T> {
    fn new(
        client: &Client,
        kind: &'static str,
        id: &str,
        path: Vec<String>,
        query: Vec<(&'static str, String)>,
    ) -> Self {
        let (client, id) = (client.clone(), id.to_owned());
        Self {
            client,
            kind,
            id,
            path,
            query,
            offset: 0,
            limit: PAGE,
            grows: true,
            page: VecDeque::new(),
            first: None,
            is_last: false,
        }
    }
}

/// A record of a listing.
pub trait Listed: DeserializeOwned {
    /// Its id: no other record of the listing has it.
    fn id(&self) -> &str;
}

impl Listed for FileRecord {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for ItemRecord {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Listed for FolderRecord {
    fn id(&self) -> &str {
        &self.id
    }
}

impl<T: Listed> Pages<T> {
    fn next_page(&mut self) -> Result<(), GirderError> {
        let page = match self.ask() {
            // So many are too much for one answer, or for its time.
            Err(GirderError::Protocol { .. } | GirderError::TimedOut { .. })
                if self.limit > PAGE =>
            {
                (self.limit, self.grows) = (PAGE, false);
                self.ask()?
            }
            page => page?,
        };
        let first = page.front().map(|record| record.id().to_owned());
        // A server that does not heed the offset would never come to an end.
        if first.is_some() && first == self.first {
            let object = self.client.asked(self.kind, &self.id)?.object;
            return Err(GirderError::Protocol {
                server: self.client.api_url().to_owned(),
                reason: format!("it gives the same page of {object} again"),
            });
        }
        self.first = first;
        self.offset += page.len();
        // Fewer than were asked for may be all that the server gives at once.
        self.is_last = page.len() < PAGE;
        if self.grows {
            self.limit = (2 * self.limit).min(LARGEST_PAGE);
        }
        self.page = page;
        Ok(())
    }

    fn ask(&self) -> Result<VecDeque<T>, GirderError> {
        let asked = self.client.asked(self.kind, &self.id)?;
        let segments: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let (limit, offset) = (self.limit.to_string(), self.offset.to_string());
        // By id, so that what is added meanwhile does not move the rest.
        let mut query = vec![("limit", &*limit), ("offset", &*offset), ("sort", "_id")];
        query.extend(self.query.iter().map(|(key, value)| (*key, value.as_str())));
        let call = Call {
            query: &query,
            limit: MAX_PAGE,
            ..Call::new(&self.client, Method::GET, &segments)
        };
        self.client.call(call, &asked)
    }

    /// The records of the next page; none behind the last.
    ///
    /// # Errors
    /// As [`Client::file`], and a server that gives one page twice.
    pub fn next_records(&mut self) -> Result<Option<VecDeque<T>>, GirderError> {
        if self.is_last {
            return Ok(None);
        }
        self.next_page().inspect_err(|_| self.is_last = true)?;
        Ok(Some(std::mem::take(&mut self.page)))
    }

    /// Whether nothing is left to be asked for.
    pub fn is_last(&self) -> bool {
        self.is_last
    }
}

impl<T: Listed> Iterator for Pages<T> {
    type Item = Result<T, GirderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty()
            && !self.is_last
            && let Err(error) = self.next_page()
        {
            self.is_last = true;
            return Some(Err(error));
        }
        self.page.pop_front().map(Ok)
    }
}

/// Records asked for at first: Girder's own default.
const PAGE: usize = 50;

/// Records asked for at once when there are many: each page costs a server a search through all of them.
const LARGEST_PAGE: usize = 400;

/// Bytes of a page: items come with their metadata.
const MAX_PAGE: u64 = 16 * 1024 * 1024;

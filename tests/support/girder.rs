//! A folder of the real Girder server that `tests/env/girder.sh up` started.

use std::env;
use std::io::Read;

use serde_json::Value;
use uuid::Uuid;

use super::seeded::Seeded;

/// A session of the user admin, with a folder that is removed in the end.
#[derive(Debug)]
pub(crate) struct Girder {
    api: String,
    token: String,
    folder: String,
}

/// A file that was uploaded.
#[derive(Debug)]
pub(crate) struct Stored {
    /// The file's id.
    pub(crate) id: String,
    /// The SHA-256 of what was uploaded, in hex.
    pub(crate) sha256: String,
    /// How many bytes those are.
    pub(crate) size: u64,
}

/// Girder refuses chunks below 5 MiB, but for the last.
const CHUNK: usize = 32 << 20;

impl Girder {
    /// Logs in, and makes the folder.
    pub(crate) fn log_in() -> Self {
        let api = env::var("GANTLINE_TEST_GIRDER")
            .expect("GANTLINE_TEST_GIRDER is not set: run `eval \"$(tests/env/girder.sh up)\"`");
        Self::log_in_at(api)
    }

    /// Logs in at another Girder, and makes the folder.
    pub(crate) fn log_in_at(api: String) -> Self {
        // admin:password
        let session = log_in(&api, "YWRtaW46cGFzc3dvcmQ=");
        let token = text(&session["authToken"]["token"]);
        let mut girder = Self { api, token, folder: String::new() };
        let user = text(&session["user"]["_id"]);
        let name = format!("gantline-{}", Uuid::new_v4());
        let folder = girder.post(
            "folder",
            &[("parentType", "user"), ("parentId", &user), ("name", &name), ("public", "false")],
            &[],
        );
        girder.folder = text(&folder["_id"]);
        girder
    }

    /// What a job document takes as `girder_api_url`.
    pub(crate) fn api(&self) -> &str {
        &self.api
    }

    /// What a job document takes as `girder_client_token`.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The token of a user who is made for it, and may not see the folder.
    pub(crate) fn stranger(&self) -> String {
        let login = format!("u{}", Uuid::new_v4().simple());
        let email = format!("{login}@girder.test");
        let password = [("firstName", "A"), ("lastName", "B"), ("password", "password")];
        let user = [[("login", &*login), ("email", &*email)].as_slice(), &password].concat();
        self.post("user", &user, &[]);
        let pair = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{login}:password"),
        );
        text(&log_in(&self.api, &pair)["authToken"]["token"])
    }

    /// Uploads the bytes as the only file of a new item.
    pub(crate) fn upload(&self, name: &str, mut bytes: Seeded) -> Stored {
        let sha256 = bytes.sha256();
        let item = self.post("item", &[("folderId", &self.folder), ("name", name)], &[]);
        let item = text(&item["_id"]);
        let size = bytes.len();
        let mut answer = self.post(
            "file",
            &[
                ("parentType", "item"),
                ("parentId", &item),
                ("name", name),
                ("size", &size.to_string()),
            ],
            &[],
        );
        let upload = text(&answer["_id"]);
        let mut chunk = vec![0; CHUNK.min(usize::try_from(size).unwrap())];
        let mut offset = 0;
        while offset < size {
            let got = bytes.read(&mut chunk).unwrap();
            let place = offset.to_string();
            answer = self.post(
                "file/chunk",
                &[("uploadId", &upload), ("offset", &place)],
                &chunk[..got],
            );
            offset += got as u64;
        }
        // The answer to the last chunk, or to the creation of an empty file, is the file's record.
        assert_eq!(answer["_modelType"], "file", "{answer}");
        Stored { id: text(&answer["_id"]), sha256, size }
    }

    /// The folder that goes in the end.
    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    /// Makes a folder in another.
    pub(crate) fn make_folder(&self, parent: &str, name: &str) -> String {
        let query = [("parentType", "folder"), ("parentId", parent), ("name", name)];
        text(&self.post("folder", &query, &[])["_id"])
    }

    /// Lets everybody see a folder.
    pub(crate) fn publish(&self, folder: &str) {
        let query = [("access", r#"{"users": [], "groups": []}"#), ("public", "true")];
        ureq::put(format!("{}/folder/{folder}/access", self.api))
            .query_pairs(query)
            .header("Girder-Token", &self.token)
            .send_empty()
            .unwrap();
    }

    /// Makes an item in a folder.
    pub(crate) fn make_item(&self, folder: &str, name: &str) -> String {
        text(&self.post("item", &[("folderId", folder), ("name", name)], &[])["_id"])
    }

    /// Puts a file into an item.
    pub(crate) fn add_file(&self, item: &str, name: &str, bytes: &[u8]) -> String {
        let size = bytes.len().to_string();
        let query =
            [("parentType", "item"), ("parentId", item), ("name", name), ("size", size.as_str())];
        text(&self.post("file", &query, bytes)["_id"])
    }

    /// Makes a file that is a link to an address, whose bytes are so many.
    pub(crate) fn link(&self, folder: &str, name: &str, address: &str, size: u64) {
        let size = size.to_string();
        let query = [("parentType", "folder"), ("parentId", folder), ("name", name)];
        let link = [("linkUrl", address), ("size", size.as_str())];
        self.post("file", &[query.as_slice(), &link].concat(), &[]);
    }

    /// What a path of the API answers with.
    pub(crate) fn get(&self, path: &str) -> Value {
        ureq::get(format!("{}/{path}", self.api))
            .header("Girder-Token", &self.token)
            .call()
            .and_then(|mut answer| answer.body_mut().read_json())
            .unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// The bytes of a file.
    pub(crate) fn content(&self, file: &str) -> Vec<u8> {
        let url = format!("{}/file/{file}/download", self.api);
        let mut answer = ureq::get(url).header("Girder-Token", &self.token).call().unwrap();
        answer.body_mut().with_config().limit(1 << 30).read_to_vec().unwrap()
    }

    /// The files of an item by their names, with their records, in the order of their names.
    pub(crate) fn files(&self, item: &str) -> Vec<(String, Value)> {
        let records = self.get(&format!("item/{item}/files?limit=0&sort=name"));
        let named = |record: &Value| (text(&record["name"]), record.clone());
        records.as_array().unwrap().iter().map(named).collect()
    }

    /// The uploads into an item that have begun and are no files.
    pub(crate) fn uploads(&self, item: &str) -> Vec<Value> {
        let uploads = self.get(&format!("system/uploads?parentId={item}&limit=0"));
        uploads.as_array().unwrap().clone()
    }

    /// Adds what a job document needs to be let in.
    pub(crate) fn with_access(&self, mut job: Value) -> Value {
        job["girder_api_url"] = self.api.as_str().into();
        job["girder_client_token"] = self.token.as_str().into();
        job
    }

    fn post(&self, path: &str, query: &[(&str, &str)], body: &[u8]) -> Value {
        ureq::post(format!("{}/{path}", self.api))
            .query_pairs(query.iter().copied())
            .header("Girder-Token", &self.token)
            .header("Content-Type", "application/octet-stream")
            .send(body)
            .and_then(|mut answer| answer.body_mut().read_json())
            .unwrap_or_else(|error| panic!("POST {path}: {error}"))
    }
}

impl Drop for Girder {
    fn drop(&mut self) {
        // A server that is gone has nothing to remove.
        let _ = ureq::delete(format!("{}/folder/{}", self.api, self.folder))
            .header("Girder-Token", &self.token)
            .call();
    }
}

/// A session of the user that a pair of base64 names.
fn log_in(api: &str, pair: &str) -> Value {
    let request = ureq::get(format!("{api}/user/authentication"));
    let answer = request.header("Authorization", format!("Basic {pair}")).call();
    answer.and_then(|mut answer| answer.body_mut().read_json()).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

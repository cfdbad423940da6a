//! The Girder client and the data plane against a real Girder.

use std::time::{Duration, Instant};

use gantline::internal::girder::{ApiKey, Client, GirderError, Token};
use gantline::internal::http::{self, ClientOptions, Get, HttpError, Progress, Read};
use mio::{Events, Interest, Poll};
use serde_json::Value;

/// A private folder of the user admin, removed in the end.
struct Folder {
    api: String,
    token: String,
    id: String,
}

impl Folder {
    fn new() -> Self {
        let api = std::env::var("GANTLINE_TEST_GIRDER").expect(
            "GANTLINE_TEST_GIRDER is not set: run `bash tests/all.sh`, or start a Girder with \
             `tests/env/girder.sh up`",
        );
        // admin:password
        let session = log_in(&api, "YWRtaW46cGFzc3dvcmQ=");
        let mut folder =
            Self { api, token: text(&session["authToken"]["token"]), id: String::new() };
        let name = format!("client-{}", uuid::Uuid::new_v4());
        let user = text(&session["user"]["_id"]);
        let form =
            [("parentType", "user"), ("parentId", &user), ("name", &name), ("public", "false")];
        folder.id = text(&folder.post("folder", &form, b"")["_id"]);
        folder
    }

    /// Uploads a file in one request; returns its id.
    fn upload(&self, data: &[u8]) -> String {
        let size = data.len().to_string();
        let query = [
            ("parentType", "folder"),
            ("parentId", self.id.as_str()),
            ("name", "data \"1\".bin"),
            ("size", size.as_str()),
        ];
        text(&self.post("file", &query, data)["_id"])
    }

    fn post(&self, path: &str, query: &[(&str, &str)], body: &[u8]) -> Value {
        let request =
            ureq::post(format!("{}/{path}", self.api)).header("Girder-Token", &self.token);
        let request = query.iter().fold(request, |request, (key, value)| request.query(key, value));
        request.send(body).unwrap().body_mut().read_json().unwrap()
    }

    fn client(&self) -> Client {
        Client::new(&self.api, Some(Token::new(&self.token))).unwrap()
    }

    /// The session of a user who is made for it, and may not see the folder.
    fn stranger(&self) -> Token {
        let login = format!("u{}", uuid::Uuid::new_v4().simple());
        let email = format!("{login}@girder.test");
        let session = self.post(
            "user",
            &[
                ("login", &login),
                ("email", &email),
                ("firstName", "A"),
                ("lastName", "B"),
                ("password", "password"),
            ],
            b"",
        );
        assert_eq!(session["login"], login.as_str());
        let pair = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{login}:password"),
        );
        Token::new(text(&log_in(&self.api, &pair)["authToken"]["token"]))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let url = format!("{}/folder/{}", self.api, self.id);
        let _ = ureq::delete(url).header("Girder-Token", &self.token).call();
    }
}

fn log_in(api: &str, pair: &str) -> Value {
    let request = ureq::get(format!("{api}/user/authentication"));
    let mut answer = request.header("Authorization", format!("Basic {pair}")).call().unwrap();
    answer.body_mut().read_json().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// Drives a download to its end, as the pump does.
fn download(get: Get) -> Result<Vec<u8>, HttpError> {
    let started = Instant::now();
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(8);
    let mut exchange = http::Client::new(ClientOptions::default())?.get(get)?;
    let mut registered = None;
    let mut response = loop {
        let progress = exchange.advance(Instant::now())?;
        if let Some((number, stream)) = exchange.connection()
            && registered != Some(number)
        {
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(stream, mio::Token(0), interest).unwrap();
            registered = Some(number);
        }
        match progress {
            Progress::Lookup(lookup) => exchange.resolved(lookup.run()),
            Progress::Ready(response) => break response,
            _ => poll.poll(&mut events, Some(Duration::from_secs(30))).unwrap(),
        }
    };
    let mut all = Vec::new();
    let mut buf = vec![0; 1 << 18];
    loop {
        assert!(started.elapsed() < Duration::from_secs(60), "the test has hung");
        match response.body.read(&mut buf)? {
            Read::Bytes(count) => all.extend_from_slice(&buf[..count]),
            Read::Ended => return Ok(all),
            _ => poll.poll(&mut events, Some(Duration::from_secs(30))).unwrap(),
        }
    }
}

#[test]
fn a_record_has_name_and_size() {
    let folder = Folder::new();
    let id = folder.upload(&[7; 1000]);
    let record = folder.client().file(&id).unwrap();
    assert_eq!(record.id, id);
    assert_eq!((record.name.as_str(), record.size), ("data \"1\".bin", Some(1000)));
}

#[test]
fn bytes_arrive_whole_and_from_the_middle() {
    let folder = Folder::new();
    let mut random = fastrand::Rng::with_seed(1);
    let data: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(3_000_001).collect();
    let id = folder.upload(&data);
    let get = folder.client().download(&id).unwrap();
    assert!(download(get.clone()).unwrap() == data);
    let rest = download(Get { from: 2_999_990, ..get.clone() }).unwrap();
    assert_eq!(rest, data[2_999_990..]);
    // Girder 5 answers a range beyond the end with the whole file, and calls it a part.
    let error = download(Get { from: 3_000_001, ..get }).unwrap_err();
    assert!(matches!(error, HttpError::Range { .. } | HttpError::RangeNotSatisfiable { .. }));
}

#[test]
fn a_file_that_is_not_ours_is_refused_by_who_asks() {
    let folder = Folder::new();
    let id = folder.upload(b"data");
    let error = Client::new(&folder.api, None).unwrap().file(&id).unwrap_err();
    assert!(matches!(error, GirderError::Unauthorized { with_token: false, .. }), "{error:?}");
    assert!(error.to_string().contains("a token or an API key is needed"), "{error}");
    let wrong = Client::new(&folder.api, Some(Token::new("wrong"))).unwrap();
    let error = wrong.file(&id).unwrap_err();
    assert!(matches!(error, GirderError::Unauthorized { with_token: true, .. }), "{error:?}");
    assert!(error.to_string().contains("not valid, or has expired"), "{error}");
    let stranger = Client::new(&folder.api, Some(folder.stranger())).unwrap();
    let error = stranger.file(&id).unwrap_err();
    assert!(matches!(error, GirderError::Forbidden { .. }), "{error:?}");
    assert!(error.to_string().contains(&id) && error.to_string().contains(&folder.api), "{error}");
    let error = download(stranger.download(&id).unwrap()).unwrap_err();
    assert!(error.to_string().contains("status 403: Read access denied"), "{error}");
}

#[test]
fn an_id_that_nothing_has_and_one_that_is_none_are_told_apart() {
    let folder = Folder::new();
    let error = folder.client().file("000000000000000000000000").unwrap_err();
    assert!(matches!(error, GirderError::NotFound { .. }), "{error:?}");
    let error = folder.client().file("xyz").unwrap_err();
    assert!(matches!(error, GirderError::InvalidId { .. }), "{error:?}");
    assert!(error.to_string().contains("file xyz"), "{error}");
}

#[test]
fn an_api_key_gives_access_and_a_wrong_one_is_refused() {
    let folder = Folder::new();
    let id = folder.upload(b"data");
    let key = folder.post("api_key", &[("name", "client")], b"");
    let client = Client::with_api_key(&folder.api, ApiKey::new(text(&key["key"]))).unwrap();
    assert_eq!(client.file(&id).unwrap().size, Some(4));
    assert_eq!(download(client.download(&id).unwrap()).unwrap(), b"data");
    let error = Client::with_api_key(&folder.api, ApiKey::new("s3cret")).unwrap_err();
    assert!(matches!(error, GirderError::ApiKeyRefused { .. }), "{error:?}");
    assert!(error.to_string().contains("Invalid API key") && !error.to_string().contains("s3cret"));
    let url = format!("{}/api_key/{}", folder.api, text(&key["_id"]));
    ureq::delete(url).header("Girder-Token", &folder.token).call().unwrap();
}

#[test]
fn a_url_without_the_api_path_is_told_the_usual_one() {
    let folder = Folder::new();
    let root = folder.api.strip_suffix("/api/v1").expect("the usual path").to_owned();
    for wrong in [format!("{root}/"), format!("{root}/girder"), format!("{root}/api")] {
        let client = Client::new(&wrong, Some(Token::new(&folder.token))).unwrap();
        let error = client.file("000000000000000000000000").unwrap_err();
        assert!(matches!(error, GirderError::NotAnApi { .. }), "{wrong}: {error:?}");
        assert!(error.to_string().contains(&folder.api), "{error}");
    }
}

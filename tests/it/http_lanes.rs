//! Small bodies over connections that are kept, from peers that do with them what they like.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gantline::internal::http::{
    ClientOptions, Get, HttpError, Lane, LaneError, Limits, Pool, Stopper, Window,
};
use url::Url;

use crate::crowd::Crowd;
use crate::http_support::{client, client_with, impatient, noise};

const LIMIT: usize = 64 * 1024;

/// Requests after which a lane has been refused, and knows how much is too much.
const LEARNED: usize = 100;

/// A lane of sixteen, and what keeps it from being stopped.
fn lane(patience: Duration) -> (Lane, Stopper) {
    let (pool, stopper) = Pool::new(client()).unwrap();
    (pool.lane(Window::new(16), patience), stopper)
}

/// What a server does with a request: bytes that it answers with, and whether it closes behind them.
type Answer = Box<dyn Fn(usize, &str) -> (Vec<u8>, bool) + Send + Sync>;

/// A server that answers what is asked on each connection, one request after the other; counted are connections
/// and requests.
struct Server {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn answers(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (connections, requests) =
            (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (seen, asked, answer) = (connections.clone(), requests.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                seen.fetch_add(1, Ordering::SeqCst);
                let (asked, answer) = (asked.clone(), answer.clone());
                thread::spawn(move || serve(stream, &asked, &answer));
            }
        });
        Self { port, connections, requests }
    }

    fn get(&self, path: &str) -> Get {
        Get::new(Url::parse(&format!("http://127.0.0.1:{}/{path}", self.port)).unwrap())
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, asked: &AtomicUsize, answer: &Answer) {
    stream.set_nodelay(true).unwrap();
    let mut request = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).is_ok_and(|count| count == 1) {
        request.push(byte[0]);
        if request.ends_with(b"\r\n\r\n") {
            let nth = asked.fetch_add(1, Ordering::SeqCst);
            let (bytes, closes) = answer(nth, &String::from_utf8_lossy(&request));
            if stream.write_all(&bytes).is_err() || closes {
                return;
            }
            request.clear();
        }
    }
}

/// The body that a path stands for.
fn body_of(request: &str) -> Vec<u8> {
    let number = request.split('/').nth(1).and_then(|rest| rest.split(' ').next());
    let number: usize = number.and_then(|text| text.parse().ok()).unwrap_or(0);
    noise(number as u64, 100 + (number * 37) % 9000)
}

fn whole(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn fetch(lane: &Lane, get: &Get) -> Result<Vec<u8>, LaneError> {
    let mut body = b"what was there before".to_vec();
    lane.fetch(get, LIMIT, &mut body).map(|()| body)
}

/// Fetches what is at `number`, which is its body.
fn fetch_nth(lane: &Lane, server: &Server, number: usize) {
    let body = fetch(lane, &server.get(&number.to_string())).unwrap();
    assert_eq!(body, body_of(&format!("/{number} ")));
}

#[test]
fn one_connection_serves_many_requests_one_after_the_other() {
    let server = Server::answers(Box::new(|_, request| (whole(&body_of(request)), false)));
    let (lane, _stopper) = lane(Duration::ZERO);
    (0..50).for_each(|number| fetch_nth(&lane, &server, number));
    assert_eq!(server.connections(), 1);
}

#[test]
fn of_thirty_three_connections_that_could_be_kept_the_oldest_is_not() {
    let answers: fn() -> Answer = || Box::new(|_, request| (whole(&body_of(request)), false));
    let servers: Vec<_> = (0..33).map(|_| Server::answers(answers())).collect();
    let (lane, _stopper) = lane(Duration::ZERO);
    servers.iter().for_each(|server| fetch_nth(&lane, server, 1));
    servers.iter().rev().for_each(|server| fetch_nth(&lane, server, 2));
    let connections: Vec<_> = servers.iter().map(Server::connections).collect();
    assert_eq!((connections[0], connections[1..].iter().sum()), (2, 32), "{connections:?}");
}

#[test]
fn sixteen_are_asked_at_once_and_no_more() {
    let crowd = Arc::<Crowd>::default();
    let seen = crowd.clone();
    let server = Server::answers(Box::new(move |_, request| {
        seen.wait_for(17);
        (whole(&body_of(request)), false)
    }));
    let (lane, _stopper) = lane(Duration::ZERO);
    thread::scope(|scope| {
        for hand in 0..32 {
            let (lane, server) = (&lane, &server);
            scope.spawn(move || {
                (0..10).for_each(|number| fetch_nth(lane, server, hand * 10 + number));
            });
        }
    });
    assert!((5..=16).contains(&crowd.most()), "{crowd:?}");
    assert!(server.connections() <= 16, "{}", server.connections());
}

#[test]
fn a_connection_that_the_server_has_closed_is_no_fault() {
    // It says that it keeps the connection, and closes it.
    let server = Server::answers(Box::new(|_, request| (whole(&body_of(request)), true)));
    let (lane, _stopper) = lane(Duration::ZERO);
    (0..20).for_each(|number| fetch_nth(&lane, &server, number));
    assert_eq!(server.connections(), 20);
}

#[test]
fn a_server_that_refuses_for_a_while_is_asked_again_and_one_that_refuses_for_good_is_not() {
    let server = Server::answers(Box::new(|nth, request| match nth {
        0 => (b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n".to_vec(), false),
        1 => (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n".to_vec(), false),
        2 => (Vec::new(), true),
        _ => (whole(&body_of(request)), false),
    }));
    let (patient, _stopper) = lane(Duration::from_secs(1));
    assert_eq!(fetch(&patient, &server.get("5")).unwrap(), body_of("/5 "));
    let server = Server::answers(Box::new(|_, _| {
        (b"HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n".to_vec(), false)
    }));
    let error = fetch(&patient, &server.get("5")).unwrap_err();
    assert!(matches!(error, LaneError::Http(HttpError::Status { status: 404, .. })), "{error:?}");
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[test]
fn a_server_that_says_for_how_long_it_refuses_is_asked_again_after_that() {
    let server = Server::answers(Box::new(|nth, request| match nth {
        0 => (b"HTTP/1.1 429 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n".to_vec(), false),
        _ => (whole(&body_of(request)), false),
    }));
    let (patient, _stopper) = lane(Duration::from_secs(1));
    let began = Instant::now();
    fetch_nth(&patient, &server, 5);
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn a_server_that_bears_six_at_once_is_seldom_asked_by_more() {
    let (crowd, refusals, late) =
        (Crowd::default(), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (counted, most_of_the_late) = (refusals.clone(), late.clone());
    let server = Server::answers(Box::new(move |nth, request| {
        let came_as = crowd.wait_for(17);
        if nth >= LEARNED {
            most_of_the_late.fetch_max(came_as, Ordering::SeqCst);
        }
        if came_as <= 6 {
            return (whole(&body_of(request)), false);
        }
        counted.fetch_add(1, Ordering::SeqCst);
        (b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n".to_vec(), false)
    }));
    let (lane, _stopper) = lane(Duration::from_secs(30));
    thread::scope(|scope| {
        for hand in 0..16 {
            let (lane, server) = (&lane, &server);
            scope.spawn(move || {
                for number in 0..20 {
                    fetch_nth(lane, server, hand * 20 + number);
                }
            });
        }
    });
    let (asked, refused) =
        (server.requests.load(Ordering::SeqCst), refusals.load(Ordering::SeqCst));
    assert!(refused > 0 && refused * 4 < asked, "{refused} of {asked} were refused");
    // Until the first refusal it grows with each answer, and may reach the most.
    let most = late.load(Ordering::SeqCst);
    assert!((1..16).contains(&most), "{most} at once");
}

#[test]
fn a_body_that_is_longer_than_it_may_be_is_an_error_however_it_is_sent() {
    let long = vec![b'x'; LIMIT + 1];
    let chunked =
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n", long.len());
    let chunked = [chunked.as_bytes(), &long, b"\r\n0\r\n\r\n"].concat();
    let until_close = [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &long].concat();
    for answer in [whole(&long), chunked, until_close] {
        let server = Server::answers(Box::new(move |_, _| (answer.clone(), true)));
        let (lane, _stopper) = lane(Duration::ZERO);
        let error = fetch(&lane, &server.get("1")).unwrap_err();
        assert!(matches!(error, LaneError::TooLong(LIMIT)), "{error:?}");
    }
    for answer in [whole(&long[1..]), [&b"HTTP/1.1 200 OK\r\n\r\n"[..], &long[1..]].concat()] {
        let server = Server::answers(Box::new(move |_, _| (answer.clone(), true)));
        let (lane, _stopper) = lane(Duration::ZERO);
        assert_eq!(fetch(&lane, &server.get("1")).unwrap(), &long[1..]);
    }
}

#[test]
fn who_stops_it_ends_those_that_wait_for_the_server_and_those_that_wait_for_their_turn() {
    let (pool, stopper) = Pool::new(client()).unwrap();
    let lane = Arc::new(pool.lane(Window::new(2), Duration::from_secs(6)));
    let server = Server::answers(Box::new(|_, _| (b"HTTP/1.1 200".to_vec(), false)));
    let waiting: Vec<_> = (0..5)
        .map(|_| {
            let (lane, get) = (lane.clone(), server.get("1"));
            thread::spawn(move || fetch(&lane, &get).unwrap_err())
        })
        .collect();
    while server.requests.load(Ordering::SeqCst) < 2 {
        thread::yield_now();
    }
    drop(stopper);
    for one in waiting {
        assert!(matches!(one.join().unwrap(), LaneError::Stopped));
    }
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let (pool, _stopper) = Pool::new(client_with(impatient())).unwrap();
    let lane = pool.lane(Window::new(2), Duration::ZERO);
    let server = Server::answers(Box::new(|_, _| (Vec::new(), false)));
    let error = fetch(&lane, &server.get("1")).unwrap_err();
    assert!(matches!(error, LaneError::Http(HttpError::TimedOut { .. })), "{error:?}");
}

#[test]
fn a_redirect_is_followed_unless_it_is_not_to_be() {
    let target = Server::answers(Box::new(|_, request| (whole(&body_of(request)), false)));
    let place = target.get("8").url.to_string();
    let server = Server::answers(Box::new(move |_, _| {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
        (head.into_bytes(), false)
    }));
    let (lane, _stopper) = lane(Duration::ZERO);
    for _ in 0..3 {
        assert_eq!(fetch(&lane, &server.get("1")).unwrap(), body_of("/8 "));
    }
    let strict = Get { is_redirected: false, ..server.get("1") };
    assert!(matches!(fetch(&lane, &strict), Err(LaneError::Http(HttpError::Redirect { .. }))));
}

/// A server that does at each request one of the things that servers should not do. What comes is the body that
/// was asked for, byte for byte, or an error.
#[test]
fn whatever_a_server_does_the_body_is_exact_or_an_error() {
    for seed in 0..60 {
        let server = Server::answers(Box::new(move |nth, request| misbehave(seed, nth, request)));
        let (lane, _stopper) = lane(Duration::ZERO);
        let (mut exact, mut failed) = (0, 0);
        for number in 0..30 {
            let path = number.to_string();
            match fetch(&lane, &server.get(&path)) {
                Ok(body) => {
                    assert_eq!(
                        body,
                        body_of(&format!("/{path} ")),
                        "seed {seed}, request {number}"
                    );
                    exact += 1;
                }
                Err(_) => failed += 1,
            }
        }
        assert!(exact > 0, "seed {seed}: {failed} failed");
    }
}

fn misbehave(seed: u64, nth: usize, request: &str) -> (Vec<u8>, bool) {
    let mut random = fastrand::Rng::with_seed(seed * 1000 + nth as u64);
    let body = body_of(request);
    let answer = whole(&body);
    match random.u8(0..12) {
        // It closes at some point of the answer.
        0 | 1 => (answer[..random.usize(..answer.len())].to_vec(), true),
        // The length is a lie: what is missing never comes.
        2 => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len() + 1);
            ([head.as_bytes(), &body].concat(), true)
        }
        // It answers twice: what is too much must not be the answer to the next.
        3 | 4 => ([answer, whole(b"of nobody")].concat(), random.bool()),
        // Something that nobody asked for follows.
        5 => ([&answer[..], b"more"].concat(), false),
        6 => (b"HTTP/1.1 503 Busy\r\nContent-Length: 3\r\n\r\nnow".to_vec(), random.bool()),
        // Two lengths.
        7 => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Length: 7\r\n\r\n",
                body.len()
            );
            ([head.as_bytes(), &body].concat(), true)
        }
        8 => {
            let head = format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
                body.len()
            );
            ([head.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat(), false)
        }
        9 => ([&b"HTTP/1.1 100 Continue\r\n\r\n"[..], &answer].concat(), false),
        _ => (answer, false),
    }
}

#[test]
fn a_long_body_is_read_as_it_comes_and_its_lane_has_room_again_behind_it() {
    let server = Server::answers(Box::new(|_, request| match request.contains("/cut") {
        true => (whole(&noise(1, 100_000))[..60_000].to_vec(), true),
        false => (whole(&noise(1, 3_000_000)), false),
    }));
    let (pool, _stopper) = Pool::new(client()).unwrap();
    let lane = pool.lane(Window::new(1), Duration::ZERO);
    for _ in 0..2 {
        let mut body = Vec::new();
        lane.open(&server.get("whole")).unwrap().read_to_end(&mut body).unwrap();
        assert!(body == noise(1, 3_000_000));
        body.clear();
        let error = lane.open(&server.get("cut")).unwrap().read_to_end(&mut body).unwrap_err();
        let error = error.get_ref().and_then(|error| error.downcast_ref());
        let is_cut = matches!(error, Some(LaneError::Http(HttpError::Truncated { .. })));
        assert!(is_cut && noise(1, 100_000).starts_with(&body), "{error:?}");
    }
}

#[test]
fn a_long_body_that_does_not_come_ends_with_its_pool_or_after_the_time_of_a_stall() {
    let server =
        Server::answers(Box::new(|_, _| (whole(&noise(1, 100_000))[..500].to_vec(), false)));
    let (pool, stopper) = Pool::new(client()).unwrap();
    let lane = pool.lane(Window::new(4), Duration::ZERO);
    let mut stream = lane.open(&server.get("half")).unwrap();
    thread::scope(|scope| {
        let reading = scope.spawn(|| stream.read_to_end(&mut Vec::new()).unwrap_err());
        drop(stopper);
        let error = reading.join().unwrap();
        let error = error.get_ref().and_then(|error| error.downcast_ref());
        assert!(matches!(error, Some(LaneError::Stopped)), "{error:?}");
    });
    let limits = Limits::default().with_stall(Duration::from_millis(200));
    let impatient = client_with(ClientOptions::default().with_limits(limits));
    let (pool, _stopper) = Pool::new(impatient).unwrap();
    let lane = pool.lane(Window::new(4), Duration::ZERO);
    let error = lane.open(&server.get("half")).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
    let error = error.get_ref().and_then(|error| error.downcast_ref());
    assert!(matches!(error, Some(LaneError::Http(HttpError::TimedOut { .. }))), "{error:?}");
}

//! Redis before 6.2, and servers that do without what came with it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use gantline::internal::worker::broker::{Address, Settled, SharedSession};
use gantline::internal::worker::celery::Message;
use serde_json::{Map, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::place::{Kind, Place, connect, number, redis, run, soon};

/// A Redis of the test's own, without commands of later versions. It ends with the test.
struct OldRedis {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl OldRedis {
    fn start() -> Self {
        let folder = TempDir::with_prefix("gantline-test-").unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.arg("--dir").arg(folder.path());
        // LPOP takes several only since 6.2.
        for gone in ["BLMOVE", "LMOVE", "LPOP", "GETDEL", "ZRANGESTORE"] {
            command.args(["--rename-command", gone, ""]);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < until, "redis-server does not listen");
            std::thread::yield_now();
        }
        Self { process, url: format!("redis://127.0.0.1:{port}/0"), _folder: folder }
    }
}

impl Drop for OldRedis {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Takes what comes, until there is nothing more for a while.
async fn takes(session: SharedSession) -> Vec<u64> {
    let mut seen = Vec::new();
    while let Ok(delivery) = timeout(Duration::from_secs(3), session.take()).await {
        let delivery = delivery.unwrap();
        assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);
        seen.push(number(&delivery));
    }
    seen
}

#[test]
fn a_redis_without_blmove_gives_each_message_once() {
    let old = OldRedis::start();
    run(Kind::Redis, async |place: Place| {
        let place = Place { url: old.url.clone(), ..place };
        let session = place.serve().await;
        // It waits when the message comes.
        let waiting = tokio::spawn({
            let session = session.clone();
            async move { session.take().await }
        });
        assert!(timeout(Duration::from_millis(500), session.ended()).await.is_err());
        place.send(1).await;
        let first = soon(waiting).await.unwrap().unwrap();
        assert_eq!(session.ack(&first).await.unwrap(), Settled::Done);

        let other = connect(&place.url, place.settings()).await;
        other.serve(&[place.queue()]);
        let takers = [&session, &session, &other].map(|it| tokio::spawn(takes(it.clone())));
        for _ in 0..3 {
            place.send(10).await;
        }
        let mut seen = Vec::new();
        for taker in takers {
            seen.extend(taker.await.unwrap());
        }
        seen.sort_unstable();
        let wanted: Vec<_> = (0..10).flat_map(|nth| [nth; 3]).collect();
        assert_eq!(seen, wanted);
        // Another priority has another list.
        let urgent = json!({"queue": place.queue(), "options": {"priority": 6}});
        place.python("send", urgent).await;
        let last = soon(session.take()).await.unwrap();
        assert_eq!(session.ack(&last).await.unwrap(), Settled::Done);
        let mut connection = redis(&place.url).await;
        let held: u64 =
            ::redis::cmd("HLEN").arg("unacked").query_async(&mut connection).await.unwrap();
        assert_eq!(held, 0);
    });
}

#[test]
fn a_redis_whose_lpop_takes_one_passes_on_replies() {
    let old = OldRedis::start();
    run(Kind::Redis, async |place: Place| {
        let place = Place { url: old.url.clone(), ..place };
        let session = place.serve().await;
        session.listen().await.unwrap();
        let question = Message::json(Map::new(), &json!({"method": "query_task"}));
        session.command(&question).await.unwrap();
        let heard = soon(session.next_command()).await.unwrap();
        assert_eq!(heard.body, question.body);
        let to = session.replies();
        let replies = [1, 2, 3].map(|nth| Message::json(Map::new(), &json!({"reply": nth})));
        for reply in &replies {
            session.publish(Address::reply("", &to), reply).await.unwrap();
        }
        let mut bodies = Vec::new();
        for _ in &replies {
            bodies.push(soon(session.next_command()).await.unwrap().body);
        }
        bodies.sort();
        assert_eq!(bodies, replies.map(|reply| reply.body));
    });
}

#[test]
fn a_user_who_may_not_use_blmove_is_served_all_the_same() {
    run(Kind::Redis, async |place: Place| {
        let mut connection = redis(&place.url).await;
        let mut command = ::redis::cmd("ACL");
        command.arg("SETUSER").arg(&place.name).arg("on").arg(">right").arg("~*").arg("&*");
        command.arg("+@all").arg("-blmove");
        let () = command.query_async(&mut connection).await.unwrap();
        let user = format!("redis://{}:right@", place.name);
        let session = connect(&place.url.replace("redis://", &user), place.settings()).await;
        session.declare(&place.queue()).await.unwrap();
        session.serve(&[place.queue()]);
        let waiting = tokio::spawn({
            let session = session.clone();
            async move { session.take().await }
        });
        assert!(timeout(Duration::from_millis(500), session.ended()).await.is_err());
        place.send(1).await;
        let taken = soon(waiting).await.unwrap().unwrap();
        assert_eq!(session.ack(&taken).await.unwrap(), Settled::Done);
    });
}

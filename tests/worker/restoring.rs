//! Redis: who holds a message for too long loses it to others, Python's workers and ours alike.

use std::time::Duration;

use gantline::internal::worker::broker::{End, Settled};
use serde_json::{Value, json};

use crate::place::{Kind, Place, connect, number, redis, run, soon};

/// What is noted as unacknowledged.
async fn unacked(place: &Place) -> usize {
    let mut connection = redis(&place.url).await;
    redis::cmd("HLEN").arg("unacked").query_async(&mut connection).await.unwrap()
}

#[test]
fn what_a_python_worker_held_when_it_died_is_put_back() {
    run(Kind::Redis, async |place: Place| {
        place.send(2).await;
        place.python("hold", json!({"queue": place.queue()})).await;
        assert_eq!(unacked(&place).await, 1);
        let mut settings = place.settings();
        settings.visibility_timeout = Duration::from_secs(2);
        let session = connect(&place.url, settings).await;
        session.serve(&[place.queue()]);
        // Its own turn, and then the one that was held: it comes to the head.
        let second = soon(session.take()).await.unwrap();
        assert_eq!((number(&second), second.is_redelivered()), (1, false));
        assert_eq!(session.ack(&second).await.unwrap(), Settled::Done);
        let first = soon(session.take()).await.unwrap();
        assert_eq!((number(&first), first.is_redelivered()), (0, true));
        assert_eq!(session.ack(&first).await.unwrap(), Settled::Done);
        assert_eq!(unacked(&place).await, 0);
    });
}

#[test]
fn what_we_held_is_put_back_by_a_python_worker() {
    run(Kind::Redis, async |place: Place| {
        let session = place.serve().await;
        let sent = json!({"queue": place.queue(), "count": 1, "options": {"priority": 6}});
        place.python("send", sent).await;
        let held = soon(session.take()).await.unwrap();
        let transport = json!({"visibility_timeout": 1, "unacked_restore_throttle": 1, "unacked_restore_interval": 1});
        let options = json!({"queue": place.queue(), "count": 1, "transport_options": transport});
        let taken = place.python("read", options).await;
        assert_eq!(taken[0]["properties"]["priority"], 6);
        assert_eq!(taken[0]["headers"]["redelivered"], true);
        assert_eq!(session.ack(&held).await.unwrap(), Settled::Overdue);
        assert_eq!(session.give_back(&held, End::Tail).await.unwrap(), Settled::Overdue);
        assert_eq!(unacked(&place).await, 0);
    });
}

#[test]
fn what_is_renewed_is_left_to_its_holder() {
    run(Kind::Redis, async |place: Place| {
        let mut settings = place.settings();
        settings.visibility_timeout = Duration::from_secs(2);
        let session = connect(&place.url, settings).await;
        session.declare(&place.queue()).await.unwrap();
        session.serve(&[place.queue()]);
        place.send(1).await;
        let held = soon(session.take()).await.unwrap();
        // The session restores each second, its own as well.
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(600)).await;
            assert_eq!(session.renew(&held).await.unwrap(), Settled::Done);
        }
        assert_eq!(session.ack(&held).await.unwrap(), Settled::Done);
        assert_eq!(unacked(&place).await, 0);
    });
}

#[test]
fn an_acknowledgement_of_an_earlier_session_is_done_on_the_next() {
    run(Kind::Redis, async |place: Place| {
        let session = place.serve().await;
        place.send(1).await;
        let held = soon(session.take()).await.unwrap();
        session.close().await;
        assert!(session.ack(&held).await.is_err());
        let next = place.connect().await;
        assert_eq!(next.ack(&held).await.unwrap(), Settled::Done);
        assert_eq!(unacked(&place).await, 0);
    });
}

#[test]
fn what_is_no_message_is_dropped_and_the_next_one_comes() {
    run(Kind::Redis, async |place: Place| {
        let session = place.serve().await;
        let mut connection = redis(&place.url).await;
        for element in ["", "\u{0}\u{ff}", "[1]", r#"{"body": 1}"#, "{"] {
            let mut command = redis::cmd("LPUSH");
            let _: Value = {
                let pushed: u64 = command
                    .arg(place.queue())
                    .arg(element)
                    .query_async(&mut connection)
                    .await
                    .unwrap();
                pushed.into()
            };
        }
        place.send(1).await;
        let delivery = soon(session.take()).await.unwrap();
        assert_eq!(number(&delivery), 0);
        assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);
        assert_eq!(unacked(&place).await, 0);
    });
}

#[test]
fn each_priority_of_all_queues_comes_before_the_next() {
    run(Kind::Redis, async |place: Place| {
        let session = place.connect().await;
        let queues = [place.queue(), place.other("second")];
        for (queue, priority) in [(0, 9), (1, 4), (0, 6), (1, 0), (0, 255)] {
            let message = json!({
                "queue": queues[queue], "body": [[priority], {}, {}], "options": {"priority": priority},
            });
            place.python("send", message).await;
        }
        session.serve(&queues);
        let mut order = Vec::new();
        for _ in 0..5 {
            let delivery = soon(session.take()).await.unwrap();
            order.push(number(&delivery));
            assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);
        }
        assert_eq!(order, [0, 4, 6, 9, 255]);
    });
}

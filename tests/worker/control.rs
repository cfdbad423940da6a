//! Remote control and events, with Python's Celery at the other end.

use gantline::internal::worker::broker::{Address, SharedSession};
use gantline::internal::worker::celery::Message;
use serde_json::{Map, Value, json};

use crate::place::{Place, on_both, soon};
use crate::python;

on_both! {
    inspect_ping_reaches_us_and_gets_our_reply,
    a_command_of_ours_is_heard_by_all_and_by_ourselves,
    commands_that_come_while_the_worker_is_busy_are_all_heard,
    our_events_reach_pythons_receiver,
}

/// The next command with this verb: others may use the same exchange.
async fn command(session: &SharedSession, verb: &str) -> (Message, Value) {
    soon(async {
        loop {
            let message = session.next_command().await.unwrap();
            let body: Value = serde_json::from_slice(&message.body).unwrap();
            if body["method"] == verb {
                return (message, body);
            }
        }
    })
    .await
}

async fn inspect_ping_reaches_us_and_gets_our_reply(place: Place) {
    let session = place.connect().await;
    session.listen().await.unwrap();
    let hostname = place.settings().hostname;
    let asking = python::start(
        &place.url,
        "inspect",
        json!({"verb": "ping", "destination": [hostname], "timeout": 10}),
    );
    let (message, body) = loop {
        let (message, body) = command(&session, "ping").await;
        if body["destination"] == json!([hostname]) {
            break (message, body);
        }
    };
    assert!(message.headers["expires"].is_number());
    let headers = Map::from_iter([
        ("ticket".to_owned(), body["ticket"].clone()),
        ("clock".to_owned(), json!(2)),
    ]);
    let reply = Message::json(headers, &json!({hostname.as_str(): {"ok": "pong"}}));
    let to = |name: &str| body["reply_to"][name].as_str().unwrap().to_owned();
    let (exchange, key) = (to("exchange"), to("routing_key"));
    session.publish(Address::reply(&exchange, &key), &reply).await.unwrap();
    // One that nobody waits for is no error.
    session.publish(Address::reply(&exchange, "nobody"), &reply).await.unwrap();
    assert_eq!(soon(asking.answer()).await, json!({hostname: {"ok": "pong"}}));
}

async fn a_command_of_ours_is_heard_by_all_and_by_ourselves(place: Place) {
    let session = place.connect().await;
    session.listen().await.unwrap();
    let other = {
        let mut settings = place.settings();
        settings.hostname = format!("other@{}", place.name);
        crate::place::connect(&place.url, settings).await
    };
    other.listen().await.unwrap();
    let verb = format!("hello-{}", place.name);
    let body = json!({"method": verb, "arguments": {"from_node": place.name, "revoked": []}});
    session.command(&Message::json(Map::new(), &body)).await.unwrap();
    for hearing in [&session, &other] {
        assert_eq!(command(hearing, &verb).await.1, body);
    }
}

async fn commands_that_come_while_the_worker_is_busy_are_all_heard(place: Place) {
    let session = place.connect().await;
    session.listen().await.unwrap();
    let sender = place.connect().await;
    let verb = format!("hello-{}", place.name);
    for number in 0..MANY {
        let body = json!({"method": verb, "arguments": {"number": number}});
        sender.command(&Message::json(Map::new(), &body)).await.unwrap();
    }
    for number in 0..MANY {
        assert_eq!(command(&session, &verb).await.1["arguments"]["number"], number);
    }
}

/// More than are kept ready.
const MANY: u32 = 3000;

async fn our_events_reach_pythons_receiver(place: Place) {
    let session = place.connect().await;
    let hostname = place.settings().hostname;
    let mut receiving =
        python::start(&place.url, "events", json!({"hostname": hostname, "count": 2}));
    assert_eq!(soon(receiving.line()).await, "ready");
    let event = |kind: &str| {
        json!({"type": kind, "hostname": hostname, "timestamp": 1_795_746_495.5, "clock": 1, "utcoffset": 0,
            "pid": 1, "freq": 2.0, "uuid": "an-id"})
    };
    let headers = Map::from_iter([("hostname".to_owned(), json!(hostname))]);
    let heartbeat = Message::json(headers.clone(), &event("worker-heartbeat"));
    session.event("worker.heartbeat", &heartbeat).await.unwrap();
    let several = Message::json(headers, &json!([event("task-received")]));
    session.event("task.multi", &several).await.unwrap();
    let wanted = json!([["worker-heartbeat", hostname], ["task-received", hostname]]);
    assert_eq!(soon(receiving.answer()).await, wanted);
}

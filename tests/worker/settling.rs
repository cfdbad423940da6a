//! What becomes of a message: acknowledged, given back, passed on.

use std::time::Duration;

use base64::Engine as _;
use gantline::internal::worker::broker::{BrokerError, End, Settled};
use serde_json::{Value, json};

use crate::place::{Kind, Place, connect, number, on_both, soon};

on_both! {
    a_message_given_back_to_the_head_is_the_next_one,
    a_message_given_back_to_the_tail_is_the_last_one,
    a_message_given_back_unseen_is_the_next_one_and_has_no_mark_if_it_is_alone,
    a_message_passed_on_keeps_body_headers_and_properties,
    a_message_passed_on_keeps_its_priority,
    a_message_is_settled_once,
    what_is_dropped_unsettled_comes_again,
}

async fn a_message_given_back_to_the_head_is_the_next_one(place: Place) {
    let session = place.serve().await;
    place.send(3).await;
    let first = soon(session.take()).await.unwrap();
    assert_eq!(session.give_back(&first, End::Head).await.unwrap(), Settled::Done);
    let again = soon(session.take()).await.unwrap();
    assert_eq!((number(&again), again.is_redelivered()), (0, true));
    assert_eq!(number(&soon(session.take()).await.unwrap()), 1);
}

async fn a_message_given_back_to_the_tail_is_the_last_one(place: Place) {
    let session = place.serve().await;
    place.send(3).await;
    let first = soon(session.take()).await.unwrap();
    assert_eq!(session.give_back(&first, End::Tail).await.unwrap(), Settled::Done);
    let mut order = Vec::new();
    for _ in 0..3 {
        let next = soon(session.take()).await.unwrap();
        assert!(!next.is_redelivered());
        order.push(number(&next));
        assert_eq!(session.ack(&next).await.unwrap(), Settled::Done);
    }
    assert_eq!(order, [1, 2, 0]);
}

async fn a_message_given_back_unseen_is_the_next_one_and_has_no_mark_if_it_is_alone(place: Place) {
    let session = place.serve().await;
    place.send(2).await;
    for (number_of_it, is_marked) in [(0, place.kind == Kind::RabbitMq), (1, false)] {
        let taken = soon(session.take()).await.unwrap();
        assert_eq!(session.give_back(&taken, End::Unseen).await.unwrap(), Settled::Done);
        let again = soon(session.take()).await.unwrap();
        assert_eq!((number(&again), again.is_redelivered()), (number_of_it, is_marked));
        assert_eq!(session.ack(&again).await.unwrap(), Settled::Done);
    }
}

async fn a_message_passed_on_keeps_body_headers_and_properties(place: Place) {
    let session = place.serve().await;
    let other = place.other("python");
    session.declare(&other).await.unwrap();
    let options = json!({
        "headers": {
            "task": "large_image_tasks.tasks.x", "id": "an-id", "retries": 0, "clock": 1_795_746_490_233_i64,
            "expires": 1_795_746_490.233_848_6_f64, "timelimit": [null, 500], "group": null, "ignore_result": false,
            "stamps": {}, "ü": "ß\u{1F4A9}", "jobInfoSpec": {"headers": {"Girder-Token": "T"}, "logPrint": true},
        },
        "correlation_id": "an-id", "reply_to": "a-queue", "expiration": 3600, "priority": 5, "message_id": "m",
        "app_id": "a", "type": "t",
    });
    let body = json!([["ü\u{0}", 1.0e-7], {"a": null}, {"chain": null}]);
    let sent = json!({"queue": place.queue(), "body": body, "options": options, "count": 2});
    place.python("send", sent).await;

    let delivery = soon(session.take()).await.unwrap();
    assert_eq!(session.pass_on(&delivery, &other).await.unwrap(), Settled::Done);
    let untouched = place.read(&place.queue(), 1).await.remove(0);
    let passed = place.read(&other, 1).await.remove(0);
    let without_place = |mut message: Value| {
        // Redis keeps there where it was sent.
        if let Some(properties) = message["properties"].as_object_mut() {
            properties.remove("delivery_info");
        }
        message
    };
    assert_eq!(without_place(passed.clone()), without_place(untouched));
    let bytes = base64::engine::general_purpose::STANDARD;
    let bytes = bytes.decode(passed["body"].as_str().unwrap()).unwrap();
    assert_eq!(bytes, delivery.message().body);
    if place.kind == Kind::Redis {
        assert_eq!(passed["properties"]["delivery_info"]["routing_key"], other);
    }

    // A queue that is not there gets nothing, and the message is still ours.
    place.send(1).await;
    let delivery = soon(session.take()).await.unwrap();
    if place.kind == Kind::RabbitMq {
        let error = session.pass_on(&delivery, &place.other("none")).await.unwrap_err();
        assert!(matches!(error, BrokerError::NoQueue(_)), "{error:?}");
    }
    assert_eq!(session.pass_on(&delivery, &other).await.unwrap(), Settled::Done);
    assert_eq!(place.read(&other, 1).await.len(), 1);
}

async fn a_message_passed_on_keeps_its_priority(place: Place) {
    let session = place.connect().await;
    let (queue, other) = (place.queue(), place.other("python"));
    let arguments = json!({"x-max-priority": 10});
    for queue in [&queue, &other] {
        place.python("declare", json!({"queue": queue, "arguments": arguments})).await;
        session.declare(queue).await.unwrap();
    }
    let send = |queue: &str, priority: u8| {
        let (queue, arguments) = (queue.to_owned(), arguments.clone());
        let options = json!({"priority": priority});
        let body = json!([[priority], {}, {}]);
        let place = place.clone();
        async move {
            let message =
                json!({"queue": queue, "arguments": arguments, "options": options, "body": body});
            place.python("send", message).await
        }
    };
    // The most urgent is 9 on RabbitMQ and 0 on Redis.
    let (urgent, other_one) = if place.kind == Kind::RabbitMq { (9, 0) } else { (0, 9) };
    send(&other, other_one).await;
    send(&queue, urgent).await;
    session.serve(std::slice::from_ref(&queue));
    let delivery = soon(session.take()).await.unwrap();
    assert_eq!(session.pass_on(&delivery, &other).await.unwrap(), Settled::Done);
    session.serve(std::slice::from_ref(&other));
    let first = soon(session.take()).await.unwrap();
    assert_eq!(number(&first), u64::from(urgent));
    assert_eq!(number(&soon(session.take()).await.unwrap()), u64::from(other_one));
}

async fn a_message_is_settled_once(place: Place) {
    let session = place.serve().await;
    place.send(1).await;
    let delivery = soon(session.take()).await.unwrap();
    assert_eq!(session.renew(&delivery).await.unwrap(), Settled::Done);
    assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);
    assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Overdue);
    assert_eq!(session.give_back(&delivery, End::Tail).await.unwrap(), Settled::Overdue);
    assert_eq!(session.pass_on(&delivery, "nowhere").await.unwrap(), Settled::Overdue);
    assert_eq!(session.renew(&delivery).await.unwrap(), Settled::Overdue);
    // Nothing of that was published.
    let next = tokio::time::timeout(Duration::from_millis(300), session.take()).await;
    assert!(next.is_err());
}

async fn what_is_dropped_unsettled_comes_again(place: Place) {
    let mut settings = place.settings();
    settings.visibility_timeout = Duration::from_secs(2);
    let session = connect(&place.url, settings).await;
    session.declare(&place.queue()).await.unwrap();
    session.serve(&[place.queue()]);
    place.send(1).await;
    drop(soon(session.take()).await.unwrap());
    let again = soon(session.take()).await.unwrap();
    assert_eq!((number(&again), again.is_redelivered()), (0, true));
}

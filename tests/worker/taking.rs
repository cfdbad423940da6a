//! Messages are taken: each once, in their order, and none is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use gantline::internal::worker::broker::{BrokerError, End, Settled};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::place::{Kind, Place, connect, number, on_both, run, soon};
use crate::{proxy, python};

on_both! {
    a_message_of_girder_workers_own_delay_is_taken_and_acknowledged,
    a_take_that_waits_gets_what_comes_later,
    two_takers_share_and_nothing_comes_twice,
    a_take_that_is_dropped_while_it_waits_loses_nothing,
    takes_dropped_at_any_moment_lose_nothing,
    a_cut_connection_gives_its_message_back,
    no_message_is_held_that_no_take_waits_for,
    several_queues_are_served_in_turn,
    two_queues_that_give_at_once_lose_nothing,
    queues_change_while_a_take_waits,
    a_session_that_is_closed_ends_its_takes,
}

async fn a_message_of_girder_workers_own_delay_is_taken_and_acknowledged(place: Place) {
    let session = place.serve().await;
    let arguments = json!({"image": "busybox", "container_args": ["ü"]});
    let id = place.python("delay", json!({"queue": place.queue(), "arguments": arguments})).await;

    let delivery = soon(session.take()).await.unwrap();
    let message = delivery.message();
    assert_eq!(message.task_name(), Some("girder_worker.docker.tasks.docker_run"));
    assert_eq!(message.id(), id.as_str());
    assert_eq!(message.properties.correlation_id.as_deref(), id.as_str());
    assert!(message.properties.reply_to.is_some());
    assert_eq!(message.headers["timelimit"], json!([null, null]));
    let body: Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!(body["py/tuple"][1], arguments);
    assert_eq!(delivery.queue(), place.queue());
    assert!(!delivery.is_redelivered());
    assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);

    // It is gone: the next one that is sent is the next one that comes.
    session.close().await;
    place.send(1).await;
    assert_eq!(place.read(&place.queue(), 1).await[0]["body"], "W1swXSwge30sIHt9XQ==");
}

async fn a_take_that_waits_gets_what_comes_later(place: Place) {
    let session = place.serve().await;
    let waiting = tokio::spawn({
        let session = session.clone();
        async move { session.take().await }
    });
    place.send(1).await;
    let delivery = soon(waiting).await.unwrap().unwrap();
    assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);
}

async fn two_takers_share_and_nothing_comes_twice(place: Place) {
    let (one, other) = (place.serve().await, connect(&place.url, place.settings()).await);
    other.serve(&[place.queue()]);
    place.send(40).await;
    let mut seen = Vec::new();
    let mut takers = tokio::task::JoinSet::new();
    for session in [&one, &one, &other, &other] {
        let session = session.clone();
        takers.spawn(async move {
            let mut seen = Vec::new();
            while let Ok(delivery) = timeout(Duration::from_secs(2), session.take()).await {
                let delivery = delivery.unwrap();
                assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);
                seen.push(number(&delivery));
            }
            seen
        });
    }
    while let Some(part) = takers.join_next().await {
        let part = part.unwrap();
        assert!(!part.is_empty(), "one of them got nothing");
        seen.extend(part);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..40).collect::<Vec<_>>());
}

async fn a_take_that_is_dropped_while_it_waits_loses_nothing(place: Place) {
    let session = place.serve().await;
    for _ in 0..3 {
        assert!(timeout(Duration::from_millis(100), session.take()).await.is_err());
    }
    place.send(2).await;
    let first = soon(session.take()).await.unwrap();
    let second = soon(session.take()).await.unwrap();
    assert_eq!([number(&first), number(&second)], [0, 1]);
}

async fn takes_dropped_at_any_moment_lose_nothing(place: Place) {
    let session = place.serve().await;
    place.send(20).await;
    let mut seen = BTreeSet::new();
    let (mut dropped, mut patience) = (0, 0);
    while seen.len() < 20 {
        // From before the first word to the broker to after its last.
        let impatience = async {
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            delivery = session.take() => {
                let delivery = delivery.unwrap();
                assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);
                assert!(seen.insert(number(&delivery)), "{} came twice", number(&delivery));
                patience = 0;
            }
            () = impatience => {
                dropped += 1;
                patience += 1;
            }
        }
        assert!(dropped < 50_000, "only {} of 20 came", seen.len());
    }
    assert!(dropped >= 40, "the takes were dropped only {dropped} times");
    assert!(timeout(Duration::from_millis(300), session.take()).await.is_err());
}

async fn a_cut_connection_gives_its_message_back(place: Place) {
    let (proxy, through) = proxy::before(&place.url).await;
    let mut settings = place.settings();
    settings.visibility_timeout = Duration::from_secs(2);
    let session = connect(&through, settings.clone()).await;
    session.declare(&place.queue()).await.unwrap();
    session.serve(&[place.queue()]);
    place.send(1).await;
    let lost = soon(session.take()).await.unwrap();

    proxy.cut();
    let error = soon(session.ended()).await;
    assert!(matches!(error, BrokerError::Lost(_)), "{error:?}");
    assert!(session.ack(&lost).await.is_err());
    assert!(soon(session.take()).await.is_err());

    let session = connect(&through, settings).await;
    session.serve(&[place.queue()]);
    let again = soon(session.take()).await.unwrap();
    assert_eq!(number(&again), 0);
    assert!(again.is_redelivered());
    // On RabbitMQ the message is another's by now; on Redis it has been put back.
    assert_ne!(session.ack(&lost).await.unwrap(), Settled::Done);
    assert_eq!(session.ack(&again).await.unwrap(), Settled::Done);
}

async fn no_message_is_held_that_no_take_waits_for(place: Place) {
    let session = place.serve().await;
    place.send(3).await;
    let held = soon(session.take()).await.unwrap();
    assert_eq!(number(&held), 0);
    // A Python worker gets all others, and no more.
    let others = place.read(&place.queue(), 2).await;
    assert_eq!(others.len(), 2);
    assert!(others.iter().all(|message| message["redelivered"] == false), "{others:?}");
    assert_eq!(session.ack(&held).await.unwrap(), Settled::Done);
    assert!(timeout(Duration::from_millis(300), session.take()).await.is_err());
}

async fn several_queues_are_served_in_turn(place: Place) {
    let session = place.connect().await;
    let queues = [place.queue(), place.other("second"), place.other("third")];
    for queue in &queues {
        session.declare(queue).await.unwrap();
        place.python("send", json!({"queue": queue, "count": 2})).await;
    }
    session.serve(&queues);
    let mut order = Vec::new();
    for _ in 0..6 {
        let delivery = soon(session.take()).await.unwrap();
        assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);
        order.push((delivery.queue().to_owned(), number(&delivery)));
    }
    let wanted: Vec<_> = [0, 1]
        .into_iter()
        .flat_map(|n| queues.iter().map(move |queue| (queue.clone(), n)))
        .collect();
    assert_eq!(order, wanted);
}

async fn two_queues_that_give_at_once_lose_nothing(place: Place) {
    let session = place.connect().await;
    let queues = [place.queue(), place.other("second")];
    for queue in &queues {
        session.declare(queue).await.unwrap();
    }
    session.serve(&queues);
    let mut seen = Vec::new();
    for round in 0..15_u64 {
        let taking = tokio::spawn({
            let session = session.clone();
            async move { session.take().await }
        });
        // The take waits for both. Both get a message in the same moment.
        tokio::time::sleep(Duration::from_millis(30)).await;
        let message = |queue: &str| {
            let mut message = gantline::internal::worker::celery::Message::json(
                serde_json::Map::new(),
                &json!([[round], {}, {}]),
            );
            message.headers.insert("to".to_owned(), queue.into());
            message
        };
        let [one, other] = queues.each_ref().map(|queue| message(queue));
        let to = gantline::internal::worker::broker::Address::queue;
        let (first, second) = tokio::join!(
            session.publish(to(&queues[0]), &one),
            session.publish(to(&queues[1]), &other)
        );
        first.unwrap();
        second.unwrap();
        for delivery in [soon(taking).await.unwrap().unwrap(), soon(session.take()).await.unwrap()]
        {
            assert_eq!(delivery.message().headers["to"], delivery.queue());
            assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);
            seen.push((number(&delivery), delivery.queue().to_owned()));
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 30);
    assert!(timeout(Duration::from_millis(300), session.take()).await.is_err());
}

async fn queues_change_while_a_take_waits(place: Place) {
    let session = place.serve().await;
    let other = place.other("second");
    session.declare(&other).await.unwrap();
    let taking = tokio::spawn({
        let session = session.clone();
        async move { session.take().await }
    });
    place.python("send", json!({"queue": other, "count": 1})).await;
    assert!(!taking.is_finished());
    session.serve(std::slice::from_ref(&other));
    let delivery = soon(taking).await.unwrap().unwrap();
    assert_eq!(delivery.queue(), other);
    assert_eq!(session.give_back(&delivery, End::Tail).await.unwrap(), Settled::Done);

    // Of no queue nothing is taken.
    session.serve(&[]);
    assert!(timeout(Duration::from_millis(300), session.take()).await.is_err());
    assert_eq!(place.read(&other, 1).await.len(), 1);
}

async fn a_session_that_is_closed_ends_its_takes(place: Place) {
    let session = place.serve().await;
    let taking = tokio::spawn({
        let session = session.clone();
        async move { session.take().await }
    });
    let mut python = python::start(
        &place.url,
        "read",
        json!({"queue": place.queue(), "count": 1, "timeout": 30}),
    );
    session.close().await;
    let error = soon(taking).await.unwrap().unwrap_err();
    assert!(error.ends_session(), "{error:?}");
    assert!(matches!(session.ended().await, BrokerError::Closed));
    place.send(1).await;
    assert_eq!(soon(python.line()).await[0]["redelivered"], false);
}

#[test]
fn messages_beyond_rabbitmqs_channels_wait_for_those_that_are_held() {
    run(Kind::RabbitMq, async |place: Place| {
        let session = place.serve().await;
        place.send(2100).await;
        let mut held = Vec::new();
        while let Ok(taken) = timeout(Duration::from_secs(3), session.take()).await {
            held.push(taken.unwrap());
        }
        assert!((1900..2047).contains(&held.len()), "{}", held.len());
        let first = held.remove(0);
        assert_eq!(session.ack(&first).await.unwrap(), Settled::Done);
        drop(first);
        soon(session.take()).await.unwrap();
    });
}

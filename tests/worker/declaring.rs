//! Queues are declared as kombu declares them, and those that are there are taken as they are.

use gantline::internal::worker::broker::{BrokerError, Settled};
use serde_json::json;

use crate::place::{Kind, Place, number, on_both, run, soon};

on_both! {
    a_queue_that_we_made_is_what_python_declares,
    a_queue_that_python_made_is_taken_as_it_is,
}

async fn a_queue_that_we_made_is_what_python_declares(place: Place) {
    let session = place.serve().await;
    // With other arguments RabbitMQ refuses it.
    place.python("declare", json!({"queue": place.queue()})).await;
    session.declare(&place.queue()).await.unwrap();
    place.send(1).await;
    assert_eq!(number(&soon(session.take()).await.unwrap()), 0);
}

async fn a_queue_that_python_made_is_taken_as_it_is(place: Place) {
    let session = place.connect().await;
    for (name, arguments) in [
        ("priority", json!({"x-max-priority": 10})),
        ("quorum", json!({"x-queue-type": "quorum"})),
        ("lasting", json!({"x-expires": 600_000})),
    ] {
        let queue = place.other(name);
        let message = json!({"queue": queue, "arguments": arguments});
        place.python("send", message).await;
        session.declare(&queue).await.unwrap();
        session.serve(std::slice::from_ref(&queue));
        let delivery = soon(session.take()).await.unwrap();
        assert_eq!((number(&delivery), delivery.queue()), (0, queue.as_str()));
        assert_eq!(session.ack(&delivery).await.unwrap(), Settled::Done);
    }
}

#[test]
fn a_queue_that_is_deleted_ends_the_session_and_the_next_one_makes_it_again() {
    run(Kind::RabbitMq, async |place: Place| {
        let session = place.serve().await;
        let waiting = session.clone();
        let waiting = tokio::spawn(async move { waiting.take().await });
        // The deletion is heard while a take waits, and found by the next.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        place.python("delete", json!({"queue": place.queue()})).await;
        let error = soon(waiting).await.unwrap().unwrap_err();
        assert!(error.ends_session(), "{error:?}");
        assert!(matches!(soon(session.ended()).await, BrokerError::Lost(_)));

        let session = place.serve().await;
        place.send(1).await;
        assert_eq!(number(&soon(session.take()).await.unwrap()), 0);
        place.python("delete", json!({"queue": place.queue()})).await;
        let error = soon(session.take()).await.unwrap_err();
        assert!(error.ends_session(), "{error:?}");
    });
}

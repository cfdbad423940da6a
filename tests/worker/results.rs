//! Results reach the sender's `AsyncResult`, by whichever way it waits for them.

use gantline::internal::worker::broker::{Outcome, Over, Results, Stored};
use gantline::internal::worker::url::Backend;
use serde_json::{Value, json};

use crate::place::{Kind, Place, on_both, redis, run, soon};
use crate::python;

on_both! {
    a_result_by_rpc_reaches_the_sender,
    a_result_in_redis_reaches_whoever_asks,
    where_no_results_are_wanted_none_are_written,
}

fn meta(id: &str, status: &str, result: Value) -> Value {
    json!({
        "status": status, "result": result, "traceback": null, "children": [], "task_id": id,
        "date_done": "2026-11-27T02:28:28.766838+00:00",
    })
}

/// A place for results in the same Redis as the broker, or in one beside RabbitMQ.
async fn store(place: &Place) -> (Results, String) {
    let url = match place.kind {
        Kind::Redis => place.url.clone(),
        Kind::RabbitMq => Place::new(Kind::Redis).await.url,
    };
    (Results::new(&Backend::parse(&url).unwrap(), None).unwrap(), url)
}

async fn a_result_by_rpc_reaches_the_sender(place: Place) {
    let session = place.serve().await;
    let results = Results::new(&Backend::Rpc, None).unwrap();
    let options = json!({"queue": place.queue(), "backend": "rpc://"});
    let calling = python::start(&place.url, "call", options);
    let delivery = soon(session.take()).await.unwrap();
    let message = delivery.message();
    let (id, reply_to) = (message.id().unwrap(), message.properties.reply_to.as_deref());
    let meta = meta(id, "SUCCESS", json!("ü"));
    let outcome = Outcome { task_id: id, reply_to, meta: &meta };
    let stored = results.store(&*session, outcome, Over::NoSuccess).await.unwrap();
    assert_eq!(stored, Stored::Yes);
    let _ = session.ack(&delivery).await.unwrap();
    assert_eq!(soon(calling.answer()).await, json!({"id": id, "value": "ü"}));

    // A sender that has gone is no error; one that waits for nothing gets nothing.
    let gone = Outcome { reply_to: Some("nobody"), ..outcome };
    assert_eq!(results.store(&*session, gone, Over::NoSuccess).await.unwrap(), Stored::Yes);
    let alone = Outcome { reply_to: None, ..outcome };
    assert_eq!(results.store(&*session, alone, Over::NoSuccess).await.unwrap(), Stored::Nowhere);
}

async fn a_result_in_redis_reaches_whoever_asks(place: Place) {
    let session = place.connect().await;
    let (results, url) = store(&place).await;
    let id = place.name.as_str();
    let mut asking =
        python::start(&place.url, "get", json!({"backend": url, "id": id, "timeout": 20}));
    assert_eq!(soon(asking.line()).await, "ready");
    let exception = json!({
        "exc_type": "TaskRevokedError", "exc_message": ["terminated"], "exc_module": "celery.exceptions",
    });
    let revoked = meta(id, "REVOKED", exception);
    let outcome = Outcome { task_id: id, reply_to: None, meta: &revoked };
    assert_eq!(results.store(&*session, outcome, Over::Nothing).await.unwrap(), Stored::Yes);
    assert_eq!(results.store(&*session, outcome, Over::Nothing).await.unwrap(), Stored::Kept);
    let answer = soon(asking.answer()).await;
    assert_eq!(answer["raised"], "TaskRevokedError");
    assert_eq!(answer["text"], "terminated");

    // A success is written over a failure, and by nothing itself.
    let success = meta(id, "SUCCESS", Value::Null);
    let over = Outcome { meta: &success, ..outcome };
    assert_eq!(results.store(&*session, over, Over::NoSuccess).await.unwrap(), Stored::Yes);
    assert_eq!(results.store(&*session, outcome, Over::NoSuccess).await.unwrap(), Stored::Kept);
    let mut asking = python::start(&place.url, "get", json!({"backend": url, "id": id}));
    assert_eq!(soon(asking.line()).await, "ready");
    assert_eq!(soon(asking.answer()).await, json!({"value": null}));
    let mut connection = redis(&url).await;
    let kept: i64 = ::redis::cmd("TTL")
        .arg(format!("celery-task-meta-{id}"))
        .query_async(&mut connection)
        .await
        .unwrap();
    assert!((86_000..=86_400).contains(&kept), "{kept}");
}

async fn where_no_results_are_wanted_none_are_written(place: Place) {
    let session = place.connect().await;
    let results = Results::new(&Backend::Disabled, None).unwrap();
    let meta = meta("an-id", "SUCCESS", Value::Null);
    let outcome = Outcome { task_id: "an-id", reply_to: Some("nobody"), meta: &meta };
    assert_eq!(results.store(&*session, outcome, Over::NoSuccess).await.unwrap(), Stored::Nowhere);
}

#[test]
fn a_store_that_is_away_is_an_error_that_passes() {
    run(Kind::Redis, async |place: Place| {
        let session = place.connect().await;
        let (proxy, through) = crate::proxy::before(&place.url).await;
        let results = Results::new(&Backend::parse(&through).unwrap(), None).unwrap();
        let meta = meta(&place.name, "SUCCESS", Value::Null);
        let outcome = Outcome { task_id: &place.name, reply_to: None, meta: &meta };
        proxy.close();
        let error = results.store(&*session, outcome, Over::NoSuccess).await.unwrap_err();
        assert!(!error.is_permanent() && !error.ends_session(), "{error:?}");
        assert!(error.to_string().starts_with("cannot use the place for results"), "{error}");
        let refused = place.url.replace("redis://", "redis://nobody:secret-word@");
        let refused = Results::new(&Backend::parse(&refused).unwrap(), None).unwrap();
        let error = refused.store(&*session, outcome, Over::NoSuccess).await.unwrap_err();
        assert!(format!("{error:?}").contains("authentication failed"), "{error:?}");
        assert!(!format!("{error:?}").contains("secret-word"), "{error:?}");
        proxy.cut();
        assert_eq!(results.store(&*session, outcome, Over::Nothing).await.unwrap(), Stored::Yes);
        // The connection is gone when it is next needed.
        proxy.cut();
        let mut stored = results.store(&*session, outcome, Over::Nothing).await;
        if stored.is_err() {
            stored = results.store(&*session, outcome, Over::Nothing).await;
        }
        assert_eq!(stored.unwrap(), Stored::Kept);
    });
}

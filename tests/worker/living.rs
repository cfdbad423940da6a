//! Connections that are refused, cut, silent, and made again.

use std::time::{Duration, Instant};

use gantline::internal::worker::broker::{BrokerError, Settings, State, Supervisor};
use gantline::internal::worker::url::Broker;
use tokio::time::timeout;

use crate::place::{Kind, Place, connect, number, on_both, redis, server, soon};
use crate::proxy;

on_both! {
    a_wrong_password_ends_the_start,
    a_place_that_is_not_there_ends_the_start,
    a_broker_that_is_not_there_yet_is_waited_for,
    a_failover_list_is_tried_in_turn,
    a_cut_is_noticed_at_once_and_the_next_session_works,
    a_half_open_connection_is_found_within_a_minute,
    what_ended_a_worker_that_starts_is_waited_out_later,
}

/// Why there is no session.
async fn refusal(url: &str) -> BrokerError {
    let mut supervisor = Supervisor::new(Broker::parse(url).unwrap(), Settings::new("gantline@x"));
    soon(supervisor.next_session()).await.unwrap_err()
}

async fn a_wrong_password_ends_the_start(place: Place) {
    let (user, url) = match place.kind {
        Kind::RabbitMq => ("guest", place.url.replace("guest:guest", "guest:secret-word")),
        Kind::Redis => {
            let mut connection = redis(&place.url).await;
            let mut command = ::redis::cmd("ACL");
            command.arg("SETUSER").arg(&place.name).arg("on").arg(">right").arg("~*").arg("+@all");
            let () = command.query_async(&mut connection).await.unwrap();
            let user = format!("redis://{}:secret-word@", place.name);
            (place.name.as_str(), place.url.replace("redis://", &user))
        }
    };
    let error = refusal(&url).await;
    assert!(
        matches!(&error, BrokerError::Login { user: refused, .. } if refused == user),
        "{error:?}"
    );
    assert!(error.is_permanent());
    assert!(!format!("{error:?} {error}").contains("secret-word"));
}

async fn a_place_that_is_not_there_ends_the_start(place: Place) {
    let url = match place.kind {
        Kind::RabbitMq => format!("{}/no-such-vhost", server(place.kind)),
        Kind::Redis => format!("{}/4096", server(place.kind)),
    };
    let error = refusal(&url).await;
    assert!(matches!(error, BrokerError::Vhost { .. }), "{error:?}");
    assert!(error.is_permanent());
}

async fn a_broker_that_is_not_there_yet_is_waited_for(place: Place) {
    let (proxy, through) = proxy::before(&place.url).await;
    proxy.close();
    let mut supervisor = Supervisor::new(Broker::parse(&through).unwrap(), place.settings());
    let mut state = supervisor.state();
    let starting = tokio::spawn(async move {
        let session = supervisor.next_session().await;
        supervisor.established();
        (supervisor, session)
    });
    let down =
        soon(state.wait_for(|state| matches!(state, State::Down { .. }))).await.unwrap().clone();
    let State::Down { why, pause } = down else { unreachable!() };
    assert!(
        why.starts_with(&format!("cannot connect to the broker at 127.0.0.1:{}", proxy.port)),
        "{why}"
    );
    assert!(pause <= Duration::from_secs(1), "{pause:?}");
    proxy.cut();
    let (_supervisor, session) = soon(starting).await.unwrap();
    session.unwrap().declare(&place.queue()).await.unwrap();
    assert!(matches!(*state.borrow(), State::Up { .. }));
}

async fn a_failover_list_is_tried_in_turn(place: Place) {
    // Nobody listens on the first.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let scheme = place.url.split_once("://").unwrap().0;
    let list = format!("{scheme}://{nobody};{}", place.url);
    let session = soon(connect(&list, place.settings())).await;
    session.declare(&place.queue()).await.unwrap();
}

async fn a_cut_is_noticed_at_once_and_the_next_session_works(place: Place) {
    let (proxy, through) = proxy::before(&place.url).await;
    let mut supervisor = Supervisor::new(Broker::parse(&through).unwrap(), place.settings());
    for round in 0..3 {
        let session = soon(supervisor.next_session()).await.unwrap();
        session.declare(&place.queue()).await.unwrap();
        session.listen().await.unwrap();
        session.serve(&[place.queue()]);
        supervisor.established();
        let (taking, hearing) = (session.clone(), session.clone());
        let taking = tokio::spawn(async move { taking.take().await });
        // Commands to all workers come from other tests as well.
        let hearing = tokio::spawn(async move {
            loop {
                if let Err(error) = hearing.next_command().await {
                    return error;
                }
            }
        });
        place.send(1).await;
        let delivery = soon(taking).await.unwrap().unwrap();
        assert_eq!(number(&delivery), 0);
        let _ = session.ack(&delivery).await.unwrap();

        let began = Instant::now();
        proxy.cut();
        let error = timeout(Duration::from_secs(3), session.ended()).await.unwrap();
        assert!(matches!(error, BrokerError::Lost(_)), "{error:?} in round {round}");
        assert!(soon(hearing).await.unwrap().ends_session());
        assert!(session.take().await.unwrap_err().ends_session());
        assert!(session.declare("x").await.is_err());
        assert!(began.elapsed() < Duration::from_secs(3));
        supervisor.lost(error).unwrap();
    }
}

async fn a_half_open_connection_is_found_within_a_minute(place: Place) {
    let (proxy, through) = proxy::before(&place.url).await;
    let session = connect(&through, place.settings()).await;
    session.declare(&place.queue()).await.unwrap();
    session.listen().await.unwrap();
    session.serve(&[place.queue()]);
    let taking = session.clone();
    let taking = tokio::spawn(async move { taking.take().await });
    proxy.silence();
    let error = timeout(Duration::from_secs(60), session.ended()).await.expect("it is not found");
    assert!(error.ends_session(), "{error:?}");
    assert!(soon(taking).await.unwrap().is_err());
}

async fn what_ended_a_worker_that_starts_is_waited_out_later(place: Place) {
    let mut supervisor = Supervisor::new(Broker::parse(&place.url).unwrap(), place.settings());
    let taken = || BrokerError::NameInUse("gantline@x".to_owned());
    assert!(supervisor.lost(taken()).is_err());
    drop(soon(supervisor.next_session()).await.unwrap());
    supervisor.established();
    supervisor.lost(taken()).unwrap();
}

#[test]
fn a_second_worker_of_the_same_name_is_refused_by_rabbitmq() {
    crate::place::run(Kind::RabbitMq, async |place: Place| {
        let first = place.connect().await;
        first.listen().await.unwrap();
        let second = place.connect().await;
        let error = second.listen().await.unwrap_err();
        assert!(
            matches!(&error, BrokerError::NameInUse(name) if *name == place.settings().hostname)
        );
        assert!(error.is_permanent());
        // The name is free when the first is gone.
        first.close().await;
        let third = place.connect().await;
        third.listen().await.unwrap();
    });
}

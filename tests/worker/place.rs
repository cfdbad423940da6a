//! A broker of the test's own: a RabbitMQ whose queues have names of their own, or a database of the Redis.

use std::future::Future;
use std::time::Duration;

use gantline::internal::worker::broker::{Delivery, Settings, SharedSession, Supervisor};
use gantline::internal::worker::url::Broker;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::python;

/// Which broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    RabbitMq,
    Redis,
}

/// Where a test happens.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    /// The broker's address, as Python and we take it.
    pub(crate) url: String,
    /// What names begin with.
    pub(crate) name: String,
}

impl Place {
    pub(crate) async fn new(kind: Kind) -> Self {
        let name = format!("t{}", &Uuid::new_v4().simple().to_string()[..12]);
        let url = match kind {
            Kind::RabbitMq => format!("{}//", server(kind)),
            Kind::Redis => format!("{}/{}", server(kind), free_database().await),
        };
        Self { kind, url, name }
    }

    pub(crate) fn queue(&self) -> String {
        self.name.clone()
    }

    /// A queue beside it.
    pub(crate) fn other(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::new(format!("gantline@{}", self.name))
    }

    /// A session that serves nothing yet.
    pub(crate) async fn connect(&self) -> SharedSession {
        connect(&self.url, self.settings()).await
    }

    /// A session that serves the test's queue.
    pub(crate) async fn serve(&self) -> SharedSession {
        let session = self.connect().await;
        session.declare(&self.queue()).await.unwrap();
        session.serve(&[self.queue()]);
        session
    }

    /// Python's word to the broker.
    pub(crate) async fn python(&self, verb: &str, options: Value) -> Value {
        python::run(&self.url, verb, options).await
    }

    /// Python sends to the test's queue, as Celery does.
    pub(crate) async fn send(&self, count: usize) {
        self.python("send", json!({"queue": self.queue(), "count": count})).await;
    }

    /// Python takes all that is in a queue; there are so many.
    pub(crate) async fn read(&self, queue: &str, count: usize) -> Vec<Value> {
        let read = self.python("read", json!({"queue": queue, "count": count})).await;
        serde_json::from_value(read).unwrap()
    }
}

/// The address of a server, without a vhost or database.
pub(crate) fn server(kind: Kind) -> String {
    let name = match kind {
        Kind::RabbitMq => "GANTLINE_TEST_AMQP",
        Kind::Redis => "GANTLINE_TEST_REDIS",
    };
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: eval \"$(tests/env/brokers.sh up)\""))
}

pub(crate) async fn connect(url: &str, settings: Settings) -> SharedSession {
    let mut supervisor = Supervisor::new(Broker::parse(url).unwrap(), settings);
    let session = supervisor.next_session().await.unwrap();
    supervisor.established();
    session
}

/// A connection to Redis, to look behind the session.
pub(crate) async fn redis(url: &str) -> redis::aio::MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn free_database() -> u32 {
    let mut connection = redis(&server(Kind::Redis)).await;
    let taken: u32 = redis::cmd("INCR")
        .arg("gantline-test-databases")
        .query_async(&mut connection)
        .await
        .unwrap();
    let database = 1 + taken % 4095;
    let mut connection = redis(&format!("{}/{database}", server(Kind::Redis))).await;
    let () = redis::cmd("FLUSHDB").query_async(&mut connection).await.unwrap();
    database
}

/// Runs a test's body on a runtime like the worker's, with a bound.
pub(crate) fn run<F: Future<Output = ()>>(kind: Kind, body: impl FnOnce(Place) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let body = async { body(Place::new(kind).await).await };
        tokio::time::timeout(Duration::from_secs(100), body)
            .await
            .expect("the test takes too long");
    });
}

/// The first argument of a test message: [`Place::send`] numbers them from 0.
pub(crate) fn number(delivery: &Delivery) -> u64 {
    let body: Value = serde_json::from_slice(&delivery.message().body).unwrap();
    body[0][0].as_u64().unwrap()
}

/// Waits for something that comes soon.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("nothing came in 20 seconds")
}

/// Makes a test for each broker of each of these functions.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod rabbitmq {
            $(#[test] fn $name() { crate::place::run(crate::place::Kind::RabbitMq, super::$name); })+
        }
        mod redis {
            $(#[test] fn $name() { crate::place::run(crate::place::Kind::Redis, super::$name); })+
        }
    };
}
pub(crate) use on_both;

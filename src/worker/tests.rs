//! A worker's bounds, with a broker of this file's that takes nothing before it is let.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::{LocalSet, yield_now};

use super::broker::{
    Address, BrokerError, Delivery, End, Results, Session, Settled, SharedSession,
};
use super::celery::{Message, Request, Revoked};
use super::commands::obey;
use super::http::Health;
use super::metrics::Metrics;
use super::node::{Node, Parts};
use super::settings::WorkerSettings;
use super::state::State;
use super::url::{Backend, Broker};
use crate::run::Runner;

/// A session whose broker takes as much as it is let.
#[derive(Debug)]
struct Slow {
    /// How often something was to be published.
    asked: AtomicUsize,
    taken: AtomicUsize,
    takes: Semaphore,
}

#[async_trait]
impl Session for Slow {
    async fn declare(&self, _: &str) -> Result<(), BrokerError> {
        Ok(())
    }

    fn serve(&self, _: &[String]) {}

    async fn take(&self) -> Result<Delivery, BrokerError> {
        Err(BrokerError::Closed)
    }

    async fn ack(&self, _: &Delivery) -> Result<Settled, BrokerError> {
        Ok(Settled::Done)
    }

    async fn give_back(&self, _: &Delivery, _: End) -> Result<Settled, BrokerError> {
        Ok(Settled::Done)
    }

    async fn pass_on(&self, _: &Delivery, _: &str) -> Result<Settled, BrokerError> {
        Ok(Settled::Done)
    }

    async fn renew(&self, _: &Delivery) -> Result<Settled, BrokerError> {
        Ok(Settled::Done)
    }

    async fn publish(&self, _: Address<'_>, _: &Message) -> Result<(), BrokerError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.takes.acquire().await.unwrap().forget();
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    async fn listen(&self) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn next_command(&self) -> Result<Message, BrokerError> {
        Err(BrokerError::Closed)
    }

    fn replies(&self) -> String {
        "replies".to_owned()
    }

    async fn command(&self, _: &Message) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn event(&self, _: &str, _: &Message) -> Result<(), BrokerError> {
        Ok(())
    }

    async fn ended(&self) -> BrokerError {
        BrokerError::Closed
    }

    async fn close(&self) {}
}

fn node() -> Rc<Node> {
    node_with(|_| ())
}

fn node_with(set: impl FnOnce(&mut WorkerSettings)) -> Rc<Node> {
    let broker = Broker::parse("amqp://localhost").unwrap();
    let mut settings = WorkerSettings::new(broker, Backend::Disabled, "w@h");
    set(&mut settings);
    Rc::new(Node::new(Parts {
        settings,
        runner: Runner::builder().build().unwrap(),
        health: Health::new(Metrics::new()),
        revoked: Revoked::default(),
        state: State::default(),
        results: Results::Disabled,
    }))
}

fn request(method: &str, arguments: &Value) -> Request {
    let body = json!({
        "method": method,
        "arguments": arguments,
        "ticket": "t",
        "reply_to": {"exchange": "", "routing_key": "q"},
    });
    Request::read(&Message::json(Map::new(), &body)).unwrap()
}

/// Lets what is ready go on.
async fn settles() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[tokio::test]
async fn commands_beyond_the_replies_that_the_broker_takes_are_done_and_not_answered() {
    let local = LocalSet::new();
    let all = local.run_until(async {
        let (asked, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let slow = Arc::new(Slow { asked, taken, takes: Semaphore::new(0) });
        let (node, session) = (node(), Arc::clone(&slow) as SharedSession);
        (0..1000).for_each(|_| obey(&node, &session, request("ping", &json!({}))));
        settles().await;
        assert_eq!(slow.asked.load(Ordering::Relaxed), 1000);
        let revoke = json!({"task_id": "a"});
        obey(&node, &session, request("revoke", &revoke));
        settles().await;
        assert_eq!(slow.asked.load(Ordering::Relaxed), 1000);
        assert!(node.revoked.borrow_mut().contains("a", std::time::SystemTime::now()));
        slow.takes.add_permits(1);
        settles().await;
        assert_eq!(slow.taken.load(Ordering::Relaxed), 1);
        obey(&node, &session, request("ping", &json!({})));
        settles().await;
        assert_eq!(slow.asked.load(Ordering::Relaxed), 1001, "there is room again");
    });
    all.await;
}

#[tokio::test]
async fn a_worker_has_at_most_1024_slots_and_at_least_one() {
    let local = LocalSet::new();
    let all = local.run_until(async {
        let (asked, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let session: SharedSession = Arc::new(Slow { asked, taken, takes: Semaphore::new(0) });
        let node = node();
        let slots = |method, by: usize| {
            obey(&node, &session, request(method, &json!({"n": by})));
            *node.wanted_slots.borrow()
        };
        assert_eq!(slots("pool_shrink", 5000), 1);
        assert_eq!((slots("pool_grow", 1022), slots("pool_grow", 1)), (1023, 1024));
        assert_eq!(slots("pool_grow", 1), 1024);
    });
    all.await;
}

#[tokio::test]
async fn of_tasks_that_have_ended_the_last_thousand_are_known() {
    let node = node();
    (0..1000).for_each(|nth| node.ended(&nth.to_string()));
    assert!(node.has_ended("0") && node.has_ended("999"));
    node.ended("1000");
    assert!(!node.has_ended("0") && node.has_ended("1") && node.has_ended("1000"));
}

/// Python's workers put back what is older than an hour, whatever ours are told.
#[tokio::test]
async fn what_is_held_is_renewed_each_third_of_our_timeout_or_of_pythons_if_that_is_less() {
    for (ours, renewed) in [(9, 3), (3600, 1200), (86_400, 1200)] {
        let node = node_with(|set| set.visibility_timeout = Duration::from_secs(ours));
        assert_eq!(node.renewal().as_secs(), renewed, "{ours}");
    }
}

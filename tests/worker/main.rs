//! What only a real RabbitMQ and a real Redis show, with Python's Celery on the other side.

#![cfg(test)]

mod control;
mod declaring;
mod jobs;
mod living;
mod place;
mod proxy;
mod python;
mod restoring;
mod results;
mod settling;
mod site;
#[path = "../support/mod.rs"]
mod support;
mod taking;

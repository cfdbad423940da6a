//! What only a real RabbitMQ and a real Redis show, with Python's Celery on the other side.

#![cfg(test)]

mod away;
mod by_hand;
mod cancels;
mod cases;
mod checking;
mod control;
mod declaring;
mod deploy;
mod elsewhere;
mod from_python;
mod held;
mod jobs;
mod leftovers;
mod limits;
mod living;
mod living_with;
mod manual;
mod messages;
mod older;
mod phases;
mod place;
mod proxy;
mod python;
mod remote;
mod removal;
mod restoring;
mod results;
mod rows;
mod settling;
mod site;
#[path = "../support/mod.rs"]
mod support;
mod taking;
mod tls;
mod troubles;
mod twice;
mod way;

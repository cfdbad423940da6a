//! What only a real RabbitMQ and a real Redis show, with Python's Celery on the other side.

#![cfg(test)]

mod declaring;
mod place;
mod proxy;
mod python;
mod settling;
mod taking;

//! The manual's chapter about the worker: its blocks print what it says, with a real broker.

use crate::place::{Kind, server};
use crate::support::pasted::{Shell, chapter};

#[test]
fn what_is_pasted_from_the_chapter_of_the_worker_prints_what_it_says() {
    let broker = format!("{}//", server(Kind::RabbitMq));
    let shown = broker.replacen("guest:guest@", "guest@", 1);
    let shell = Shell::new().replacing("amqp://guest:guest@rabbitmq//", &broker);
    let shell = shell.replacing("amqp://guest@rabbitmq//", &shown);
    shell.prints_what_it_says(&chapter("src/manual/replacing_girder_worker.md"));
}

//! `gantline run --message`: what people find in a queue, or make in Python, is run by hand, with the real Celery.

use crate::place::{Kind, server};
use crate::python;
use crate::support::command::Invocation;

/// Prints a name and a message in each line: what a list of Redis holds, what a queue of RabbitMQ gives, and what was
/// never sent.
const PROGRAM: &str = r"
import base64, json, sys
from kombu import Connection
from kombu.serialization import dumps
from girder_worker import app
from girder_worker.docker.tasks import docker_run

redis, amqp, queue = sys.argv[1:]
arguments = ('gantline-test:busybox',)
keywords = {'pull_image': False, 'container_args': ['echo', None, True, [1, ['a']]]}

def said(name, text):
    print(json.dumps([name, text]), flush=True)

def sent(url, compression):
    with Connection(url) as connection:
        docker_run.apply_async(arguments, keywords, queue=queue, connection=connection, compression=compression)
        channel = connection.default_channel
        if url == redis:
            text = channel.client.rpop(queue).decode()
            channel.client.delete('_kombu.binding.' + queue)
            return text
        message = channel.basic_get(queue, no_ack=True)
        channel.queue_delete(queue)
        channel.exchange_delete(queue)
        body = message.body if isinstance(message.body, bytes) else message.body.encode()
        properties = {'headers': message.headers, 'content_type': message.content_type}
        return json.dumps({'payload': base64.b64encode(body).decode(), 'payload_encoding': 'base64',
                           'properties': properties})

for compression in [None, 'zlib', 'bzip2']:
    said('Redis, ' + str(compression), sent(redis, compression))
    said('RabbitMQ, ' + str(compression), sent(amqp, compression))
signature = docker_run.s(*arguments, **keywords)
said('signature, JSON', json.dumps(signature))
said('signature, jsonpickle', dumps(signature, serializer='girder_io')[2])
said('arguments, jsonpickle', dumps([arguments, keywords, {}], serializer='girder_io')[2])
";

#[tokio::test]
async fn what_lies_in_a_queue_and_what_was_never_sent_runs_by_the_command() {
    let queue = format!("by-hand-{}", uuid::Uuid::new_v4().simple());
    let brokers = [format!("{}/0", server(Kind::Redis)), format!("{}//", server(Kind::RabbitMq))];
    let mut command = python::command();
    command.args(["-W", "ignore", "-c", PROGRAM]).args(brokers).arg(queue);
    let output = command.stderr(std::process::Stdio::piped()).output().await.unwrap();
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    // girder_worker says more on its standard output.
    let messages: Vec<[String; 2]> =
        stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(messages.len(), 9, "{output:?}");
    for [name, message] in &messages {
        let check = Invocation::of(&["check", "--message", "-"]).input(message.clone()).finish();
        assert_eq!(check.code, 0, "{name}: {message}: {check}");
        let shown = "arguments:\n  \"echo\"\n  \"None\"\n  \"True\"\n  \"[1, ['a']]\"\n";
        assert!(check.text().contains(shown), "{name}: {check}");
    }
    // A start of a container takes its time: one of each kind.
    for kind in ["Redis, zlib", "RabbitMQ, bzip2", "signature, JSON", "arguments, jsonpickle"] {
        let [_, message] = messages.iter().find(|[name, _]| name == kind).unwrap();
        let run = Invocation::of(&["run", "--message", "-"]).input(message.clone()).finish();
        assert_eq!((run.code, run.text()), (0, "None True [1, ['a']]\n"), "{kind}: {run}");
    }
}

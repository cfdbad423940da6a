"""What Python's kombu and Celery do with a broker. broker.py URL VERB ARGUMENTS: the last argument is JSON, the answer too.

send {queue, count, body, arguments, options}   publishes as Celery does: the queue is declared, the exchange is ""
read {queue, count, arguments, transport_options} takes messages and acknowledges them: body in base64, headers, properties
declare {queue, arguments}                      declares a queue as a Python worker does
delete {queue}                                  deletes it
delay {queue, arguments}                        girder_worker's own docker_run.delay
count {queue}                                   how many messages wait in a queue
absent {queue}                                  whether there is no such queue
inspect {destination, verb}                     remote control; of a list of verbs, an object
get {backend, id, timeout}                      AsyncResult.get
call {queue, backend, timeout}                  sends a task and waits for its result
events {count}                                  the types of the next events
hold {queue, transport_options}                 takes a message as a worker does, and dies
"""
import base64
import json
import os
import sys

from kombu import Connection, Consumer, Exchange, Queue


def queue_of(options):
    name = options['queue']
    return Queue(name, Exchange(name, type='direct'), routing_key=name, queue_arguments=options.get('arguments'))


def send(url, options):
    with Connection(url) as connection, connection.Producer() as producer:
        for number in range(options.get('count', 1)):
            body = options.get('body', [[number], {}, {}])
            producer.publish(body, serializer='json', exchange='', routing_key=options['queue'],
                             declare=[queue_of(options)], **options.get('options', {}))
    return None


def read(url, options):
    seen = []

    def take(message):
        seen.append({
            'body': base64.b64encode(message.body if isinstance(message.body, bytes) else message.body.encode()).decode(),
            'headers': message.headers, 'properties': {k: v for k, v in message.properties.items() if k != 'delivery_tag'},
            'content_type': message.content_type, 'redelivered': bool(message.delivery_info.get('redelivered')),
        })
        message.ack()

    transport = options.get('transport_options', {})
    with Connection(url, transport_options=transport) as connection, connection.channel() as channel:
        consumer = Consumer(channel, [queue_of(options)], on_message=take, accept=None, prefetch_count=1)
        with consumer:
            while len(seen) < options['count']:
                try:
                    connection.drain_events(timeout=1 if transport else options.get('timeout', 20))
                except OSError:
                    if not transport:
                        raise
    return seen


def hold(url, options):
    """Waits for a message as a worker does, notes it as unacknowledged, and is gone."""
    def take(message):
        print(json.dumps(None), flush=True)
        os._exit(0)

    connection = Connection(url)
    with Consumer(connection.channel(), [queue_of(options)], on_message=take, accept=None, prefetch_count=1):
        connection.drain_events(timeout=20)


def declare(url, options):
    with Connection(url) as connection, connection.channel() as channel:
        queue_of(options)(channel).declare()
    return None


def count(url, options):
    with Connection(url) as connection, connection.channel() as channel:
        try:
            return queue_of(options)(channel).queue_declare(passive=True).message_count
        except connection.channel_errors:  # Redis has no empty queues
            return 0


def absent(url, options):
    with Connection(url) as connection, connection.channel() as channel:
        try:
            queue_of(options)(channel).queue_declare(passive=True)
            return False
        except connection.channel_errors:
            return True


def delete(url, options):
    with Connection(url) as connection, connection.channel() as channel:
        queue_of(options)(channel).delete()
    return None


def delay(url, options):
    os.environ['GIRDER_WORKER_BROKER'] = url
    os.environ['GIRDER_WORKER_BACKEND'] = options.get('backend', 'rpc://')
    from girder_worker.docker.tasks import docker_run
    sent = docker_run.apply_async(kwargs=options['arguments'], queue=options['queue'])
    return sent.id


def inspect(url, options):
    from celery import Celery
    app = Celery(broker=url)
    inspection = app.control.inspect(destination=options.get('destination'), timeout=options.get('timeout', 5))
    verbs = options['verb']
    if isinstance(verbs, list):
        return {verb: getattr(inspection, verb)() for verb in verbs}
    return getattr(inspection, verbs)()


def get(url, options):
    from celery import Celery
    app = Celery(broker=url, backend=options['backend'])
    print(json.dumps('ready'), flush=True)
    result = app.AsyncResult(options['id'])
    try:
        return {'value': result.get(timeout=options.get('timeout', 20))}
    except Exception as error:  # the test wants to know which
        return {'raised': type(error).__name__, 'module': type(error).__module__, 'text': str(error)}


def call(url, options):
    """Sends a task and waits for its result, as one process: with rpc:// only the sender can."""
    from celery import Celery
    app = Celery(broker=url, backend=options['backend'])
    result = app.send_task('a.task', queue=options['queue'])
    return {'id': result.id, 'value': result.get(timeout=options.get('timeout', 20))}


def events(url, options):
    from celery import Celery
    app = Celery(broker=url)
    seen = []
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={'*': lambda event: seen.append(event)})
        with Consumer(connection.channel(), [receiver.queue], callbacks=[receiver._receive], no_ack=True, accept=receiver.accept):
            # On Redis it subscribes only when it waits.
            try:
                connection.drain_events(timeout=1)
            except OSError:
                pass
            print(json.dumps('ready'), flush=True)
            while sum(event['hostname'] == options['hostname'] for event in seen) < options['count']:
                connection.drain_events(timeout=20)
    return [[event['type'], event['hostname']] for event in seen if event['hostname'] == options['hostname']]


if __name__ == '__main__':
    _, url, verb, options = sys.argv
    print(json.dumps(globals()[verb](url, json.loads(options))), flush=True)

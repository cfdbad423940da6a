"""Celery's remote control, and a worker of Python's. control.py URL VERB ARGUMENTS: the last argument is JSON, the answer too.

broadcast {command, arguments, destination, pattern, matcher}   a command to all; each one's answer
worker {queue, hostname, revoked}                               a worker that knows these ids to be revoked, until it is killed
task_events {hostname, wanted, count}                            the events of a worker's tasks, until this one has come so often
again {queue, times, to, token, client_token, body, content_type, chord, no_job, task, compression}  takes a message and sends it
                                                                 again, so often, to another queue, with other tokens, with another body, as
                                                                 a chord's, without a job in Girder, for another task, compressed; its id,
                                                                 those of the rest of its chain, its job's token
take {queue}                                                    takes a task as kombu and Celery read it
protocol_1 {queue, task, serializer, id}                        sends a task as Celery 3 did
"""
import json
import os
import sys


def app_of(url):
    from celery import Celery
    app = Celery(broker=url, backend=os.environ.get('GIRDER_WORKER_BACKEND'))
    app.conf.broker_connection_retry_on_startup = True
    return app


def broadcast(url, options):
    replies = app_of(url).control.broadcast(
        options['command'], arguments=options.get('arguments') or {}, destination=options.get('destination'),
        pattern=options.get('pattern'), matcher=options.get('matcher'), reply=True, timeout=options.get('timeout', 1))
    return {name: answer for reply in replies or [] for name, answer in reply.items()}


def worker(url, options):
    from celery.signals import worker_ready
    from celery.worker import state

    @worker_ready.connect(weak=False)
    def ready(**_):
        state.revoked.update(options.get('revoked', []))
        print(json.dumps('ready'), file=sys.__stdout__, flush=True)  # Celery has sys.stdout

    app_of(url).worker_main(['worker', '--pool', 'solo', '--without-gossip', '--queues', options['queue'],
                             '--hostname', options['hostname'], '--loglevel', 'ERROR'])


def task_events(url, options):
    from kombu import Consumer
    app, seen = app_of(url), []

    def see(event):
        if event['hostname'] == options['hostname'] and event['type'].startswith('task-'):
            seen.append(event)

    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={'*': see})
        with Consumer(connection.channel(), [receiver.queue], callbacks=[receiver._receive], no_ack=True,
                      accept=receiver.accept):
            # On Redis it subscribes only when it waits.
            try:
                connection.drain_events(timeout=1)
            except OSError:
                pass
            print(json.dumps('ready'), flush=True)
            while sum(event['type'] == options['wanted'] for event in seen) < options.get('count', 1):
                connection.drain_events(timeout=20)
    return seen


def taken(url, name):
    from kombu import Connection, Consumer, Exchange, Queue
    queue, seen = Queue(name, Exchange(name, type='direct'), routing_key=name), []

    def take(message):
        seen.append(message)
        message.ack()

    with Connection(url) as connection:
        with Consumer(connection.channel(), [queue], on_message=take, accept=None, prefetch_count=1):
            while not seen:
                connection.drain_events(timeout=20)
    return queue, seen[0]


def parts(body):
    """Arguments, keywords and embed of a body."""
    return body['py/tuple'] if isinstance(body, dict) else body


def again(url, options):
    from kombu import Connection
    queue, message = taken(url, options['queue'])
    body = json.loads(message.body)
    chain = [step['options']['task_id'] for step in parts(body)[2].get('chain') or []]
    if 'token' in options:
        message.headers['jobInfoSpec']['headers']['Girder-Token'] = options['token']
    if 'task' in options:
        message.headers['task'] = options['task']
    if options.get('no_job'):
        del message.headers['jobInfoSpec']
    if 'client_token' in options:
        message.headers['girder_client_token'] = options['client_token']
    if 'chord' in options:
        parts(body)[2]['chord'] = options['chord']
    with Connection(url) as connection, connection.Producer() as producer:
        for _ in range(options['times']):
            producer.publish(options.get('body', json.dumps(body)), content_type=options.get('content_type', message.content_type),
                             content_encoding='utf-8', headers=message.headers, exchange='', routing_key=options.get('to', queue.name),
                             declare=[queue], correlation_id=message.properties.get('correlation_id'),
                             reply_to=message.properties.get('reply_to'), delivery_mode=2,
                             compression=options.get('compression'))
    token = message.headers.get('jobInfoSpec', {}).get('headers', {}).get('Girder-Token')
    return {'id': message.headers['id'], 'chain': chain, 'token': token}


def take(url, options):
    _, message = taken(url, options['queue'])
    args, kwargs, embed = parts(json.loads(message.body))
    return {'headers': message.headers, 'args': args, 'kwargs': kwargs, 'embed': embed,
            'content_type': message.content_type, 'properties': {
                name: message.properties.get(name) for name in ('correlation_id', 'reply_to', 'priority')}}


def protocol_1(url, options):
    app = app_of(url)
    app.conf.task_protocol = 1
    app.send_task(options['task'], kwargs={'image': 'busybox'}, task_id=options['id'], queue=options['queue'],
                  serializer=options['serializer'])


if __name__ == '__main__':
    _, url, verb, options = sys.argv
    print(json.dumps(globals()[verb](url, json.loads(options))), flush=True)

"""What takes minutes to show of the worker: trials.py amqp|redis [TRIAL...]. tests/worker/trials.sh starts the brokers.

restart      the broker's process is restarted while jobs run and wait: nothing lost, nothing twice, control works after
shared       200 jobs on two Gantline and two Python workers: each once
free         a third job starts where the first slot is free, beside Python workers that hold what they cannot run yet
killed       SIGKILL with late acknowledgements: again elsewhere, and the first container is gone by then
visibility   a run three times as long as the visibility timeout: once
others       an unknown task waits for a Python worker, or goes to its queue; a delivery limit does not count
poison       what cannot be read is a failure, and the next job runs
orders       priorities, and a quorum queue, beside a plain one
purge        celery purge, while a job runs
thousand     a thousand messages wait for the worker: jobs, expired ones, revoked ones
revokes      60,000 revokes: the last 50,000 are known, also by the next worker, and what memory that takes
shapes       headers and bodies of every odd kind
clocks       a clock that is a day ahead, and a day behind (where libfaketime is installed)
kills        kill -9 at twenty moments with late acks: each job succeeds, never in two containers at once (with a Girder)
cancels      sixty jobs are cancelled in Girder at random moments (with a Girder)
seen         celery inspect, with and without an app, celery events, Flower where it is installed
results      AsyncResult.get returns and raises, by class
replies      how soon remote control is answered while jobs say much
held         RabbitMQ: a message that is held for longer than consumer_timeout: once, and the log says what to do
later        RabbitMQ: an ETA that is farther than consumer_timeout: once, and no channel is closed (12 minutes; only by its name)

Each job writes into a file that all containers share when it starts and ends, with the machine's uptime.
"""
import json
import os
import subprocess
import sys
import time
import uuid

from attempts import ATTEMPTS, NEED_GIRDER
from trial_site import BROKER, Restartable, Site, free_port, until


def restart():
    broker = Restartable()
    site = Site(broker.url)
    yield site
    site.gantline('one', '--concurrency', '2')
    names = [f'job{number}' for number in range(8)]
    for name in names[:2]:
        site.send(name, 'sleep 25')
    until(lambda: len(site.lines(what='start')) == 2, 30)
    for name in names[2:6]:
        site.send(name, 'sleep 1')
    away = broker.restart()
    for name in names[6:]:
        site.send(name, 'true')
    site.ended(names, 120)
    site.each_once(names)
    assert 'pong' in site.celery('inspect', 'ping', '-d', f'one@{site.queue}', '-t', '5')
    assert site.waiting() == 0
    # Nobody else knows the process that was started again; this is the last trial.
    site.close(False)
    broker.stop()
    yield f'away for {away:.1f} s'


def shared():
    site = Site()
    yield site
    for name in ('one', 'two'):
        site.gantline(name, '--concurrency', '2')
    for name in ('three', 'four'):
        site.python(name, 2)
    names = [f'job{number}' for number in range(200)]
    began = time.monotonic()
    for name in names:
        site.send(name, 'true')
    site.ended(names, 900)
    took = time.monotonic() - began
    site.each_once(names)
    ran = {name: site.said(name).count('succeeded in') for name in ('three', 'four')}
    yield f'{took:.0f} s; of Python {ran}'


def free():
    site = Site()
    yield site
    # Python's workers take one message more than they run: they have theirs first.
    for name in ('three', 'four'):
        site.python(name, 1)
    theirs = [f'theirs{number}' for number in range(4)]
    for name in theirs:
        site.send(name, 'while [ ! -e /out/end ]; do sleep 0.1; done')
    until(lambda: len(site.lines(what='start')) == 2 and site.waiting() == 0, 60)
    for name in ('one', 'two'):
        site.gantline(name, '--concurrency', '1')
    site.send('short', 'while [ ! -e /out/go ]; do sleep 0.1; done')
    site.send('long', 'while [ ! -e /out/end ]; do sleep 0.1; done')
    until(lambda: len(site.lines(what='start')) == 4, 60)
    site.send('third', 'true')
    until(lambda: site.waiting() == 1, 30)
    open(os.path.join(site.folder, 'go'), 'w').close()
    site.ended(['third'], 60)
    gap = site.lines('third', 'start')[0][3] - site.lines('short', 'end')[0][3]
    open(os.path.join(site.folder, 'end'), 'w').close()
    names = ['short', 'long', 'third', *theirs]
    site.ended(names, 60)
    site.each_once(names)
    assert gap < 3, gap  # two containers' end and start are in it
    yield f'{gap:.2f} s from the end in one container to the start in the next'


def killed():
    site = Site()
    yield site
    late = ('--concurrency', '1', '--acks-late', '--visibility-timeout', '10')
    first = site.gantline('one', *late)
    site.send('job', 'i=0; while [ $i -lt 30 ]; do say tick; sleep 0.5; i=$((i+1)); done')
    until(lambda: len(site.lines(what='tick')) > 3, 30)
    site.gantline('two', *late)
    first.kill()
    died = time.monotonic()
    until(lambda: len(site.lines('job', 'start')) == 2, 60)
    again = time.monotonic() - died
    site.ended(['job'], 60)
    assert len(site.lines('job', 'start')) == 2 and len(site.lines('job', 'end')) == 1, site.lines()
    second = site.lines('job', 'start')[1]
    after = [line for line in site.lines('job') if line[2] != second[2] and line[3] > second[3]]
    assert not after, after
    yield f'again {again:.1f} s after the kill'


def visibility():
    site = Site()
    yield site
    for name in ('one', 'two'):
        site.gantline(name, '--concurrency', '2', '--acks-late', '--visibility-timeout', '15')
    site.send('job', 'sleep 45')
    site.ended(['job'], 90)
    time.sleep(5)
    site.each_once(['job'])
    assert site.waiting() == 0
    yield 'once'


# What a Python worker runs of others' tasks; TRIAL_LOG is where.
OTHERS = '''
import os
from celery import Celery
from kombu import Exchange, Queue
app = Celery(broker=os.environ['GIRDER_WORKER_BROKER'], backend='disabled://')
if limited := os.environ.get('TRIAL_LIMITED'):
    app.conf.task_queues = [Queue(limited, Exchange(limited), routing_key=limited,
                                  queue_arguments={'x-queue-type': 'quorum', 'x-delivery-limit': 20})]
@app.task(name='another.task')
def another(name):
    with open(os.environ['TRIAL_LOG'], 'a') as log:
        log.write(f'{name} start python 0\\n{name} end python 0\\n')
'''


def others():
    from kombu import Connection, Exchange, Queue
    site = Site()
    yield site
    with open(os.path.join(site.folder, 'others_app.py'), 'w') as module:
        module.write(OTHERS)
    site.environment.update(PYTHONPATH=site.folder, TRIAL_LOG=site.log)
    # A queue whose messages are dropped when they come back too often.
    limited = f'{site.queue}-limited'
    if BROKER == 'amqp':
        with Connection(site.url) as connection, connection.channel() as channel:
            Queue(limited, Exchange(limited), routing_key=limited,
                  queue_arguments={'x-queue-type': 'quorum', 'x-delivery-limit': 20})(channel).declare()
        site.app.send_task('another.task', ('limited',), queue=Queue(limited, no_declare=True), routing_key=limited, exchange='')
        site.gantline('limited', queues=limited)
    began = time.monotonic()
    site.gantline('one')
    site.app.send_task('another.task', ('unknown',), queue=site.queue)
    site.send('ours', 'true')
    site.ended(['ours'], 60)
    time.sleep(10)
    assert not site.lines('unknown')
    site.python('python', 1, module='others_app')
    site.ended(['unknown'], 60)
    # Passed on to the queue of those who know it.
    to = f'{site.queue}-to'
    with Connection(site.url) as connection, connection.channel() as channel:
        Queue(to, Exchange(to), routing_key=to)(channel).declare()
    site.gantline('two', '--others-to', to, queues=f'{site.queue}-from')
    sent = time.monotonic()
    site.app.send_task('another.task', ('passed',), queue=f'{site.queue}-from')
    until(lambda: site.waiting(to) == 1, 10)
    passed = time.monotonic() - sent
    assert passed < 2, passed  # of which kombu's own part is half
    if BROKER == 'amqp':
        time.sleep(max(0, 120 - (time.monotonic() - began)))
        site.environment['TRIAL_LIMITED'] = limited
        site.python('limits', 1, module='others_app', queues=limited)
        site.ended(['limited'], 60)
        site.each_once(['limited'])
    site.each_once(['unknown', 'ours'])
    yield f'passed on after {passed:.2f} s'


def poison():
    import pickle
    from kombu import Connection
    site = Site()
    yield site
    site.gantline('one', '--concurrency', '1')
    transform = {'py/object': 'girder_worker.docker.transforms.NoSuchThing', 'name': 'x'}
    bodies = {
        'json': (b'{"py/tuple": [', 'application/json'),
        'pickle': (pickle.dumps([['bb'], {}, {}]), 'application/x-python-serialize'),
        'yaml': (b'- [bb]\n- {}\n- {}\n', 'application/x-yaml'),
        'bytes': (b'\xff\x00\xfe', 'application/json'),
        'document': (json.dumps([[], {'image': 5}, {}]).encode(), 'application/json'),
        'transform': (json.dumps([['bb'], {'container_args': [transform]}, {}]).encode(), 'application/json'),
        'empty': (b'', 'application/json'),
        'number': (b'5', 'application/json'),
    }
    ids = {}
    with Connection(site.url) as connection, connection.Producer() as producer:
        for kind, (body, content_type) in bodies.items():
            ids[kind] = str(uuid.uuid4())
            encoding = 'binary' if kind in ('pickle', 'bytes') else 'utf-8'
            producer.publish(body, content_type=content_type, content_encoding=encoding, exchange='', routing_key=site.queue,
                             headers={'task': 'girder_worker.docker.tasks.docker_run', 'id': ids[kind], 'lang': 'py'}, correlation_id=ids[kind])
    site.send('next', 'true')
    site.ended(['next'], 60)
    for kind, its in ids.items():
        result = site.app.AsyncResult(its)
        until(lambda: result.state == 'FAILURE', 10)
        print(f'    {kind}: {str(result.result)[:150]}')
    assert site.waiting() == 0
    yield f'{len(ids)} kinds'


def seen():
    site = Site()
    yield site
    site.gantline('one', '-E')
    name = f'one@{site.queue}'
    events = site.start([sys.executable, '-m', 'celery', '-A', 'girder_worker.app', 'events', '--dump'], 'events')
    until(lambda: name in site.said('events'), 60)
    sent = site.send('job', 'while [ ! -e /out/go ]; do sleep 1; done')
    until(lambda: site.lines('job', 'start'), 30)
    for verb in ('ping', 'active', 'reserved', 'scheduled', 'revoked', 'registered', 'stats', 'active_queues', 'conf', 'report', 'clock'):
        for app in (True, False):
            said = site.celery('inspect', verb, '-d', name, '-t', '5', app=app)
            assert name in said and 'Error' not in said, f'{verb}, {app}: {said}'
            if verb == 'active':
                assert sent.id in said, said
    said = site.celery('inspect', 'query_task', sent.id, '-d', name, '-t', '5')
    assert sent.id in said, said
    assert name in site.celery('status', '-t', '5'), 'status'
    flower = 'no Flower'
    if os.environ.get('FLOWER'):
        flower = page(site, name, sent.id)
    open(os.path.join(site.folder, 'go'), 'w').close()
    site.ended(['job'], 60)
    until(lambda: 'task succeeded' in site.said('events'), 20)
    assert 'task started' in site.said('events'), 'no event says that it started'
    events.terminate()
    yield flower


def page(site, name, task):
    """What Flower (FLOWER is a `celery` that has it) shows of a worker and a task."""
    from urllib.request import urlopen
    port = free_port()
    site.start([os.environ['FLOWER'], '-b', site.url, 'flower', '--address=127.0.0.1', f'--port={port}'], 'flower')

    def shows(path, words):
        try:
            return words in urlopen(f'http://127.0.0.1:{port}{path}', timeout=10).read().decode()
        except OSError:
            return False
    until(lambda: shows('/workers?json=1', name), 60)
    assert shows(f'/worker/{name}', 'docker_run'), 'Flower has no page of the worker'
    return 'Flower shows the worker'


def results():
    from celery.exceptions import TaskRevokedError, TimeLimitExceeded
    from docker.errors import APIError, DockerException
    from girder_worker.docker.tasks import docker_run
    site = Site()
    yield site
    site.gantline('one', '--stop-timeout', '1')
    assert site.send('good', 'true').get(timeout=60) is None
    raised = []

    def raises(result, *classes):
        try:
            result.get(timeout=60)
        except Exception as error:  # which is asked
            raised.append(f'{type(error).__module__}.{type(error).__name__}: {str(error)[:80]}')
            assert isinstance(error, classes), repr(error)
        else:
            raise AssertionError('it raises nothing')
    raises(site.send('bad', 'exit 5'), DockerException)
    raises(docker_run.apply_async(kwargs={'image': 'no-such-image:x', 'pull_image': False}, queue=site.queue), APIError)
    raises(site.send('slow', 'sleep 100', time_limit=2), TimeLimitExceeded)
    revoked = site.send('revoked', 'sleep 100')
    until(lambda: site.lines('revoked', 'start'), 30)
    revoked.revoke(terminate=True)
    raises(revoked, TaskRevokedError)
    for words in raised:
        print(f'    {words}')
    yield 'by class'


def replies():
    site = Site()
    yield site
    site.gantline('one', '--concurrency', '3')
    name = f'one@{site.queue}'
    site.send('lines', 'while [ ! -e /out/go ]; do echo a line of the job; sleep 0.02; done')
    site.send('flood', 'while [ ! -e /out/go ]; do yes a line of the job | head -n 20000; sleep 1; done')
    site.send('quiet', 'while [ ! -e /out/go ]; do sleep 1; done')
    until(lambda: len(site.lines(what='start')) == 3, 60)
    took = []
    with site.app.connection_for_write() as connection:
        for number in range(200):
            verb = ('ping', 'active', 'stats', 'scheduled', 'revoked', 'active_queues')[number % 6]
            began = time.monotonic()
            said = site.app.control.broadcast(verb, destination=[name], reply=True, limit=1, timeout=10, connection=connection)
            took.append(time.monotonic() - began)
            assert said and name in said[0], f'{verb}: {said}'
    open(os.path.join(site.folder, 'go'), 'w').close()
    site.ended(['lines', 'flood', 'quiet'], 60)
    took.sort()
    # Kombu's own part is in it: a queue for each reply, and its look at the queues of Redis.
    assert took[len(took) // 2] < 0.1, took
    yield ', '.join(f'{what} {took[at] * 1000:.0f} ms' for what, at in (('median', 99), ('95 of 100', 189), ('longest', 199)))


def limit(milliseconds, tick):
    """For how long RabbitMQ lets channels that begin from now on hold a message, and how often it looks."""
    for key, value in (('consumer_timeout', milliseconds), ('channel_tick_interval', tick)):
        subprocess.run([os.environ['GANTLINE_TEST_RABBITMQCTL'], 'eval', f'application:set_env(rabbit, {key}, {value}).'],
                       check=True, stdout=subprocess.DEVNULL)


def held():
    site = Site()
    yield site
    limit(5000, 1000)
    try:
        site.gantline('one', '--concurrency', '1', '--acks-late', '--visibility-timeout', '6')
        site.gantline('two', '--concurrency', '1', '--acks-late', '--visibility-timeout', '6', queues=f'{site.queue}-two')
        site.send('job', 'sleep 12')
        site.ended(['job'], 60)
        site.send('next', 'true')
        site.ended(['next'], 60)
        until(lambda: site.waiting() == 0, 30)
    finally:
        limit(1800000, 60000)
    assert 'held for too long' in site.said('one')
    assert 'held for too long' not in site.said('two')
    site.each_once(['job', 'next'])
    yield 'once'


def later():
    site = Site()
    yield site
    limit(620000, 5000)
    try:
        site.gantline('one', '--concurrency', '1')
        site.send('job', 'true', countdown=690)
        began = time.monotonic()
        site.ended(['job'], 720)
        took = time.monotonic() - began
    finally:
        limit(1800000, 60000)
    site.each_once(['job'])
    assert took > 680 and site.waiting() == 0, took
    assert 'held for too long' not in site.said('one') and 'no broker' not in site.said('one')
    yield f'after {took:.0f} s'


TRIALS = [results, poison, *ATTEMPTS, *(NEED_GIRDER if f'TRIAL_GIRDERS_{BROKER.upper()}' in os.environ else []),
          free, killed, visibility, others, seen, replies, shared, restart]
RABBITMQ = [held]
ONLY_BY_NAME = [later]


def run(trial):
    began = time.monotonic()
    steps = trial()
    site = next(steps)
    failed = True
    try:
        words = next(steps)
        failed = False
    except Exception as error:  # the others run as well
        words = f'{type(error).__name__}: {error}'
    site.close(failed)
    print(f"{'FAILED' if failed else 'ok':8} {BROKER:6} {trial.__name__:12} {time.monotonic() - began:5.0f} s  {words}", flush=True)
    return not failed


if __name__ == '__main__':
    wanted = sys.argv[2:]
    trials = TRIALS if BROKER == 'redis' else RABBITMQ + TRIALS
    if wanted:
        trials = [trial for trial in RABBITMQ + ONLY_BY_NAME + TRIALS if trial.__name__ in wanted]
    assert set(wanted) <= {trial.__name__ for trial in trials}, wanted
    sys.exit(not all([run(trial) for trial in trials]))

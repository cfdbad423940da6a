"""What takes minutes to show of the worker: trials.py amqp|redis [TRIAL...]. tests/worker/trials.sh starts the brokers.

restart      the broker's process is restarted while jobs run and wait: nothing lost, nothing twice, control works after
shared       200 jobs on two Gantline and two Python workers: each once
free         a third job starts where the first slot is free
killed       SIGKILL with late acknowledgements: again elsewhere, and the first container is gone by then
visibility   a run three times as long as the visibility timeout: once
others       an unknown task waits for a Python worker, or goes to its queue; a delivery limit does not count
poison       what cannot be read is a failure, and the next job runs
seen         celery inspect, with and without an app, celery events, Flower where it is installed
results      AsyncResult.get returns and raises, by class

Each job writes into a file that all containers share when it starts and ends, with the machine's uptime.
"""
import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

BROKER = sys.argv[1]
# That there is no Girder, with each message.
logging.disable(logging.WARNING)
GANTLINE = os.environ['GANTLINE']
STATE = os.environ['GANTLINE_TEST_STATE']


def free_port():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        return listener.getsockname()[1]


class Site:
    """A queue of the trial's own, its workers, and what its jobs have written."""

    def __init__(self, url=None):
        self.url = url or (os.environ['GANTLINE_TEST_AMQP'] + '//' if BROKER == 'amqp' else os.environ['GANTLINE_TEST_REDIS'] + '/0')
        self.backend = os.environ['GANTLINE_TEST_REDIS'] + '/1'
        self.queue = f'trial-{uuid.uuid4().hex[:8]}'
        self.folder = tempfile.mkdtemp(dir=STATE)
        os.chmod(self.folder, 0o777)
        self.log = os.path.join(self.folder, 'log')
        open(self.log, 'w').close()
        os.chmod(self.log, 0o666)
        self.processes = []
        self.environment = dict(os.environ, GIRDER_WORKER_BROKER=self.url, GIRDER_WORKER_BACKEND=self.backend, TMPDIR=self.folder, C_FORCE_ROOT='1')
        from girder_worker.app import app
        app.conf.update(broker_url=self.url, result_backend=self.backend)
        self.app = app

    def start(self, command, name):
        with open(os.path.join(self.folder, name), 'w') as log:
            process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def said(self, name):
        return open(os.path.join(self.folder, name)).read()

    def gantline(self, name, *arguments, queues=None):
        process = self.start([GANTLINE, 'worker', '--broker', self.url, '--backend', self.backend, '--queues', queues or self.queue,
                              '--hostname', f'{name}@{self.queue}', *arguments], name)
        until(lambda: 'connected to the broker' in self.said(name), 60)
        return process

    def python(self, name, concurrency, module='girder_worker.app', queues=None):
        process = self.start([sys.executable, '-m', 'celery', '-A', module, 'worker', '-Q', queues or self.queue, '-c', str(concurrency),
                              '-n', f'{name}@{self.queue}', '--prefetch-multiplier', '1', '-l', 'INFO'], name)
        until(lambda: ' ready.' in self.said(name), 120)
        return process

    def send(self, name, script, **options):
        from girder_worker.docker.tasks import docker_run
        body = f'say() {{ echo "{name} $1 $(hostname) $(cut -d" " -f1 /proc/uptime)" >> /out/log; }}; say start; {script}; say end'
        return docker_run.apply_async(kwargs={
            'image': 'gantline-test:busybox', 'pull_image': False, 'container_args': ['sh', '-c', body],
            'volumes': {self.folder: {'bind': '/out', 'mode': 'rw'}}}, queue=self.queue, **options)

    def lines(self, name=None, what=None):
        """(name, what, container, uptime) of what jobs have written."""
        found = [line.split() for line in open(self.log).read().splitlines()]
        return [(n, w, c, float(t)) for n, w, c, t in found if name in (None, n) and what in (None, w)]

    def ended(self, names, seconds):
        until(lambda: {line[0] for line in self.lines(what='end')} >= set(names), seconds)

    def each_once(self, names):
        for name in names:
            for what in ('start', 'end'):
                count = len(self.lines(name, what))
                assert count == 1, f'{name} {what}: {count} times'

    def waiting(self, queue=None):
        from kombu import Connection
        with Connection(self.url) as connection, connection.channel() as channel:
            try:
                return channel.queue_declare(queue or self.queue, passive=True).message_count
            except connection.channel_errors:
                return 0

    def celery(self, *arguments, app=True):
        which = ['-A', 'girder_worker.app'] if app else ['-b', self.url]
        return subprocess.run([sys.executable, '-m', 'celery', *which, *arguments], env=self.environment, capture_output=True, text=True).stdout

    def close(self, failed):
        for process in self.processes:
            for _ in range(2):
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    time.sleep(0.3)
        for process in self.processes:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
        if failed:
            for name in sorted(os.listdir(self.folder)):
                if os.path.isfile(os.path.join(self.folder, name)):
                    print(f'--- {name}\n{self.said(name)[-3000:]}')
        shutil.rmtree(self.folder, ignore_errors=True)


def until(so, seconds):
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, f'it does not come about in {seconds} s'
        time.sleep(0.05)


class Restartable:
    """A broker whose process can be restarted; what it has taken stays."""

    def __init__(self):
        data = os.path.join(STATE, 'brokers')
        if BROKER == 'amqp':
            self.url = os.environ['GANTLINE_TEST_AMQP'] + '//'
            self.ctl = os.environ['GANTLINE_TEST_RABBITMQCTL']
            self.command = ['sh', '-c', f". '{data}/environment'; exec /usr/lib/rabbitmq/bin/rabbitmq-server"]
            self.process = None
        else:
            port = free_port()
            folder = tempfile.mkdtemp(dir=STATE)
            self.url = f'redis://127.0.0.1:{port}/0'
            self.command = ['redis-server', '--port', str(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '',
                            '--appendonly', 'yes', '--appendfsync', 'always']
            self.process = self.start()

    def start(self):
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
        from kombu import Connection

        def answers():
            try:
                with Connection(self.url, transport_options={'max_retries': 0}) as connection:
                    connection.connect()
                return True
            except Exception:  # not yet
                return False
        until(answers, 120)
        return process

    def restart(self):
        began = time.monotonic()
        self.stop()
        self.process = self.start()
        return time.monotonic() - began

    def stop(self):
        if BROKER == 'amqp':
            subprocess.run([self.ctl, 'stop'], check=True)
        else:
            self.process.terminate()
            self.process.wait()


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
    for name in ('one', 'two'):
        site.gantline(name, '--concurrency', '1')
    site.send('short', 'sleep 4')
    site.send('long', 'sleep 25')
    until(lambda: len(site.lines(what='start')) == 2, 30)
    site.send('third', 'true')
    site.ended(['short', 'third', 'long'], 60)
    site.each_once(['short', 'third', 'long'])
    gap = site.lines('third', 'start')[0][3] - site.lines('short', 'end')[0][3]
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


TRIALS = [results, poison, free, killed, visibility, others, seen, shared, restart]


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
    assert set(wanted) <= {trial.__name__ for trial in TRIALS}, wanted
    sys.exit(not all([run(trial) for trial in TRIALS if not wanted or trial.__name__ in wanted]))

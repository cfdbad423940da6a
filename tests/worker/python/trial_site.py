"""Where the trials of trials.py happen: a queue, its workers, what its jobs have written, a broker that can be restarted."""
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

    def __init__(self, url=None, backend=None):
        self.url = url or (os.environ['GANTLINE_TEST_AMQP'] + '//' if BROKER == 'amqp' else os.environ['GANTLINE_TEST_REDIS'] + '/0')
        self.backend = backend or os.environ['GANTLINE_TEST_REDIS'] + '/1'
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
        # The connections of an earlier trial, which may have had another broker.
        app._pool = app.amqp._producer_pool = None
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

    def job(self, name, script):
        body = f'say() {{ echo "{name} $1 $(hostname) $(cut -d" " -f1 /proc/uptime)" >> /out/log; }}; say start; {script}; say end'
        return {'image': 'gantline-test:busybox', 'pull_image': False, 'container_args': ['sh', '-c', body],
                'volumes': {self.folder: {'bind': '/out', 'mode': 'rw'}}}

    def send(self, name, script, **options):
        from girder_worker.docker.tasks import docker_run
        return docker_run.apply_async(kwargs=self.job(name, script), **{'queue': self.queue, **options})

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

    def containers(self):
        """The containers of its jobs that are there."""
        command = ['docker', 'ps', '-aq', '--filter', f'volume={self.folder}']
        return subprocess.run(command, capture_output=True, text=True).stdout.split()

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

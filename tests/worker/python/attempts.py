"""What an administrator does to a worker, and what happens to it: the trials of trials.py that try to break it."""
import json
import os
import random
import sys
import time
import uuid
from base64 import b64encode
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from trial_site import BROKER, Site, until


def orders():
    """Queues that are not kombu's own: priorities on each broker, a quorum queue, one of each beside a plain one."""
    from kombu import Connection, Exchange, Queue
    site = Site()
    yield site
    special = {'priority': {'x-max-priority': 10}, 'quorum': {'x-queue-type': 'quorum'}} if BROKER == 'amqp' else {'priority': {}}
    names = [f'{site.queue}-{name}' for name in special]
    with Connection(site.url) as connection, connection.channel() as channel:
        for name, arguments in [*zip(names, special.values()), (site.queue, {})]:
            Queue(name, Exchange(name), routing_key=name, queue_arguments=arguments)(channel).declare()
        asked = [0, 3, 9, 6, 1, 9, 0]
        for number, priority in enumerate(asked):
            site.send(f'p{number}', 'true', queue=Queue(names[0], no_declare=True), priority=priority)
        others = ['plain', *[f'other{number}' for number in range(len(names[1:]))]]
        for name, queue in zip(others, [site.queue, *names[1:]]):
            site.send(name, 'true', queue=Queue(queue, no_declare=True))
    worker = site.gantline('one', '--concurrency', '1', queues=','.join([*names, site.queue]))
    wanted = [f'p{number}' for number in range(len(asked))]
    site.ended(wanted + others, 120)
    came = [asked[int(line[0][1:])] for line in site.lines(what='start') if line[0] in wanted]
    # To RabbitMQ the greatest is the first, to Redis the least, in steps of three.
    assert came == (sorted(asked, reverse=True) if BROKER == 'amqp' else sorted(asked, key=lambda priority: priority // 3)), came
    site.each_once(wanted + others)
    worker.terminate()
    assert worker.wait(30) == 0
    assert [site.waiting(name) for name in [*names, site.queue]] == [0] * (len(names) + 1)
    yield f'{came}'


def purge():
    site = Site()
    yield site
    site.gantline('one', '--concurrency', '1')
    site.send('first', 'while [ ! -e /out/go ]; do sleep 0.2; done')
    until(lambda: site.lines('first', 'start'), 30)
    for number in range(50):
        site.send(f'purged{number}', 'true')
    assert site.waiting() == 50
    said = site.celery('purge', '-f', '-Q', site.queue)
    assert site.waiting() == 0, said
    open(os.path.join(site.folder, 'go'), 'w').close()
    site.send('last', 'true')
    site.ended(['first', 'last'], 60)
    site.each_once(['first', 'last'])
    assert len(site.lines(what='start')) == 2, site.lines()
    yield said.strip()


def thousand():
    """A thousand messages wait before the worker starts: 200 jobs, 400 that have expired, 400 that are revoked."""
    site = Site()
    yield site
    sent = {kind: [] for kind in ('job', 'expired', 'revoked')}
    for number in range(1000):
        kind = ('job', 'expired', 'revoked', 'expired', 'revoked')[number % 5]
        # RabbitMQ itself throws away what expires in its queue: these expire by their header alone.
        options = {'headers': {'expires': '2026-01-01T00:00:00+00:00'}} if kind == 'expired' else {}
        sent[kind].append(site.send(f'{kind}{number}', 'true', **options))
    assert site.waiting() == 1000
    state = os.path.join(site.folder, 'state')
    first = site.gantline('first', '--statedb', state, queues=f'{site.queue}-none')
    site.app.control.revoke([result.id for result in sent['revoked']], destination=[f'first@{site.queue}'], reply=True, timeout=5)
    began = time.monotonic()
    worker = site.gantline('one', '--concurrency', '4')
    ends = {'job': 'SUCCESS', 'expired': 'REVOKED', 'revoked': 'REVOKED'}
    for kind, results in sent.items():
        for result in results:
            until(lambda: result.state == ends[kind], 600)
    took = time.monotonic() - began
    names = [f'job{number}' for number in range(0, 1000, 5)]
    site.ended(names, 60)
    site.each_once(names)
    assert len(site.lines()) == 400, len(site.lines())
    assert site.waiting() == 0
    for process in (first, worker):
        process.terminate()
        assert process.wait(30) == 0
    yield f'{took:.0f} s'


class Girder:
    """A Girder that sends to the trial's queue. GANTLINE_TEST_GIRDER_AMQP and GANTLINE_TEST_GIRDER_REDIS name one a broker."""

    def __init__(self, site):
        self.site, self.token = site, None
        self.api = os.environ[f'GANTLINE_TEST_GIRDER_{BROKER.upper()}']
        login = self.ask('GET', 'user/authentication', {'Authorization': 'Basic ' + b64encode(b'admin:password').decode()})
        self.token = login['authToken']['token']

    def ask(self, method, path, headers=(), body=None):
        headers = dict(headers, **({'Girder-Token': self.token} if self.token else {}))
        with urlopen(Request(f'{self.api}/{path}', method=method, headers=headers, data=body), timeout=60) as answer:
            return json.load(answer)

    def send(self, name, script):
        options = json.dumps({'queue': self.site.queue, 'girder_job_title': name})
        body = json.dumps(self.site.job(name, script)).encode()
        return self.ask('POST', f'docker_run?{urlencode({"options": options})}', {'Content-Type': 'application/json'}, body)['_id']

    def cancel(self, its):
        try:
            self.ask('PUT', f'job/{its}/cancel')
        except HTTPError as error:  # it has ended
            assert error.code == 400, error

    def job(self, its):
        record = self.ask('GET', f'job/{its}')
        return [stamp['status'] for stamp in record['timestamps']], ''.join(record['log'] or [])


def kills():
    """kill -9 at twenty moments, with late acknowledgements: each job succeeds, and is never in two containers at once."""
    site = Site(os.environ[f'TRIAL_GIRDERS_{BROKER.upper()}'] + ('//' if BROKER == 'amqp' else '/0'), os.environ['TRIAL_GIRDERS_REDIS'] + '/0')
    yield site
    girder = Girder(site)

    def start(name):
        return site.gantline(name, '--concurrency', '2', '--acks-late', '--visibility-timeout', '5', '--statedb', os.path.join(site.folder, f'{name}.state'))
    workers = {name: start(name) for name in ('one', 'two')}
    jobs = {}
    chance = random.Random(int(os.environ.get('TRIAL_SEED', '1')))
    for number in range(40):
        name = f'job{number}'
        jobs[name] = girder.send(name, f'sleep {chance.random() * 4:.2f}')
    for _ in range(20):
        time.sleep(chance.random() * 3)
        name = chance.choice(sorted(workers))
        workers[name].kill()
        workers[name].wait()
        workers[name] = start(name)
    until(lambda: all(girder.job(its)[0][-1:] == [3] for its in jobs.values()), 400)
    twice = 0
    for name, its in jobs.items():
        statuses, log = girder.job(its)
        assert statuses == [2, 3], (name, statuses, log)
        runs = len(site.lines(name, 'start'))
        again = len(site.lines(name, 'end')) - 1
        # Who dies between the container's end and Girder's answer has told nobody: it ends twice.
        assert 0 <= again < runs, (name, site.lines(name))
        twice += again
        spans = [[line[3] for line in site.lines(name) if line[2] == container] for container in {line[2] for line in site.lines(name)}]
        spans.sort()
        assert all(before[-1] <= after[0] for before, after in zip(spans, spans[1:])), (name, site.lines(name))
    until(lambda: site.waiting() == 0, 30)
    for worker in workers.values():
        worker.terminate()
        assert worker.wait(30) == 0
    assert not site.containers(), site.containers()
    names = [name for name in os.listdir(site.folder) if name.startswith('gantline-')]
    assert not names, names
    yield f"{len(site.lines(what='start'))} starts of 40 jobs, {twice} ended twice"


def cancels():
    """Sixty jobs are cancelled in Girder at random moments: each ends as canceled, or had ended; none that was canceled first starts."""
    site = Site(os.environ[f'TRIAL_GIRDERS_{BROKER.upper()}'] + ('//' if BROKER == 'amqp' else '/0'), os.environ['TRIAL_GIRDERS_REDIS'] + '/0')
    yield site
    girder = Girder(site)
    workers = [site.gantline('one', '--concurrency', '2'), site.gantline('two', '--concurrency', '2', '--acks-late')]
    chance = random.Random(int(os.environ.get('TRIAL_SEED', '1')))
    scripts = ['true', "trap 'exit 0' TERM; sleep 20 & wait", 'sleep 1', 'yes | head -c 3000000; sleep 20']
    jobs, due = {}, []
    for number in range(60):
        name = f'job{number}'
        jobs[name] = girder.send(name, chance.choice(scripts))
        due.append((time.monotonic() + chance.random() * 6, name))
        while due and min(due)[0] <= time.monotonic():
            due.remove(first := min(due))
            girder.cancel(jobs[first[1]])
        time.sleep(chance.random() * 0.3)
    for at, name in sorted(due):
        time.sleep(max(at - time.monotonic(), 0))
        girder.cancel(jobs[name])
    until(lambda: all(girder.job(its)[0][-1:] in ([3], [5]) for its in jobs.values()), 120)
    ends = {3: 0, 5: 0}
    for name, its in jobs.items():
        statuses, log = girder.job(its)
        ends[statuses[-1]] += 1
        assert statuses in ([5], [2, 3], [2, 5], [2, 824, 5], [824, 5]), (name, statuses, log[-2000:])
        if statuses[0] != 2:
            assert not site.lines(name), (name, statuses, site.lines(name))
    until(lambda: site.waiting() == 0, 30)
    for worker in workers:
        worker.terminate()
        assert worker.wait(60) == 0
    # A removal for which a cancelled run had no time goes on in the engine.
    until(lambda: not site.containers(), 30)
    yield f'{ends[5]} canceled, {ends[3]} had ended'


def shapes():
    """Headers and bodies of every odd kind, by hand: none stops the worker, and none is left."""
    from kombu import Connection
    site = Site()
    yield site
    site.gantline('one', '--concurrency', '1')
    odd = [None, 5, -1, 1e300, True, '', 'x', 'ü' * 300, [], [1], {}, {'a': {'b': [None]}}]
    # What can be read of them all the same has no image.
    good = json.dumps([[], {'image': 'no-such-image:x', 'pull_image': False}, {}])
    messages = []
    for header in ('id', 'task', 'eta', 'expires', 'retries', 'timelimit', 'root_id', 'parent_id', 'group', 'ignore_result', 'jobInfoSpec', 'girder_api_url',
                   'girder_client_token', 'girder_result_hooks', 'girder_client_session_kwargs', 'compression', 'lang', 'argsrepr', 'stamps', 'shadow'):
        messages += [({header: value}, good, {}) for value in odd]
    documents = [*odd, [[], {}, None], [[], [], {}], [{}, {}, {}], [[], {'image': ''}, {}], [['a'] * 30, {}, {}], [[], {'image': 'i', 'no_such': 1}, {}]]
    messages += [({}, json.dumps(document), {}) for document in documents]
    embed = [{'chain': value, 'callbacks': value, 'errbacks': value} for value in odd]
    messages += [({}, json.dumps([*json.loads(good)[:2], value]), {}) for value in embed]
    messages += [({}, '[' * 100000, {}), ({}, good, {'priority': 255}), ({}, good, {'reply_to': ''}), ({}, good, {'content_encoding': 'utf-77'})]
    refused = 0
    with Connection(site.url) as connection, connection.Producer() as producer:
        for headers, body, properties in messages:
            its = str(uuid.uuid4())
            headers = {'task': 'girder_worker.docker.tasks.docker_run', 'id': its, 'lang': 'py', 'ignore_result': True, **headers}
            try:
                producer.publish(body, **{'content_type': 'application/json', 'content_encoding': 'utf-8', 'exchange': '', 'routing_key': site.queue,
                                          'headers': headers, 'correlation_id': its, **properties})
            except Exception:  # no sender of Python's can say this
                refused += 1
    site.send('next', 'true')
    site.ended(['next'], 600)
    site.each_once(['next'])
    until(lambda: 'no broker' not in site.said('one'), 1)
    assert 'panicked' not in site.said('one') and 'bug' not in site.said('one')
    yield f'{len(messages) - refused} messages, {site.waiting()} left to others'


def memory(process):
    """MiB of a process: resident now, and at most."""
    fields = dict(line.split(':') for line in open(f'/proc/{process.pid}/status') if line.startswith('Vm'))
    return [int(fields[name].split()[0]) / 1024 for name in ('VmRSS', 'VmHWM')]


def revokes():
    """More revokes than the 50,000 that are remembered, one by one and at once: by a worker, its next life, and one that comes up."""
    site = Site()
    yield site
    state = os.path.join(site.folder, 'state')
    worker = site.gantline('one', '--statedb', state)
    time.sleep(5)
    idle = memory(worker)
    ids = [str(uuid.uuid4()) for _ in range(60_000)]
    # Others on the same broker may have told theirs.
    last = set(ids[-49_000:])
    name = f'one@{site.queue}'
    began = time.monotonic()
    # Celery's own remote control takes ten milliseconds a command.
    command = {'method': 'revoke', 'destination': [name], 'pattern': None, 'matcher': None}
    exchange = site.app.control.mailbox.exchange
    with site.app.connection_for_write() as connection, connection.Producer(exchange=exchange) as producer:
        for its in ids[:20_000]:
            producer.publish(dict(command, arguments={'task_id': its}), serializer='json')
        for at in range(20_000, 60_000, 5_000):
            producer.publish(dict(command, arguments={'task_id': ids[at:at + 5_000]}), serializer='json')

    def known(node):
        said = site.app.control.broadcast('revoked', destination=[node], reply=True, limit=1, timeout=30)
        return said and last <= set(said[0][node]) and len(said[0][node]) <= 50_000
    until(lambda: known(name), 300)
    took, full = time.monotonic() - began, memory(worker)
    other = site.gantline('two')
    until(lambda: known(f'two@{site.queue}'), 60)
    heard = memory(other)
    worker.terminate()
    assert worker.wait(60) == 0
    again = site.gantline('one', '--statedb', state)
    assert known(name)
    never = site.send('never', 'true', task_id=ids[-1])
    site.send('next', 'true')
    site.ended(['next'], 60)
    assert not site.lines('never') and never.state == 'REVOKED'
    yield f'{took:.0f} s; MiB (now, at most): idle {idle}, full {full}, told by hello {heard}, from its file {memory(again)}, file {os.path.getsize(state) / 2**20:.1f}'


def clocks():
    """A clock that is a day ahead or behind (libfaketime): nobody's message is put back by it, and an ETA is waited for by the clock as it is."""
    site = Site()
    yield site
    clock = os.path.join(site.folder, 'clock')

    def jump(by):
        with open(clock + '.new', 'w') as file:
            file.write(by)
        os.rename(clock + '.new', clock)
    jump('+0')
    late = ('--concurrency', '1', '--acks-late', '--visibility-timeout', '20')
    site.gantline('one', *late)
    site.environment.update(LD_PRELOAD=FAKETIME, FAKETIME_TIMESTAMP_FILE=clock, FAKETIME_NO_CACHE='1', FAKETIME_DONT_FAKE_MONOTONIC='1')
    site.gantline('faked', *late)
    site.environment.pop('LD_PRELOAD')
    held = [site.send(f'held{number}', 'sleep 25') for number in range(2)]
    until(lambda: len(site.lines(what='start')) == 2, 60)
    jump('+1d')
    time.sleep(10)
    jump('-1d')
    # It is a day and five seconds away for who takes it now.
    later = site.send('later', 'true', countdown=5)
    site.ended(['held0', 'held1'], 90)
    time.sleep(5)
    jump('+0')
    site.ended(['later'], 60)
    for result in (*held, later):
        until(lambda: result.state == 'SUCCESS', 30)
    assert 'held for too long' not in site.said('one') + site.said('faked')
    until(lambda: site.waiting() == 0, 20)
    site.each_once(['held0', 'held1', 'later'])
    yield 'once'


# A step of Debian's libfaketime, which few machines have.
FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1'

ATTEMPTS = [orders, purge, thousand, revokes, shapes] + [clocks] * os.path.exists(FAKETIME)
NEED_GIRDER = [kills, cancels]

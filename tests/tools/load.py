#!/usr/bin/env python3
"""Load on loopback: how fast the daemon acknowledges submits that are on the disk, and what waiting costs.

usage: load.py ATELIERD [--photo FILE] [--soak MINUTES]

Submits a small picture, or a photo of your own: the larger it is, the more its decoding counts, which Celery's side does not
do. Prints one line a measurement. With redis-server on the path and PyPI's celery[redis], flask and gunicorn importable,
Celery with `appendfsync always` is measured beside it, each side in turn, so that the machine is the same for both:
the same pictures sent to a Flask that writes each to a file, unsynced, and queues it, and delay() alone, which takes no
picture. The daemon paints while it accepts, and has decoded each picture; Celery's worker does nothing with its tasks.
"""
import argparse, contextlib, http.client, json, multiprocessing, os, shutil, signal, socket, struct, subprocess, sys, tempfile
import threading, time, zlib

SECONDS = 5
SOAK_RATE = 50  # paintings a second
PATH = "/v1/stylize?style=great-wave&format=png"


def picture(side):
    """A PNG of noise-like rows."""
    rows = b"".join(b"\0" + bytes((x * 37 + y * 11) % 251 for x in range(side * 3)) for y in range(side))
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def running(command, port, **options):
    """A server that listens on a port, until the end."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@contextlib.contextmanager
def daemon(program, folder, **settings):
    port = free_port()
    environment = dict(os.environ, ATELIER_DATA__RESERVE_BYTES="0", **settings)
    command = [program, "--listen", f"127.0.0.1:{port}", "--data", os.path.join(folder, "data")]
    with running(command, port, cwd=folder, env=environment) as process:
        yield port, process.pid


def post(connection, photo, path=PATH, **headers):
    connection.request("POST", path, photo, {"Content-Type": "image/png", **headers})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def quantiles(times):
    times = sorted(times)
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))] * 1e3
    return f"p50 {at(.5):7.2f} ms  p99 {at(.99):7.2f} ms"


def closed_loop(make, clients):
    """So many clients, each beginning anew as soon as it is answered: rate and quantiles."""
    gate, results = multiprocessing.Barrier(clients), multiprocessing.Queue()

    def client():
        one, times = make(), []
        gate.wait()
        end = time.perf_counter() + SECONDS
        while (begun := time.perf_counter()) < end:
            one()
            times.append(time.perf_counter() - begun)
        results.put(times)

    workers = [multiprocessing.Process(target=client) for _ in range(clients)]
    [worker.start() for worker in workers]
    # A client that fails says nothing, and why on its standard error.
    times = [time for _ in workers for time in results.get(timeout=60)]
    [worker.join() for worker in workers]
    return f"{len(times) / SECONDS:7.0f}/s  {quantiles(times)}"


def open_loop(port, photo, rate, seconds):
    """Submits at a fixed rate, whether the earlier ones have been answered or not; times count from when each was due."""
    times, threads, start = [], [], time.perf_counter() + 0.5
    due = iter(range(rate * seconds))
    lock = threading.Lock()

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                number = next(due, None)
            if number is None:
                return
            at = start + number / rate
            time.sleep(max(0, at - time.perf_counter()))
            assert post(connection, photo) == 202
            times.append(time.perf_counter() - at)

    for _ in range(16):
        threads.append(threading.Thread(target=client))
        threads[-1].start()
    [thread.join() for thread in threads]
    return quantiles(times)


def submits(port, photo, path=PATH):
    def make():
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def one():
            assert post(connection, photo, path) == 202

        return one

    return make


def painting(port, side, count):
    connection, photo, times = http.client.HTTPConnection("127.0.0.1", port), picture(side), []
    for _ in range(count):
        begun = time.perf_counter()
        assert post(connection, photo, Prefer="wait=60") == 200
        times.append(time.perf_counter() - begun)
    return quantiles(times)


def round_trips(port, say, count=2000):
    times = []
    with socket.create_connection(("127.0.0.1", port)) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            begun = time.perf_counter()
            stream.sendall(say)
            stream.recv(4096)
            times.append(time.perf_counter() - begun)
    return quantiles(times)


def echo():
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        stream, _ = server.accept()
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while piece := stream.recv(4096):
            stream.sendall(piece)

    process = multiprocessing.Process(target=serve, daemon=True)
    process.start()
    return server.getsockname()[1]


def resident(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))


def tell(what, measured):
    print(f"{what:44} {measured}", flush=True)


def measure_daemon(program, folder, photo):
    with daemon(program, folder, ATELIER_QUEUE__MAX_WAITING="1000000") as (port, pid):
        tell("bare network, round trip", round_trips(echo(), b"x" * 60))
        tell("GET /livez, round trip", round_trips(port, b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        tell("painting 64x64, submit to picture", painting(port, 64, 100))
        tell("painting 512x512, submit to picture", painting(port, 512, 20))
        tell("submits at 100/s", open_loop(port, photo, 100, 10))
        for clients in (1, 4, 16):
            tell(f"durable submits, {clients} clients", closed_loop(submits(port, photo), clients))


def measure_memory(program, folder, _):
    with daemon(program, folder) as (port, pid):
        tell("memory at rest", f"{resident(pid):7.1f} MiB")
        # A painting by pixels keeps the device for longer than it takes to fill the queue. Its own memory is told apart.
        connection = http.client.HTTPConnection("127.0.0.1", port)
        parts = [("steps", b"100000"), ("optimizer", b"adam"), ("image", picture(64)), ("artwork", picture(64))]
        form = b"".join(b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value) for name, value in parts)
        paint = lambda: post(connection, form + b"--b--\r\n", "/v1/paint", **{"Content-Type": "multipart/form-data; boundary=b"})
        assert paint() == 202
        wait_for_steps(port, 20)
        tell("memory, one painting at work", f"{resident(pid):7.1f} MiB")
        streams = []
        for _ in range(200):
            streams.append(socket.create_connection(("127.0.0.1", port)))
            streams[-1].sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        waiting = 0
        while paint() == 202:
            waiting += 1
        tell(f"memory, {waiting} jobs waiting, 200 watchers", f"{resident(pid):7.1f} MiB")


def wait_for_steps(port, steps):
    """Reads events until a job has done so many steps."""
    with socket.create_connection(("127.0.0.1", port)) as stream:
        stream.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for line in stream.makefile("rb"):
            if line.startswith(b"data:") and json.loads(line[5:]).get("point", {}).get("step", 0) >= steps:
                return


def soak(program, folder, minutes):
    """A photo in, its painting out, for a long time at a steady rate, since jobs are kept for a minute: memory once a minute."""
    with daemon(program, folder, ATELIER_DATA__KEEP_RESULTS="1m", ATELIER_DATA__KEEP_JOBS="1m") as (port, pid):
        connection, small, begun = http.client.HTTPConnection("127.0.0.1", port), picture(64), time.time()
        count, next_look = 0, begun
        while time.time() < begun + minutes * 60:
            assert post(connection, small, Prefer="wait=60") == 200
            count += 1
            if time.time() >= next_look:
                next_look += 60
                tell(f"soak, after {count} paintings", f"{resident(pid):7.1f} MiB")
            time.sleep(max(0, begun + count / SOAK_RATE - time.time()))
        tell(f"soak, at the end after {count} paintings", f"{resident(pid):7.1f} MiB")


FRONT = """
import os, uuid
from celery import Celery
from flask import Flask, request
queue = Celery("queue", broker="redis://127.0.0.1:%d/0")
@queue.task(name="transform", ignore_result=True)
def transform(path, model, email): pass
app = Flask(__name__)
@app.post("/transform")
def post():
    path = uuid.uuid4().hex
    with open(path, "wb") as file: file.write(request.get_data())
    transform.delay(path, "wave", "me@example.org")
    return {"status": "SUBMIT_SUCCESS"}, 202
"""


def measure_celery(_, folder, photo):
    try:
        import celery, flask, gunicorn
    except ImportError as error:
        return tell("Celery", f"not measured ({error}): pip install celery[redis] flask gunicorn")
    if not shutil.which("redis-server"):
        return tell("Celery", "not measured: redis-server is not installed")
    redis, web = free_port(), free_port()
    with open(os.path.join(folder, "front.py"), "w") as file:
        file.write(FRONT % redis)
    quiet = {"cwd": folder, "env": dict(os.environ, PYTHONPATH=folder)}
    store = ["redis-server", "--port", str(redis), "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", folder]
    module = [sys.executable, "-m"]
    worker = [*module, "celery", "-A", "front:queue", "worker", "-c", "1", "--loglevel", "ERROR"]
    front = [*module, "gunicorn", "-w", "2", "--threads", "8", "-b", f"127.0.0.1:{web}", "front:app", "--log-level", "error"]
    sys.path.insert(0, folder)

    def delay():
        from front import transform

        transform.delay("x", "wave", "me@example.org")
        return lambda: transform.delay("x", "wave", "me@example.org")

    with running(store, redis), running(worker, redis, **quiet), running(front, web, **quiet):
        for clients in (1, 4, 16):
            tell(f"Celery behind Flask, {clients} clients", closed_loop(submits(web, photo, "/transform"), clients))
        for clients in (1, 4, 16):
            tell(f"Celery's delay(), {clients} clients", closed_loop(delay, clients))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("atelierd")
    arguments.add_argument("--photo", type=argparse.FileType("rb"), metavar="FILE")
    arguments.add_argument("--soak", type=float, metavar="MINUTES")
    arguments = arguments.parse_args()
    program = os.path.abspath(arguments.atelierd)
    multiprocessing.set_start_method("fork")
    if arguments.soak:
        with tempfile.TemporaryDirectory() as folder:
            return soak(program, folder, arguments.soak)
    photo = arguments.photo.read() if arguments.photo else picture(64)
    for measure in (measure_daemon, measure_memory, measure_celery):
        with tempfile.TemporaryDirectory() as folder:
            measure(program, folder, photo)


if __name__ == "__main__":
    main()

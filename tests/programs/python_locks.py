# python_locks.py: forks of a Python program whose other threads hold locks.
#
#   python_locks.py WHAT DIRECTORY FORKS MAX_HANGS
#
# Two threads use WHAT all the time, one of USES below; each child uses it once. Files are in DIRECTORY. Prints
# threads=N, how many numbers the threads took, and the tally.
import concurrent.futures
import importlib
import itertools
import logging
import multiprocessing
import os
import queue
import ssl
import subprocess
import sys
import threading

from children import hangs, watch

what, directory, forks, max_hangs = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

# What threads and children number their lines with.
numbers = itertools.count()
children = itertools.count()

# --- what is used: pairs of what threads and what children do


def locked(lock):
    """Takes the lock. Other threads run while it is held."""

    def use():
        with lock:
            os.sched_yield()

    return use, use


def semaphore():
    """One that is never exhausted. (How many are left is a number that no lock can tell.)"""
    semaphore = threading.Semaphore(10)

    def use():
        with semaphore:
            pass

    return use, use


def reentrant():
    lock = threading.RLock()

    def use():
        with lock, lock:
            os.sched_yield()

    return use, use


def condition():
    """A child's new thread tells the child."""
    condition = threading.Condition()

    def tell():
        with condition:
            os.sched_yield()
            condition.notify()

    def wait_a_moment():
        with condition:
            condition.notify()
            os.sched_yield()
            condition.wait(0.001)

    def wait_until_told():
        with condition:
            teller = threading.Thread(target=tell)
            # Whoever waited in the parent would be told first.
            condition.notify_all()
            teller.start()
            condition.wait()
        teller.join()

    return wait_a_moment, wait_until_told


def event():
    event = threading.Event()

    def use():
        event.set()
        event.wait(0.001)
        event.clear()

    def use_once():
        event.set()
        event.wait()

    return use, use_once


def queued():
    items = queue.Queue()

    def use():
        items.put(1)
        items.get()

    return use, use


def file():
    """A file's buffer has a lock."""
    stream = open(f"{directory}/file", "wb")

    def use():
        stream.write(b"line\n")
        stream.flush()

    return use, use


def log():
    """The usual handler, which writes each line out."""
    logging.basicConfig(filename=f"{directory}/log", format="%(message)s", level=logging.INFO)
    return lambda: logging.info("t %d", next(numbers)), lambda: logging.info("c %d", child)


def pool():
    """Threads of the parent have a pool at work; a child has one of its own."""
    executor = concurrent.futures.ThreadPoolExecutor(2)

    def use_own():
        with concurrent.futures.ThreadPoolExecutor(2) as own:
            own.submit(os.sched_yield).result()

    return lambda: executor.submit(os.sched_yield).result(), use_own


def tls():
    """OpenSSL has locks of its own."""
    use = lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return use, use


def imports():
    """A module that takes a while; nobody may see half of it."""
    with open(f"{directory}/slow.py", "w") as module:
        module.write("import os\nfor _ in range(10): os.sched_yield()\nDONE = True\n")
    sys.path.insert(0, directory)
    sys.dont_write_bytecode = True

    one_at_a_time = threading.Lock()

    def import_anew():
        with one_at_a_time:
            sys.modules.pop("slow", None)
            importlib.import_module("slow")

    def use():
        if not importlib.import_module("slow").DONE:
            os._exit(1)

    return import_anew, use


# --- how children are made


def fork(use):
    pid = os.fork()
    if pid == 0:
        use()
        os._exit(0)
    return watch(pid)


def process(use):
    process = multiprocessing.get_context("fork").Process(target=use)
    process.start()
    hung = hangs(process.pid)
    process.join()
    return hung, not hung and process.exitcode != 0


def preexec(use):
    """subprocess waits until the child has executed the program, so another thread watches."""
    read, write = os.pipe()
    verdict = []

    def watch():
        verdict.append(hangs(int(os.read(read, 20))))

    def in_child():
        os.write(write, str(os.getpid()).encode())
        use()

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        status = subprocess.call(["/bin/true"], preexec_fn=in_child)
    except subprocess.SubprocessError:
        status = 1
    watcher.join()
    os.close(read)
    os.close(write)
    return verdict[0], not verdict[0] and status != 0


USES = {
    "lock": (lambda: locked(threading.Lock()), fork),
    "rlock": (reentrant, fork),
    "semaphore": (semaphore, fork),
    "condition": (condition, fork),
    "event": (event, fork),
    "queue": (queued, fork),
    "file": (file, fork),
    "logging": (log, process),
    "preexec": (lambda: locked(threading.Lock()), preexec),
    "pool": (pool, fork),
    "tls": (tls, fork),
    "import": (imports, fork),
}

make, start = USES[what]
use, use_in_child = make()
stop = threading.Event()


def hammer():
    while not stop.is_set():
        use()


# Threads take turns often, so that many forks find them amid something.
sys.setswitchinterval(1e-4)
threads = [threading.Thread(target=hammer) for _ in range(2)]
for thread in threads:
    thread.start()
done = hung = crashed = 0
while done < forks and (max_hangs == 0 or hung < max_hangs):
    child = next(children)
    outcome = start(use_in_child)
    done, hung, crashed = done + 1, hung + outcome[0], crashed + outcome[1]
stop.set()
for thread in threads:
    thread.join()
print(f"threads={next(numbers)}")
print(f"forks={done} hangs={hung} crashes={crashed}")

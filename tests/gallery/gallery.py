# What the programs in Python share: forks while other threads are at work.
import contextlib
import glob
import os
import signal
import sys
import threading
import time
import traceback

from children import hangs as is_hung

WRONG = 3
# How long a process may take that cannot be seen to wait for ever.
SECONDS = 10


def arguments():
    """How many forks, and how many hangs are enough."""
    return int(sys.argv[1]), int(sys.argv[2])


def report(forks, hangs, crashes=0, wrong=0):
    print(f"forks={forks} hangs={hangs} crashes={crashes} wrong={wrong}", flush=True)
    os._exit(0)


@contextlib.contextmanager
def busy(*calls):
    """Each of `calls` is called all the time by a thread."""
    stop = threading.Event()

    def hammer(call):
        while not stop.is_set():
            call()

    threads = [threading.Thread(target=hammer, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


def play(version, child, *threads, after=lambda: 0):
    """Each child calls `child`, which returns whether all is well; each of `threads` is called all the time by one.
    Once they have ended, `after` returns how much else is wrong."""
    forks, most = arguments()
    print("version:", version, flush=True)
    done = hangs = crashes = wrong = 0
    with busy(*threads):
        while done < forks and hangs < most:
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    status = 0 if child() else WRONG
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(status)
            hung = is_hung(pid)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            done += 1
            hangs += hung
            wrong += status == WRONG
            crashes += not hung and status not in (0, WRONG)
    report(done, hangs, crashes, wrong + after())


def children(pid):
    """The processes that the threads of `pid` forked, and that are still there."""
    found = []
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError), open(path) as file:
            found += map(int, file.read().split())
    return found


def kill_hung(pid):
    """Kills those children of a process that hang; returns how many there were."""
    time.sleep(0.01)  # Called all the time.
    return sum(map(is_hung, children(pid)))


def kill_all(process):
    """Kills a process that was started, and its children."""
    for pid in [*children(process.pid), process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()

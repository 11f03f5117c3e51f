# storm.py: forks of a Python program whose other threads are inside libc.
#
#   storm.py CALL FORKS MAX_HANGS
#
# Two threads call CALL (tzset or setlocale) through ctypes, which gives up the interpreter's
# lock for the time of the call; each child of os.fork() calls it once. Bare, the child waits for
# ever for libc's lock.
import ctypes
import locale
import os
import select
import signal
import sys
import threading

LOOK_EVERY_MS = 100
DEADLINE_MS = 10_000

libc = ctypes.CDLL(None)
CALLS = {
    "tzset": libc.tzset,
    "setlocale": lambda: libc.setlocale(int(locale.LC_ALL), b"C"),
}


def waits_for_nobody(pid):
    with open(f"/proc/{pid}/status") as status, open(f"/proc/{pid}/syscall") as call:
        return "\nThreads:\t1\n" in status.read() and call.read().startswith("202 ")


def watch(pid):
    """Waits for a child; returns whether it hung, and whether it ended otherwise than well."""
    hung = False
    end = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(end, select.POLLIN)
    for _ in range(0, DEADLINE_MS, LOOK_EVERY_MS):
        if poll.poll(LOOK_EVERY_MS):
            break
        hung = waits_for_nobody(pid)
        if hung:
            break
    else:
        hung = True
    os.close(end)
    if hung:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return hung, not hung and status != 0


def main():
    call, forks, max_hangs = CALLS[sys.argv[1]], int(sys.argv[2]), int(sys.argv[3])
    stop = threading.Event()

    def hammer():
        while not stop.is_set():
            for _ in range(1000):
                call()

    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    done = hangs = crashes = 0
    while done < forks and (max_hangs == 0 or hangs < max_hangs):
        pid = os.fork()
        if pid == 0:
            call()
            os._exit(0)
        hung, crashed = watch(pid)
        done, hangs, crashes = done + 1, hangs + hung, crashes + crashed
    stop.set()
    for thread in threads:
        thread.join()
    print(f"forks={done} hangs={hangs} crashes={crashes}")


main()

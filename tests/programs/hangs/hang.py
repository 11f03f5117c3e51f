"""A threading.Lock that a thread called "keeper" holds at a fork."""

import os
import threading

LOCK = threading.Lock()
KEPT = threading.Event()


def keep():
    with LOCK:
        KEPT.set()
        wait_for_ever()


def wait_for_ever():
    threading.Event().wait()


def need():
    with LOCK:
        pass


def fork_and_wait():
    child = os.fork()  # FORK
    if child == 0:
        need()
        os._exit(0)
    os.waitpid(child, 0)


threading.Thread(target=keep, name="keeper", daemon=True).start()
KEPT.wait()
fork_and_wait()

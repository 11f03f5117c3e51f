# children.py: what becomes of forked children; for the other programs in Python.
import os
import select
import signal

LOOK_EVERY_MS = 100
DEADLINE_MS = 10_000


def waits_for_nobody(pid):
    try:
        with open(f"/proc/{pid}/status") as status, open(f"/proc/{pid}/syscall") as call:
            one_thread = "\nThreads:\t1\n" in status.read()
            words = call.read().split()
    except (FileNotFoundError, ProcessLookupError):
        return False  # It has ended.
    # The fourth argument is a time-out, of which there must be none.
    return one_thread and words[0] == "202" and words[4] == "0x0"


def hangs(pid):
    """Waits for a process to end; returns whether it hung instead, and was killed."""
    hung = False
    try:
        end = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
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
    return hung


def watch(pid):
    """Waits for a child; returns whether it hung, and whether it ended otherwise than well."""
    hung = hangs(pid)
    _, status = os.waitpid(pid, 0)
    return hung, not hung and status != 0

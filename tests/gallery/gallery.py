# What the programs in Python share: forks while other threads are at work.
import os
import sys
import threading
import traceback

from children import hangs as is_hung

WRONG = 3


def play(version, child, *threads, after=lambda: 0):
    """Each child calls `child`, which returns whether all is well; each of `threads` is called all the time by one.
    Once they have ended, `after` returns how much else is wrong."""
    forks, most = int(sys.argv[1]), int(sys.argv[2])
    print("version:", version, flush=True)
    stop = threading.Event()

    def hammer(call):
        while not stop.is_set():
            call()

    started = [threading.Thread(target=hammer, args=(call,)) for call in threads]
    for thread in started:
        thread.start()
    done = hangs = crashes = wrong = 0
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
    stop.set()
    for thread in started:
        thread.join()
    wrong += after()
    print(f"forks={done} hangs={hangs} crashes={crashes} wrong={wrong}", flush=True)
    os._exit(0)

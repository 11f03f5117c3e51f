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
import sys
import threading

from children import watch

libc = ctypes.CDLL(None)
CALLS = {
    "tzset": libc.tzset,
    "setlocale": lambda: libc.setlocale(int(locale.LC_ALL), b"C"),
}


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

# name: CPython: logging
# kind: Python, a log file
# need: /usr/bin/python3.11 python3.11
# forks: 400
# bare: hangs
import itertools
import logging
import os
import platform
import tempfile

from gallery import play

log = tempfile.NamedTemporaryFile("r")
logging.basicConfig(filename=log.name, level=logging.INFO, format="%(message)s")
numbers = itertools.count()


def child():
    logging.info("child %d", os.getpid())
    return True


def doubles():
    lines = log.readlines()
    return len(lines) - len(set(lines))


# Children must not write what waits in the parent's buffer.
play(platform.python_version(), child, lambda: logging.info(next(numbers)), after=doubles)

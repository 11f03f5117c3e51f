# name: CPython: sqlite3
# kind: Python, a database
# need: /usr/bin/python3.11 python3.11
# forks: 400
# bare: seldom
import os
import sqlite3
import tempfile
import threading

from gallery import play

directory = tempfile.TemporaryDirectory()


def sums():
    # Each has a database of its own, as SQLite wants it.
    path = f"{directory.name}/{os.getpid()}.{threading.get_ident()}"
    database = sqlite3.connect(path)
    with database:
        database.execute("create table if not exists numbers (n)")
        database.execute("delete from numbers")
        database.executemany("insert into numbers values (?)", [(n,) for n in range(50)])
    total, = database.execute("select sum(n) from numbers").fetchone()
    database.close()
    return total == 1225


play(sqlite3.sqlite_version, sums, sums, sums)

# Runs in a child of a Python program, after Python's own handlers; see python.rs. What stands here is what
# CPython 3.7 to 3.14 have in common (Lib/importlib/_bootstrap.py, Lib/logging/__init__.py).
import os
import sys
from _frozen_importlib import _module_locks
from _thread import get_ident


def free_imports(me):
    """Makes it as if the imports of threads that are gone had failed: who imports next begins anew."""
    for name, reference in list(_module_locks.items()):
        lock = reference()
        if lock is None:
            continue
        owner, count = lock.owner, lock.count
        lock.__init__(name)
        if owner == me:
            lock.owner, lock.count = owner, count
        elif owner is not None:
            spec = getattr(sys.modules.get(name), "__spec__", None)
            if getattr(spec, "_initializing", False):
                del sys.modules[name]


def drop_records(handler):
    """A log's file has something in its buffer only while a thread is about to write it out. That will do so
    in the parent, so it goes nowhere here."""
    descriptor = handler.stream.fileno()
    kept, nowhere = os.dup(descriptor), os.open(os.devnull, os.O_WRONLY)
    inheritable = os.get_inheritable(descriptor)
    try:
        os.dup2(nowhere, descriptor, inheritable)
        handler.stream.flush()
    finally:
        os.dup2(kept, descriptor, inheritable)
        os.close(kept)
        os.close(nowhere)


free_imports(get_ident())
logging = sys.modules.get("logging")
for reference in getattr(logging, "_handlerList", ()):
    handler = reference()
    if isinstance(handler, logging.FileHandler) and handler.stream is not None:
        try:
            drop_records(handler)
        except (OSError, ValueError):
            pass  # It is closed, or no file.

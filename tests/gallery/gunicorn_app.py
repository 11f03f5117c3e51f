# What gunicorn_preload.py serves: an application with a thread in the master; all of them log.
import logging
import threading


def application(environ, start):
    logging.info("worker")
    start("200 OK", [("Content-Length", "5")])
    return [b"hello"]


def work():
    while True:
        logging.info("master")


logging.basicConfig(filename="/dev/null", level=logging.INFO)
threading.Thread(target=work, daemon=True).start()

# name: gunicorn
# kind: Python, a server whose workers end after one request (--preload, --max-requests)
# need: /usr/bin/python3.11 python3.11
# pip: gunicorn==27.0.1
# forks: 200
# bare: hangs
import socket
import subprocess
import sys
import tempfile

import gunicorn
from gallery import SECONDS, arguments, report

APP = """import logging, threading, time
logging.basicConfig(filename="app.log", level="INFO")
def work():
    while True: logging.info("master at %s", time.localtime())
threading.Thread(target=work, daemon=True).start()
def app(environ, start):
    logging.info("worker at %s", time.localtime())
    start("200 OK", [("Content-Length", "5")])
    return [b"hello"]"""

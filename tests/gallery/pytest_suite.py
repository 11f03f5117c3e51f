# name: pytest
# kind: Python, tests that log, each in a child (pytest-forked)
# need: /usr/bin/python3.11 python3.11
# pip: pytest==8.4.2 pytest-forked==1.7.5
# forks: 200
# bare: hangs
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from gallery import arguments, kill_hung, report

TESTS = """import logging, threading, pytest
def work():
    while True: logging.info("thread")
threading.Thread(target=work, daemon=True).start()
@pytest.mark.parametrize("n", range({}))
def test(n, caplog): logging.info("%d", n); assert caplog.messages.count(str(n)) == 1"""
forks, most = arguments()
with tempfile.TemporaryDirectory() as directory:
    Path(directory, "test_logs.py").write_text(TESTS.format(forks))
    command = ["pytest", "--forked", "--tb=no", "--log-file=/dev/null", "--log-level=INFO", f"--maxfail={most}"]
    suite = subprocess.Popen([sys.executable, "-m", *command, directory], stdout=subprocess.PIPE, text=True)
    hangs = sum(iter(lambda: kill_hung(suite.pid) if suite.poll() is None else None, None))
    text = suite.stdout.read()
passed, failed = (sum(map(int, re.findall(rf"(\d+) {what}", text))) for what in ("passed", "failed"))
print("version:", re.search("pytest-([0-9.]+)", text)[1])
report(passed + failed, hangs, failed - hangs)

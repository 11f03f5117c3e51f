# name: CPython: subprocess
# kind: Python, preexec_fn and a queue
# need: /usr/bin/python3.11 python3.11
# forks: 400
# bare: hangs
import os
import platform
import queue
import signal
import subprocess

from gallery import arguments, busy, kill_hung, report

jobs = queue.Queue()
use = lambda: jobs.put("job") or jobs.get()
print("version:", platform.python_version())
forks, most = arguments()
done = hangs = crashes = 0
# Popen waits until its child has called preexec_fn.
with busy(use, lambda: kill_hung(os.getpid())):
    while done < forks and hangs < most:
        status = subprocess.run(["true"], preexec_fn=lambda: jobs.put("job")).returncode
        done, hangs = done + 1, hangs + (status == -signal.SIGKILL)
        crashes += status not in (0, -signal.SIGKILL)
report(done, hangs, crashes)

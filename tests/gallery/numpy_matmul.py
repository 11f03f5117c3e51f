# name: NumPy
# kind: Python, OpenBLAS in a wheel, which another thread uses
# need: /usr/bin/python3.11 python3.11
# pip: numpy==2.4.6
# forks: 20
# bare: hangs
# when: full
# remains: OpenBLAS' own fork handler ends the threads of its pool and waits for them while others give them work, so the parent hangs too: `OPENBLAS_NUM_THREADS=1`
import subprocess
import sys

import numpy
from gallery import SECONDS, arguments, kill_all, report

PROGRAM = """import numpy
from gallery import play
numbers = numpy.random.default_rng(1).random((400, 400))
expected = numbers @ numbers
def multiply(): return numpy.allclose(numbers @ numbers, expected)
play("", multiply, multiply)"""
print("version:", numpy.__version__)
forks, most = arguments()
done = hangs = crashes = 0
while done < forks and hangs < most:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, "1", "1"], stdout=subprocess.PIPE, text=True) as process:
        try:
            last = process.communicate(timeout=SECONDS)[0]

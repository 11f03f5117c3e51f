# name: NumPy
# kind: Python, OpenBLAS in a wheel, with matrices in two threads
# need: /usr/bin/python3.11 python3.11
# pip: numpy==2.4.6
# forks: 20
# bare: hangs
# when: full
# remains: OpenBLAS' own fork handler ends the threads of its pool and waits for them while others give them work, so that the parent hangs, too; `OPENBLAS_NUM_THREADS=1` helps
import subprocess
import sys
import numpy
from gallery import SECONDS, arguments, kill_all, report

PROGRAM = """import numpy, gallery
numbers = numpy.random.default_rng(1).random((400, 400))
expected = numbers @ numbers
is_right = lambda: numpy.allclose(numbers @ numbers, expected)
gallery.play("", is_right, is_right)"""
print("version:", numpy.__version__)
forks, most = arguments()
done = hangs = 0
while done < forks and hangs < most:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, "1", "1"], stdout=subprocess.DEVNULL)
    try:
        process.wait(SECONDS)
    except subprocess.TimeoutExpired:
        hangs += 1
    kill_all(process)
    done += 1
report(done, hangs)

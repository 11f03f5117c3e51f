# name: NumPy
# kind: Python, OpenBLAS in a wheel
# need: /usr/bin/python3.11 python3.11
# pip: numpy==2.4.6
# forks: 200
# bare: hangs
import numpy

from gallery import play

numbers = numpy.random.default_rng(1).random((400, 400))
expected = numbers @ numbers
play(
    numpy.__version__,
    lambda: numpy.allclose(numbers @ numbers, expected),
    lambda: numbers @ numbers,
)

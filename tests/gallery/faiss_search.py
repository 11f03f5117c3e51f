# name: Faiss
# kind: Python, a libgomp of its own in a wheel
# need: /usr/bin/python3.11 python3.11
# pip: faiss-cpu==1.15.1 numpy==2.4.6
# forks: 200
# bare: hangs
# when: full
import faiss
import numpy

from gallery import play

faiss.omp_set_num_threads(4)
points = numpy.random.default_rng(1).random((2000, 16), dtype=numpy.float32)
index = faiss.IndexFlatL2(16)
index.add(points)


def nearest():
    return index.search(points[:500], 3)[1]


expected = nearest()
play(faiss.__version__, lambda: numpy.array_equal(nearest(), expected))

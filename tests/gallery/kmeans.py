# name: scikit-learn
# kind: Python, OpenMP in a wheel
# need: /usr/bin/python3.11 python3.11
# pip: scikit-learn==1.9.1 numpy==2.4.6 threadpoolctl==3.6.0
# forks: 200
# bare: hangs
import numpy
import sklearn
import sklearn.cluster
import threadpoolctl

from gallery import play

points = numpy.random.default_rng(1).random((2000, 4))


def centers():
    model = sklearn.cluster.KMeans(3, n_init=1, random_state=1)
    # With one thread there would be no pool.
    with threadpoolctl.threadpool_limits(4, user_api="openmp"):
        return model.fit(points).cluster_centers_


expected = centers()
play(f"{sklearn.__version__}", lambda: numpy.allclose(centers(), expected))

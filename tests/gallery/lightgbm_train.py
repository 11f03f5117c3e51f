# name: LightGBM
# kind: Python, OpenMP
# need: /usr/bin/python3.11 python3.11
# pip: lightgbm==4.7.0 numpy==2.4.6 scipy==1.17.1
# forks: 200
# bare: hangs
import lightgbm
import numpy

from gallery import play

random = numpy.random.default_rng(1)
points = random.random((1000, 8))
labels = points.sum(axis=1) > 4
options = {"objective": "binary", "num_threads": 2, "deterministic": True, "verbose": -1}


def guesses():
    model = lightgbm.train(options, lightgbm.Dataset(points, labels), num_boost_round=3)
    return model.predict(points)


expected = guesses()
play(lightgbm.__version__, lambda: numpy.allclose(guesses(), expected))

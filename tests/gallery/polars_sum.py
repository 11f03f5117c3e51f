# name: Polars
# kind: Python, Rust's rayon in a wheel
# need: /usr/bin/python3.11 python3.11
# pip: polars==2.1.0
# forks: 20
# bare: hangs
# when: full
# remains: the threads of rayon are gone, and its locks are futexes, which cannot be seen; `multiprocessing.get_context("spawn")` helps
import polars

from gallery import play

frame = polars.DataFrame({"key": [n % 7 for n in range(50_000)], "value": range(50_000)})


def sums():
    return frame.group_by("key").agg(polars.col("value").sum()).sort("key")


expected = sums()
play(polars.__version__, lambda: sums().equals(expected))

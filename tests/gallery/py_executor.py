# name: CPython: concurrent.futures
# kind: Python, pools of processes that log
# need: /usr/bin/python3.11 python3.11
# forks: 200
# bare: hangs
import concurrent.futures
import logging
import multiprocessing
import platform
from gallery import arguments, busy, is_hung, report


def square(number):
    logging.info("%d", number)
    return number * number


logging.basicConfig(filename="/dev/null", level=logging.INFO)
print("version:", platform.python_version())
forks, most = arguments()
done = hangs = wrong = 0
with busy(lambda: logging.info("thread")):
    while done < forks and hangs < most:
        pool = concurrent.futures.ProcessPoolExecutor(1)
        results = [pool.submit(square, number) for number in range(3)]
        pool.shutdown(wait=False)
        hung = any(is_hung(process.pid) for process in multiprocessing.active_children())
        done, hangs = done + 1, hangs + hung
        wrong += not hung and [result.result() for result in results] != [0, 1, 4]
report(done, hangs, wrong=wrong)

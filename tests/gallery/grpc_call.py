# name: gRPC
# kind: Python, a server and calls, its handlers for forks turned off
# need: /usr/bin/python3.11 python3.11
# pip: grpcio==1.85.1
# forks: 10
# bare: hangs
# when: full
# remains: its threads are gone and its locks are futexes, which cannot be seen; `GRPC_ENABLE_FORK_SUPPORT=1`, the default, helps, and so do channels made after the fork
import concurrent.futures
import os

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
import grpc
from gallery import play

echo = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
handler = grpc.method_handlers_generic_handler("gallery", {"echo": echo})
server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[handler])
port = server.add_insecure_port("127.0.0.1:0")
server.start()


def call():
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        return channel.unary_unary("/gallery/echo")(b"hello", timeout=5) == b"hello"


call()
play(grpc.__version__, call)

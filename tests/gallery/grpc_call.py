# name: gRPC
# kind: Python, C++ with abseil
# need: /usr/bin/python3.11 python3.11
# pip: grpcio==1.85.1
# forks: 20
# bare: hangs
import concurrent.futures

import grpc

from gallery import play


def echo(request, context):
    return request


handler = grpc.method_handlers_generic_handler(
    "gallery", {"echo": grpc.unary_unary_rpc_method_handler(echo)}
)
server = grpc.server(concurrent.futures.ThreadPoolExecutor(4), handlers=[handler])
port = server.add_insecure_port("127.0.0.1:0")
server.start()


def call():
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        return channel.unary_unary("/gallery/echo")(b"hello", timeout=5) == b"hello"


call()
play(grpc.__version__, call)

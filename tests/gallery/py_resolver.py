# name: CPython: socket
# kind: Python, look-ups of hosts
# need: /usr/bin/python3.11 python3.11
# forks: 400
# bare: hangs
import platform
import socket

from gallery import play


def look_up():
    return socket.getaddrinfo("127.0.0.1", 80, flags=socket.AI_ADDRCONFIG)


expected = look_up()
play(platform.python_version(), lambda: look_up() == expected, look_up, look_up)

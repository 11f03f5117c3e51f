# name: gunicorn
# kind: Python, a server that logs (--preload, a new worker for each request)
# need: /usr/bin/python3.11 python3.11
# pip: gunicorn==27.0.1
# forks: 200
# bare: hangs
import select
import socket
import subprocess
import sys
import gunicorn
from gallery import arguments, kill_all, kill_hung, report

listener = socket.create_server(("127.0.0.1", 0))
options = ["--preload", "--max-requests=1", "--no-control-socket", f"--bind=fd://{listener.fileno()}"]
command = [sys.executable, "-m", "gunicorn", *options, "gunicorn_app"]
server = subprocess.Popen(command, pass_fds=[listener.fileno()])
print("version:", gunicorn.__version__)
forks, most = arguments()
done = hangs = wrong = 0
while done < forks and hangs < most and server.poll() is None:
    with socket.create_connection(listener.getsockname()) as connection:
        hung = 0
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while not select.select([connection], [], [], 1)[0] and not (hung := kill_hung(server.pid)):
            pass
        wrong += not hung and not connection.makefile("rb").read().endswith(b"hello")
        done, hangs = done + 1, hangs + hung
kill_all(server)
report(done, hangs, wrong=wrong)

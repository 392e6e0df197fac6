"""A slow line to a database server. Arguments: host, port, seconds of a round trip, bytes a second (0: no limit).
Prints the port that it listens on. The server's side has the small segments and windows of a real line, so that the
server's kernel does not take in an answer whole."""

import socket
import sys
import threading
import time

HOST, PORT, TRIP, RATE = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])


def far_end():
    far = socket.socket()
    if RATE:
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)
    far.connect((HOST, PORT))
    return far


def carry(source, target, spoke, answers):
    try:
        while data := source.recv(1024 if RATE else 65536):
            if answers and spoke.is_set():
                spoke.clear()
                time.sleep(TRIP)
            elif not answers:
                spoke.set()
            if RATE:
                time.sleep(len(data) / RATE)
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    near, _ = listener.accept()
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    far, spoke = far_end(), threading.Event()
    for ends in ((near, far, spoke, False), (far, near, spoke, True)):
        threading.Thread(target=carry, args=ends, daemon=True).start()

"""A database server that offers no TLS and asks for the password in clear text. It runs in a network namespace of its
own, in which 192.0.2.1 is another machine's address. Each case runs the program and returns what the server heard.

Standard input: {"program": PATH, "environment": {...}, "cases": [{"server": "postgres" or "mysql", "url": URL}]},
with PORT in place of the port. Standard output: one list with an answer for each case.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def postgres(connection, heard):
    while True:
        length, code = struct.unpack("!ii", exactly(connection, 8))
        if code == 80877103:  # SSLRequest
            connection.sendall(b"N")
            continue
        exactly(connection, length - 8)
        break
    # AuthenticationCleartextPassword
    connection.sendall(b"R" + struct.pack("!ii", 8, 3))
    heard += connection.recv(4096)


def mysql(connection, heard):
    # PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, CONNECT_WITH_DB and no SSL.
    capabilities = 0x00000200 | 0x00008000 | 0x00080000 | 0x00000009
    greeting = b"\x0a8.0.36\0" + struct.pack("<I", 7) + b"12345678\0"
    greeting += struct.pack("<HBHHB", capabilities & 0xFFFF, 33, 2, capabilities >> 16, 21)
    greeting += bytes(10) + b"123456789012\0" + b"mysql_clear_password\0"
    connection.sendall(struct.pack("<I", len(greeting))[:3] + b"\0" + greeting)
    heard += connection.recv(4096)


def serve(listener, speak, heard):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(5)
            try:
                speak(connection, heard)
            except (EOFError, OSError):
                pass


def main():
    asked = json.load(sys.stdin)
    for words in (["link", "set", "lo", "up"], ["addr", "add", "192.0.2.1/32", "dev", "lo"]):
        subprocess.run(["ip", *words], check=True, env={"PATH": PATH})
    answers = []
    for case in asked["cases"]:
        heard = bytearray()
        listener = socket.create_server(("0.0.0.0", 0))
        speak = {"postgres": postgres, "mysql": mysql}[case["server"]]
        threading.Thread(target=serve, args=(listener, speak, heard), daemon=True).start()
        url = case["url"].replace("PORT", str(listener.getsockname()[1]))
        ran = subprocess.run(
            [asked["program"], "--json", *case["arguments"]],
            env={**asked["environment"], "CURFEW_SITE": url},
            capture_output=True,
            text=True,
            timeout=60,
        )
        listener.close()
        heard = heard.decode("latin-1")
        answers.append({"status": ran.returncode, "heard": heard, "said": ran.stdout + ran.stderr})
    json.dump(answers, sys.stdout)


main()

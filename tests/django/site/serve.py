"""Serves the site on a free port of the loopback, a thread a request, and prints the port.

Ends when its standard input does, so that it never outlives the test that started it.
"""

import os
import sys
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "conf.settings")


# Requests at once, as many as a small site has workers. With no end to them a crowd of browsers takes every
# connection of the database that all sites here share.
WORKERS = threading.BoundedSemaphore(16)


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 512

    def process_request(self, request, client_address):
        WORKERS.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request, client_address):
        try:
            super().process_request_thread(request, client_address)
        finally:
            WORKERS.release()


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

    def address_string(self):
        return self.client_address[0]


def end_with_stdin():
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    from django.core.wsgi import get_wsgi_application

    server = make_server("127.0.0.1", 0, get_wsgi_application(), Server, Quiet)
    print(server.server_port, flush=True)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    server.serve_forever()

"""How a site writes its session data that has moved from pickle to JSON, and cannot do without pickle yet."""

import pickle

from django.core.signing import JSONSerializer


class JSONElsePickle:
    def dumps(self, data):
        try:
            return JSONSerializer().dumps(data)
        except TypeError:
            return pickle.dumps(data)

    def loads(self, data):
        return pickle.loads(data) if data.startswith(b"\x80") else JSONSerializer().loads(data)

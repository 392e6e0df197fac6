"""Where this site keeps its sessions, from below: what is really there, under the engine's own names."""

import hashlib
from importlib import import_module
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.db import connections

SessionStore = import_module(settings.SESSION_ENGINE).SessionStore
# What no serializer, compressor or signature makes sense of.
NONSENSE = "no session \N{REPLACEMENT CHARACTER}:1abcde:sig"


def table():
    get = getattr(SessionStore, "get_model_class", None)
    if get is not None:
        return get()
    return getattr(import_module(SessionStore.__module__), "Session", None)


def files():
    if not hasattr(SessionStore, "clear_expired") or "file" not in SessionStore.__module__:
        return []
    return list(Path(settings.SESSION_FILE_PATH).glob(f"{settings.SESSION_COOKIE_NAME}*"))


def redis():
    """A client of the site's Redis, where it has one."""
    cache = caches["default"]
    if hasattr(cache, "_class") and hasattr(cache._cache, "get_client"):
        return cache._cache.get_client(None, write=True)
    return cache.client.get_client() if hasattr(cache, "client") else None


def entries():
    """The names in Redis that are this site's."""
    client = redis()
    names = client.scan_iter(match=caches["default"].make_key("*"), count=1000) if client else []
    return sorted(names)


def keys():
    """Every session key that is kept, in the table, the cache and the files."""
    rows = list(table().objects.values_list("session_key", flat=True)) if table() else []
    prefix = caches["default"].make_key(getattr(SessionStore, "cache_key_prefix", ""))
    cached = [name.decode().removeprefix(prefix) for name in entries()]
    own = [file.name.removeprefix(settings.SESSION_COOKIE_NAME) for file in files()]
    return {"rows": rows, "cached": cached, "files": own}


def checksums():
    """Every row of every table as one hash a table, and so for the cache's entries and the files."""
    sums = {}
    for alias in connections:
        with connections[alias].cursor() as cursor:
            for name in sorted(connections[alias].introspection.table_names(cursor)):
                cursor.execute(f"SELECT * FROM {connections[alias].ops.quote_name(name)}")
                rows = sorted(repr(row) for row in cursor.fetchall())
                sums[f"{alias}.{name}"] = hashlib.sha256("\n".join(rows).encode()).hexdigest()
    client = redis()
    values = [(name, client.get(name)) for name in entries()]
    values += [(file.name, file.read_bytes()) for file in sorted(files())]
    sums["values"] = hashlib.sha256(repr(values).encode()).hexdigest()
    return {"tables": sums}


def spoil(key):
    """Makes this session's data unreadable wherever it is kept."""
    if table():
        table().objects.filter(session_key=key).update(session_data=NONSENSE)
    if hasattr(SessionStore, "cache_key_prefix"):
        cache, name = caches["default"], SessionStore.cache_key_prefix + key
        if client := redis():
            client.set(cache.make_key(name), NONSENSE.encode(), keepttl=True)
        else:
            cache.delete(name)
    for file in files():
        if file.name.endswith(key):
            file.write_text("no session:1abcde:sig")
    return {}


def forget(key):
    """Takes this session out of the cache, as where it had been full."""
    caches["default"].delete(SessionStore.cache_key_prefix + key)
    return {}


def empty():
    """Nobody has ever been here. What memcached holds cannot be listed: nobody has those keys any more."""
    if table():
        table().objects.all()._raw_delete(table().objects.db)
    model = get_user_model()
    model._default_manager.all()._raw_delete(model._default_manager.db)
    client = redis()
    for name in entries():
        client.delete(name)
    for file in files():
        file.unlink()
    return {}

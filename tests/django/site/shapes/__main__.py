"""Makes a site of one shape, or says whom real Django takes each of its sessions for.

    python -m shapes make    reads {"schema", "age", "users": {name: fields}, "sessions": [[label, name, id, backend]]}
    python -m shapes load    reads {"schema", "keys": [...], "settings": {...}}
"""

import json
import os
import sys
import time
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from unittest import mock

import django
from django.conf import settings

from conf import databases

ask = json.load(sys.stdin)
database = databases.named("SITE")
if ask.get("schema"):
    database.setdefault("OPTIONS", {})["options"] = "-csearch_path=" + ask["schema"]
settings.configure(
    SECRET_KEY=os.environ["SITE_SECRET_KEY"],
    DATABASES={"default": database},
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django.contrib.auth",
        "django.contrib.admin",
        "shapes",
    ],
    AUTH_USER_MODEL="shapes.User",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    SILENCED_SYSTEM_CHECKS=[],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    USE_TZ=True,
    **ask.get("settings", {}),
)
django.setup()

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user  # noqa: E402
from django.core import signing  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from shapes.models import User  # noqa: E402

SessionStore = import_module(settings.SESSION_ENGINE).SessionStore
BACKEND = "django.contrib.auth.backends.ModelBackend"


def name_of(key):
    """Whom Django takes this session for. An id that the key's type refuses is an error there, and nobody here."""
    try:
        user = get_user(SimpleNamespace(session=SessionStore(key)))
    except Exception:
        return None
    return user.get_username() if user.is_authenticated else None


def make():
    if ask.get("schema"):
        with connection.cursor() as cursor:
            cursor.execute('CREATE SCHEMA IF NOT EXISTS "%s"' % ask["schema"])
    models = [SessionStore.get_model_class(), *User._meta.get_parent_list(), User]
    if User._meta.get_parent_list():
        from django.contrib.admin.models import LogEntry
        from django.contrib.contenttypes.models import ContentType

        models += [ContentType, LogEntry]
    if os.environ["SHAPE"] == "citext":
        with connection.cursor() as cursor:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS citext")
    with connection.schema_editor() as editor:
        for model in models:
            editor.create_model(model)
    age = ask.get("age", 0)
    now = timezone.now() - timedelta(seconds=age)
    real = time.time() - age
    users, keys = {}, {}
    for name, fields in ask["users"].items():
        user = User(username=name, password="!" + name, last_login=now, last_activity=now, **fields)
        user.save(force_insert=True)
        users[name] = User.objects.get(username=name)
    for label, name, spelled, backend in ask["sessions"]:
        user = users[name]
        own = user._meta.pk.value_to_string(user)
        store = SessionStore()
        store[SESSION_KEY] = own if spelled is None else spelled
        store[BACKEND_SESSION_KEY] = backend or BACKEND
        store[HASH_SESSION_KEY] = user.get_session_auth_hash()
        with (
            mock.patch.object(timezone, "now", lambda: now),
            mock.patch.object(signing, "time", SimpleNamespace(time=lambda: real)),
        ):
            store.save(must_create=True)
        keys[label] = store.session_key
    return {
        "ids": {name: user._meta.pk.value_to_string(user) for name, user in users.items()},
        "keys": keys,
        "names": {label: name_of(key) for label, key in keys.items()},
    }


def load():
    return {"names": {key: name_of(key) for key in ask["keys"]}}


print(json.dumps({"make": make, "load": load}[sys.argv[1]]()))

"""People and sessions as they would stand after days of use, made by Django's own models and the
engine's own SessionStore, with its clock turned back. Ages are seconds before now."""

import os
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from unittest import mock

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user, get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.core import signing
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

PASSWORD = "correct horse"
SessionStore = import_module(settings.SESSION_ENGINE).SessionStore
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
BACKEND = "django.contrib.auth.backends.ModelBackend"
turning = threading.Lock()


@contextmanager
def clock_back(seconds):
    now, real = timezone.now() - timedelta(seconds=seconds), time.time() - seconds
    with (
        turning,
        mock.patch.object(timezone, "now", lambda: now),
        mock.patch.object(signing, "time", SimpleNamespace(time=lambda: real)),
    ):
        yield


def session(data, asked):
    """A new session with this data, saved so long ago: what the engine has to keep of it, not kept yet."""
    if settings.SESSION_APP in settings.SESSION_MIDDLEWARES:
        store = SessionStore(user_agent=asked.get("agent", AGENT), ip=asked.get("ip", "192.0.2.7"))
    else:
        store = SessionStore()
    store._session_key, store._session_cache = get_random_string(32, VALID_KEY_CHARS), {}
    if asked.get("opaque"):
        # Django takes any number for the user's key; in a pickle it is a call that has to be made.
        data = {**data, SESSION_KEY: Decimal(data[SESSION_KEY])}
    if asked.get("pickled"):
        # What JSON cannot hold is pickled, see conf.serializers.
        data = {**data, "colours": {"red", "green"}}
    for name, value in data.items():
        store[name] = value
    if (expiry := asked.get("expiry")) is not None:
        with clock_back(asked.get("saved_age", 0)):
            store.set_expiry(timedelta(seconds=expiry["delta"]) if isinstance(expiry, dict) else expiry)
    return store, asked.get("saved_age", 0)


def keep(sessions):
    """Has the engine save these sessions, each with its clock turned back."""
    rows = []
    for store, age in sessions:
        with clock_back(age):
            if settings.SESSION_ENGINE == "django.contrib.sessions.backends.db":
                rows.append(store.create_model_instance(store._session))
                continue
            store.save(must_create=True)
            left = store.get_expiry_age() - age
        # The clocks of caches and files cannot be turned back: what they note is set to what it would be.
        if hasattr(store, "_cache"):
            store._cache.touch(store.cache_key, left) if left > 0 else store._cache.delete(store.cache_key)
        if hasattr(store, "storage_path"):
            os.utime(store._key_to_file(), (time.time() - age,) * 2)
    if rows:
        SessionStore.get_model_class().objects.bulk_create(rows)


def ago(seconds):
    return None if seconds is None else timezone.now() - timedelta(seconds=seconds)


def person(asked, password):
    model = get_user_model()
    user = model(
        password=password,
        last_login=ago(asked.get("login_age")),
        is_staff=asked.get("staff", False),
        is_superuser=asked.get("superuser", False),
        is_active=asked.get("enabled", True),
    )
    setattr(user, model.USERNAME_FIELD, asked["username"])
    if model.USERNAME_FIELD != "email":
        user.email = asked.get("email", f"{asked['username']}@example.org")
    for field in ("first_name", "last_name"):
        if field in asked:
            setattr(user, field, asked[field])
    if hasattr(model, "ACTIVITY"):
        setattr(user, model.ACTIVITY, ago(asked.get("activity_age")))
        setattr(user, model.FLAG, asked.get("flag", False))
    return user


def people(people, anonymous=0):
    model = get_user_model()
    password = make_password(PASSWORD)
    made = {}
    with transaction.atomic():
        users = [person(asked, password) for asked in people]
        model._default_manager.bulk_create(users)
    sessions = []
    for user, asked in zip(users, people):
        signed_in = {
            SESSION_KEY: user._meta.pk.value_to_string(user),
            BACKEND_SESSION_KEY: BACKEND,
            HASH_SESSION_KEY: user.get_session_auth_hash(),
        }
        own = [session({**signed_in, **each.get("data", {})}, each) for each in asked.get("sessions", [])]
        sessions += own
        made[user.get_username()] = {"id": str(user.pk), "stores": [store for store, _ in own]}
    sessions += [session({"cart": [1, 2]}, {}) for _ in range(anonymous)]
    keep(sessions)
    for each in made.values():
        # Only now: the key of a signed cookie is what was saved.
        each["keys"] = [store.session_key for store in each.pop("stores")]
    return {"people": made}


def load(keys):
    """Whom Django itself takes each key for: the name, or null."""
    names = {}
    for key in keys:
        session = SessionStore(key)
        # user_sessions makes an anonymous session where it is asked for a key that it does not know.
        known = settings.SESSION_APP != "user_sessions" or session.exists(key)
        user = get_user(SimpleNamespace(session=session)) if known else AnonymousUser()
        names[key] = user.get_username() if user.is_authenticated else None
    return {"users": names}

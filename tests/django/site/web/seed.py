"""People and sessions as they would stand after days of use, made by Django's own models and SessionStore
with its clock turned back. Ages are seconds before now."""

import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from unittest import mock

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user, get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string

PASSWORD = "correct horse"
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


def row(data, saved_age, expiry):
    store = SessionStore()
    store._session_key = get_random_string(32, VALID_KEY_CHARS)
    store.update(data)
    with clock_back(saved_age):
        if expiry is not None:
            store.set_expiry(timedelta(seconds=expiry["delta"]) if isinstance(expiry, dict) else expiry)
        return store.create_model_instance(store._session)


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
    made, sessions = {}, []
    with transaction.atomic():
        users = [person(asked, password) for asked in people]
        model._default_manager.bulk_create(users)
        for user, asked in zip(users, people):
            keys = []
            for session in asked.get("sessions", []):
                data = {
                    SESSION_KEY: user._meta.pk.value_to_string(user),
                    BACKEND_SESSION_KEY: BACKEND,
                    HASH_SESSION_KEY: user.get_session_auth_hash(),
                    **session.get("data", {}),
                }
                new = row(data, session.get("saved_age", 0), session.get("expiry"))
                keys.append(new.session_key)
                sessions.append(new)
            made[user.get_username()] = {"id": str(user.pk), "keys": keys}
        sessions += [row({"cart": [1, 2]}, 0, None) for _ in range(anonymous)]
        SessionStore.get_model_class().objects.bulk_create(sessions)
    return {"people": made}


def load(keys):
    """Whom Django itself takes each key for: the name, or null."""
    names = {}
    for key in keys:
        session = SessionStore(key)
        user = get_user(SimpleNamespace(session=session))
        names[key] = user.get_username() if user.is_authenticated else None
    return {"users": names}

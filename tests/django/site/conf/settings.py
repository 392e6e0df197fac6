"""An ordinary Django site of the kind that Curfew is pointed at. The environment chooses its
database, its user model and how it keeps sessions; everything else is as a new project has it."""

import os
import tempfile
from pathlib import Path

from conf import caches, databases, ways

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ["SITE_SECRET_KEY"]
SECRET_KEY_FALLBACKS = [k for k in os.environ.get("SITE_SECRET_KEY_FALLBACKS", "").split(",") if k]
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
# The tests seed sessions of some megabytes.
DATA_UPLOAD_MAX_MEMORY_SIZE = None

# "accounts": a custom user with last_activity and isCurrentlyActive. "people": UUID key, e-mail as the
# name, columns with spaces. "auth": Django's own user, which says nothing about activity.
USERS = os.environ.get("SITE_USERS", "accounts")
AUTH_USER_MODEL = {
    "accounts": "accounts.CustomUser",
    "people": "people.Person",
    "auth": "auth.User",
}[USERS]

# Django's own engines, those of django-user-sessions and django-qsessions, and shop_sessions: one of the
# site's own, as Django's documentation shows how to make it.
SESSION_ENGINE = os.environ.get("SITE_SESSION_ENGINE", "django.contrib.sessions.backends.db")
SESSION_APP = SESSION_ENGINE.split(".")[0]
SESSION_SERIALIZER = "conf.serializers.JSONElsePickle"
SESSION_FILE_PATH = os.environ.get("SITE_SESSION_FILE_PATH", tempfile.gettempdir())
# The two packages take the place of Django's app, and their middlewares tell their engines who asks,
# and from where.
SESSION_MIDDLEWARES = {
    "user_sessions": "user_sessions.middleware.SessionMiddleware",
    "qsessions": "qsessions.middleware.SessionMiddleware",
}
# django.contrib.admin knows Django's own middleware alone.
SILENCED_SYSTEM_CHECKS = ["admin.E410"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    *([] if SESSION_APP in SESSION_MIDDLEWARES else ["django.contrib.sessions"]),
    *([] if SESSION_APP == "django" else [SESSION_APP]),
    "django.contrib.messages",
    *([] if USERS == "auth" else [USERS]),
    "web",
    *(ways.APPS if ways.ON else []),
]

MIDDLEWARE = [
    SESSION_MIDDLEWARES.get(SESSION_APP, "django.contrib.sessions.middleware.SessionMiddleware"),
    "web.middleware.StalledReadMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    *(ways.MIDDLEWARE if ways.ON else []),
    "web.middleware.ActivityMiddleware",
]
if ways.ON:
    AUTHENTICATION_BACKENDS = ways.BACKENDS
    if "SITE_LOGINAS_KEY" in os.environ:
        LOGINAS_FROM_USER_SESSION_FLAG = os.environ["SITE_LOGINAS_KEY"]
    LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/whoami"
    SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": False}
    OAUTH2_PROVIDER = {"SCOPES": {"read": "read", "write": "write"}}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

ROOT_URLCONF = "conf.urls"

DATABASES = {"default": databases.named("SITE")}
if "SITE_SESSIONS_DATABASE" in os.environ:
    DATABASES["sessions"] = databases.named("SITE_SESSIONS")
    DATABASE_ROUTERS = ["conf.databases.SessionsElsewhere"]

if "SITE_CACHE" in os.environ:
    CACHES = {"default": caches.default()}

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = os.environ.get("SITE_USE_TZ", "1") == "1"
TIME_ZONE = os.environ.get("SITE_TIME_ZONE", "UTC")
SESSION_SAVE_EVERY_REQUEST = os.environ.get("SITE_SAVE_EVERY_REQUEST") == "1"
SESSION_COOKIE_AGE = int(os.environ.get("SITE_SESSION_COOKIE_AGE", 14 * 24 * 3600))

# Hundreds of people are made in a test; what is shown does not hang on the strength of their hashes.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

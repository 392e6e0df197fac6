"""An ordinary Django site of the kind that Curfew is pointed at. The environment chooses its
database, its user model and how it keeps sessions; everything else is as a new project has it."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ["SITE_SECRET_KEY"]
SECRET_KEY_FALLBACKS = [k for k in os.environ.get("SITE_SECRET_KEY_FALLBACKS", "").split(",") if k]
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]

# "accounts": a custom user with last_activity and isCurrentlyActive. "people": UUID key, e-mail as the
# name, columns with spaces. "auth": Django's own user, which says nothing about activity.
USERS = os.environ.get("SITE_USERS", "accounts")
AUTH_USER_MODEL = {
    "accounts": "accounts.CustomUser",
    "people": "people.Person",
    "auth": "auth.User",
}[USERS]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    *([] if USERS == "auth" else [USERS]),
    "web",
]

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "web.middleware.ActivityMiddleware",
]

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

if os.environ.get("SITE_DATABASE") == "sqlite":
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["SITE_DB_NAME"],
            "OPTIONS": {"timeout": 20},
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["SITE_DB_HOST"],
            "PORT": os.environ["SITE_DB_PORT"],
            "USER": os.environ["SITE_DB_USER"],
            "PASSWORD": os.environ.get("SITE_DB_PASSWORD", ""),
            "NAME": os.environ["SITE_DB_NAME"],
        }
    }

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = os.environ.get("SITE_USE_TZ", "1") == "1"
TIME_ZONE = os.environ.get("SITE_TIME_ZONE", "UTC")
SESSION_SAVE_EVERY_REQUEST = os.environ.get("SITE_SAVE_EVERY_REQUEST") == "1"

# Hundreds of people are made in a test; what is shown does not hang on the strength of their hashes.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

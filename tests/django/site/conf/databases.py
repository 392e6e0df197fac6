"""The databases that a site can stand on, as the environment names them."""

import os


def named(prefix):
    def of(name):
        return os.environ.get(f"{prefix}_{name}", "")

    server = {
        "HOST": of("DB_HOST"),
        "PORT": of("DB_PORT"),
        "USER": of("DB_USER"),
        "PASSWORD": of("DB_PASSWORD"),
        "NAME": of("DB_NAME"),
    }
    kind = of("DATABASE")
    if kind == "sqlite":
        engine = "django.db.backends.sqlite3"
        return {"ENGINE": engine, "NAME": of("DB_NAME"), "OPTIONS": {"timeout": 20}}
    if kind == "mysql":
        import pymysql

        # Django asks for mysqlclient, which has to be compiled; this one speaks the same.
        pymysql.install_as_MySQLdb()
        engine = "django.db.backends.mysql"
        return {"ENGINE": engine, "OPTIONS": {"charset": "utf8mb4"}, **server}
    return {"ENGINE": "django.db.backends.postgresql", **server}


class SessionsElsewhere:
    """Sessions in a database of their own."""

    APPS = {"sessions", "shop_sessions"}

    def db_for_read(self, model, **hints):
        return "sessions" if model._meta.app_label in self.APPS else None

    db_for_write = db_for_read

    def allow_migrate(self, db, app_label, **hints):
        return (db == "sessions") == (app_label in self.APPS)

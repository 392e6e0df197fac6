# Runs inside a Django project, by `manage.py shell -c`, and prints one JSON document between two lines that
# only the asker knows. It reads settings and asks Django's own objects; it opens no connection but to count
# tenants, and changes nothing.
#
# Django 2.2 to 6.x, Python 3.6 and later, and nothing beside them. Everything is inside one function: old Djangos
# run this text with separate globals and locals, where functions would not find each other.


def curfew_asks(mark):
    import configparser
    import importlib
    import json
    import os
    import sys
    import tempfile
    from urllib.parse import parse_qs, unquote, urlsplit

    import django
    from django.apps import apps
    from django.conf import settings
    from django.contrib.auth import backends as auth_backends
    from django.contrib.auth import get_user_model, load_backend
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.core.cache import caches
    from django.db import connections, router

    ModelBackend = auth_backends.ModelBackend
    # Django 3.0 and later.
    BaseBackend = getattr(auth_backends, "BaseBackend", None)

    # As long as a session key, and made of what one is made of.
    probe = "curfewprobe" + "0" * 21

    def text(value):
        if value is None:
            return None
        if isinstance(value, bytes):
            value = value.decode()
        return str(value) or None

    def plain(value):
        """What of an option JSON can say; of anything else, that it is there."""
        if isinstance(value, (str, bool, int)) or value is None:
            return value
        if isinstance(value, dict):
            return {str(key): plain(value[key]) for key in value}
        return text(value) if isinstance(value, os.PathLike) else "..."

    def ini(paths, section):
        """A section of the first of these files that is there, as libpq and MySQL keep what a client needs."""
        for path in paths:
            if path and os.path.exists(os.path.expanduser(path)):
                reader = configparser.ConfigParser(
                    allow_no_value=True, strict=False, interpolation=None, delimiters=("=",)
                )
                with open(os.path.expanduser(path)) as file:
                    lines = [line for line in file if not line.startswith("!")]
                reader.read_string("".join(lines))
                if reader.has_section(section):
                    return {
                        key.replace("-", "_"): value.strip("\"'")
                        for key, value in reader.items(section)
                        if value is not None
                    }
        return {}

    def database(alias):
        connection = connections[alias]
        given = connection.settings_dict
        options = dict(given.get("OPTIONS") or {})
        found = {
            "alias": alias,
            "vendor": connection.vendor,
            "time_zone": text(connection.timezone_name),
            "sockets": [],
            "elsewhere": None,
            "password_ask": None,
        }
        # Each place overrides the ones before it, as in Django's own get_connection_params.
        values = {}
        if connection.vendor == "postgresql":
            if options.get("service"):
                name = options.pop("service")
                system = os.environ.get("PGSYSCONFDIR") or "/etc/postgresql-common"
                files = [os.environ.get("PGSERVICEFILE"), "~/.pg_service.conf", system + "/pg_service.conf"]
                values = ini(files, name)
                found["elsewhere"] = "service " + str(name)
                for key in ("sslmode", "sslrootcert", "sslcert", "sslkey", "options"):
                    if values.get(key):
                        options.setdefault(key, values[key])
                values["name"] = values.get("dbname")
            elif not given.get("HOST"):
                values = {"host": os.environ.get("PGHOST"), "port": os.environ.get("PGPORT")}
            # What libpq takes from the environment, where nothing else says it.
            for key in ("sslmode", "sslrootcert", "sslcert", "sslkey"):
                if os.environ.get("PG" + key.upper()):
                    options.setdefault(key, os.environ["PG" + key.upper()])
            found["sockets"] = ["/var/run/postgresql", "/run/postgresql", "/tmp"]
        elif connection.vendor == "mysql":
            if options.get("read_default_file"):
                path = options.pop("read_default_file")
                values = ini([str(path)], options.pop("read_default_group", None) or "client")
                found["elsewhere"] = str(path)
                values["name"] = values.get("database")
                for key in ("ssl_mode", "ssl_ca", "ssl_cert", "ssl_key"):
                    if values.get(key):
                        options.setdefault(key, values[key])
            found["sockets"] = ["/var/run/mysqld/mysqld.sock", "/run/mysqld/mysqld.sock", "/tmp/mysql.sock"]
            found["sockets"].append("/var/lib/mysql/mysql.sock")
        taken = "a file" if values.get("password") else None
        for key in ("host", "port", "user", "password", "name"):
            if given.get(key.upper()) not in (None, ""):
                values[key] = given[key.upper()]
                if key == "password":
                    taken = '["PASSWORD"]'
        if connection.vendor == "mysql":
            names = {"host": "host", "port": "port", "user": "user", "password": "password", "passwd": "password"}
            names.update({"db": "name", "database": "name", "unix_socket": "socket"})
            for option, key in names.items():
                if option in options:
                    values[key] = options.pop(option)
                    if key == "password":
                        taken = '["OPTIONS"]["%s"]' % option
        if taken and taken != "a file":
            found["password_ask"] = "__import__('django.db').db.connections[%r].settings_dict%s" % (alias, taken)
        for key in ("host", "port", "user", "password", "name", "socket"):
            found[key] = text(values.get(key))
        if connection.vendor == "sqlite" and found["name"]:
            name = found["name"]
            if name.startswith("file:"):
                name = unquote(urlsplit(name).path)
            if "memory" not in found["name"]:
                found["name"] = os.path.abspath(name)
        if connection.vendor == "postgresql":
            ends = "/.s.PGSQL." + (found["port"] or "5432")
        else:
            ends = ""
        found["sockets"] = [path for path in found["sockets"] if os.path.exists(path + ends)]
        found["options"] = {str(key): plain(options[key]) for key in options}
        return found

    def users():
        model = get_user_model()
        name = model._meta.get_field(model.USERNAME_FIELD)
        # A user model that inherits from another: the names, passwords and keys are in the other's table.
        home = name.model
        hash_of = model.get_session_auth_hash
        backends = [str(backend) for backend in settings.AUTHENTICATION_BACKENDS]
        return {
            "model": model._meta.label,
            "home": home._meta.label,
            "alias": router.db_for_read(model),
            "table": model._meta.concrete_model._meta.db_table,
            "id": model._meta.pk.column,
            "username": name.column,
            "own_hash": hash_of is not AbstractBaseUser.get_session_auth_hash,
            "backends": backends,
            "admitting_disabled": [backend for backend in backends if admits_disabled(backend, model)],
        }

    def admits_disabled(path, model):
        """Whether a session of this backend may let a user in whose account is disabled."""
        try:
            backend = load_backend(path)
            loads = getattr(type(backend), "get_user", None)
            if loads is None:
                return False
            if loads is not ModelBackend.get_user:
                # Nothing but a call says what it does.
                return getattr(BaseBackend, "get_user", None) is not loads
            user = model()
            user.is_active = False
            return bool(backend.user_can_authenticate(user))
        except Exception:
            return False

    def tenants():
        """The schemas of a django-tenants project, by a query: settings do not say which tenants there are."""
        if not getattr(settings, "TENANT_MODEL", None) or not hasattr(settings, "TENANT_APPS"):
            return None
        utils = importlib.import_module("django_tenants.utils")
        public = utils.get_public_schema_name()

        def apart(label):
            """Whether this app's tables are made for each tenant. An entry is an app's name, or that of its config."""
            names = [config.name for config in apps.get_app_configs() if config.label == label]
            return any(app == name or app.startswith(name + ".apps.") for app in settings.TENANT_APPS for name in names)

        names = utils.get_tenant_model().objects.exclude(schema_name=public)
        cache = settings.CACHES.get(settings.SESSION_CACHE_ALIAS) or {}
        return {
            "public": public,
            "schemas": sorted(names.values_list("schema_name", flat=True)),
            "users_apart": apart(get_user_model()._meta.app_label),
            "sessions_apart": apart("sessions"),
            "cache_apart": str(cache.get("KEY_FUNCTION")) == "django_tenants.cache.make_key",
        }

    def user_column(model):
        user = get_user_model()._meta.concrete_model
        fields = model._meta.concrete_fields
        for field in fields:
            if field.remote_field and field.remote_field.model in user.__mro__:
                return field.column
        names = ("user_id", "user", "account_id", "account", "member_id", "customer_id", "owner_id", "uid")
        columns = [field.column for field in fields]
        return next((name for name in names if name in columns), None)

    def sessions():
        engine = settings.SESSION_ENGINE
        kind = importlib.import_module(engine).SessionStore
        django_own = "django.contrib.sessions.backends."
        known = [django_own + name for name in ("db", "cached_db", "cache", "file", "signed_cookies")]
        known += ["user_sessions.backends.db", "qsessions.backends.db", "qsessions.backends.cached_db"]
        built_on = next((c.__module__ for c in kind.__mro__ if c.__module__ in known), None)
        salt = "django.contrib.sessions." + kind.__name__
        found = {
            "engine": engine,
            "built_on": built_on,
            "cookie_age": int(settings.SESSION_COOKIE_AGE),
            "cookie_name": settings.SESSION_COOKIE_NAME,
            "loginas_key": text(getattr(settings, "LOGINAS_FROM_USER_SESSION_FLAG", None)),
            "save_every_request": bool(settings.SESSION_SAVE_EVERY_REQUEST),
            "serializer": text(settings.SESSION_SERIALIZER),
            "path": text(settings.SESSION_FILE_PATH) or tempfile.gettempdir(),
            "own_salt": salt != "django.contrib.sessions.SessionStore",
        }
        rows = built_on and built_on.rsplit(".", 1)[1] in ("db", "cached_db")
        if rows:
            if hasattr(kind, "get_model_class"):
                model = kind.get_model_class()
            else:
                model = sys.modules[built_on].Session
            found["alias"] = router.db_for_read(model)
            found["table"] = model._meta.db_table
            found["user"] = user_column(model)
        if built_on and built_on.endswith((".cached_db", ".cache")):
            store = kind(session_key=probe)
            found["own_salt"] = getattr(store, "key_salt", salt) != "django.contrib.sessions.SessionStore"
            found["cache_key_prefix"] = store.cache_key_prefix
            found["cache"] = cache_of(getattr(store, "_cache", None), store.cache_key)
        return found

    def cache_of(cache, key):
        alias = settings.SESSION_CACHE_ALIAS
        if cache is None:
            cache = caches[alias]
        given = settings.CACHES[alias]
        client = getattr(cache, "client", None)
        make = client.make_key if hasattr(client, "make_key") else cache.make_key
        location = given.get("LOCATION") or ""
        if isinstance(location, str):
            location = location.replace(";", ",").split(",")
        found = {
            "alias": alias,
            "backend": given.get("BACKEND"),
            "key_prefix": text(cache.key_prefix) or "",
            "version": text(cache.version) or "1",
            "probe": probe,
            "key": str(make(key)),
        }
        modules = " ".join(c.__module__ for c in type(cache).__mro__).lower()
        options = given.get("OPTIONS") or {}
        if "memcache" in modules or "pylibmc" in modules:
            found["kind"] = "memcached"
            found["hosts"] = [str(place).strip() for place in location]
            found["login"] = bool(options.get("username") or options.get("password"))
        elif "redis" in modules or "valkey" in modules:
            found.update(redis_of(cache, alias, [str(place).strip() for place in location], options))
        return found

    def redis_of(cache, alias, places, options):
        classes = [c.__module__ + "." + c.__name__ for c in type(cache).__mro__]
        for name in ("CLIENT_CLASS", "REDIS_CLIENT_CLASS", "CONNECTION_POOL_CLASS", "pool_class"):
            classes.append(text(options.get(name)) or "")
        inner = getattr(cache, "_class", None) or type(None)
        classes = " ".join(classes + [inner.__name__]).lower()
        first = urlsplit(places[0] if "://" in places[0] else "redis://" + places[0])
        query = {key: values[0] for key, values in parse_qs(first.query).items()}
        pick = "__import__('django.conf').conf.settings.CACHES[%r]" % alias
        found = {
            "kind": "redis",
            "tls": first.scheme == "rediss",
            "socket": first.path if first.scheme == "unix" else None,
            "db": query.get("db") or (first.path.strip("/") if first.scheme != "unix" else None),
            "service": None,
            "username": unquote(first.username or "") or query.get("username"),
            "password": unquote(first.password or "") or query.get("password"),
            "password_ask": None,
            "unsafe": False,
            "certificates": False,
            "sentinel_password": False,
            "shards": "shard" in classes,
        }
        if found["password"]:
            where = "(lambda l: l if isinstance(l, str) else l[0])(%s['LOCATION']).split(',')[0]" % pick
            where = "__import__('urllib.parse').parse.urlsplit(%s)" % where
            found["password_ask"] = "__import__('urllib.parse').parse.unquote(%s.password or '')" % where
        else:
            for name in ("PASSWORD", "password"):
                if options.get(name):
                    found["password"] = text(options[name])
                    found["password_ask"] = "%s['OPTIONS'][%r]" % (pick, name)
        # An address' own words win over the options, as in redis-py.
        for key, name in (("username", "USERNAME"), ("username", "username"), ("db", "DB"), ("db", "db")):
            if not found[key] and options.get(name) not in (None, ""):
                found[key] = text(options[name])
        hosts = []
        if options.get("SENTINELS") or "sentinel" in classes:
            found["kind"] = "sentinel"
            found["service"] = first.hostname
            hosts = ["%s:%s" % (host, port) for host, port in options.get("SENTINELS") or options.get("sentinels") or []]
            found["sentinel_password"] = bool((options.get("SENTINEL_KWARGS") or {}).get("password"))
        elif "cluster" in classes:
            found["kind"] = "cluster"
            for place in places:
                parts = urlsplit(place if "://" in place else "redis://" + place)
                hosts.append("%s:%s" % (parts.hostname, parts.port or 6379))
        else:
            hosts = ["%s:%s" % (first.hostname or "localhost", first.port or 6379)]
        found["hosts"] = hosts
        if found["kind"] == "redis":
            pool_of(cache, found, alias)
        return found

    def pool_of(cache, found, alias):
        """The connections' own arguments, where the client is one of those that make none by being made."""
        try:
            holder = "client" if hasattr(cache, "client") else "_cache"
            pool = getattr(cache, holder).get_client(write=True).connection_pool
            given = pool.connection_kwargs
        except Exception:
            return
        if given.get("host") and not given.get("path"):
            found["hosts"] = ["%s:%s" % (given["host"], given.get("port") or 6379)]
        found["socket"] = text(given.get("path"))
        found["db"] = text(given.get("db"))
        found["tls"] = "SSL" in pool.connection_class.__name__
        found["unsafe"] = str(given.get("ssl_cert_reqs", "required")).lower() in ("none", "0", "false", "certreqs.none")
        found["unsafe"] = found["unsafe"] or "VerifyMode.CERT_NONE" in str(given.get("ssl_cert_reqs"))
        found["certificates"] = bool(given.get("ssl_ca_certs") or given.get("ssl_certfile"))
        found["username"] = text(given.get("username"))
        if text(given.get("password")) != found["password"]:
            found["password"] = text(given.get("password"))
            where = "__import__('django.core.cache').core.cache.caches[%r].%s" % (alias, holder)
            found["password_ask"] = where + ".get_client(write=True).connection_pool.connection_kwargs['password']"

    answer = {"django": django.get_version(), "problems": []}

    def part(name, ask):
        try:
            answer[name] = ask()
        except Exception as error:
            line = " ".join(str(error).split())
            answer["problems"].append({"part": name, "error": "%s: %s" % (type(error).__name__, line)})
            answer[name] = None

    answer["settings"] = getattr(settings, "SETTINGS_MODULE", None)
    answer["use_tz"] = bool(settings.USE_TZ)
    answer["time_zone"] = settings.TIME_ZONE
    keys = [settings.SECRET_KEY] + list(getattr(settings, "SECRET_KEY_FALLBACKS", []))
    part("secret_keys", lambda: [text(key) for key in keys])
    part("users", users)
    part("sessions", sessions)
    part("tenants", tenants)
    for name in ("users", "sessions"):
        alias = (answer[name] or {}).get("alias")
        answer[name + "_database"] = None
        if alias:
            part(name + "_database", lambda: database(alias))
    words = "\n%s\n%s\n%s\n" % (mark, json.dumps(answer), mark)
    sys.stdout.flush()
    with open(1, "wb", closefd=False) as out:
        out.write(words.encode("ascii"))

//! Databases, users, sessions, time and keys, as settings have them.

use crate::project::{Django, Shop, sqlite};

on_each_django! {
    a_new_project_is_taken_whole
    the_settings_that_are_meant_are_asked
    sessions_in_another_database_are_found_by_the_router
    postgresql_is_taken_with_its_options
    postgresql_services_are_looked_up
    mysql_is_taken_with_its_option_file
    time_without_zones_has_one
    a_store_of_the_sites_own_is_known_by_its_base
    packages_with_user_columns_are_known
    a_user_model_that_inherits_has_its_parents_table
    backends_are_taken_with_whom_they_admit
    what_the_key_could_not_prove_leaves_the_key_out
    files_and_cookies_are_told_apart
}

async fn a_new_project_is_taken_whole(django: Django) {
    let shop = Shop::new(
        django,
        "SECRET_KEY_FALLBACKS = ['secret-canary-two', 'secret-canary-three']\n\
         SESSION_COOKIE_AGE = 3600\nSESSION_SAVE_EVERY_REQUEST = True\n\
         LOGINAS_FROM_USER_SESSION_FLAG = 'acted_by'",
    );
    let taken = shop.taken().await;
    assert_eq!(taken.0.name, "shop");
    let database = format!("{}/shop.sqlite3", sqlite(&shop.path()));
    taken
        .is("database", &database)
        .is("user table", "auth_user")
        .is("user key", "id")
        .is("user name", "username")
        .is("session engine", "django.contrib.sessions.backends.db")
        .is("session table", "django_session")
        .is("session age", "1h")
        .is("saved on every request", "yes")
        .is("django-loginas' key", "acted_by")
        .is("SECRET_KEY", "known, with 2 fallbacks")
        .no("time zone")
        .no("cache")
        .no("session's user")
        .no("database's password")
        .quiet();
}

async fn the_settings_that_are_meant_are_asked(django: Django) {
    let shop = Shop::new(django, "")
        .file("shop/site/__init__.py", "")
        .file("shop/site/base.py", "from shop.settings import *")
        .file(
            "shop/site/live.py",
            "from .base import *\nSESSION_COOKIE_AGE = 60",
        );
    shop.taken().await.is("session age", "14d");
    let shop = shop.settings("shop.site.live");
    shop.taken().await.is("session age", "1m");
}

async fn sessions_in_another_database_are_found_by_the_router(django: Django) {
    let shop = Shop::new(
        django,
        "DATABASES['sessions'] = {'ENGINE': 'django.db.backends.postgresql', 'HOST': 'db2', 'NAME': 's',\n\
         'USER': 'ana', 'PASSWORD': 'canary'}\nDATABASE_ROUTERS = ['shop.router.Router']",
    )
    .file(
        "shop/router.py",
        "class Router:\n    def db_for_read(self, model, **hints):\n        \
         return 'sessions' if model._meta.app_label == 'sessions' else None\n",
    );
    shop.taken()
        .await
        .is("sessions' database", "postgres://ana@db2/s")
        .is("sessions' password", "known")
        .is("session table", "django_session")
        .is("user table", "auth_user")
        .quiet();
}

async fn postgresql_is_taken_with_its_options(django: Django) {
    let shop = Shop::new(
        django,
        "DATABASES = {'default': {'ENGINE': 'shop.wrapped', 'HOST': 'db', 'PORT': 6432, 'NAME': 'shop', 'USER': 'a b',\n\
         'PASSWORD': 'canary', 'OPTIONS': {'sslmode': 'verify-full', 'assume_role': 'canary', 'connect_timeout': 3}}}",
    )
    .file("shop/wrapped/__init__.py", "")
    .file(
        "shop/wrapped/base.py",
        "from django.db.backends.postgresql.base import DatabaseWrapper as Base\n\
         class DatabaseWrapper(Base):\n    pass\n",
    );
    shop.taken()
        .await
        .is(
            "database",
            "postgres://a%20b@db:6432/shop?sslmode=verify-full",
        )
        .is("database's password", "known")
        .notes("assume_role");
}

async fn postgresql_services_are_looked_up(django: Django) {
    let shop = Shop::new(
        django,
        "import os\nos.environ['PGSERVICEFILE'] = 'services.conf'\nos.environ['PGSSLMODE'] = 'require'\n\
         DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop', 'OPTIONS': {'service': 'main'}}}",
    )
    .file(
        "services.conf",
        "# ours\n[other]\nhost=nowhere\n[main]\nhost=db\nport=6432\nuser=ana\ndbname=other\npassword=canary\n",
    );
    shop.taken()
        .await
        .is("database", "postgres://ana@db:6432/shop?sslmode=require")
        .is("database's password", "known")
        .quiet();
}

async fn mysql_is_taken_with_its_option_file(django: Django) {
    let shop = Shop::new(
        django,
        "import pymysql\npymysql.version_info = (2, 2, 7, 'final', 0)\npymysql.install_as_MySQLdb()\n\
         DATABASES = {'default': {'ENGINE': 'django.db.backends.mysql', 'OPTIONS': {'read_default_file': 'my.cnf',\n\
         'charset': 'utf8mb4', 'ssl_mode': 'REQUIRED'}}}",
    )
    .file(
        "my.cnf",
        "!includedir /nowhere\n[mysqld]\nport=1\n[client]\nhost = db\nport = 3307\nuser = ana\ndatabase = shop\n\
         password = \"canary\"\nskip-ssl\nssl-ca = /srv/ca.pem\nssl_mode = DISABLED\n",
    );
    shop.taken()
        .await
        .is(
            "database",
            "mysql://ana@db:3307/shop?ssl-mode=REQUIRED&ssl-ca=%2Fsrv%2Fca.pem",
        )
        .is("database's password", "known")
        .quiet();
}

async fn time_without_zones_has_one(django: Django) {
    let shop = Shop::new(django, "USE_TZ = False\nTIME_ZONE = 'America/New_York'");
    shop.taken().await.is("time zone", "America/New_York");
    let shop = Shop::new(django, "DATABASES['default']['TIME_ZONE'] = 'Europe/Paris'");
    shop.taken().await.is("time zone", "Europe/Paris");
}

async fn a_store_of_the_sites_own_is_known_by_its_base(django: Django) {
    let shop = Shop::new(django, "SESSION_ENGINE = 'shop.store'")
        .file(
            "shop/models.py",
            "from django.contrib.sessions.base_session import AbstractBaseSession\nfrom django.db import models\n\
             class Visit(AbstractBaseSession):\n    account_id = models.IntegerField(null=True, db_index=True)\n",
        )
        .file(
            "shop/store.py",
            "from django.contrib.sessions.backends.db import SessionStore as Base\n\
             class SessionStore(Base):\n    @classmethod\n    def get_model_class(cls):\n        \
             from shop.models import Visit\n        return Visit\n",
        );
    shop.taken()
        .await
        .is(
            "session engine",
            "shop.store, built on django.contrib.sessions.backends.db",
        )
        .is("session table", "shop_visit")
        .is("session's user", "account_id")
        .is("SECRET_KEY", "known")
        .quiet();
}

async fn packages_with_user_columns_are_known(django: Django) {
    for (app, engine, table) in [
        (
            "user_sessions",
            "user_sessions.backends.db",
            "user_sessions_session",
        ),
        ("qsessions", "qsessions.backends.db", "qsessions_session"),
        (
            "qsessions",
            "qsessions.backends.cached_db",
            "qsessions_session",
        ),
    ] {
        let redis = "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.redis.RedisCache', 'LOCATION': 'redis://c:6380'}}";
        let settings =
            format!("INSTALLED_APPS.append('{app}')\nSESSION_ENGINE = '{engine}'\n{redis}");
        let taken = Shop::new(django, &settings).taken().await;
        taken
            .is("session engine", engine)
            .is("session table", table)
            .is("session's user", "user_id")
            .quiet();
        if engine.ends_with("cached_db") {
            taken.is("cache", "redis://c:6380");
            taken.is("cache keys", ":1:qsessions.q_cached_db...");
        }
    }
}

async fn a_user_model_that_inherits_has_its_parents_table(django: Django) {
    let shop = Shop::new(django, "AUTH_USER_MODEL = 'shop.Member'").file(
        "shop/models.py",
        "from django.contrib.auth.models import AbstractUser\nfrom django.db import models\n\
         class Person(AbstractUser):\n    number = models.BigAutoField(primary_key=True, db_column='No')\n    \
         USERNAME_FIELD = 'email'\n    email = models.EmailField(unique=True, db_column='E-Mail')\n    \
         groups = None\n    user_permissions = None\n    REQUIRED_FIELDS = []\n    class Meta:\n        \
         db_table = 'people'\n\
         class Member(Person):\n    card = models.TextField()\n",
    );
    shop.taken()
        .await
        .is("user table", "shop_member")
        .is("user key", "person_ptr_id")
        .is("user name", "E-Mail")
        .is("names and passwords", "shop.Person")
        .quiet();
}

async fn backends_are_taken_with_whom_they_admit(django: Django) {
    let shop = Shop::new(
        django,
        "AUTHENTICATION_BACKENDS = ['django.contrib.auth.backends.ModelBackend', 'shop.who.Strict', 'shop.who.Lax', 'shop.who.Own']",
    )
    .file(
        "shop/who.py",
        "from django.contrib.auth.backends import AllowAllUsersModelBackend, ModelBackend\n\
         class Strict(ModelBackend):\n    pass\n\
         class Lax(AllowAllUsersModelBackend):\n    pass\n\
         class Own(ModelBackend):\n    def get_user(self, user_id):\n        return None\n",
    );
    shop.taken()
        .await
        .is(
            "authentication backends",
            "django.contrib.auth.backends.ModelBackend, shop.who.Strict, shop.who.Lax, shop.who.Own",
        )
        .notes("shop.who.Lax, shop.who.Own may let disabled accounts in");
}

async fn what_the_key_could_not_prove_leaves_the_key_out(django: Django) {
    let salted = Shop::new(django, "SESSION_ENGINE = 'shop.store'").file(
        "shop/store.py",
        "from django.contrib.sessions.backends.db import SessionStore as Base\n\
         class Store(Base):\n    pass\nSessionStore = Store\n",
    );
    let taken = salted.taken().await;
    taken.no("SECRET_KEY").notes("salts its signatures");
    let hashed = Shop::new(django, "AUTH_USER_MODEL = 'shop.Person'").file(
        "shop/models.py",
        "from django.contrib.auth.models import AbstractUser\n\
         class Person(AbstractUser):\n    def get_session_auth_hash(self):\n        return 'x'\n",
    );
    hashed
        .taken()
        .await
        .no("SECRET_KEY")
        .notes("session hashes");
    let blanks = Shop::new(django, "SECRET_KEY = ' secret-canary '");
    blanks.taken().await.no("SECRET_KEY").notes("blanks");
}

async fn files_and_cookies_are_told_apart(django: Django) {
    let files =
        "SESSION_ENGINE = 'django.contrib.sessions.backends.file'\nSESSION_COOKIE_NAME = 'shop'";
    let shop = Shop::new(django, &format!("{files}\nSESSION_FILE_PATH = '/tmp'"));
    shop.taken()
        .await
        .is("session files", "/tmp/shop...")
        .quiet();
    let shop = Shop::new(django, files);
    let usual = std::env::temp_dir().join("shop...").display().to_string();
    shop.taken().await.is("session files", &usual);
    let cookies = "SESSION_ENGINE = 'django.contrib.sessions.backends.signed_cookies'";
    let shop = Shop::new(django, cookies);
    shop.taken()
        .await
        .no("session table")
        .notes("cannot see or end");
}

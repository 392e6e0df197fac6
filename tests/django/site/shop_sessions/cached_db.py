from django.contrib.sessions.backends.cached_db import SessionStore as CachedDBStore

from shop_sessions.db import WithAccount


class SessionStore(WithAccount, CachedDBStore):
    cache_key_prefix = "shop_sessions.cached_db"

"""Sessions with a table and a user column of the site's own."""

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models


class AccountSession(AbstractBaseSession):
    account_id = models.BigIntegerField(null=True, db_index=True)

    class Meta(AbstractBaseSession.Meta):
        db_table = "shop_login"

    @classmethod
    def get_session_store_class(cls):
        from shop_sessions.db import SessionStore

        return SessionStore

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DBStore


class WithAccount:
    """Notes whose session it is beside the session's data."""

    @classmethod
    def get_model_class(cls):
        from shop_sessions.models import AccountSession

        return AccountSession

    def create_model_instance(self, data):
        row = super().create_model_instance(data)
        row.account_id = data.get(SESSION_KEY)
        return row


class SessionStore(WithAccount, DBStore):
    pass

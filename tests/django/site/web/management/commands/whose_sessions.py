import json

from django.contrib.sessions.backends.db import SessionStore
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Whom each session of this database belongs to, by Django's own reading: the user's id, or null."

    def handle(self, *args, **options):
        keys = SessionStore.get_model_class().objects.values_list("session_key", flat=True)
        read = [SessionStore(key).load().get("_auth_user_id") for key in keys]
        self.stdout.write(json.dumps(read))

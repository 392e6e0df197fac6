"""What a Django site can do by itself, timed by itself: no interpreter's start, no import, no connecting is in it.

    django_pass.py pass                       one pass over all sessions: whose each is, as fast as Django goes
    django_pass.py task PEOPLE SESSIONS       the usual periodic task: all sessions again for each idle person

The answer is one line of JSON. The site is named by the environment: CURFEW_BENCH_POSTGRES, CURFEW_BENCH_SECRET_KEY.
"""

import json
import os
import sys
import time
from collections import Counter
from datetime import timedelta
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

# Smaller pieces and larger ones take as long.
CHUNK = 10_000


def configure():
    url = urlsplit(os.environ["CURFEW_BENCH_POSTGRES"])
    settings.configure(
        SECRET_KEY=os.environ["CURFEW_BENCH_SECRET_KEY"],
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.sessions"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": url.hostname,
                "PORT": url.port or 5432,
                "USER": unquote(url.username or ""),
                "PASSWORD": unquote(url.password or ""),
                "NAME": unquote(url.path.lstrip("/")),
            }
        },
    )
    django.setup()


def one_pass():
    from django.contrib.sessions.backends.db import SessionStore
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    decode = SessionStore().decode
    counts = Counter()
    rows = Session.objects.filter(expire_date__gt=timezone.now())
    rows = rows.values_list("session_key", "session_data", "expire_date")
    began = time.perf_counter()
    for _key, data, _expires in rows.iterator(chunk_size=CHUNK):
        counts[decode(data).get("_auth_user_id")] += 1
    seconds = time.perf_counter() - began
    anonymous = counts.pop(None, 0)
    return {"seconds": seconds, "sessions": counts.total() + anonymous, "people": len(counts)}


def periodic_task(people, sessions):
    """As sites write it. Nothing stays changed: all of it is rolled back."""
    from django.contrib.sessions.models import Session
    from django.db import models, transaction
    from django.utils import timezone

    class Person(models.Model):
        id = models.BigIntegerField(primary_key=True)
        last_activity = models.DateTimeField(null=True)

        class Meta:
            app_label = "bench"
            db_table = "auth_user"
            managed = False

    now = timezone.now()
    read = deleted = 0
    with transaction.atomic():
        chosen = list(Person.objects.values_list("pk", flat=True).order_by("pk")[:people])
        Person.objects.filter(pk__in=chosen).update(last_activity=now - timedelta(hours=1))
        idle = list(Person.objects.filter(last_activity__lt=now - timedelta(minutes=35))[:people])
        began = time.perf_counter()
        for person in idle:
            for session in Session.objects.filter(expire_date__gte=now)[:sessions]:
                read += 1
                if session.get_decoded().get("_auth_user_id") == str(person.pk):
                    session.delete()
                    deleted += 1
        seconds = time.perf_counter() - began
        transaction.set_rollback(True)
    return {"seconds": seconds, "people": len(idle), "read": read, "deleted": deleted}


def main():
    configure()
    from django.db import connection

    connection.ensure_connection()
    match sys.argv[1:]:
        case ["pass"]:
            answer = one_pass()
        case ["task", people, sessions]:
            answer = periodic_task(int(people), int(sessions))
        case _:
            sys.exit(__doc__)
    answer["django"] = django.get_version()
    print(json.dumps(answer))


main()

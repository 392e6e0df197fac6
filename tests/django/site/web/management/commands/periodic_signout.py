from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.core.management.base import BaseCommand
from django.utils import timezone


class Command(BaseCommand):
    help = "The usual periodic task, as sites write it."

    def add_arguments(self, parser):
        parser.add_argument("--minutes", type=int, default=35)

    def handle(self, *args, **options):
        cutoff = timezone.now() - timedelta(minutes=options["minutes"])
        idle = get_user_model().objects.filter(isCurrentlyActive=True, last_activity__lt=cutoff)
        for user in idle:
            user.isCurrentlyActive = False
            user.save(update_fields=["isCurrentlyActive"])
            for session in Session.objects.filter(expire_date__gte=timezone.now()):
                if session.get_decoded().get("_auth_user_id") == str(user.pk):
                    session.delete()
        self.stdout.write(f"{len(idle)} signed out")

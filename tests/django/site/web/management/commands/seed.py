import json
import sys

from django.core.management.base import BaseCommand

from web import seed


class Command(BaseCommand):
    help = "Makes the people that standard input describes, as JSON; see web/seed.py for the shape."

    def handle(self, *args, **options):
        self.stdout.write(json.dumps(seed.people(**json.load(sys.stdin))))

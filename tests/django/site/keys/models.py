"""API tokens of the site's own, as many sites have them: a table that no package brings."""

from django.conf import settings
from django.db import models


class ApiKey(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_keys")
    key = models.CharField(max_length=40, unique=True)
    expires = models.DateTimeField(null=True)

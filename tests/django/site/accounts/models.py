from django.contrib.auth.models import AbstractUser
from django.db import models


class CustomUser(AbstractUser):
    last_activity = models.DateTimeField(null=True, blank=True)
    isCurrentlyActive = models.BooleanField(default=False)

    ACTIVITY = "last_activity"
    FLAG = "isCurrentlyActive"

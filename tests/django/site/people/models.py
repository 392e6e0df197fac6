import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class People(BaseUserManager):
    pass


class Person(AbstractBaseUser, PermissionsMixin):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    seen = models.DateTimeField(null=True, blank=True, db_column="last seen at")
    online = models.BooleanField(default=False, db_column="isOnline")

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []
    ACTIVITY = "seen"
    FLAG = "online"

    objects = People()

"""The user model of one shape. The environment says which."""

import os
import uuid

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

SHAPE = os.environ["SHAPE"]


class TypedCharField(models.CharField):
    """A text whose column has a type of its own, as kolibri's UUIDField and legacy tables have."""

    def __init__(self, *args, column, **kwargs):
        self.column_type = column
        super().__init__(*args, max_length=80, **kwargs)

    def db_type(self, connection):
        return self.column_type

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "column": self.column_type}


def key():
    own = {"primary_key": True}
    return {
        "int": lambda: models.AutoField(**own),
        "big": lambda: models.BigAutoField(**own),
        "uuid": lambda: models.UUIDField(default=uuid.uuid4, **own),
        "hex": lambda: TypedCharField(column="char(32)", **own),
        "slug": lambda: models.SlugField(**own),
        "padded": lambda: TypedCharField(column="char(20)", **own),
        "citext": lambda: TypedCharField(column="citext", **own),
        "nocase": lambda: TypedCharField(column="varchar(80) COLLATE NOCASE", **own),
    }[SHAPE]()


class Fields(AbstractBaseUser):
    username = models.CharField(max_length=80, unique=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    is_superuser = models.BooleanField(default=False)

    USERNAME_FIELD = "username"
    objects = BaseUserManager()

    class Meta:
        abstract = True


if SHAPE == "inherited":

    class Person(Fields):
        pass

    class User(Person):
        """Its badge is unique, as a name would be, and is none."""

        badge = models.CharField(max_length=20, unique=True)
        last_activity = models.DateTimeField(null=True)
        is_online = models.BooleanField(default=False)

        # A second home for what AbstractBaseUser declares would not be inherited otherwise.
        objects = BaseUserManager()

else:

    class User(Fields):
        id = key()
        last_activity = models.DateTimeField(null=True)
        is_online = models.BooleanField(default=False)

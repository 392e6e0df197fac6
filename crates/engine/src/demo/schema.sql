-- What `migrate` of Django 5.2 makes of a site with auth, sessions, admin and a user model of its own
-- (AbstractUser plus last_activity and isCurrentlyActive), and the rows that it puts in by itself.

CREATE TABLE "django_migrations" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "app" varchar(255) NOT NULL,
    "name" varchar(255) NOT NULL,
    "applied" datetime NOT NULL
);

CREATE TABLE "django_content_type" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "app_label" varchar(100) NOT NULL,
    "model" varchar(100) NOT NULL
);
CREATE UNIQUE INDEX "django_content_type_app_label_model_76bd3d3b_uniq"
    ON "django_content_type" ("app_label", "model");

CREATE TABLE "auth_permission" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "content_type_id" integer NOT NULL REFERENCES "django_content_type" ("id") DEFERRABLE INITIALLY DEFERRED,
    "codename" varchar(100) NOT NULL,
    "name" varchar(255) NOT NULL
);
CREATE UNIQUE INDEX "auth_permission_content_type_id_codename_01ab375a_uniq"
    ON "auth_permission" ("content_type_id", "codename");
CREATE INDEX "auth_permission_content_type_id_2f476e4b"
    ON "auth_permission" ("content_type_id");

CREATE TABLE "auth_group" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name" varchar(150) NOT NULL UNIQUE
);

CREATE TABLE "auth_group_permissions" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "group_id" integer NOT NULL REFERENCES "auth_group" ("id") DEFERRABLE INITIALLY DEFERRED,
    "permission_id" integer NOT NULL REFERENCES "auth_permission" ("id") DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX "auth_group_permissions_group_id_permission_id_0cd325b0_uniq"
    ON "auth_group_permissions" ("group_id", "permission_id");
CREATE INDEX "auth_group_permissions_group_id_b120cbf9"
    ON "auth_group_permissions" ("group_id");
CREATE INDEX "auth_group_permissions_permission_id_84c5c92e"
    ON "auth_group_permissions" ("permission_id");

CREATE TABLE "accounts_user" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "password" varchar(128) NOT NULL,
    "last_login" datetime NULL,
    "is_superuser" bool NOT NULL,
    "username" varchar(150) NOT NULL UNIQUE,
    "first_name" varchar(150) NOT NULL,
    "last_name" varchar(150) NOT NULL,
    "email" varchar(254) NOT NULL,
    "is_staff" bool NOT NULL,
    "is_active" bool NOT NULL,
    "date_joined" datetime NOT NULL,
    "last_activity" datetime NULL,
    "isCurrentlyActive" bool NOT NULL
);

CREATE TABLE "accounts_user_groups" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "user_id" bigint NOT NULL REFERENCES "accounts_user" ("id") DEFERRABLE INITIALLY DEFERRED,
    "group_id" integer NOT NULL REFERENCES "auth_group" ("id") DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX "accounts_user_groups_user_id_group_id_59c0b32f_uniq"
    ON "accounts_user_groups" ("user_id", "group_id");
CREATE INDEX "accounts_user_groups_user_id_52b62117"
    ON "accounts_user_groups" ("user_id");
CREATE INDEX "accounts_user_groups_group_id_bd11a704"
    ON "accounts_user_groups" ("group_id");

CREATE TABLE "accounts_user_user_permissions" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "user_id" bigint NOT NULL REFERENCES "accounts_user" ("id") DEFERRABLE INITIALLY DEFERRED,
    "permission_id" integer NOT NULL REFERENCES "auth_permission" ("id") DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX "accounts_user_user_permissions_user_id_permission_id_2ab516c2_uniq"
    ON "accounts_user_user_permissions" ("user_id", "permission_id");
CREATE INDEX "accounts_user_user_permissions_user_id_e4f0a161"
    ON "accounts_user_user_permissions" ("user_id");
CREATE INDEX "accounts_user_user_permissions_permission_id_113bb443"
    ON "accounts_user_user_permissions" ("permission_id");

CREATE TABLE "django_admin_log" (
    "id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "object_id" text NULL,
    "object_repr" varchar(200) NOT NULL,
    "action_flag" smallint unsigned NOT NULL CHECK ("action_flag" >= 0),
    "change_message" text NOT NULL,
    "content_type_id" integer NULL REFERENCES "django_content_type" ("id") DEFERRABLE INITIALLY DEFERRED,
    "user_id" bigint NOT NULL REFERENCES "accounts_user" ("id") DEFERRABLE INITIALLY DEFERRED,
    "action_time" datetime NOT NULL
);
CREATE INDEX "django_admin_log_content_type_id_c4bce8eb"
    ON "django_admin_log" ("content_type_id");
CREATE INDEX "django_admin_log_user_id_c564eba6"
    ON "django_admin_log" ("user_id");

CREATE TABLE "django_session" (
    "session_key" varchar(40) NOT NULL PRIMARY KEY,
    "session_data" text NOT NULL,
    "expire_date" datetime NOT NULL
);
CREATE INDEX "django_session_expire_date_a5c62663"
    ON "django_session" ("expire_date");

INSERT INTO "django_migrations" ("app", "name", "applied") VALUES
    ('contenttypes', '0001_initial', CURRENT_TIMESTAMP),
    ('contenttypes', '0002_remove_content_type_name', CURRENT_TIMESTAMP),
    ('auth', '0001_initial', CURRENT_TIMESTAMP),
    ('auth', '0002_alter_permission_name_max_length', CURRENT_TIMESTAMP),
    ('auth', '0003_alter_user_email_max_length', CURRENT_TIMESTAMP),
    ('auth', '0004_alter_user_username_opts', CURRENT_TIMESTAMP),
    ('auth', '0005_alter_user_last_login_null', CURRENT_TIMESTAMP),
    ('auth', '0006_require_contenttypes_0002', CURRENT_TIMESTAMP),
    ('auth', '0007_alter_validators_add_error_messages', CURRENT_TIMESTAMP),
    ('auth', '0008_alter_user_username_max_length', CURRENT_TIMESTAMP),
    ('auth', '0009_alter_user_last_name_max_length', CURRENT_TIMESTAMP),
    ('auth', '0010_alter_group_name_max_length', CURRENT_TIMESTAMP),
    ('auth', '0011_update_proxy_permissions', CURRENT_TIMESTAMP),
    ('auth', '0012_alter_user_first_name_max_length', CURRENT_TIMESTAMP),
    ('accounts', '0001_initial', CURRENT_TIMESTAMP),
    ('admin', '0001_initial', CURRENT_TIMESTAMP),
    ('admin', '0002_logentry_remove_auto_add', CURRENT_TIMESTAMP),
    ('admin', '0003_logentry_add_action_flag_choices', CURRENT_TIMESTAMP),
    ('sessions', '0001_initial', CURRENT_TIMESTAMP);

INSERT INTO "django_content_type" ("app_label", "model") VALUES
    ('admin', 'logentry'),
    ('auth', 'permission'),
    ('auth', 'group'),
    ('contenttypes', 'contenttype'),
    ('sessions', 'session'),
    ('accounts', 'user');

-- Four permissions for each kind of thing, in the words of Django's own names.
INSERT INTO "auth_permission" ("content_type_id", "codename", "name")
SELECT "kind"."id", "deed"."column1" || '_' || "kind"."model",
    'Can ' || "deed"."column1" || ' ' || CASE "kind"."model"
        WHEN 'logentry' THEN 'log entry' WHEN 'contenttype' THEN 'content type' ELSE "kind"."model" END
FROM "django_content_type" AS "kind", (VALUES ('add'), ('change'), ('delete'), ('view')) AS "deed"
ORDER BY "kind"."id", "deed"."column1";

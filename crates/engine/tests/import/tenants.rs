//! Projects of django-tenants: how many tenants there are, and where their users and sessions are. The tenants are read
//! from the project's own database, on the tests' PostgreSQL.

use crate::project::{Django, Shop};

const TENANTS: &str = r#"
import os
from urllib.parse import urlsplit, unquote
at = urlsplit(os.environ["CURFEW_TEST_POSTGRES"])
DATABASES = {"default": {"ENGINE": "django_tenants.postgresql_backend", "NAME": DATABASE, "HOST": at.hostname,
    "PORT": at.port, "USER": unquote(at.username or ""), "PASSWORD": unquote(at.password or "")}}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
TENANT_MODEL = "shop.Client"
TENANT_DOMAIN_MODEL = "shop.Domain"
DJANGO = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
SHARED_APPS = ["django_tenants", "shop"] + DJANGO
INSTALLED_APPS = SHARED_APPS
"#;

const MODELS: &str = r#"
from django.db import models
from django_tenants.models import DomainMixin, TenantMixin

class Client(TenantMixin):
    auto_create_schema = False

class Domain(DomainMixin):
    pass
"#;

const ALL: &str =
    "[\"django.contrib.contenttypes\", \"django.contrib.auth\", \"django.contrib.sessions\"]";

/// A project whose tenants have these apps of their own.
fn shop(database: &str, apps: &str, more: &str) -> Shop {
    let settings = format!("DATABASE = {database:?}\n{TENANTS}\nTENANT_APPS = {apps}\n{more}");
    Shop::new(Django::V52, &settings).file("shop/models.py", MODELS)
}

/// A database with the tenants `acme` and `beta`, dropped at the end.
struct Tenants(sqlx::PgPool, String);

impl Tenants {
    async fn make() -> Self {
        let address = std::env::var("CURFEW_TEST_POSTGRES").unwrap();
        let admin = sqlx::PgPool::connect(&address).await.unwrap();
        let name = format!("tenants_{}", std::process::id());
        let run = |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
        run(format!("DROP DATABASE IF EXISTS {name}"))
            .execute(&admin)
            .await
            .unwrap();
        run(format!("CREATE DATABASE {name}"))
            .execute(&admin)
            .await
            .unwrap();
        let mut own = url::Url::parse(&address).unwrap();
        own.set_path(&name);
        let database = sqlx::PgPool::connect(own.as_str()).await.unwrap();
        run(
            "CREATE TABLE shop_client (id serial PRIMARY KEY, schema_name varchar(63)); \
             INSERT INTO shop_client (schema_name) VALUES ('public'), ('beta'), ('acme')"
                .into(),
        )
        .execute(&database)
        .await
        .unwrap();
        database.close().await;
        Self(admin, name)
    }

    async fn drop(self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.1);
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&self.0)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn tenants_are_sites_of_their_own_or_refused() {
    let tenants = Tenants::make().await;
    let database = &tenants.1;
    let many = shop(database, ALL, "");
    many.taken()
        .await
        .is("tenants", "2 tenants (acme, beta)")
        .no("schema")
        .notes("--schema NAME");
    let one = many.asked().await.unwrap();
    assert_eq!(one.schemas(), ["acme", "beta"]);
    assert!(one.tenants().unwrap().contains("2 tenants"));
    let acme = one.in_schema("acme").unwrap().view();
    assert!(
        acme.rows
            .iter()
            .any(|row| row.what == "schema" && row.value == "acme")
    );
    assert!(
        one.in_schema("gamma")
            .unwrap_err()
            .message
            .contains("acme, beta")
    );

    // Users and sessions that all share are one site.
    let apps = "[\"django.contrib.contenttypes\"]";
    shop(database, apps, "")
        .taken()
        .await
        .is("schema", "public");
    // Sessions that tenants share while each has its own users.
    let apps = "[\"django.contrib.contenttypes\", \"django.contrib.auth.apps.AuthConfig\"]";
    let error = shop(database, apps, "").ask().await.unwrap_err();
    assert!(
        error.message.contains("2 tenants (acme, beta)"),
        "{}",
        error.message
    );
    assert!(error.message.contains("TENANT_APPS"), "{}", error.message);
    // So in a cache whose keys do not bear the tenant.
    let cache = "SESSION_ENGINE = 'django.contrib.sessions.backends.cache'\n\
                 CACHES = {'default': {'BACKEND': 'django.core.cache.backends.redis.RedisCache',\n\
                 'LOCATION': 'redis://c:6380/2', KEYS}}";
    let error = shop(database, ALL, &cache.replace(", KEYS", ""))
        .ask()
        .await
        .unwrap_err();
    assert!(error.message.contains("KEY_FUNCTION"), "{}", error.message);
    let keys = ", 'KEY_FUNCTION': 'django_tenants.cache.make_key'";
    let own = shop(database, ALL, &cache.replace(", KEYS", keys));
    own.taken().await.is("tenants", "2 tenants (acme, beta)");
    tenants.drop().await;
}

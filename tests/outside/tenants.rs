//! `curfew site add` on a project of django-tenants: a site per tenant, each with its own users and sessions.

use serde_json::json;

use crate::harness::{Django, Engine, Shaped, listed, names};

const MANAGE: &str = "import os, sys\n\
    sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.environ['SITE_FOLDER']]\n\
    os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'\n\
    from django.core.management import execute_from_command_line\n\
    execute_from_command_line(sys.argv)\n";

const SETTINGS: &str = "import os\n\
    from conf import databases\n\
    SECRET_KEY = os.environ['SITE_SECRET_KEY']\n\
    DATABASES = {'default': dict(databases.named('SITE'), ENGINE='django_tenants.postgresql_backend')}\n\
    DATABASE_ROUTERS = ['django_tenants.routers.TenantSyncRouter']\n\
    TENANT_MODEL, TENANT_DOMAIN_MODEL = 'shop.Client', 'shop.Domain'\n\
    TENANT_APPS = ['django.contrib.contenttypes', 'django.contrib.auth', 'django.contrib.sessions', 'shapes']\n\
    SHARED_APPS = ['django_tenants', 'shop'] + TENANT_APPS\n\
    INSTALLED_APPS = SHARED_APPS\n\
    AUTH_USER_MODEL = 'shapes.User'\n\
    DEFAULT_AUTO_FIELD = 'django.db.models.BigAutoField'\n\
    USE_TZ = True\n";

const MODELS: &str = "from django_tenants.models import DomainMixin, TenantMixin\n\
    class Client(TenantMixin):\n    auto_create_schema = False\n\
    class Domain(DomainMixin):\n    pass\n";

#[tokio::test]
async fn each_tenant_is_a_site_of_its_own() {
    let site = Shaped::empty(Engine::Postgres, "int").await;
    for (schema, user) in [("acme", "ann"), ("beta", "bob")] {
        let asked = json!({
            "schema": schema,
            "users": {"root": {"id": 1}, user: {"id": 2}},
            "sessions": [["root", "root", null, null], ["other", user, null, null]],
        });
        site.make(&asked).await;
    }
    site.db
        .execute(
            "CREATE TABLE shop_client (id serial PRIMARY KEY, schema_name varchar(63)); \
             INSERT INTO shop_client (schema_name) VALUES ('public'), ('beta'), ('acme')",
        )
        .await;
    let project = site.folder("project");
    std::fs::create_dir_all(project.join("shop")).unwrap();
    for (file, text) in [
        ("manage.py", MANAGE),
        ("shop/__init__.py", ""),
        ("shop/settings.py", SETTINGS),
        ("shop/models.py", MODELS),
    ] {
        std::fs::write(project.join(file), text).unwrap();
    }
    let curfew = site.beside();
    let (python, project) = (Django::V52.python(), project.display().to_string());
    let add = [
        "site", "add", "--django", &project, "--python", &python, "--name", "shop",
    ];

    // The project's answer says how many there are, and what to type.
    let ran = curfew.json(&add).await;
    let (code, message) = ran.error();
    assert_eq!(code, "ambiguous", "{message}");
    for words in ["2 tenants (acme, beta)", "--schema acme", "--all-schemas"] {
        assert!(message.contains(words), "{message}");
    }
    let ran = curfew
        .json(&[&add[..], &["--schema", "gamma"]].concat())
        .await;
    assert_eq!(ran.error().0, "config");
    let added = curfew.done(&[&add[..], &["--all-schemas"]].concat()).await;
    assert_eq!(added["tenants"], json!(["acme", "beta"]));
    for (number, name) in ["shop.acme", "shop.beta"].into_iter().enumerate() {
        let one = &added["sites"][number];
        assert_eq!(
            (&one["name"], &one["signed_in"]),
            (&json!(name), &json!(2)),
            "{one:#}"
        );
    }
    let users = curfew.done(&["--site", "shop.beta", "users"]).await;
    assert_eq!(names(&users), listed(["bob", "root"]));
    let users = curfew.done(&["--site", "shop.acme", "users"]).await;
    assert_eq!(names(&users), listed(["ann", "root"]));
    let one = curfew
        .done(&[&add[..], &["--schema", "beta", "--dry-run"]].concat())
        .await;
    assert_eq!(one["name"], "shop");
}

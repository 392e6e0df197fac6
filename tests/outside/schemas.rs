//! Several schemas in one PostgreSQL database: sessions and users of one schema are one site, and never another's.

use serde_json::{Value, json};

use crate::harness::{Engine, Shaped, listed, names, whose};

fn site_of(schema: Option<&str>, other: &str) -> Value {
    json!({
        "schema": schema,
        "users": {"root": {"id": 1, "is_superuser": true}, other: {"id": 2}},
        "sessions": [["root", "root", null, null], ["other", other, null, null]],
    })
}

/// A database with a site in `public` and another in `acme`.
async fn two_sites() -> (Shaped, Value, Value) {
    let site = Shaped::empty(Engine::Postgres, "int").await;
    let public = site.make(&site_of(None, "pam")).await;
    let acme = site.make(&site_of(Some("acme"), "ann")).await;
    (site, public, acme)
}

fn name(names: &Value, made: &Value, label: &str) -> Value {
    names[made["keys"][label].as_str().unwrap()].clone()
}

#[tokio::test]
async fn of_two_schemas_the_named_one_is_the_site() {
    let (site, public, acme) = two_sites().await;
    // Nobody said which one: the remedy works as it is typed.
    let ran = site.curfew().json(&["users"]).await;
    assert_eq!(ran.status, 1, "{ran:#?}");
    let (code, message) = ran.error();
    assert_eq!(code, "ambiguous");
    assert!(message.contains("acme, public"), "{message}");
    assert!(message.contains("--schema acme"), "{message}");
    let (of_acme, of_public) = (listed(["ann", "root"]), listed(["pam", "root"]));
    let curfew = site.curfew();
    assert_eq!(
        names(&curfew.done(&["--schema", "acme", "users"]).await),
        of_acme
    );
    assert_eq!(
        names(&curfew.done(&["users", "--schema", "public"]).await),
        of_public
    );
    let ran = curfew.json(&["--schema", "beta", "users"]).await;
    assert_eq!((ran.status, ran.error().0.as_str()), (2, "config"));

    // A search path in the address decides.
    for query in [
        "options=-csearch_path%3Dacme",
        "options=-c%20search_path%3Dacme,public",
        "search_path=acme,public",
        "currentSchema=acme",
    ] {
        let url = format!("{}?{query}", site.db.url());
        assert_eq!(
            names(&site.at(&url).done(&["users"]).await),
            of_acme,
            "{query}"
        );
    }

    // An engine in the configuration says nothing of the schema.
    let engine = "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n{schema}\
                  [site.sessions]\nengine = \"django.contrib.sessions.backends.db\"\n";
    let ran = site
        .configured(&engine.replace("{schema}", ""))
        .json(&["users"])
        .await;
    assert_eq!(ran.error().0, "ambiguous");
    let curfew = site.configured(&engine.replace("{schema}", "schema = \"acme\"\n"));
    assert_eq!(names(&curfew.done(&["users"]).await), of_acme);
    let out = curfew.done(&["logout", "root"]).await;
    assert_eq!(
        (&out["outcome"], &out["sessions_deleted"]),
        (&json!("signed_out"), &json!(1))
    );
    let in_acme = site.names(&whose(&acme, Some("acme"))).await;
    assert_eq!(name(&in_acme, &acme, "root"), Value::Null);
    assert_eq!(name(&in_acme, &acme, "other"), "ann");
    let in_public = site.names(&whose(&public, None)).await;
    assert_eq!(name(&in_public, &public, "root"), "root");

    // So does a search path of the role's own.
    let database = site.db.texts("SELECT current_database()::text").await;
    let role = format!(
        "ALTER ROLE curfew_guest IN DATABASE {} SET search_path = acme",
        database[0]
    );
    site.db.execute(&role).await;
    assert_eq!(
        names(&site.curfew().done(&["users"]).await),
        listed(["ann"])
    );

    // Sessions that schemas share name nobody for sure, whichever schema is meant.
    let shared = "ALTER ROLE curfew_guest IN DATABASE {db} RESET search_path; DROP TABLE acme.django_session; \
                  CREATE TABLE acme.django_migrations (id integer)";
    site.db.execute(&shared.replace("{db}", &database[0])).await;
    let acme = format!("{}?search_path=acme,public", site.db.url());
    for (curfew, args) in [
        (site.curfew(), vec!["users"]),
        (site.curfew(), vec!["--schema", "public", "users"]),
        (site.curfew(), vec!["--schema", "acme", "users"]),
        (site.at(&acme), vec!["users"]),
    ] {
        let ran = curfew.json(&args).await;
        let (code, message) = ran.error();
        assert_eq!(code, "ambiguous", "{args:?}");
        assert!(message.contains("shared"), "{message}");
    }
}

#[tokio::test]
async fn an_archive_of_the_sessions_is_not_the_site() {
    let site = Shaped::empty(Engine::Postgres, "int").await;
    let made = site.make(&site_of(None, "pam")).await;
    // Its schema sorts first, and the role's search path begins with one of the role's name.
    for schema in ["aaa", "curfew_guest"] {
        site.db
            .execute(&format!(
                "CREATE SCHEMA {schema}; CREATE TABLE {schema}.django_session AS SELECT * FROM django_session; \
                 GRANT USAGE ON SCHEMA {schema} TO curfew_guest; \
                 GRANT SELECT, DELETE ON {schema}.django_session TO curfew_guest"
            ))
            .await;
    }
    let bare = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\n[site.users]\ntable = \"shapes_user\"\n\
         [site.sessions]\ntable = \"django_session\"\n",
    );
    assert_eq!(names(&bare.done(&["users"]).await), listed(["pam", "root"]));
    let curfew = site.curfew();
    assert_eq!(
        names(&curfew.done(&["users"]).await),
        listed(["pam", "root"])
    );
    assert_eq!(
        curfew.done(&["logout", "root"]).await["sessions_deleted"],
        1
    );
    let after = site.names(&whose(&made, None)).await;
    assert_eq!(name(&after, &made, "root"), Value::Null);
    assert_eq!(name(&after, &made, "other"), "pam");
    assert_eq!(
        site.db.int("SELECT count(*) FROM aaa.django_session").await,
        2
    );
}

#[tokio::test]
async fn on_mysql_the_addresss_database_is_the_site_beside_another() {
    let site = Shaped::empty(Engine::Mysql, "int").await;
    site.make(&site_of(None, "pam")).await;
    let other = Shaped::empty(Engine::Mysql, "int").await;
    other.make(&site_of(None, "ann")).await;
    assert_eq!(
        names(&site.curfew().done(&["users"]).await),
        listed(["pam", "root"])
    );
    let database = other.db.texts("SELECT DATABASE()").await.remove(0);
    let curfew = site.curfew();
    let named = curfew.done(&["users", "--schema", &database]).await;
    assert_eq!(names(&named), listed(["ann", "root"]));
    // The users of one database and the sessions of another: only if both are named.
    let users = format!(
        "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\n[site.users]\ntable = \"{database}.shapes_user\"\n"
    );
    let both = format!("{users}[site.sessions]\ntable = \"django_session\"\n");
    let document = site.configured(&both).done(&["users"]).await;
    assert_eq!(names(&document), listed(["ann", "root"]));
}

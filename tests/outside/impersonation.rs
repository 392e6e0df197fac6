//! Impersonation with the real packages: root acts as ben. Such a session belongs to both.

use serde_json::{Value, json};

use crate::harness::{
    Browser, Cache, Django, Engine, Seeded, SessionEngine, Site, active, names, of, overdue, person,
};

/// The path of a form, and its fields.
type Form = (String, Vec<(&'static str, String)>);

/// How each package begins an impersonation and ends it.
struct Package {
    name: &'static str,
    begin: fn(&str) -> Form,
    end: &'static str,
    /// Ends with a GET.
    by_get: bool,
}

const PACKAGES: [Package; 4] = [
    Package {
        name: "hijack",
        begin: |ben| ("hijack/acquire/".into(), vec![("user_pk", ben.into())]),
        end: "hijack/release/",
        by_get: false,
    },
    Package {
        name: "loginas",
        begin: |ben| (format!("loginas/login/user/{ben}/"), vec![]),
        end: "loginas/logout/",
        by_get: true,
    },
    Package {
        name: "impersonate",
        begin: |ben| (format!("impersonate/{ben}/"), vec![]),
        end: "impersonate/stop/",
        by_get: true,
    },
    Package {
        name: "su",
        begin: |ben| (format!("su/{ben}/"), vec![]),
        end: "su/",
        by_get: true,
    },
];

impl Package {
    fn root(&self) -> String {
        format!("root-{}", self.name)
    }

    fn ben(&self) -> String {
        format!("ben-{}", self.name)
    }

    /// A browser in which this package's root acts as its ben.
    async fn acting(&self, site: &Site, people: &Seeded) -> Browser {
        let mut browser = site.sign_in(&self.root()).await;
        let (path, form) = (self.begin)(&people.id(&self.ben()));
        let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let status = browser.submit(&path, &form).await;
        assert!(status.is_redirection(), "{}: {status}", self.name);
        assert_eq!(browser.whoami().await, Some(self.ben()));
        browser
    }

    async fn release(&self, browser: &mut Browser) {
        match self.by_get {
            true => {
                browser.get(self.end).await;
            }
            false => {
                browser.submit(self.end, &[]).await;
            }
        }
    }
}

async fn site_on(engine: Engine, sessions: SessionEngine) -> (Site, Seeded) {
    let mut plan = Site::on(Django::V52, engine)
        .sessions(sessions)
        .setting("SITE_WAYS", "1");
    if sessions.has_cache() {
        plan = plan.cache(Cache::Redis);
    }
    let site = plan.start().await;
    site.migrate().await;
    let mut people = vec![active("cem")];
    for package in &PACKAGES {
        people.push(person(&package.root()).superuser());
        people.push(person(&package.ben()));
    }
    let seeded = site.seed(&people).await;
    (site, seeded)
}

fn acting(document: &Value) -> Vec<String> {
    let sessions = document["sessions"].as_array().unwrap();
    let pairs = sessions.iter().filter(|s| !s["impersonator"].is_null());
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    pairs
        .map(|s| format!("{} as {}", word(&s["impersonator"]), word(&s["acts_as"])))
        .collect()
}

async fn each_package_on(engine: Engine, sessions: SessionEngine) {
    let (site, people) = site_on(engine, sessions).await;
    let curfew = site.curfew();
    for (round, signed_out) in [Package::root, Package::ben].into_iter().enumerate() {
        let mut browsers = Vec::new();
        for package in &PACKAGES {
            let mut browser = package.acting(&site, &people).await;
            if round == 0 {
                // The oracle: releasing the session gives root back, without a password.
                package.release(&mut browser).await;
                assert_eq!(browser.whoami().await, Some(package.root()));
                browser.get("logout").await;
                browser = package.acting(&site, &people).await;
            }
            browsers.push(browser);
        }
        let users = curfew.run(&["users"]).await.stdout;
        let mut command = vec!["logout".to_owned()];
        for package in &PACKAGES {
            let pair = format!("{} as {}", package.root(), package.ben());
            assert!(
                users.contains(&format!("Impersonation: {pair}.")),
                "{users}"
            );
            for shown in [package.root(), package.ben()] {
                let document = curfew.done(&["sessions", &shown]).await;
                assert_eq!(acting(&document), std::slice::from_ref(&pair), "{document}");
            }
            command.push(signed_out(package));
        }

        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let report = curfew.json(&command).await.document();

        for (package, browser) in PACKAGES.iter().zip(&mut browsers) {
            assert_eq!(browser.whoami().await, None, "{}: {report}", package.name);
            package.release(browser).await;
            assert_eq!(browser.whoami().await, None, "{}: {report}", package.name);
        }
        let logouts = report["logouts"].as_array().unwrap();
        assert!(
            logouts.iter().all(|one| one["sessions_deleted"] == 1),
            "{report}"
        );
    }
    // Nobody else's session went.
    let others = curfew.done(&["sessions", "cem"]).await;
    assert_eq!(others["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_sign_out_ends_the_sessions_in_which_the_user_acts_as_somebody_else() {
    // Pickles in Redis, and rows on each database.
    tokio::join!(
        each_package_on(Engine::Postgres, SessionEngine::Db),
        each_package_on(Engine::Sqlite, SessionEngine::Db),
        each_package_on(Engine::Mysql, SessionEngine::Db),
        each_package_on(Engine::Postgres, SessionEngine::Cache),
    );
}

/// The activity column is written for ben while root acts as him, so root's own column is old.
#[tokio::test]
async fn a_user_who_is_at_work_as_somebody_else_is_active() {
    let (site, people) = site_on(Engine::Postgres, SessionEngine::Db).await;
    let acting = json!({
        "saved_age": 9000,
        "data": {"_impersonate": people.id("ben-impersonate").parse::<i64>().unwrap()},
    });
    let root = overdue("root")
        .superuser()
        .no_session()
        .session_with(acting);
    let seeded = site.seed(&[root, overdue("dee")]).await;
    let mut browser = site.browser(&seeded.key("root"));
    assert_eq!(browser.whoami().await.as_deref(), Some("ben-impersonate"));

    // With django-hijack the session is ben's. root has no other, and the flag is up. ben was last here two hours ago.
    let hijack = &PACKAGES[0];
    let mut hijacked = hijack.acting(&site, &people).await;
    for (user, columns) in [
        ("root-hijack", "\"isCurrentlyActive\" = true"),
        ("ben-hijack", "\"isCurrentlyActive\" = false"),
    ] {
        site.db
            .execute(&format!(
                "UPDATE accounts_customuser SET {columns} WHERE username = '{user}'"
            ))
            .await;
    }
    let users = site.curfew().done(&["users"]).await;
    for name in ["root", "root-hijack"] {
        let root = of(&users, name);
        assert_eq!(root["state"], "active", "{root:#}");
        assert_eq!(root["sessions"], 1, "{root:#}");
    }

    let report = site.curfew().done(&["sweep"]).await;

    assert_eq!(names(&report), ["dee"], "{report:#}");
    assert!(
        site.flagged().await.contains(&"root-hijack".to_owned()),
        "the flag of a user at work stays"
    );
    assert_eq!(browser.whoami().await.as_deref(), Some("ben-impersonate"));
    assert_eq!(hijacked.whoami().await, Some(hijack.ben()));
}

/// root is exempt, so the session in which root acts as ben stays, however long ago that was.
#[tokio::test]
async fn a_sweep_leaves_the_session_of_an_exempt_impersonator() {
    let site = Site::start().await;
    let root = person("root").superuser();
    let root = site.seed(&[root]).await.id("root");
    let acting = json!({"saved_age": 7300, "data": {"hijack_history": [root]}});
    let ben = overdue("ben").no_session().session_with(acting.clone());
    let seeded = site.seed(&[ben, overdue("dee")]).await;
    let toml = |superusers: bool| {
        format!(
            "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\narmed = true\n\
             [site.activity]\nactivity_grain = \"1m\"\n[site.sessions]\nengine = \"django.contrib.sessions.backends.db\"\n\
             [site.policy]\nexempt = {{ superusers = {superusers} }}\n"
        )
    };
    let report = site.configured(&toml(true)).done(&["sweep"]).await;
    assert_eq!(names(&report), ["dee"], "{report:#}");
    assert_eq!(report["skipped"][0]["username"], "ben", "{report:#}");
    assert_eq!(site.names(&seeded.keys("ben")).await, [Some("ben".into())]);
    // Without the exemption it is as old as every other.
    let report = site.configured(&toml(false)).done(&["sweep"]).await;
    assert_eq!(names(&report), ["ben"], "{report:#}");
}

/// The site renamed the key under which django-loginas keeps the administrator.
#[tokio::test]
async fn a_renamed_key_is_read_under_its_name() {
    let site = Site::on(Django::V52, Engine::Postgres)
        .setting("SITE_WAYS", "1")
        .setting("SITE_LOGINAS_KEY", "acted_by")
        .start()
        .await;
    site.migrate().await;
    let package = &PACKAGES[1];
    let people = [person(&package.root()).superuser(), person(&package.ben())];
    let people = site.seed(&people).await;
    let mut browser = package.acting(&site, &people).await;
    let curfew = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\n[site.sessions]\n\
         engine = \"django.contrib.sessions.backends.db\"\nloginas_key = \"acted_by\"\n",
    );
    let shown = curfew.done(&["sessions", &package.root()]).await;
    let pair = format!("{} as {}", package.root(), package.ben());
    assert_eq!(acting(&shown), [pair], "{shown:#}");
    curfew.done(&["logout", &package.root()]).await;
    assert_eq!(browser.whoami().await, None);
    package.release(&mut browser).await;
    assert_eq!(browser.whoami().await, None);
}

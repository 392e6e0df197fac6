//! The users and the commands that the configuration names.

use super::*;

#[tokio::test]
async fn a_name_that_no_user_has_fails_a_check() {
    let ground = Ground::new().await;
    let name = ground
        .open(ground.config())
        .await
        .users(&everyone(Filter::Everyone))
        .rows[0]
        .username
        .clone();
    let capital = name.to_uppercase();
    let mut config = ground.config();
    config.own_username = Some(name.clone());
    let check = ground
        .check(config.clone(), "names in the configuration")
        .await;
    assert!(check.ok, "{check:?}");

    config.policy.exempt.usernames = vec![capital.clone(), "no.such.user".into()];
    let check = ground
        .check(config.clone(), "names in the configuration")
        .await;
    assert!(!check.ok, "{check:?}");
    for part in [
        format!("exempt names {capital:?}, which no user has; the site has {name:?}"),
        "exempt names \"no.such.user\", which no user has".into(),
    ] {
        assert!(check.detail.contains(&part), "{check:?}");
    }
}

#[tokio::test]
async fn names_are_compared_as_the_database_compares_them() {
    let ground = Ground::new().await;
    let person = ground.site().await.users(&everyone(Filter::Everyone)).rows[0].clone();
    let mut config = ground.config();
    config.policy.exempt.usernames = vec![person.username.to_uppercase()];
    let exempt = async |config: &SiteConfig| {
        let site = ground.open(config.clone()).await;
        site.user(&person.id).unwrap().user.exempt
    };
    assert_eq!(exempt(&config).await, None);

    let plain = "\"username\" varchar(150)";
    ground
        .execute(&format!(
            "PRAGMA writable_schema = ON;
             UPDATE sqlite_master SET sql = replace(sql, '{plain}', '{plain} COLLATE NOCASE')
             WHERE name = 'accounts_user';"
        ))
        .await;
    let check = ground
        .check(config.clone(), "names in the configuration")
        .await;
    assert!(check.ok, "{check:?}");
    assert_eq!(exempt(&config).await.as_deref(), Some("exempt by name"));

    config.own_username = Some(person.username.to_uppercase());
    let site = ground.open(config).await;
    let mine = site.logout(&person.id, None, &How::default()).await;
    assert_eq!(mine.unwrap_err().code, Code::OwnAccount);
}

#[cfg(unix)]
#[tokio::test]
async fn a_check_of_the_tables_runs_no_command() {
    let ground = Ground::new().await;
    let runs = ground.folder.path().join("runs");
    let mut config = ground.config();
    config.secret_key = None;
    config.secret_key_command = Some(format!("echo k >> '{0}'; echo key", runs.display()));
    let site = ground.open(config.clone()).await;
    for _ in 0..2 {
        assert!(site.tables_moved(&config).await.unwrap().is_empty());
    }
    assert_eq!(std::fs::read_to_string(&runs).unwrap(), "k\n");
}

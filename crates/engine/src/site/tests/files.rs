//! A site with a file a session, in a real folder: seen, judged, swept and signed out like any other.

use std::collections::BTreeMap;

use super::*;
use crate::logout::How;

const FILES: &str = "django.contrib.sessions.backends.file";

/// Takes the demo's sessions out of its table and into files, each as old as its save.
async fn into_files(ground: &Ground) -> SiteConfig {
    let folder = ground.folder.path().join("sessions");
    std::fs::create_dir(&folder).unwrap();
    let keys = ground.keys().await;
    let data = ground
        .texts("SELECT session_data FROM django_session ORDER BY session_key")
        .await;
    for (key, data) in keys.iter().zip(data) {
        let path = folder.join(format!("sessionid{key}"));
        std::fs::write(&path, &data).unwrap();
        if let Ok(session) = crate::django::session::decode(&data, None)
            && let Some(saved) = session.last_saved
        {
            let file = std::fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(saved.into()).unwrap();
        }
    }
    ground.execute("DROP TABLE django_session").await;
    let mut config = ground.config();
    config.sessions.engine = FILES.into();
    config.sessions.path = Some(folder);
    config
}

/// The files and what is in them.
fn files(config: &SiteConfig) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(config.sessions.path.as_ref().unwrap()).unwrap();
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn the_same_people_are_seen_as_in_the_table() {
    let ground = Ground::new().await;
    // A number of seconds that the site set runs out in the table, and never in a file.
    ground
        .execute("DELETE FROM django_session WHERE expire_date < datetime('now')")
        .await;
    let table = ground.site().await.view().counts;
    let config = into_files(&ground).await;
    let before = files(&config);
    let site = ground.open(config.clone()).await;
    let counts = site.view().counts;
    assert_eq!(
        (
            counts.signed_in,
            counts.active,
            counts.idle,
            counts.overdue,
            counts.stale
        ),
        (
            table.signed_in,
            table.active,
            table.idle,
            table.overdue,
            table.stale
        )
    );
    assert_eq!(site.view().sign_out_refused, None);
    assert_eq!(files(&config), before);
    let engine = ground.check(config.clone(), "session engine").await;
    assert!(
        engine.ok && engine.detail.contains("sessions/sessionidKEY"),
        "{engine:?}"
    );
    assert!(ground.check(config, "session folder").await.ok);
}

#[tokio::test]
async fn a_logout_removes_the_files_and_a_sweep_those_of_the_overdue() {
    let ground = Ground::new().await;
    let config = into_files(&ground).await;
    let before = files(&config);
    let site = ground.open(config.clone()).await;
    let person = somebody(&site, Filter::Active);
    let report = site
        .logout(&person.id, None, &How::default())
        .await
        .unwrap();
    assert!(report.verified && report.flag_cleared);
    let after = files(&config);
    assert_eq!(before.len() - after.len(), person.sessions as usize);
    assert_eq!(report.sessions_deleted, person.sessions);

    let preview = site.preview().await.unwrap();
    let report = site.sweep(false).await.unwrap();
    assert!(report.verified && !report.users.is_empty());
    assert_eq!(who(&report), who(&preview));
    let left = files(&config);
    assert_eq!(after.len() - left.len(), report.sessions_deleted as usize);
    assert!(
        left.iter()
            .all(|(name, data)| before.get(name) == Some(data))
    );
    assert_eq!(site.view().counts.overdue, 0);
}

#[tokio::test]
async fn a_folder_that_goes_is_an_error_that_names_it_and_no_sweep() {
    let ground = Ground::new().await;
    let config = into_files(&ground).await;
    let site = ground.open(config.clone()).await;
    let folder = config.sessions.path.clone().unwrap();
    std::fs::rename(&folder, ground.folder.path().join("elsewhere")).unwrap();
    let error = site.look().await.unwrap_err();
    assert!(error.message.contains("sessions"), "{error}");
    assert!(
        site.view().counts.sessions > 0,
        "the last picture stays on show"
    );
    let person = somebody(&site, Filter::Overdue);
    assert_eq!(site.sweep(true).await.unwrap_err().code, Code::NotPossible);
    let logout = site.logout(&person.id, None, &How::default()).await;
    assert_eq!(logout.unwrap_err().code, Code::NotPossible);
    assert!(ground.entries().is_empty());
}

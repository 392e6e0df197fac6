//! With the SECRET_KEY, what Django itself would not accept does not count as signed in.

use serde_json::Value;

use crate::harness::{
    Curfew, Django, Engine, Plan, Site, active, fingerprint, names, of, overdue, person,
};

crate::on_each_site! {
    a_forged_row_is_nobody
    a_changed_password_has_ended_the_session
}

fn knowing(site: &Site) -> Curfew {
    site.curfew().env("CURFEW_SECRET_KEY", &site.secret_key)
}

async fn a_forged_row_is_nobody(plan: Plan) {
    let site = plan.start().await;
    let seeded = site.seed(&[active("ana"), active("ben").session(10)]).await;
    // The last character of the signature, turned.
    let forged = seeded.keys("ben").remove(1);
    site.db
        .execute(&format!(
            "UPDATE django_session SET session_data = substr(session_data, 1, length(session_data) - 2) || \
             CASE WHEN substr(session_data, length(session_data) - 1) = 'AA' THEN 'BB' ELSE 'AA' END \
             WHERE session_key = '{forged}'"
        ))
        .await;
    assert_eq!(
        site.names(std::slice::from_ref(&forged)).await,
        [None],
        "so says Django"
    );

    let document = knowing(&site).done(&["users"]).await;
    assert_eq!(of(&document, "ben")["sessions"], 1);
    assert_eq!(document["counts"]["sessions"], 2);
    let document = knowing(&site).done(&["sessions", "ben"]).await;
    let session = find(&document, &forged);
    assert_eq!(session["signature"], "invalid");
    assert_eq!(session["usable"], false);
    // Without the key nobody can know, and it says so.
    let document = site.curfew().done(&["sessions", "ben"]).await;
    assert_eq!(find(&document, &forged)["signature"], "unchecked");
}

fn find<'a>(document: &'a Value, key: &str) -> &'a Value {
    let mark = fingerprint(key);
    let sessions = document["sessions"].as_array().unwrap();
    let found = sessions.iter().find(|s| s["fingerprint"] == mark);
    found.unwrap_or_else(|| panic!("{mark} is not in {document:#}"))
}

async fn a_changed_password_has_ended_the_session(plan: Plan) {
    let site = plan.start().await;
    site.seed(&[person("ana"), active("ben")]).await;
    let mut laptop = site.sign_in("ana").await;
    let mut phone = site.sign_in("ana").await;
    phone.whoami().await;
    laptop.change_password("battery staple").await;
    let document = knowing(&site).done(&["users"]).await;
    assert_eq!(of(&document, "ben")["state"], "active");
    // Flagged as here by their last request, and no session that Django accepts.
    assert_eq!(of(&document, "ana")["state"], "stale");
    assert_eq!(document["counts"]["signed_in"], 1);
    let document = site.curfew().done(&["users"]).await;
    assert_eq!(
        of(&document, "ana")["sessions"],
        2,
        "without the key both look usable"
    );
}

#[tokio::test]
async fn a_key_that_was_changed_still_verifies_as_a_fallback() {
    let site = Site::start().await;
    site.seed(&[active("ana")]).await;
    // The command prints the key of today, and below it those that still count.
    let old = &site.secret_key;
    let curfew = site.configured(&format!(
        "[[site]]\nname = \"shop\"\nurl = \"{{url}}\"\n\
         secret_key_command = \"printf '%s\\\\n' new-key {old}\"\n"
    ));
    let document = curfew.done(&["sessions", "ana"]).await;
    assert_eq!(document["sessions"][0]["signature"], "verified");
}

#[tokio::test]
async fn a_key_of_another_site_signs_nobody_out() {
    for engine in [Engine::Postgres, Engine::Sqlite] {
        let site = Site::on(Django::V52, engine).start().await;
        site.seed(&[active("ana"), overdue("cem"), overdue("dee")])
            .await;
        let before = site.checksums().await;
        let curfew = site
            .curfew()
            .env("CURFEW_SECRET_KEY", "the key of another site");
        let ran = curfew.json(&["sweep", "--force"]).await;
        assert_eq!(ran.status, 3, "{ran:#?}");
        assert_eq!(ran.error().0, "key_doubtful");
        assert_eq!(site.checksums().await, before);
        assert_eq!(
            names(&knowing(&site).done(&["sweep"]).await),
            ["cem", "dee"]
        );
    }
}

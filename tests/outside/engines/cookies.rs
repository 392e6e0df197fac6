//! Signed cookies: the session lies in the browser, and nothing on the server can end it. Said plainly, never
//! claimed otherwise; the account switch is what there is.

use crate::harness::{Django, Engine, SessionEngine, Site, active, overdue};

async fn site(django: Django, database: Engine) -> Site {
    let plan = Site::on(django, database).sessions(SessionEngine::SignedCookies);
    plan.start().await
}

async fn nothing_is_claimed(django: Django, database: Engine) {
    let site = site(django, database).await;
    site.seed(&[active("ana"), overdue("cem")]).await;
    let mut browser = site.sign_in("ana").await;

    let ran = site.curfew().json(&["logout", "ana"]).await;

    assert_eq!(ran.status, 3, "{ran:#?}");
    assert_eq!(ran.document()["outcome"], "not_possible", "{ran:#?}");
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"));
    // A sweep could clear flags alone, and would call people gone who are in.
    let before = site.checksums().await;
    let swept = site.curfew().json(&["sweep"]).await;
    assert_eq!(swept.status, 3, "{swept:#?}");
    assert_eq!(site.checksums().await, before);
}

async fn the_account_switch_ends_it(django: Django, database: Engine) {
    let site = site(django, database).await;
    site.seed(&[active("ana"), active("ben")]).await;
    site.grant_account_switch().await;
    let (mut browser, mut other) = (site.sign_in("ana").await, site.sign_in("ben").await);
    let refused = site.curfew().json(&["suspend", "ana"]).await;
    assert_eq!(
        refused.status, 3,
        "the operator has not switched it on: {refused:#?}"
    );
    assert_eq!(browser.whoami().await.as_deref(), Some("ana"));

    let curfew = site.configured(
        "[[site]]\nname = \"shop\"\nurl = \"{url}\"\narmed = true\naccount_switch = true\n{sessions}",
    );
    let report = curfew.done(&["suspend", "ana"]).await;
    assert_eq!(report["outcome"], "suspended", "{report:#}");
    assert_eq!(browser.whoami().await, None);
    assert_eq!(other.whoami().await.as_deref(), Some("ben"));
}

macro_rules! on_each_database {
    ($($case:ident)*) => {
        $(mod $case {
            use crate::harness::{Django, Engine};

            #[tokio::test]
            async fn postgres() {
                super::$case(Django::V52, Engine::Postgres).await;
            }

            #[tokio::test]
            async fn mysql() {
                super::$case(Django::V42, Engine::Mysql).await;
            }

            #[tokio::test]
            async fn sqlite() {
                super::$case(Django::V52, Engine::Sqlite).await;
            }
        })*
    };
}

on_each_database! {
    nothing_is_claimed
    the_account_switch_ends_it
}

//! Who is here, on every engine: the people and their sessions as Django has them, and what cannot be read.

use serde_json::json;

use super::cell::Turn;
use crate::harness::{active, fingerprint, idle, listed, names, of, overdue, person};

on_each_cell! {
    everyone_is_shown_as_django_has_them;
    a_session_that_cannot_be_read_is_counted_shown_and_can_be_ended;
    with_the_secret_key_those_are_signed_in_whom_django_lets_in;
}

async fn everyone_is_shown_as_django_has_them(turn: Turn) {
    let site = &turn.site;
    let seeded = site
        .seed(&[
            active("ana"),
            idle("ben"),
            overdue("cem").session(9000),
            overdue("dee").no_session(),
            person("eve").login(90_000).session(90_000),
        ])
        .await;
    site.anonymous(2).await;
    let mut browser = site.sign_in("ben").await;

    let document = site.curfew().done(&["users"]).await;

    let counts = &document["counts"];
    let expected = json!({
        "signed_in": 4, "active": 2, "idle": 0, "overdue": 1, "stale": 1, "unknown": 1,
        "sessions": 6, "anonymous_sessions": 2, "unreadable_sessions": 0,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&counts[key], value, "{key} of {counts}");
    }
    let everyone = listed(["ana", "ben", "cem", "dee", "eve"]);
    assert_eq!(names(&document), everyone);
    let states = [
        ("ana", "active"),
        ("ben", "active"),
        ("cem", "overdue"),
        ("dee", "stale"),
        ("eve", "unknown"),
    ];
    for (who, state) in states {
        assert_eq!(of(&document, who)["state"], state, "{who}");
        assert_eq!(of(&document, who)["id"], seeded.id(who), "{who}");
    }

    let document = site.curfew().done(&["sessions", "cem"]).await;
    let sessions = document["sessions"].as_array().unwrap();
    let mut shown: Vec<&str> = sessions
        .iter()
        .map(|session| session["fingerprint"].as_str().unwrap())
        .collect();
    let mut own: Vec<String> = seeded.keys("cem").iter().map(|k| fingerprint(k)).collect();
    shown.sort_unstable();
    own.sort_unstable();
    assert_eq!(shown, own);
    for session in sessions {
        assert_eq!(session["readable"], true, "{session}");
        assert_eq!(session["usable"], true, "{session}");
    }
    assert_eq!(browser.whoami().await.as_deref(), Some("ben"));
}

async fn a_session_that_cannot_be_read_is_counted_shown_and_can_be_ended(turn: Turn) {
    let site = &turn.site;
    let odd = turn.cell.keeps_odd_values();
    let seeded = site
        .seed(&[
            active("ana"),
            overdue("cem").session(9000),
            person("eve").session_with(json!({"saved_age": 60, "opaque": odd})),
        ])
        .await;
    let (corrupt, opaque) = (seeded.key("cem"), seeded.key("eve"));
    site.spoil(&corrupt).await;
    assert_eq!(
        site.names(&[corrupt.clone(), opaque.clone()]).await,
        [None, Some("eve".into())],
        "Django reads the one and not the other"
    );

    let document = site.curfew().done(&["users"]).await;
    // What is opaque is counted even where a column says whose it is.
    let unreadable = if odd { 2 } else { 1 };
    let counts = &document["counts"];
    assert_eq!(counts["unreadable_sessions"], unreadable, "{counts}");
    assert_eq!(of(&document, "ana")["state"], "active");
    assert_eq!(of(&document, "cem")["state"], "overdue");

    let shown = site.curfew().done(&["sessions", "--unreadable"]).await;
    let shown: Vec<&str> = shown["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["fingerprint"].as_str().unwrap())
        .collect();
    assert!(shown.contains(&fingerprint(&corrupt).as_str()), "{shown:?}");

    let mut gone = vec![corrupt];
    if odd {
        assert!(shown.contains(&fingerprint(&opaque).as_str()), "{shown:?}");
        gone.push(opaque);
    }
    let before = turn.kept().await;
    let ends = gone.iter().map(|key| {
        let (curfew, mark) = (site.curfew(), fingerprint(key));
        async move {
            let logout = ["logout", "--unreadable", "--session", &mark];
            let ran = curfew.json(&logout).await;
            let (status, outcome) = turn.cell.logged_out();
            assert_eq!(ran.status, status, "{ran:#?}");
            assert_eq!(ran.document()["outcome"], outcome, "{ran:#?}");
        }
    });
    futures_util::future::join_all(ends).await;
    assert_eq!(turn.kept().await, before - gone.len());
    assert!(turn.all_out(&gone).await);
    assert_eq!(
        site.names(&seeded.keys("ana")).await,
        [Some("ana".to_owned())]
    );
}

/// A changed password ends a session without deleting it, and a disabled account lets nobody in.
async fn with_the_secret_key_those_are_signed_in_whom_django_lets_in(turn: Turn) {
    let site = &turn.site;
    let seeded = site
        .seed(&[
            active("ana").session(20),
            active("ben"),
            active("cem").with("enabled", false),
            active("dee"),
        ])
        .await;
    let mut laptop = site.sign_in("ben").await;
    let phone = site.sign_in("ben").await;
    laptop.change_password("battery staple").await;

    let curfew = site.curfew().env("CURFEW_SECRET_KEY", &site.secret_key);
    let document = curfew.done(&["users"]).await;

    let mut signed_in = 0;
    for who in ["ana", "ben", "cem", "dee"] {
        let mut keys = seeded.keys(who);
        if who == "ben" {
            keys.extend([laptop.key().to_owned(), phone.key().to_owned()]);
        }
        let let_in = site.names(&keys).await.iter().flatten().count();
        assert_eq!(
            of(&document, who)["sessions"],
            let_in,
            "{who}: {document:#}"
        );
        signed_in += usize::from(let_in > 0);
    }
    assert_eq!(signed_in, 2, "so says Django");
    assert_eq!(document["counts"]["signed_in"], signed_in, "{document:#}");
    assert_eq!(of(&document, "ben")["state"], "stale");
}

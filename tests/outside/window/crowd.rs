//! A hundred thousand people: a screenful of them is in the page, and the table holds still under whoever reads it.

use serde_json::{Value, json};

use crate::harness::{SOON, Site, Window, active, idle, until};

pub const PEOPLE: u32 = 100_000;
/// Rows in the page at the most, the head's included.
const ROWS: u64 = 100;

/// With the flag and no session, so that they are here and cost no sessions.
pub const CROWD: &str = "INSERT INTO accounts_customuser (password, is_superuser, username, first_name, last_name, email, \
     is_staff, is_active, date_joined, last_activity, \"isCurrentlyActive\") \
     SELECT '', false, 'crowd' || n, '', '', '', false, true, now(), now() - interval '2 hours', true \
     FROM generate_series(1, 100000) AS n";

/// Goes to this part of the table's height, from 0 to 1.
const SCROLL: &str = "
const body = document.querySelector('.body[role=rowgroup]');
body.scrollTop = arguments[0] * (body.scrollHeight - body.clientHeight);";

const SEEN: &str = "
const body = document.querySelector('.body[role=rowgroup]');
const rows = [...document.querySelectorAll('[role=grid] [role=row]')];
const people = rows.filter(row => row.dataset.username);
const frame = body.getBoundingClientRect();
const inSight = rows.filter(row => {
    const box = row.getBoundingClientRect();
    return body.contains(row) && box.bottom > frame.top && box.top < frame.bottom;
});
return {
    rows: rows.length,
    blank: inSight.filter(row => !row.dataset.username).length,
    first: inSight[0]?.dataset.username,
    last: inSight.at(-1)?.getAttribute('aria-rowindex'),
    total: document.querySelector('[role=grid]').getAttribute('aria-rowcount'),
    top: body.scrollTop,
    focus: document.activeElement?.dataset.username,
    chosen: people.filter(row => row.getAttribute('aria-selected') === 'true').map(row => row.dataset.username),
};";

async fn seen(window: &Window) -> Value {
    let seen = window.run(SEEN, Vec::new()).await;
    assert!(seen["rows"].as_u64().unwrap() <= ROWS, "{seen}");
    seen
}

/// What is seen once every row in sight is somebody.
async fn settled(window: &Window) -> Value {
    until("the rows in sight are people", SOON, || async {
        let seen = seen(window).await;
        seen["blank"] == 0 && seen["first"].is_string()
    })
    .await;
    seen(window).await
}

#[tokio::test]
async fn a_hundred_thousand_people_are_a_screenful_of_rows_that_hold_still() {
    let site = Site::for_window().await;
    site.seed(&[active("ana"), idle("ben")]).await;
    site.db.execute(CROWD).await;
    let window = Window::on(&site).live().await;
    until("everybody is counted", 2 * SOON, || async {
        window.count("stale").await == Some(PEOPLE)
    })
    .await;
    let top = settled(&window).await;
    assert_eq!(
        top["total"],
        (PEOPLE + 3).to_string(),
        "the head's row, too"
    );

    // Everywhere in the table, and at its very end.
    for part in [0.25, 0.75, 1.0] {
        window.run(SCROLL, vec![json!(part)]).await;
        settled(&window).await;
    }
    assert_eq!(seen(&window).await["last"], (PEOPLE + 3).to_string());

    // Somebody is read in the middle while others come and go.
    window.run(SCROLL, vec![json!(0.5)]).await;
    let name = settled(&window).await["first"].as_str().unwrap().to_owned();
    let row = window.by_css(&format!("[data-username={name}]")).await;
    row.unwrap().click().await.unwrap();
    until("the row is chosen", SOON, || async {
        seen(&window).await["chosen"] == json!([name])
    })
    .await;
    let before = settled(&window).await;
    site.sign_in("ben").await;
    until("the counter follows", SOON, || async {
        window.count("active").await == Some(2)
    })
    .await;
    let after = settled(&window).await;
    for what in ["top", "focus", "chosen"] {
        assert_eq!(after[what], before[what], "{what}");
    }

    // And anybody is found.
    window.press("/").await;
    window.press("crowd77777").await;
    until("one row is left", SOON, || async {
        let rows = window.rows().await;
        rows.len() == 1 && rows[0].0 == "crowd77777"
    })
    .await;
}

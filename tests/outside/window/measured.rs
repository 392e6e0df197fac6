//! How quick and how light the window is with a hundred thousand people. These are figures and no tests: `cargo xtask
//! bench` asks for them, and a machine that is busy with tests would tell nothing.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Person, SOON, Seeded, Site, Window, active, setting, until};

use super::crowd::{CROWD, PEOPLE};

/// Searches, each a text of its own, and a pause after each, as of somebody who types.
const TYPED: u32 = 50;
/// Refreshes of the rows in sight: so many of them come first.
const REFRESHES: u32 = 1_000;
const FIRST: u32 = 50;
/// In one script, which has half a minute.
const AT_ONCE: u32 = 10;
/// People who are active and so on top, and those of them who sign in all the time.
const BUSY: u32 = 60;
const IN_SIGHT: u32 = 3;
/// Pairs of scrolling through everybody and through nobody.
const PAIRS: usize = 5;
const SCROLLED: Duration = Duration::from_secs(3);
/// What a web view puts off until nothing happens.
const SETTLE: Duration = Duration::from_secs(15);
const IDLE: Duration = Duration::from_secs(60);
/// A frame that takes this long, in milliseconds, came late at sixty a second.
const LATE: f64 = 25.0;

/// When the first row is there, in milliseconds since the page began to load.
const FIRST_ROW: &str = "
const done = arguments[0];
const look = () => document.querySelector('[role=grid] [data-username]')
    ? done(performance.now()) : requestAnimationFrame(look);
look();";

/// Types each text, and says after how many milliseconds every row on the screen was an answer to it.
const SEARCH: &str = "
const [texts, pause, done] = arguments;
const input = document.querySelector('[data-search]');
const frame = () => new Promise(go => requestAnimationFrame(go));
const answered = text => {
    const rows = [...document.querySelectorAll('[role=grid] [data-username]')];
    return rows.length > 0 && rows.every(row => row.dataset.username.includes(text));
};
(async () => {
    const times = [];
    for (const text of texts) {
        const began = performance.now();
        input.value = text;
        input.dispatchEvent(new Event('input', {bubbles: true}));
        while (!answered(text)) await frame();
        times.push(performance.now() - began);
        await new Promise(go => setTimeout(go, pause));
    }
    done(times);
})();";

/// Has the site looked at, as often as the table's rows are to be seen to hold somebody or something else, and no more than
/// four times a second. An age that only ticks is no refresh.
const REFRESH: &str = "
const [times, done] = arguments;
const invoke = window.__TAURI_INTERNALS__.invoke;
const pause = () => new Promise(go => setTimeout(go, 250));
const text = row => [...row.children].filter(cell => !cell.classList.contains('seen')).map(cell => cell.textContent);
const shown = () => [...document.querySelectorAll('[role=grid] [data-username]')].map(text).sort().join();
(async () => {
    const rules = (await invoke('site')).notices;
    for (let seen = 0, before = shown(); seen < times;) {
        await invoke('set_notices', {rules});
        await pause();
        const now = shown();
        if (now !== before) seen += 1;
        before = now;
    }
    done(null);
})();";

const STAY: &str =
    "UPDATE accounts_customuser SET last_activity = now() WHERE username LIKE 'busy%'";

/// How long each frame took, in milliseconds, with the table moving or not.
const FRAMES: &str = "
const [during, by, done] = arguments;
const body = document.querySelector('.body[role=rowgroup]') ?? document.scrollingElement;
const began = performance.now(), frames = [];
let last = began;
const step = () => {
    const now = performance.now();
    frames.push(now - last);
    last = now;
    body.scrollTop += by;
    if (now - began < during) requestAnimationFrame(step);
    else done(frames);
};
requestAnimationFrame(step);";

/// A row of the benchmark's page.
fn figure(what: &str, value: String, goal: &str, met: bool) -> Value {
    json!({"what": format!("window, {PEOPLE} people: {what}"), "value": value, "goal": goal, "met": met})
}

fn numbers(value: &Value) -> Vec<f64> {
    let mut numbers: Vec<f64> = value
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_f64().unwrap())
        .collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// The value that so many of a hundred do not exceed.
fn percentile(sorted: &[f64], of: usize) -> f64 {
    sorted[(sorted.len() * of).div_ceil(100).max(1) - 1]
}

fn late(frames: &Value) -> usize {
    numbers(frames).iter().filter(|took| **took > LATE).count()
}

/// What the program holds, and its web view, in MiB: shared memory by its share.
fn memory(window: &Window) -> (f64, f64) {
    let held = |process: &u32| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let (program, view) = processes(window);
    let sum = |these: &[u32]| these.iter().filter_map(held).sum::<u64>() as f64 / 1024.0;
    (sum(&program), sum(&view))
}

/// The program's own, and those of its web view.
fn processes(window: &Window) -> (Vec<u32>, Vec<u32>) {
    let is_view = |process: &u32| {
        let name = std::fs::read_to_string(format!("/proc/{process}/comm"));
        name.is_ok_and(|name| name.starts_with("WebKit"))
    };
    let (view, program) = window.processes().into_iter().partition(is_view);
    (program, view)
}

/// What they have used of the cores, in the kernel's hundredths of a second: the program, and its web view.
fn ticks(window: &Window) -> (u64, u64) {
    let used = |process: &u32| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let fields = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
        Some(fields.filter_map(|field| field.parse::<u64>().ok()).sum())
    };
    let (program, view) = processes(window);
    let sum = |these: &[u32]| these.iter().filter_map(used).sum();
    (sum(&program), sum(&view))
}

/// What they hold once they have had time to give back what they no longer need.
async fn memory_at_rest(window: &Window) -> (f64, f64) {
    tokio::time::sleep(SETTLE).await;
    memory(window)
}

async fn search(window: &Window, texts: &[String], pause: u32) -> Vec<f64> {
    numbers(
        &window
            .run_async(SEARCH, vec![json!(texts), json!(pause)])
            .await,
    )
}

/// The rows in sight change so many times, as those on top sign in at one more place after another; and they stay on top.
async fn refresh(site: &Site, seeded: &Seeded, window: &Window, times: u32) {
    let busy = async {
        for turn in 0_u32.. {
            let key = seeded.key(&format!("busy{}", turn % IN_SIGHT));
            let arrive = format!(
                "INSERT INTO django_session SELECT md5(random()::text), session_data, now() + interval '14 days' \
                 FROM django_session WHERE session_key = '{key}'"
            );
            site.db.execute(&arrive).await;
            site.db.execute(STAY).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let seen = async {
        for _ in 0..times / AT_ONCE {
            window.run_async(REFRESH, vec![json!(AT_ONCE)]).await;
        }
    };
    tokio::select! {
        () = busy => {}
        () = seen => {}
    }
}

async fn frames(window: &Window, by: u32) -> usize {
    let during = SCROLLED.as_millis() as u64;
    late(
        &window
            .run_async(FRAMES, vec![json!(during), json!(by)])
            .await,
    )
}

/// Late frames with everybody in the table, and with nobody: medians.
async fn scrolling(window: &Window) -> (usize, usize) {
    let (mut full, mut empty) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        search(window, &["crowd".to_owned()], 500).await;
        full.push(frames(window, 120).await);
        window.press("/").await;
        window.press("no such person").await;
        until("nobody is found", SOON, || async {
            window.rows().await.is_empty()
        })
        .await;
        empty.push(frames(window, 0).await);
    }
    full.sort_unstable();
    empty.sort_unstable();
    (full[PAIRS / 2], empty[PAIRS / 2])
}

#[tokio::test]
#[ignore = "a measurement: cargo xtask bench asks for it"]
async fn the_window_with_a_hundred_thousand_people() {
    let site = Site::for_window().await;
    let busy: Vec<Person> = (0..BUSY).map(|n| active(&format!("busy{n}"))).collect();
    let seeded = site.seed(&busy).await;
    site.db.execute(CROWD).await;
    let index = "CREATE INDEX ON accounts_customuser (last_activity)";
    site.db.execute(index).await;
    let window = Window::on(&site).live().await;
    until("everybody is counted", 4 * SOON, || async {
        window.count("stale").await == Some(PEOPLE)
    })
    .await;
    let mut figures = Vec::new();

    let mut first = Vec::new();
    for _ in 0..PAIRS {
        window.reload().await;
        first.push(window.run_async(FIRST_ROW, Vec::new()).await);
    }
    let first = numbers(&json!(first))[PAIRS / 2];
    figures.push(figure(
        "first rows after the page begins to load, the roster being there",
        format!("{first:.0} ms"),
        "at most 1000 ms",
        first <= 1000.0,
    ));

    let texts: Vec<String> = (0..TYPED)
        .map(|n| format!("crowd{}", 10 + n * 89 % 9_990))
        .collect();
    let times = search(&window, &texts, 100).await;
    figures.push(figure(
        "a search after a key, until its rows are on the screen: 95th percentile",
        format!(
            "{:.0} ms (median {:.0})",
            percentile(&times, 95),
            percentile(&times, 50)
        ),
        "at most 100 ms",
        percentile(&times, 95) <= 100.0,
    ));

    search(&window, &[String::new()], 500).await;
    refresh(&site, &seeded, &window, FIRST).await;
    let before = memory_at_rest(&window).await;
    refresh(&site, &seeded, &window, REFRESHES - FIRST).await;
    let after = memory_at_rest(&window).await;
    let more = 100.0 * ((after.0 + after.1) / (before.0 + before.1) - 1.0);
    figures.push(figure(
        &format!("memory after {REFRESHES} refreshes, against {FIRST}"),
        format!(
            "{more:+.1} % (the program {:.0} MiB for {:.0}, its web view {:.0} for {:.0})",
            after.0, before.0, after.1, before.1
        ),
        "at most 10 % more",
        more <= 10.0,
    ));

    let (full, empty) = scrolling(&window).await;
    figures.push(figure(
        "late frames in 3 s of scrolling, and in 3 s of an empty list",
        format!("{full} and {empty}"),
        "no more",
        full <= empty,
    ));

    // Everybody is in the table again, and no caret blinks in the search.
    search(&window, &["crowd".to_owned()], 500).await;
    let blur = "document.activeElement?.blur(); return null;";
    window.run(blur, Vec::new()).await;
    tokio::time::sleep(SETTLE).await;
    let before = ticks(&window);
    tokio::time::sleep(IDLE).await;
    let after = ticks(&window);
    let share = |before: u64, after: u64| (after - before) as f64 / IDLE.as_secs_f64();
    let (program, view) = (share(before.0, after.0), share(before.1, after.1));
    let share = program + view;
    figures.push(figure(
        "nothing happening: share of one core, all of its processes",
        format!("{share:.2} % (the program {program:.2}, its web view {view:.2})"),
        "under 1 %",
        share < 1.0,
    ));

    let text = serde_json::to_string_pretty(&figures).unwrap();
    println!("{text}");
    std::fs::write(setting("CURFEW_BENCH_WINDOW"), text).unwrap();
}

//! Who the site's people are: names as people have them, in several scripts, and a number that makes each the only one.

use std::fmt::Write as _;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;

use crate::dice::Dice;
use crate::population::copy;

/// A name as it is written, and in the letters of an address.
type Name = (&'static str, &'static str);

/// Rows of one COPY.
const CHUNK: usize = 20_000;

#[rustfmt::skip]
const GIVEN: [Name; 24] = [
    ("Ana", "ana"), ("Bram", "bram"), ("Chloé", "chloe"), ("Dmitri", "dmitri"), ("Elif", "elif"), ("Femi", "femi"),
    ("Giulia", "giulia"), ("Håkon", "hakon"), ("Inés", "ines"), ("Jonas", "jonas"), ("Kwame", "kwame"), ("Łucja", "lucja"),
    ("Marisol", "marisol"), ("Nils", "nils"), ("Oihana", "oihana"), ("Priya", "priya"), ("Rosa", "rosa"), ("Søren", "soren"),
    ("Teresa", "teresa"), ("Uchenna", "uchenna"), ("Wanjiru", "wanjiru"), ("Ximena", "ximena"), ("Yusuf", "yusuf"), ("Zoë", "zoe"),
];
#[rustfmt::skip]
const FAMILY: [Name; 24] = [
    ("Abara", "abara"), ("Björk", "bjork"), ("Castellanos", "castellanos"), ("Duarte", "duarte"), ("Eriksson", "eriksson"),
    ("Fournier", "fournier"), ("Grabowski", "grabowski"), ("Hughes", "hughes"), ("Ilić", "ilic"), ("Johnson", "johnson"),
    ("Kovács", "kovacs"), ("Lindqvist", "lindqvist"), ("Mbeki", "mbeki"), ("Nguyễn", "nguyen"), ("Petrov", "petrov"),
    ("Quispe", "quispe"), ("Robinson", "robinson"), ("Şahin", "sahin"), ("Tamatea", "tamatea"), ("Umarov", "umarov"),
    ("Virtanen", "virtanen"), ("Weber", "weber"), ("Yılmaz", "yilmaz"), ("Zamora", "zamora"),
];
#[rustfmt::skip]
const CHINESE_GIVEN: [Name; 8] = [
    ("小明", "xiaoming"), ("娜", "na"), ("建国", "jianguo"), ("雨桐", "yutong"), ("思远", "siyuan"), ("慧", "hui"),
    ("子涵", "zihan"), ("雪", "xue"),
];
#[rustfmt::skip]
const CHINESE_FAMILY: [Name; 8] = [
    ("王", "wang"), ("李", "li"), ("张", "zhang"), ("欧阳", "ouyang"), ("陈", "chen"), ("林", "lin"), ("周", "zhou"),
    ("吴", "wu"),
];
#[rustfmt::skip]
const ARABIC_GIVEN: [Name; 6] = [
    ("ليلى", "layla"), ("يوسف", "yousef"), ("نور", "nour"), ("خالد", "khalid"), ("سلمى", "salma"), ("عمر", "omar"),
];
#[rustfmt::skip]
const ARABIC_FAMILY: [Name; 5] = [
    ("الحداد", "alhaddad"), ("منصور", "mansour"), ("البغدادي", "albaghdadi"), ("ناصر", "nasser"), ("الشريف", "alsharif"),
];
const DOMAINS: [&str; 3] = ["example.com", "example.net", "example.org"];

/// Username and e-mail. Three in four write their names in the letters of an address, whatever the name.
fn name(user: usize, dice: &mut Dice) -> (String, String) {
    let (given, family, script) = match dice.below(100) {
        0..8 => (
            dice.one_of(&CHINESE_GIVEN),
            dice.one_of(&CHINESE_FAMILY),
            Script::Chinese,
        ),
        8..14 => (
            dice.one_of(&ARABIC_GIVEN),
            dice.one_of(&ARABIC_FAMILY),
            Script::Arabic,
        ),
        _ => (dice.one_of(&GIVEN), dice.one_of(&FAMILY), Script::Latin),
    };
    let address = format!("{}.{}{user}", given.1, family.1);
    let username = match (dice.below(4), script) {
        (0, Script::Chinese) => format!("{}{}{user}", family.0, given.0),
        (0, Script::Arabic | Script::Latin) => {
            format!("{}.{}{user}", given.0, family.0).to_lowercase()
        }
        _ => address.clone(),
    };
    (username, format!("{address}@{}", dice.one_of(&DOMAINS)))
}

enum Script {
    Latin,
    Chinese,
    Arabic,
}

/// The password column's text: sessions carry a hash made from it.
pub fn password(user: usize) -> String {
    format!("pbkdf2_sha256$1000000$salt{user}$digest")
}

/// All of them, from number 1 on: seen within the last hour, so that some are active and some are overdue.
pub async fn insert(people: usize, database: &mut PgConnection) -> Result<()> {
    let now = Timestamp::now();
    let last_login = now - SignedDuration::from_secs(86_400);
    let mut dice = Dice::new();
    let mut rows = String::new();
    for user in 1..=people {
        let (username, email) = name(user, &mut dice);
        let ago = user % 3_600;
        let last_activity = now - SignedDuration::from_secs(ago as i64);
        let _ = writeln!(
            rows,
            "{user}\t{}\t{last_login}\tf\t{username}\t{email}\tf\tt\t{last_activity}\t{}",
            password(user),
            if ago < 300 { "t" } else { "f" },
        );
        if user.is_multiple_of(CHUNK) || user == people {
            let part = std::mem::take(&mut rows);
            copy(database, "COPY auth_user FROM STDIN", part).await?;
        }
    }
    Ok(())
}

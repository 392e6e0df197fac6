//! Who lives in the demo site: invented names in several scripts, at harbor.example.
//! When they were last here is not known here.
//! Invariant: the same number of people is the same people, and no username comes twice.

use std::collections::HashSet;

use fastrand::Rng;

pub(super) struct Person {
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub staff: bool,
    pub superuser: bool,
    pub enabled: bool,
}

/// A name as it is written, and in the letters of an address.
type Name = (&'static str, &'static str);
type Names = (&'static [Name], &'static [Name]);

/// Given names and family names, by the script that they are written in.
#[rustfmt::skip]
const LATIN: Names = (
    &[
        ("Ana", "ana"), ("Bram", "bram"), ("Chloé", "chloe"), ("Dmitri", "dmitri"),
        ("Elif", "elif"), ("Femi", "femi"), ("Giulia", "giulia"), ("Håkon", "hakon"),
        ("Ines", "ines"), ("Jonas", "jonas"), ("Kwame", "kwame"), ("Łucja", "lucja"),
        ("Marisol", "marisol"), ("Nils", "nils"), ("Oihana", "oihana"), ("Priya", "priya"),
        ("Quynh", "quynh"), ("Rosa", "rosa"), ("Søren", "soren"), ("Teresa", "teresa"),
        ("Uchenna", "uchenna"), ("Vera", "vera"), ("Wanjiru", "wanjiru"), ("Ximena", "ximena"),
        ("Yusuf", "yusuf"), ("Zoë", "zoe"), ("Aroha", "aroha"), ("Benedikt", "benedikt"),
        ("Ciara", "ciara"), ("Đức", "duc"), ("Eszter", "eszter"), ("Farid", "farid"),
        ("Gabriel", "gabriel"), ("Hina", "hina"),
    ],
    &[
        ("Abara", "abara"), ("Björk", "bjork"), ("Castellanos", "castellanos"),
        ("Duarte", "duarte"), ("Eriksen", "eriksen"), ("Fournier", "fournier"),
        ("Grabowski", "grabowski"), ("Hughes", "hughes"), ("Ilić", "ilic"), ("Jansen", "jansen"),
        ("Kovács", "kovacs"), ("Lindqvist", "lindqvist"), ("Mbeki", "mbeki"), ("Nguyễn", "nguyen"),
        ("O'Brien", "obrien"), ("Petrov", "petrov"), ("Quispe", "quispe"), ("Romano", "romano"),
        ("Şahin", "sahin"), ("Tamatea", "tamatea"), ("Umarov", "umarov"), ("Virtanen", "virtanen"),
        ("Weber", "weber"), ("Yılmaz", "yilmaz"), ("Zamora", "zamora"),
        ("Achterberg", "achterberg"), ("Boateng", "boateng"), ("Novák", "novak"),
    ],
);
#[rustfmt::skip]
const CHINESE: Names = (
    &[
        ("小明", "xiaoming"), ("娜", "na"), ("建国", "jianguo"), ("雨桐", "yutong"), ("思远", "siyuan"),
        ("慧", "hui"), ("子涵", "zihan"), ("雪", "xue"),
    ],
    &[
        ("王", "wang"), ("李", "li"), ("张", "zhang"), ("欧阳", "ouyang"), ("陈", "chen"), ("林", "lin"),
        ("周", "zhou"), ("吴", "wu"),
    ],
);
#[rustfmt::skip]
const ARABIC: Names = (
    &[
        ("ليلى", "layla"), ("يوسف", "yousef"), ("نور", "nour"), ("خالد", "khalid"),
        ("سلمى", "salma"), ("عمر", "omar"),
    ],
    &[
        ("الحداد", "alhaddad"), ("منصور", "mansour"), ("البغدادي", "albaghdadi"),
        ("ناصر", "nasser"), ("الشريف", "alsharif"),
    ],
);
#[rustfmt::skip]
const ELSEWHERE: Names = (
    &[
        ("Оксана", "oksana"), ("さくら", "sakura"), ("지우", "jiwoo"), ("अनिका", "anika"),
        ("יעל", "yael"), ("Ελένη", "eleni"), ("สมชาย", "somchai"),
    ],
    &[
        ("Шевченко", "shevchenko"), ("佐藤", "sato"), ("김", "kim"), ("शर्मा", "sharma"),
        ("לוי", "levi"), ("Παππάς", "pappas"), ("ศรีสุข", "srisuk"),
    ],
);
/// Names that no column is wide enough for.
const LONG: [(Name, Name); 3] = [
    (
        (
            "Wilhelmina-Charlotte Antoinette",
            "wilhelmina-charlotte.antoinette",
        ),
        (
            "Featherstonehaugh-Constantinopoulos",
            "featherstonehaugh-constantinopoulos",
        ),
    ),
    (
        (
            "María de los Ángeles Guadalupe",
            "maria.de.los.angeles.guadalupe",
        ),
        (
            "Fernández de Córdoba y Hohenlohe-Langenburg",
            "fernandez.de.cordoba.y.hohenlohe",
        ),
    ),
    (
        (
            "Rajagopalan Venkatasubramanian",
            "rajagopalan.venkatasubramanian",
        ),
        (
            "Thiruvananthapuram Krishnamoorthy",
            "thiruvananthapuram.krishnamoorthy",
        ),
    ),
];
/// One in this many has a long name, starting with the person at `FIRST_LONG`.
const LONG_EVERY: usize = 45;
const FIRST_LONG: usize = 7;

pub(super) fn people(count: u32) -> Vec<Person> {
    let mut chance = Rng::with_seed(1807);
    let mut taken = HashSet::new();
    (0..count as usize)
        .map(|at| person(at, &mut chance, &mut taken))
        .collect()
}

fn person(at: usize, chance: &mut Rng, taken: &mut HashSet<String>) -> Person {
    let (names, own_script) = match chance.u8(..100) {
        0..72 => (LATIN, 0),
        72..84 => (CHINESE, 40),
        84..93 => (ARABIC, 25),
        _ => (ELSEWHERE, 25),
    };
    // From one place in both lists where the lists hold several scripts.
    let given = chance.usize(..names.0.len());
    let family = match names == ELSEWHERE {
        true => given % names.1.len(),
        false => chance.usize(..names.1.len()),
    };
    let long = at % LONG_EVERY == FIRST_LONG;
    let (given, family) = match long {
        true => LONG[at / LONG_EVERY % LONG.len()],
        false => (names.0[given], names.1[family]),
    };
    let address = format!("{}.{}", given.1, family.1);
    let wanted = match !long && chance.u8(..100) < own_script {
        true => format!("{}{}", family.0, given.0),
        false => address.clone(),
    };
    let mut username = wanted.clone();
    let mut number = 1;
    while !taken.insert(username.clone()) {
        number += 1;
        username = format!("{wanted}{number}");
    }
    let number = if number > 1 {
        number.to_string()
    } else {
        String::new()
    };
    let superuser = at.is_multiple_of(400);
    Person {
        email: format!("{address}{number}@harbor.example"),
        username,
        first_name: given.0.to_owned(),
        last_name: family.0.to_owned(),
        staff: superuser || at % 17 == 3,
        superuser,
        enabled: at % 61 != 30,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_people_have_ten_thousand_usernames_that_fit_the_columns() {
        let people = people(10_000);
        let names: HashSet<_> = people.iter().map(|person| &person.username).collect();
        assert_eq!(names.len(), 10_000);
        for person in &people {
            assert!(
                person.username.chars().count() <= 150,
                "{}",
                person.username
            );
            assert!(person.first_name.chars().count() <= 150);
            assert!(
                person.email.len() <= 254 && person.email.is_ascii(),
                "{}",
                person.email
            );
        }
    }

    #[test]
    fn the_default_site_has_every_kind_of_person() {
        let people = people(super::super::DEFAULT_USERS);
        let count =
            |is: &dyn Fn(&Person) -> bool| people.iter().filter(|person| is(person)).count();
        let written_in = |from: char, to: char| {
            count(&|person: &Person| {
                person
                    .last_name
                    .chars()
                    .any(|char| (from..=to).contains(&char))
            })
        };
        assert!(written_in('\u{4e00}', '\u{9fff}') > 3, "Chinese");
        assert!(written_in('\u{600}', '\u{6ff}') > 3, "Arabic");
        assert!(
            count(&|person: &Person| !person.username.is_ascii()) > 3,
            "usernames"
        );
        assert!(
            count(&|person: &Person| person.username.len() > 50) > 1,
            "long"
        );
        assert_eq!(count(&|person: &Person| person.superuser), 1);
        assert!(count(&|person: &Person| person.staff) > 5);
        assert!(count(&|person: &Person| !person.enabled) > 0);
    }
}

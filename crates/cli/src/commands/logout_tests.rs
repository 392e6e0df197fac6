//! Exit statuses and documents of logouts, from reports made by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;

fn report(name: &str, outcome: &str) -> LogoutReport {
    let user = serde_json::to_value(nobody("3", name)).unwrap();
    serde_json::from_value(serde_json::json!({
        "user": user,
        "sessions_deleted": 2,
        "outcome": outcome,
        "verified": outcome == "signed_out",
        "flag_cleared": false,
        "detail": "2 sessions ended.",
        "reason_code": if outcome == "signed_out" { "signed_out" } else { "can_come_back" },
        "doubts": []
    }))
    .unwrap()
}

fn done(outcome: &str) -> Ended {
    ended("ana", nobody("3", "ana"), Ok(report("ana", outcome)))
}

fn failed(code: Code) -> Ended {
    let error = Error::new(code, "why");
    ended("ben", nobody("4", "ben"), Err(error))
}

#[test]
fn each_outcome_has_its_exit_status() {
    for (outcome, expected) in [
        ("signed_out", 0),
        ("nothing_to_do", 0),
        ("unverified", 4),
        ("partial", 4),
        ("not_possible", 3),
    ] {
        let report = report("ana", outcome);
        assert_eq!(status(&report) as u8, expected, "{outcome}");
        for waited in [false, true] {
            let advice = advice(&report, waited);
            assert_eq!(advice.is_some(), expected != 0, "{outcome}");
            let to_wait = advice.is_some_and(|text| text.contains("--wait"));
            assert_eq!(to_wait, outcome == "unverified" && !waited);
        }
    }
}

#[test]
fn of_several_the_highest_status_counts_and_a_mixed_result_is_done_in_part() {
    for (all, expected) in [
        (vec![done("signed_out"), done("nothing_to_do")], 0),
        (vec![done("signed_out"), failed(Code::NoUser)], 4),
        (vec![done("signed_out"), failed(Code::OwnAccount)], 4),
        (
            vec![failed(Code::Unreachable), failed(Code::Unreachable)],
            1,
        ),
        (vec![failed(Code::OwnAccount), failed(Code::NoUser)], 3),
        (vec![done("partial"), failed(Code::OwnAccount)], 4),
    ] {
        assert_eq!(worst(&all) as u8, expected);
    }
}

#[test]
fn what_is_not_possible_is_an_outcome_with_its_error() {
    let one = failed(Code::NotPossible);
    let json = serde_json::to_value(entry(&one)).unwrap();
    assert_eq!(json["user"]["username"], "ben");
    assert_eq!(json["outcome"], "not_possible");
    assert_eq!(
        (&json["sessions_deleted"], &json["verified"]),
        (&0.into(), &false.into())
    );
    assert_eq!(json["error"]["code"], "not_possible");
    assert_eq!(worst(&[one]) as u8, 3);
}

#[test]
fn a_report_stands_in_its_document_as_it_is() {
    let one = done("signed_out");
    let json = serde_json::to_value(entry(&one)).unwrap();
    let mut whole = serde_json::to_value(report("ana", "signed_out")).unwrap();
    assert_eq!(json, whole);
    // Of nobody there is no user.
    let one = ended(
        "(unreadable)",
        nobody("", "(unreadable)"),
        Ok(report("x", "signed_out")),
    );
    assert!(serde_json::to_value(entry(&one)).unwrap()["user"].is_object());
    let mut of_nobody = report("x", "signed_out");
    of_nobody.user = nobody("", "(unreadable)");
    let one = ended("(unreadable)", nobody("", "(unreadable)"), Ok(of_nobody));
    whole["user"] = serde_json::Value::Null;
    assert_eq!(serde_json::to_value(entry(&one)).unwrap(), whole);
}

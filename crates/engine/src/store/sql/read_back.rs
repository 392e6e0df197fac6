//! What became of a change to which no answer came.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::{Code, Error, Result};

/// Pauses before each question: the server may be at it still, and the network away.
const PAUSES: [u64; 4] = [100, 400, 1_500, 3_000];
/// No further question is asked after this. In a silent network each question takes long.
const UNTIL: Duration = Duration::from_secs(6);

/// What the rows show.
pub(super) enum Found<T> {
    /// The change was made.
    Made(T),
    /// The change was not made.
    NotMade,
    /// Nobody can be asked.
    NotKnown,
}

/// Asks until the change is seen. `question` returns `None` if the rows are as before. The last question decides that a change
/// was not made: an earlier one may have overtaken the change.
pub(super) async fn read_back<T, F>(question: impl Fn() -> F) -> Found<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let (mut found, began) = (Found::NotKnown, Instant::now());
    for pause in PAUSES {
        if began.elapsed() > UNTIL {
            break;
        }
        sleep(Duration::from_millis(pause)).await;
        found = match question().await {
            Ok(Some(made)) => {
                tracing::warn!("no answer came to a change; it was found to be made");
                return Found::Made(made);
            }
            Ok(None) => Found::NotMade,
            Err(_) => Found::NotKnown,
        };
    }
    found
}

/// The error of a change that was not made.
pub(super) fn not_made(why: &Error) -> Error {
    Error::new(
        Code::Unreachable,
        format!("the change was not made: {}", why.message),
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    async fn asked(answers: &[Result<Option<u8>>]) -> Found<u8> {
        let answers = RefCell::new(answers.iter());
        read_back(|| {
            let answer = answers.borrow_mut().next().unwrap().clone();
            async move { answer }
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_last_answer_tells_that_nothing_was_changed() {
        let lost = || Err(Error::new(Code::Unreachable, "away"));
        let made = asked(&[Ok(None), lost(), Ok(Some(1))]).await;
        assert!(matches!(made, Found::Made(1)));
        let not_made = asked(&[lost(), Ok(None), lost(), Ok(None)]).await;
        assert!(matches!(not_made, Found::NotMade));
        let not_known = asked(&[Ok(None), Ok(None), lost(), lost()]).await;
        assert!(matches!(not_known, Found::NotKnown));
    }
}

//! A look at everything, shared by all who wait for one: it lists the whole site, and ten people signed out one after
//! the other need no ten listings.

use std::sync::Mutex;

use super::{Site, hold};
use crate::error::Result;
use crate::store::UserId;

/// Who asked for a look at everything, and which of them have it.
#[derive(Debug, Default)]
pub(crate) struct Shared(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    /// How many have asked so far; the last one's number.
    last: u64,
    /// Whom those want read anew who have no look yet.
    users: Vec<UserId>,
    /// Up to which number the last look was for, and how it ended.
    done: Option<(u64, Result<()>)>,
}

impl Asked {
    fn ask(&mut self, users: &[UserId]) -> u64 {
        self.last += 1;
        self.users.extend_from_slice(users);
        self.last
    }

    /// The end of a look that began after this number was given out.
    fn answer(&self, number: u64) -> Option<Result<()>> {
        let (last, ended) = self.done.as_ref()?;
        (number <= *last).then(|| ended.clone())
    }

    /// A look begins, for all who have asked by now.
    fn begin(&self) -> (u64, Vec<UserId>) {
        (self.last, self.users.clone())
    }

    fn end(&mut self, (last, users): (u64, Vec<UserId>), ended: Result<()>) {
        // Those who asked meanwhile stand behind.
        self.users.drain(..users.len());
        self.done = Some((last, ended));
    }
}

impl Site {
    /// A look that leaves no session out, and reads these users anew: where it matters that there is no other. It began
    /// after it was asked for; those who wait while another is under way share the next.
    pub(crate) async fn look_whole(&self, users: &[UserId]) -> Result<()> {
        let number = hold(&self.shared.0).ask(users);
        // Held until its end is known, so nobody begins another for the same.
        let mut mark = self.mark.lock().await;
        if let Some(ended) = hold(&self.shared.0).answer(number) {
            return ended;
        }
        let all = hold(&self.shared.0).begin();
        mark.hurry();
        mark.read_again(&all.1);
        let ended = self.look_at(&mut mark).await;
        hold(&self.shared.0).end(all, ended.clone());
        ended
    }
}

#[cfg(test)]
impl Site {
    /// How many have asked for a whole look so far.
    pub(crate) fn asked_for_whole(&self) -> u64 {
        hold(&self.shared.0).last
    }
}

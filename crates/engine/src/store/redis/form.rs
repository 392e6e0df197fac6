//! Finding the real form of a site's cache keys, by looking a known session up. A form that is wrong deletes nothing
//! and sees nothing left, so one is taken only where it cannot be another site's or another purpose's.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::RedisSessions;
use super::scan::COUNT;
use crate::config::{Engine, SessionsConfig};
use crate::error::Result;
use crate::store::SessionKey;
use crate::store::cache_key::{KeyForm, escaped};
use crate::store::pace::{Pace, Share};

/// How long one search may take.
const BUDGET: Duration = Duration::from_millis(1000);
/// How many known sessions are looked for.
const SAMPLE: usize = 32;
/// How many keys are read to see whether sessions lie under them.
const SUSPECTS: usize = 128;
/// What a session's dict has in it, readable where it is not compressed.
const SIGNS: [&[u8]; 2] = [b"_auth_user_id", b"_session_expiry"];

/// The form that is asked for, and whether a session was ever seen under it.
pub struct Forms {
    state: Mutex<State>,
    pub engine: Engine,
    /// Nothing of the form was said: it may be found without a known session.
    unsaid: bool,
}

struct State {
    form: KeyForm,
    seen: bool,
    looks: Pace,
    deeds: Pace,
}

/// Who wants the form: a look, or a deed that cannot wait for the next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    Look,
    Deed,
}

impl Forms {
    pub fn new(config: &SessionsConfig, engine: &Engine) -> Result<Self> {
        let state = State {
            form: KeyForm::configured(config, engine)?,
            seen: false,
            looks: Pace::default(),
            deeds: Pace::default(),
        };
        Ok(Self {
            state: Mutex::new(state),
            engine: *engine,
            unsaid: config.cache_key.is_none()
                && config.cache_key_prefix.is_empty()
                && config.cache_version == 1,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn form(&self) -> KeyForm {
        self.state().form.clone()
    }

    pub fn seen(&self) -> bool {
        self.state().seen
    }

    /// A session of the site was met under the form as it is.
    pub fn met(&self, form: &KeyForm) {
        let mut state = self.state();
        if state.form == *form {
            state.seen = true;
        }
    }

    fn take(&self, form: KeyForm) {
        let mut state = self.state();
        if !state.seen {
            state.form = form;
            state.seen = true;
        }
    }

    fn due(&self, who: For, now: Instant) -> bool {
        let state = self.state();
        match who {
            For::Look => state.looks.due(now),
            For::Deed => state.deeds.due(now),
        }
    }

    fn took(&self, who: For, cost: Duration, now: Instant) {
        let mut state = self.state();
        match who {
            For::Look => state.looks.took(cost, Share::Doing, now),
            For::Deed => state.deeds.took(cost, Share::Doing, now),
        }
    }
}

/// Forms that were met, with the sessions that speak for them.
#[derive(Default)]
struct Votes(HashMap<KeyForm, BTreeSet<Vec<u8>>>);

impl Votes {
    fn add(&mut self, form: KeyForm, session: &[u8]) {
        self.0.entry(form).or_default().insert(session.to_vec());
    }

    /// The one that stands out: alone, or with three times as many sessions as the next.
    fn winner(&self) -> Option<&KeyForm> {
        let mut all: Vec<(usize, &KeyForm)> =
            self.0.iter().map(|(form, by)| (by.len(), form)).collect();
        all.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
        match all.as_slice() {
            [(_, only)] => Some(only),
            [(most, first), (next, _), ..] if *most >= next * 3 => Some(first),
            _ => None,
        }
    }
}

impl RedisSessions {
    /// Finds the form by these sessions of the site, unless it is known, or was searched for a moment ago.
    pub(super) async fn find_form(&self, known: &[SessionKey], who: For) -> Result<()> {
        if known.is_empty() || self.forms.seen() {
            return Ok(());
        }
        // Tried as configured each time: that costs next to nothing.
        for known in known.chunks(1000) {
            if !self.present(known).await?.is_empty() {
                return Ok(());
            }
        }
        if !self.forms.due(who, Instant::now()) {
            return Ok(());
        }
        let meter = self.link.way.meter();
        let known = &known[..known.len().min(SAMPLE)];
        let (mut named, mut other) = (Votes::default(), Votes::default());
        let mut suspects: Vec<(KeyForm, Vec<u8>)> = Vec::new();
        self.each_key(b"*".to_vec(), |key| {
            for session in known {
                if let Some(form) = KeyForm::of(&key, session) {
                    if form.names(&self.forms.engine) {
                        named.add(form, session.expose().as_bytes());
                    } else if suspects.len() < SUSPECTS {
                        suspects.push((form, key.clone()));
                    }
                }
            }
        })
        .await?;
        if named.0.is_empty() {
            // Anything may be kept under a session's key: only what reads like a session is one.
            for (form, key) in suspects {
                if let Some(value) = self.value_at(&key).await?
                    && SIGNS
                        .iter()
                        .any(|sign| value.windows(sign.len()).any(|part| part == *sign))
                {
                    other.add(form, &key);
                }
            }
        }
        let votes = if named.0.is_empty() { other } else { named };
        if let Some(form) = votes.winner() {
            self.forms.take(form.clone());
        }
        self.forms.took(who, meter.cost(), Instant::now());
        Ok(())
    }

    /// Finds the form where no session is known: by what the engine puts before each, if all agree and nothing else
    /// was configured.
    pub(super) async fn guess_form(&self) -> Result<()> {
        let due = || self.forms.due(For::Look, Instant::now());
        if self.forms.seen() || !self.forms.unsaid || !due() {
            return Ok(());
        }
        let meter = self.link.way.meter();
        let mut votes = Votes::default();
        let mut pattern = vec![b'*'];
        pattern.extend(escaped(self.forms.engine.cache_prefix.as_bytes()));
        pattern.push(b'*');
        let whole = self
            .each_key(pattern, |key| {
                if let Some(form) = KeyForm::after_prefix(&key, &self.forms.engine) {
                    votes.add(form, &[]);
                }
            })
            .await?;
        // Two forms are two sites, or two versions: which is meant has to be said.
        if whole
            && votes.0.len() == 1
            && let Some(form) = votes.winner()
        {
            self.forms.take(form.clone());
        }
        self.forms.took(For::Look, meter.cost(), Instant::now());
        Ok(())
    }

    /// Names the keys that fit a pattern, on every server, within the budget. True: that were all.
    async fn each_key(&self, pattern: Vec<u8>, mut take: impl FnMut(Vec<u8>)) -> Result<bool> {
        let began = Instant::now();
        for node in self.link.map().await?.nodes {
            let mut cursor = 0;
            loop {
                let (next, keys) = self.scan_step(node, cursor, &pattern, COUNT).await?;
                keys.into_iter().for_each(&mut take);
                cursor = next;
                if cursor == 0 {
                    break;
                }
                if began.elapsed() > BUDGET {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

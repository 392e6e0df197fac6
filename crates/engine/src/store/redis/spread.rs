//! Many commands in a Cluster: in one go to each owner, and after whatever has moved.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use futures_util::future::join_all;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{Route, RoutingInfo, SingleNodeRoutingInfo, Slot, SlotAddr};
use redis::{ErrorKind, Pipeline, RedisError, RedisResult, ServerErrorKind, Value};

use super::link::{Ask, Link, Reply};

/// A primary, by its first slot, for each slot.
pub type Owners = HashMap<Slot, u16>;

impl Link {
    /// The answers in the order of the questions.
    pub async fn spread(&self, line: ClusterConnection, asked: &[Ask]) -> RedisResult<Vec<Reply>> {
        let owners = self.owners(&line).await?;
        let mut goes: HashMap<Option<u16>, Vec<usize>> = HashMap::new();
        for (at, ask) in asked.iter().enumerate() {
            let owner = owners.get(&Slot::for_key(&ask.key)).copied();
            goes.entry(owner).or_default().push(at);
        }
        let mut replies: Vec<Reply> = vec![Ok(Value::Nil); asked.len()];
        let going = goes.into_iter().map(|(owner, all)| {
            let mut line = line.clone();
            async move {
                let mut answers = Vec::with_capacity(all.len());
                let mut pipeline = Pipeline::with_capacity(all.len());
                for at in &all {
                    pipeline.add_command(asked[*at].command.clone());
                }
                if let Some(slot) = owner {
                    let to = Route::new(slot, SlotAddr::Master);
                    let to = SingleNodeRoutingInfo::SpecificNode(to);
                    let count = all.len();
                    answers = line.route_pipeline(pipeline, 0, count, to).await?;
                }
                RedisResult::Ok((all, answers))
            }
        });
        for gone in join_all(going).await {
            let (all, answers) = gone?;
            let mut answers = answers.into_iter();
            for at in all {
                replies[at] = match answers.next().map(Value::extract_error) {
                    // Its slot has no owner that we know, or another by now: the driver follows it.
                    None => self.follow(&line, &asked[at]).await,
                    Some(Err(error)) if moved(&error) => self.follow(&line, &asked[at]).await,
                    Some(answer) => answer,
                };
            }
        }
        Ok(replies)
    }

    async fn follow(&self, line: &ClusterConnection, ask: &Ask) -> Reply {
        *self.owners.lock().unwrap_or_else(PoisonError::into_inner) = None;
        ask.command.query_async(&mut line.clone()).await
    }

    /// Which slot belongs to which primary, as it was when that was last asked.
    async fn owners(&self, line: &ClusterConnection) -> RedisResult<Arc<Owners>> {
        let known = self
            .owners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let any = RoutingInfo::SingleNode(SingleNodeRoutingInfo::RandomPrimary);
        let slots = line.clone().route_command(command, any).await?;
        let mut owners = Owners::new();
        for (_, ranges) in super::slots::owners(&slots) {
            let Some((name, _)) = ranges.first().copied() else {
                continue;
            };
            for (first, last) in ranges {
                owners.extend((first..=last).filter_map(|slot| Some((Slot::new(slot)?, name))));
            }
        }
        let owners = Arc::new(owners);
        *self.owners.lock().unwrap_or_else(PoisonError::into_inner) = Some(owners.clone());
        Ok(owners)
    }
}

/// Whether another server owns the key by now.
fn moved(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::TryAgain
        )
    )
}

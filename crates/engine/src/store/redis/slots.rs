//! What a Cluster says of its slots: which primary owns which. Pure.

use redis::Value;

/// A primary's name, and the slots it owns, each range by its first and last.
pub type Owner = (Vec<u8>, Vec<(u16, u16)>);

/// Each primary with the slots it owns.
pub fn owners(slots: &Value) -> Vec<Owner> {
    let mut owners: Vec<Owner> = Vec::new();
    for (first, last, node) in ranges(slots) {
        // Its id, else its place.
        let name = match (node.get(2), node.first(), node.get(1)) {
            (Some(id), _, _) => text(id),
            (None, host, port) => {
                let port = port.and_then(number).unwrap_or(0);
                let mut place = host.map(text).unwrap_or_default();
                place.extend(port.to_be_bytes());
                place
            }
        };
        match owners.iter_mut().find(|(known, _)| *known == name) {
            Some((_, slots)) => slots.push((first, last)),
            None => owners.push((name, vec![(first, last)])),
        }
    }
    for (_, slots) in &mut owners {
        slots.sort_unstable();
    }
    owners.sort();
    owners
}

/// How many slots have an owner: 16,384 in a whole Cluster.
pub fn owned(slots: &Value) -> u32 {
    ranges(slots)
        .map(|(first, last, _)| u32::from(last.saturating_sub(first)) + 1)
        .sum()
}

/// Where the owner of a slot is.
pub fn address(slots: &Value, slot: u16) -> Option<(String, u16)> {
    let (_, _, node) = ranges(slots).find(|(first, last, _)| (*first..=*last).contains(&slot))?;
    let host = String::from_utf8(text(node.first()?)).ok()?;
    let port = u16::try_from(number(node.get(1)?)?).ok()?;
    (!host.is_empty()).then_some((host, port))
}

/// First and last slot, and the primary's own description.
fn ranges(slots: &Value) -> impl Iterator<Item = (u16, u16, &[Value])> {
    let all = match slots {
        Value::Array(all) => all.as_slice(),
        _ => &[],
    };
    all.iter().filter_map(|range| {
        let Value::Array(parts) = range else {
            return None;
        };
        let first = u16::try_from(number(parts.first()?)?).ok()?;
        let last = u16::try_from(number(parts.get(1)?)?).ok()?;
        match parts.get(2)? {
            Value::Array(node) => Some((first, last, node.as_slice())),
            _ => None,
        }
    })
}

fn number(value: &Value) -> Option<i64> {
    redis::from_redis_value_ref(value).ok()
}

fn text(value: &Value) -> Vec<u8> {
    redis::from_redis_value_ref(value).unwrap_or_default()
}

//! The engine's readers of bytes as they stand in its source, what has to hold for any bytes, and a watch on memory.
//! `cargo xtask fuzz` builds and runs the targets; an ordinary test of the engine's replays what they have found.

#[path = "../../crates/engine/src/django/mod.rs"]
pub mod django;
pub mod memory;
pub mod targets;

//! What the window, the command line and scripts are shown. The JSON of the command line is these types,
//! and the window's bindings are generated from them. No session key is among the fields, ever.

mod deeds;
mod doubt;
mod people;
mod site;
mod tokens;

pub use deeds::*;
pub use doubt::*;
pub use people::*;
pub use site::*;
pub use tokens::*;

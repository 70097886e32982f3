//! The service as it is run: the real program beside recorded clouds, asked through its socket and by signals, and
//! watched through its log.

mod attacks;
mod clock;
mod disasters;
mod ends;
mod fails;
mod keeps;
mod kills;
mod late;
mod moving;
mod room;
mod soak;
pub mod world;

use self::world::{Service, World};

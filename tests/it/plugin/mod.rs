//! The author's commands as a person runs them: the real program, on components made of text.

mod bad;
mod bench;
mod build;
mod built;
mod cases;
mod echo;
mod forms;
pub mod guests;
mod inspect;
mod kit;
mod ls;
mod new;
mod page;
mod run;
mod sign;

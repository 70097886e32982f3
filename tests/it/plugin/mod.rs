//! The author's commands as a person runs them: the real program, on components made of text.

mod bad;
mod bench;
mod cases;
mod forms;
mod inspect;
mod kit;
mod ls;
mod run;
mod sign;

//! Matchers of one's own: which files they are, and whether they may be run.
//!
//! | file | what is in it |
//! |---|---|
//! | `compiler` | the process that compiles them |
//! | `file` | reads files that others name, without waiting for any and without running out of memory |
//! | `signature` | whose a file is: keys, signatures, and their files |

pub mod compiler;
pub mod file;
pub mod signature;

//! placeholder, written next
/// A filter over labels.
#[derive(Clone, Debug)]
pub struct Selector;
/// Wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[error("wrong")]
pub struct SelectorError;

//! Placeholder until the rooms exist.

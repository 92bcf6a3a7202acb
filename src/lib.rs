//! Sottovoce.

//! Messages: the real ones, and what can be wrong with them.

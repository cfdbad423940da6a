//! What an input FIFO does for readers that come, leave and come back.

//! The source that is far away: a GET, resumed where it broke off, over one connection or several.
//!
//! `fetch` is one GET. `stall`, `low_water` and `hearing` watch its socket. A body that comes a long way
//! is fetched over several connections, the `lanes`, into the ring: `pace` measures whether that is faster,
//! `speed` how fast each of them is and so how much it is asked for at once, `relief` helps one that
//! has become slow, `widen` changes from one to several and back.

pub(in crate::pump) mod fetch;
pub(in crate::pump) mod hearing;
pub(in crate::pump) mod lane;
pub(in crate::pump) mod lanes;
pub(in crate::pump) mod low_water;
pub(in crate::pump) mod pace;
mod relief;
mod speed;
pub(in crate::pump) mod stall;
pub(in crate::pump) mod widen;

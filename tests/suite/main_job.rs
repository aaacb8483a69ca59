//! The main job, whole: the real program against the lab's cloud, network and SSH servers.
//!
//! Every test is a script in a lab's bastion that keeps what the program said and what the hosts and the cloud were like;
//! what that must be is judged here.

mod audited;
mod by_hand;
mod counted;
mod demo;
mod documented;
mod dry;
mod flavours;
mod guarded;
mod interrupted;
mod killed;
mod late_failure;
mod rig;
mod saved_plan;
mod several;
mod shimmed;
mod side_by_side;
mod standing;
mod two_operators;
mod typed;
mod waves;
mod whole;
mod wrong;

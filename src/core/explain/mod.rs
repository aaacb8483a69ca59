//! What the journal knows of one host's part of a run, or of a run as a whole, put in order for people and machines.
//!
//! Pure: strings go out, nothing is shown from here. What a host or the cloud has said is escaped.

mod host;
mod run;
mod timeline;

#[cfg(test)]
mod tests;

pub use host::{Explanation, explain, explain_json, explain_text};
pub use run::{RunStory, end_of, story, story_json, story_text};
pub use timeline::{Moment, time_of};

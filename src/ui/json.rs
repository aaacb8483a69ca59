//! Events as JSON lines, for programs: each with the version of the format, the run, a number and the time passed.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value};

use super::UiError;
use crate::core::event::Event;
use crate::core::model::RunId;

/// Version of a line. A field more does not change it; another meaning or a field less does.
const SCHEMA_VERSION: u32 = 1;

/// The stream of events.
pub(super) struct Stream {
    path: String,
    /// A file; `None` for stdout, whose lines the caller writes.
    file: Option<Box<dyn Write + Send>>,
    failed: Option<io::Error>,
    run: Option<RunId>,
    seq: u64,
}

impl Stream {
    pub(super) fn new(path: &str, file: Option<Box<dyn Write + Send>>) -> Self {
        Self { path: path.to_owned(), file, failed: None, run: None, seq: 0 }
    }

    /// Writes an event to the file, or returns its line for stdout. After a failure nothing more is written, so that what
    /// is there has no gaps.
    pub(super) fn event(&mut self, event: &Event, passed: Duration) -> Option<String> {
        if let Event::RunStarted { run } = event {
            self.run = Some(run.clone());
        }
        self.seq += 1;
        let line = self.line(event, passed);
        let Some(file) = &mut self.file else { return Some(line) };
        if self.failed.is_none() {
            self.failed = file.write_all(line.as_bytes()).and_then(|()| file.flush()).err();
        }
        None
    }

    fn line(&self, event: &Event, passed: Duration) -> String {
        let mut fields = match serde_json::to_value(event) {
            Ok(Value::Object(fields)) => fields,
            // An event is a struct variant of texts and numbers, which is always an object.
            _ => Map::new(),
        };
        fields.insert("schema_version".to_owned(), SCHEMA_VERSION.into());
        fields.insert("seq".to_owned(), self.seq.into());
        fields.insert("run".to_owned(), self.run.as_ref().map_or(Value::Null, |run| run.as_str().into()));
        let ms = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
        fields.insert("elapsed_ms".to_owned(), ms.into());
        format!("{}\n", Value::Object(fields))
    }

    /// Whether everything was written; a reader that went away is no failure.
    pub(super) fn finish(self) -> Result<(), UiError> {
        match self.failed {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(UiError { path: self.path, error })
            }
            _ => Ok(()),
        }
    }
}

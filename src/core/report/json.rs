//! The report as one JSON document with a version.
//!
//! Must never read a document of a newer version as if it understood it.

use serde::{Deserialize, Serialize};

use super::Report;

/// Version of the document. A field more does not change it; another meaning or a field less does.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    schema_version: u32,
    report: &'a Report,
}

#[derive(Deserialize)]
struct Versioned {
    schema_version: u32,
}

#[derive(Deserialize)]
struct Read {
    report: Report,
}

/// Why a document is not a report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It is not what [`to_json`] writes.
    #[error("not a report: {0}")]
    Malformed(String),
    /// It was written by a newer version.
    #[error(
        "a report of format {0}, and this version knows {SCHEMA_VERSION}; use the egressctl that wrote it"
    )]
    Newer(u32),
}

/// The report as a JSON document: `{"schema_version":1,"report":{…}}`, indented, with a final line break.
#[must_use]
pub fn to_json(report: &Report) -> String {
    let written = Written { schema_version: SCHEMA_VERSION, report };
    // The types have no map keys but strings and no serializer of their own, which are the ways in which it can fail.
    let mut json = serde_json::to_string_pretty(&written).unwrap_or_default();
    json.push('\n');
    json
}

/// Reads what [`to_json`] wrote.
///
/// # Errors
/// The text is not such a document, or one of a newer version.
pub fn from_json(text: &str) -> Result<Report, ReportError> {
    let malformed = |e: serde_json::Error| ReportError::Malformed(e.to_string());
    let version = serde_json::from_str::<Versioned>(text).map_err(malformed)?.schema_version;
    if version > SCHEMA_VERSION {
        return Err(ReportError::Newer(version));
    }
    Ok(serde_json::from_str::<Read>(text).map_err(malformed)?.report)
}

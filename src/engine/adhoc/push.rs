//! A file on every host, replaced as a whole or not at all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::run::said;
use super::{Field, Guest, Visit, Work, everywhere};
use crate::core::adhoc::{Answer, Exit};
use crate::core::event::{HostOutcome, Stage};
use crate::core::model::HostName;
use crate::core::observed::pushed::{BEFORE_MAX, PushEnd, PushReport, parse_push};
use crate::core::template::{PushParams, TemplateError, Templates};
use crate::core::text::clean_line;
use crate::engine::MAX_OUTPUT;
use crate::ports::{Command, Exec, Privilege, SshError, Stdin};

/// Bytes that are read at once to sum them up.
const PIECE: usize = 1 << 20;

/// What a file is to hold.
#[derive(Debug, Clone)]
pub struct Content {
    stdin: Stdin,
    size: u64,
    sha256: String,
    /// The beginning, for differences; all of it if that is at most [`BEFORE_MAX`].
    head: Arc<[u8]>,
}

impl Content {
    /// These bytes.
    #[must_use]
    pub fn bytes(bytes: Vec<u8>) -> Self {
        let head = bytes.get(..=BEFORE_MAX).unwrap_or(&bytes).into();
        let sha256 = HEXLOWER.encode(&Sha256::digest(&bytes));
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { stdin: Stdin::Bytes(bytes.into()), size, sha256, head }
    }

    /// A file as it is now; it is read once to sum it up.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn file(file: File) -> io::Result<Self> {
        let (mut sum, mut size, mut head) = (Sha256::new(), 0_u64, Vec::new());
        let mut piece = vec![0; PIECE];
        loop {
            let length = file.read_at(&mut piece, size)?;
            let read = piece.get(..length).unwrap_or_default();
            if read.is_empty() {
                break;
            }
            sum.update(read);
            if head.len() <= BEFORE_MAX {
                head.extend(read.iter().take(BEFORE_MAX + 1 - head.len()));
            }
            size += u64::try_from(length).unwrap_or(u64::MAX);
        }
        let sha256 = HEXLOWER.encode(&sum.finalize());
        Ok(Self { stdin: Stdin::File(Arc::new(file)), size, sha256, head: head.into() })
    }

    /// The beginning; all of it if that is at most [`BEFORE_MAX`] bytes.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }
}

/// What is written where, and how.
#[derive(Debug, Clone)]
pub struct PushOrder {
    /// The file and its attributes; size and sum come from the content.
    pub params: PushParams,
    /// What each host gets.
    pub contents: BTreeMap<HostName, Content>,
    /// As whom.
    pub privilege: Option<Privilege>,
    /// Limit for the whole execution.
    pub wall: Duration,
}

/// Writes it to all hosts, once what comes back is polled.
///
/// # Errors
/// The script cannot be rendered; nothing was begun.
pub fn push(
    field: &Field,
    visits: Vec<Visit>,
    order: PushOrder,
    templates: &Templates,
) -> Result<impl Future<Output = Vec<Answer<PushReport>>>, TemplateError> {
    let PushOrder { params, contents, privilege, wall } = order;
    let mut goods = BTreeMap::new();
    for (host, content) in contents {
        let params = PushParams { size: content.size, sha256: content.sha256.clone(), ..params.clone() };
        goods.insert(host, (templates.push_script(&params)?, content.stdin));
    }
    let looks_only = params.check == "yes";
    let delivery = everywhere(field, visits, Delivery { goods, looks_only, privilege, wall });
    Ok(async { delivery.await.into_iter().map(Answer::flatten).collect() })
}

struct Delivery {
    goods: BTreeMap<HostName, (String, Stdin)>,
    looks_only: bool,
    privilege: Option<Privilege>,
    wall: Duration,
}

#[async_trait]
impl Work for Delivery {
    type Value = Option<PushReport>;
    const STAGE: Stage = Stage::Push;

    async fn on(&self, guest: &Guest<'_>) -> Result<(HostOutcome, Option<PushReport>), SshError> {
        let Some((script, content)) = self.goods.get(&guest.visit.host.name) else {
            return Ok((HostOutcome::Skipped("there is nothing for it".to_owned()), None));
        };
        let words = ["/bin/sh", "-c", script, "egressctl-push"].map(str::to_owned).to_vec();
        let exec = Exec {
            stdin: if self.looks_only { Stdin::Empty } else { content.clone() },
            privilege: self.privilege.clone(),
            ..Exec::new(Command::Argv(words), self.wall, MAX_OUTPUT)
        };
        let said = said(guest.exec(exec).await?);
        let report = match parse_push(&said.stdout) {
            Ok(report) if said.exit == Exit::Code(0) => report,
            parsed => {
                let ended = said.exit.outcome().reason().unwrap_or("no exit code").to_owned();
                let why = parsed.err().map(|error| format!(" ({error})")).unwrap_or_default();
                let words = clean_line(&said.stderr, 200);
                return Ok((HostOutcome::Failed(format!("{ended}{why}: {words}")), None));
            }
        };
        let outcome = match &report.end {
            PushEnd::Unchanged => HostOutcome::Ok,
            PushEnd::Changed | PushEnd::WouldChange => HostOutcome::Changed,
            PushEnd::Refused { detail, .. } => HostOutcome::Failed(detail.clone()),
        };
        Ok((outcome, Some(report)))
    }
}

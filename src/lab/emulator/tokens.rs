//! `ClientToken`: the same request twice has its effect once.
//!
//! A token belongs to one action. Only successes are kept: a request that failed may be sent again with its token, unless the
//! lab's faults want it otherwise.

use std::collections::HashMap;

use super::answer::Body;
use super::errors::{ApiError, TOKEN_FAILED, TOKEN_REUSED, TOKEN_RUNNING};
use super::faults::FailedTokens;
use super::params::{Params, invalid};

/// Action and token.
pub(crate) type Key = (&'static str, String);

#[derive(Debug)]
enum Entry {
    Running(Params),
    Done(Params, Result<Body, ApiError>),
}

/// What a token means for the request at hand.
#[derive(Debug, PartialEq)]
pub(crate) enum Begin {
    /// New: go on, then [`Tokens::finish`].
    Fresh,
    /// It was answered before, with this.
    Known(Result<Body, ApiError>),
}

/// The tokens seen.
#[derive(Debug, Default)]
pub(crate) struct Tokens(HashMap<Key, Entry>);

impl Tokens {
    /// Reserves a token for a request.
    ///
    /// # Errors
    /// `LastTokenProcessing` while the first request runs, `IdempotentParameterMismatch` if it had other parameters,
    /// `InvalidParameter` for a token that is too long or not ASCII.
    pub(crate) fn begin(&mut self, key: &Key, params: &Params) -> Result<Begin, ApiError> {
        if key.1.len() > 64 || !key.1.is_ascii() {
            return Err(invalid("ClientToken", "is not at most 64 ASCII characters"));
        }
        match self.0.get(key) {
            Some(Entry::Running(first) | Entry::Done(first, _)) if first != params => {
                Err(TOKEN_REUSED.into())
            }
            Some(Entry::Running(_)) => Err(TOKEN_RUNNING.into()),
            Some(Entry::Done(_, result)) => Ok(Begin::Known(result.clone())),
            None => {
                self.0.insert(key.clone(), Entry::Running(params.clone()));
                Ok(Begin::Fresh)
            }
        }
    }

    /// Keeps the answer of a success; what becomes of a failure is for `failed` to say.
    pub(crate) fn finish(
        &mut self,
        key: Key,
        params: Params,
        result: Result<Body, ApiError>,
        failed: FailedTokens,
    ) {
        let kept = match (result, failed) {
            (Ok(body), _) => Ok(body),
            (Err(_), FailedTokens::Forgotten) => {
                self.0.remove(&key);
                return;
            }
            (Err(error), FailedTokens::Replayed) => Err(error),
            (Err(_), FailedTokens::Refused) => Err(TOKEN_FAILED.into()),
        };
        self.0.insert(key, Entry::Done(params, kept));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(value: &str) -> Params {
        [("A".to_owned(), value.to_owned())].into_iter().collect()
    }

    #[test]
    fn one_effect_for_one_token() {
        let mut tokens = Tokens::default();
        let key = ("Create", "t".to_owned());
        let code = |result: Result<Begin, ApiError>| result.unwrap_err().code;
        assert_eq!(tokens.begin(&key, &params("1")), Ok(Begin::Fresh));
        assert_eq!(code(tokens.begin(&key, &params("1"))), "LastTokenProcessing");
        assert_eq!(code(tokens.begin(&key, &params("2"))), "IdempotentParameterMismatch");
        let body = Body::from_iter([("Id".to_owned(), "eni-1".into())]);
        tokens.finish(key.clone(), params("1"), Ok(body.clone()), FailedTokens::Forgotten);
        assert_eq!(tokens.begin(&key, &params("1")), Ok(Begin::Known(Ok(body))));
        assert_eq!(code(tokens.begin(&key, &params("2"))), "IdempotentParameterMismatch");
        assert_eq!(tokens.begin(&("Other", "t".to_owned()), &params("2")), Ok(Begin::Fresh));
    }

    #[test]
    fn a_failure_frees_its_token_or_sticks_to_it() {
        let key = ("Create", "t".to_owned());
        let failed = |how| {
            let mut tokens = Tokens::default();
            assert_eq!(tokens.begin(&key, &params("1")), Ok(Begin::Fresh));
            tokens.finish(key.clone(), params("1"), Err(TOKEN_RUNNING.into()), how);
            tokens.begin(&key, &params("1"))
        };
        assert_eq!(failed(FailedTokens::Forgotten), Ok(Begin::Fresh));
        assert_eq!(failed(FailedTokens::Replayed), Ok(Begin::Known(Err(TOKEN_RUNNING.into()))));
        assert_eq!(failed(FailedTokens::Refused), Ok(Begin::Known(Err(TOKEN_FAILED.into()))));
    }

    #[test]
    fn tokens_are_short_ascii() {
        for bad in ["x".repeat(65), "é".to_owned()] {
            let key = ("Create", bad);
            assert_eq!(Tokens::default().begin(&key, &params("1")).unwrap_err().code, "InvalidParameter");
        }
    }
}

//! Which caller holds which token until when. No clock and no randomness in here: both are given.
//!
//! A caller can never use another's token, nor push another's out.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::core::model::Secret;

/// Tokens one caller may hold; a further one ends the oldest.
const PER_CALLER: usize = 256;

struct Token {
    text: Secret<String>,
    until: Instant,
}

/// All tokens in use. Callers are those the book knows, so their number is bounded.
#[derive(Default)]
pub(super) struct Tokens(HashMap<Ipv4Addr, VecDeque<Token>>);

impl Tokens {
    pub(super) fn add(&mut self, caller: Ipv4Addr, text: String, now: Instant, ttl: Duration) {
        let held = self.0.entry(caller).or_default();
        held.retain(|token| now < token.until);
        if held.len() == PER_CALLER {
            held.pop_front();
        }
        held.push_back(Token { text: Secret::new(text), until: now + ttl });
    }

    pub(super) fn holds(&self, caller: Ipv4Addr, text: &str, now: Instant) -> bool {
        let held = self.0.get(&caller);
        held.is_some_and(|held| held.iter().any(|token| token.text.expose() == text && now < token.until))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 10);
    const B: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 11);

    #[test]
    fn a_token_is_its_callers_alone_and_ends_in_time() {
        let (mut tokens, now, ttl) = (Tokens::default(), Instant::now(), Duration::from_secs(5));
        tokens.add(A, "t".to_owned(), now, ttl);
        assert!(tokens.holds(A, "t", now + ttl - Duration::from_nanos(1)));
        assert!(!tokens.holds(A, "t", now + ttl));
        assert!(!tokens.holds(B, "t", now) && !tokens.holds(A, "u", now));
    }

    #[test]
    fn a_caller_that_asks_without_end_loses_its_own_oldest_tokens_only() {
        let (mut tokens, now, ttl) = (Tokens::default(), Instant::now(), Duration::from_secs(5));
        tokens.add(B, "t".to_owned(), now, ttl);
        for n in 0..=PER_CALLER {
            tokens.add(A, n.to_string(), now, ttl);
        }
        assert!(!tokens.holds(A, "0", now) && tokens.holds(A, "1", now) && tokens.holds(B, "t", now));
    }
}

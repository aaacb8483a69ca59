//! How long, how often, how likely: the values of a fault file, each parsed from the text that people write.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::super::tuning::between;
use crate::core::text::milliseconds;

/// A time with its unit, such as `800ms` or `2s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Time(pub Duration);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let ms = milliseconds(&text).filter(|ms| *ms <= 86_400_000);
        ms.map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| format!("{text:?} is no time; write it with its unit, such as 800ms, 2s or 5m"))
    }
}

/// A time, or the two ends of a range that each use draws from, such as `2s..8s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span {
    /// At least.
    pub least: Duration,
    /// At most.
    pub most: Duration,
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (least, most) = text.split_once("..").unwrap_or((&text, &text));
        let (least, most) = (Time::try_from(least.to_owned())?.0, Time::try_from(most.to_owned())?.0);
        if least > most {
            return Err(format!("{text:?} ends before it begins; write the shorter time first"));
        }
        Ok(Self { least, most })
    }
}

impl Span {
    /// The time that this number draws.
    pub(crate) fn draw(self, roll: u64) -> Duration {
        between(self.least, self.most, roll)
    }
}

/// Which of the matching calls, from 1: `3`, `2-4` or `3-`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nth {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
}

impl Nth {
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
        let (first, last) = match text.split_once('-') {
            None => (number(text)?, number(text)?),
            Some((first, "")) => (number(first)?, u32::MAX),
            Some((first, last)) => (number(first)?, number(last)?),
        };
        (first <= last).then_some(Self { first, last })
    }

    pub(super) const fn holds(self, number: u32) -> bool {
        self.first <= number && number <= self.last
    }
}

struct NthVisitor;

impl Visitor<'_> for NthVisitor {
    type Value = Nth;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("which calls, counted from 1: 3, 2-4 or 3-")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Nth, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Nth, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Nth, E> {
        Nth::parse(text)
            .ok_or_else(|| E::custom(format!("{text:?} names no calls; write 3, 2-4 or 3-, counted from 1")))
    }
}

impl<'de> Deserialize<'de> for Nth {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NthVisitor)
    }
}

/// A probability, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub struct Chance(u32);

impl TryFrom<f64> for Chance {
    type Error = String;

    fn try_from(chance: f64) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&chance) {
            return Err(format!("{chance} is no probability; write a number from 0 to 1"));
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a million")]
        Ok(Self((chance * 1e6).round() as u32))
    }
}

impl Chance {
    /// Whether this number is a hit.
    pub(super) fn hits(self, roll: u64) -> bool {
        roll % 1_000_000 < u64::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_one_time_or_two() {
        let span = |text: &str| Span::try_from(text.to_owned());
        let ms = Duration::from_millis;
        assert_eq!(span("2s..8s"), Ok(Span { least: ms(2_000), most: ms(8_000) }));
        assert_eq!(span("800ms").unwrap().draw(17), ms(800));
        for roll in 0..100 {
            assert!((ms(2_000)..=ms(8_000)).contains(&span("2s..8s").unwrap().draw(roll * 977)));
        }
        for bad in ["", "2", "8s..2s", "2s..", "..2s", "-1s", "25h"] {
            assert!(span(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn calls_are_counted_from_one() {
        let holds = |text: &str| -> Vec<u32> {
            let nth = Nth::parse(text).unwrap();
            (1..6).filter(|number| nth.holds(*number)).collect()
        };
        assert_eq!(holds("2"), [2]);
        assert_eq!(holds("2-4"), [2, 3, 4]);
        assert_eq!(holds("4-"), [4, 5]);
        for bad in ["0", "", "-", "3-1", "x", "1-2-3", "-1"] {
            assert_eq!(Nth::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn chances_are_shares() {
        let hits = |chance: f64| {
            let chance = Chance::try_from(chance).unwrap();
            (0..1_000u64).filter(|n| chance.hits(super::super::super::tuning::dice(3, *n))).count()
        };
        assert_eq!((hits(0.0), hits(1.0)), (0, 1_000));
        assert!((200..400).contains(&hits(0.3)));
        assert!(Chance::try_from(1.1).is_err() && Chance::try_from(f64::NAN).is_err());
    }
}

//! `web[01:50]`: many host names in one.

use super::MOST_HOSTS;

/// The names that a pattern stands for; the error says what would have been accepted.
///
/// `[a:b]` and `[a:b:step]` count in numbers, which keep leading zeros, or in letters; both ends are included. Several
/// brackets give every combination, the last one counting fastest.
pub(super) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let Some((head, rest)) = pattern.split_once('[') else { return Ok(vec![pattern.to_owned()]) };
    let (inside, tail) = rest.split_once(']').ok_or("a host range that is closed by ]")?;
    let tails = expand(tail)?;
    let steps = steps(inside)?;
    if steps.len().saturating_mul(tails.len()) > MOST_HOSTS {
        return Err(format!("at most {MOST_HOSTS} hosts"));
    }
    Ok(steps.iter().flat_map(|step| tails.iter().map(move |tail| format!("{head}{step}{tail}"))).collect())
}

fn steps(inside: &str) -> Result<Vec<String>, String> {
    const EXPECTED: &str = "a host range such as [1:20], [01:20:2] or [a:f]";
    let parts: Vec<&str> = inside.split(':').collect();
    let (first, last, step) = match parts.as_slice() {
        [first, last] => (*first, *last, 1),
        [first, last, step] => {
            (*first, *last, step.parse::<usize>().ok().filter(|step| *step > 0).ok_or(EXPECTED)?)
        }
        _ => return Err(EXPECTED.to_owned()),
    };
    // An absent beginning is 0; an absent end cannot be known.
    let first = if first.is_empty() { "0" } else { first };
    let letter = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii_alphabetic() => Some(*byte),
        _ => None,
    };
    if let (Some(from), Some(to)) = (letter(first), letter(last)) {
        if from > to || from.is_ascii_lowercase() != to.is_ascii_lowercase() {
            return Err("a range whose end is not before its beginning".to_owned());
        }
        return Ok((from..=to).step_by(step).map(|byte| char::from(byte).to_string()).collect());
    }
    let digits = |text: &str| {
        let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
        number.filter(|number| usize::try_from(*number).is_ok())
    };
    let (Some(from), Some(to)) = (digits(first), digits(last)) else { return Err(EXPECTED.to_owned()) };
    if from > to {
        return Err("a range whose end is not before its beginning".to_owned());
    }
    let width = if first.len() > 1 && first.starts_with('0') { first.len() } else { 0 };
    if width > 0 && width != last.len() {
        return Err("a range whose ends have the same number of digits, as [01:20]".to_owned());
    }
    if usize::try_from((to - from) / step as u64).is_ok_and(|count| count >= MOST_HOSTS) {
        return Err(format!("at most {MOST_HOSTS} hosts"));
    }
    Ok((from..=to).step_by(step).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_count_as_ansible_counts() {
        let cases = [
            ("db", "db"),
            ("web[1:3]", "web1 web2 web3"),
            (
                "web[08:11].example.com",
                "web08.example.com web09.example.com web10.example.com web11.example.com",
            ),
            ("w[1:7:3]", "w1 w4 w7"),
            ("r[a:c]", "ra rb rc"),
            ("r[A:C:2]", "rA rC"),
            ("x[:2]", "x0 x1 x2"),
            ("r[a:b]n[1:2]", "ran1 ran2 rbn1 rbn2"),
        ];
        for (pattern, names) in cases {
            assert_eq!(expand(pattern).unwrap().join(" "), names, "{pattern}");
        }
        for wrong in [
            "w[1]",
            "w[3:1]",
            "w[1:]",
            "w[1:3",
            "w[c:a]",
            "w[a:C]",
            "w[01:100]",
            "w[1:3:0]",
            "w[1:2:3:4]",
            "w[-1:2]",
            "w[1:99999999999999999999]",
            "w[1:100001]",
            "w[1:1000][1:1000]",
        ] {
            assert!(expand(wrong).is_err(), "{wrong}");
        }
    }
}

//! Bodies of answers, pages of lists, times of the wire.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::errors::{ApiError, DRY_RUN};
use super::params::{Params, invalid};
use super::tuning::dice;

/// The members of a JSON answer, without `RequestId`.
pub(crate) type Body = Map<String, Value>;

/// The body of an error answer.
#[must_use]
pub(crate) fn error_body(error: &ApiError, request_id: &str, host: &str) -> Value {
    json!({
        "RequestId": request_id,
        "HostId": host,
        "Code": error.code,
        "Message": error.message,
        "Recommend": format!("https://api.example.com/troubleshoot?q={}", error.code),
    })
}

/// Members from a JSON object.
#[must_use]
pub(crate) fn body(value: Value) -> Body {
    match value {
        Value::Object(members) => members,
        other => Body::from_iter([("Value".to_owned(), other)]),
    }
}

/// Refuses with `DryRunOperation`, which is how the vendor says that a dry run would have passed.
///
/// # Errors
/// `DryRunOperation` if asked for.
pub(crate) fn dry_run(params: &Params) -> Result<(), ApiError> {
    if params.flag("DryRun")? { Err(DRY_RUN.into()) } else { Ok(()) }
}

/// `PageNumber` and `PageSize`, 10 by default: the page and its members of the answer.
///
/// # Errors
/// `InvalidParameter` for a page larger than `max` or a zero.
pub(crate) fn numbered<T>(params: &Params, items: Vec<T>, max: usize) -> Result<(Vec<T>, Body), ApiError> {
    let number = params.number("PageNumber")?.unwrap_or(1);
    let size = params.number("PageSize")?.unwrap_or(10);
    if number == 0 {
        return Err(invalid("PageNumber", "must be at least 1"));
    }
    if !(1..=max).contains(&size) {
        return Err(invalid("PageSize", &format!("must be from 1 to {max}")));
    }
    let (total, items) = (items.len(), shuffled(params, items));
    let page = items.into_iter().skip((number - 1).saturating_mul(size)).take(size).collect();
    Ok((page, body(json!({ "PageNumber": number, "PageSize": size, "TotalCount": total }))))
}

/// `NextToken` and a size parameter. A size below the range becomes its lower end, as documented. The token is the last id
/// of the page before, so pages stay right while the list changes.
///
/// # Errors
/// `InvalidParameter` for a size above the range.
pub(crate) fn continued<T>(
    params: &Params,
    items: Vec<T>,
    size_key: &str,
    sizes: RangeInclusive<usize>,
    id: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Body), ApiError> {
    let size = params.number(size_key)?.unwrap_or(10).max(*sizes.start());
    if size > *sizes.end() {
        return Err(invalid(size_key, &format!("must be at most {}", sizes.end())));
    }
    let mut rest: Vec<T> = match params.get("NextToken").map(|token| token.strip_prefix("after-")) {
        None => items,
        Some(None) => return Err(invalid("NextToken", "is not one of ours")),
        Some(Some(last)) => items.into_iter().filter(|item| id(item).as_str() > last).collect(),
    };
    let more = rest.len() > size;
    rest.truncate(size);
    let token = rest.last().filter(|_| more).map(|last| format!("after-{}", id(last)));
    Ok((shuffled(params, rest), body(json!({ "NextToken": token.unwrap_or_default() }))))
}

/// The items in another order, if the lab's faults want that.
fn shuffled<T>(params: &Params, mut items: Vec<T>) -> Vec<T> {
    let Some(seed) = params.shuffle else { return items };
    for last in (1..items.len()).rev() {
        let range = u64::try_from(last + 1).unwrap_or(u64::MAX);
        items.swap(last, usize::try_from(dice(seed, range) % range).unwrap_or_default());
    }
    items
}

/// ECS lists: by token if the request uses one of its parameters, else by number.
///
/// # Errors
/// As the two kinds of pages.
pub(crate) fn either<T>(
    params: &Params,
    items: Vec<T>,
    sizes: RangeInclusive<usize>,
    id: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Body), ApiError> {
    if params.get("MaxResults").is_some() || params.get("NextToken").is_some() {
        let total = items.len();
        let (page, mut members) = continued(params, items, "MaxResults", sizes, id)?;
        members.extend(body(json!({ "TotalCount": total, "PageNumber": 0, "PageSize": 0 })));
        Ok((page, members))
    } else {
        let (page, mut members) = numbered(params, items, *sizes.end())?;
        members.insert("NextToken".to_owned(), "".into());
        Ok((page, members))
    }
}

/// A time as ECS writes it, to the minute.
#[must_use]
pub(crate) fn minute(ms: i64) -> String {
    strftime(ms, "%Y-%m-%dT%H:%MZ")
}

/// A time as VPC writes it, to the second.
#[must_use]
pub(crate) fn second(ms: i64) -> String {
    strftime(ms, "%Y-%m-%dT%H:%M:%SZ")
}

fn strftime(ms: i64, format: &str) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or_default().strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(pairs: &[(&str, &str)]) -> Params {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn ids(count: usize) -> Vec<String> {
        (0..count).map(|n| format!("id-{n:03}")).collect()
    }

    #[test]
    fn numbered_pages_cover_the_list_once() {
        let (page, members) = numbered(&params(&[("PageNumber", "3")]), ids(25), 50).unwrap();
        assert_eq!((page.len(), &page[0]), (5, &"id-020".to_owned()));
        assert_eq!(members["TotalCount"], 25);
        assert!(numbered(&params(&[("PageSize", "51")]), ids(1), 50).is_err());
        assert!(numbered(&params(&[("PageNumber", "0")]), ids(1), 50).is_err());
        assert!(numbered(&params(&[("PageNumber", "9")]), ids(1), 50).unwrap().0.is_empty());
    }

    #[test]
    fn tokens_lead_to_an_empty_token() {
        let mut seen = Vec::new();
        let mut token = String::new();
        loop {
            let given = params(&[("MaxResults", "10"), ("NextToken", &token)]);
            let (page, members) = either(&given, ids(25), 10..=100, Clone::clone).unwrap();
            seen.extend(page);
            token = members["NextToken"].as_str().unwrap().to_owned();
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, ids(25));
    }

    #[test]
    fn small_sizes_are_raised_and_large_ones_refused() {
        let small = params(&[("MaxResults", "1")]);
        assert_eq!(either(&small, ids(25), 10..=100, Clone::clone).unwrap().0.len(), 10);
        let large = params(&[("MaxResults", "101")]);
        assert_eq!(either(&large, ids(25), 10..=100, Clone::clone).unwrap_err().code, "InvalidParameter");
        let strange = params(&[("NextToken", "x")]);
        assert!(either(&strange, ids(25), 10..=100, Clone::clone).is_err());
    }

    #[test]
    fn times_have_the_forms_of_their_products() {
        assert_eq!(minute(1_772_352_550_000), "2026-03-01T08:09Z");
        assert_eq!(second(1_772_352_550_000), "2026-03-01T08:09:10Z");
    }
}

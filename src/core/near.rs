//! Finding the word that was meant.

/// The words close enough to be meant, the closest first: at most a third of the letters differ.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Vec<&'k str> {
    let word = word.to_lowercase();
    let length = word.chars().count();
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.chars().count();
            let longer = length.max(other);
            let limit = longer.div_ceil(3).min(3);
            // The distance is at least that of the lengths, and costs time by their product.
            if length.abs_diff(other) > limit || longer > 300 {
                return None;
            }
            let distance = edit_distance(&word, &candidate.to_lowercase());
            (distance <= limit && distance < longer).then_some((distance, candidate))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("prot", ["user", "port", "key"]), ["port"]);
        assert_eq!(nearest("Hosts", ["hosts", "host"]), ["hosts", "host"]);
        assert!(nearest("colour", ["user", "port", "key"]).is_empty());
        assert!(nearest("a", ["b"]).is_empty());
    }

    #[test]
    fn a_swap_counts_once() {
        assert_eq!(edit_distance("prot", "port"), 1);
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
    }
}

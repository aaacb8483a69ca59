//! A unified diff of two texts that differ in one stretch, as files with a managed block do.

/// The difference as `diff -u` prints it, with one hunk from the first to the last line that differs and three lines of
/// context; empty if the texts are equal. Texts without a difference in between lines of the stretch are not searched for
/// common lines, so the hunk is right for every pair of texts and smallest for a changed block.
#[must_use]
pub fn unified_diff(before: &str, after: &str, label: &str) -> String {
    const CONTEXT: usize = 3;
    if before == after {
        return String::new();
    }
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let most = old.len().min(new.len()) - head;
    let tail = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
    let first = head.saturating_sub(CONTEXT);
    let after_context = tail.min(CONTEXT);
    let (old_end, new_end) = (old.len() - tail + after_context, new.len() - tail + after_context);
    let old_name = if before.is_empty() { "/dev/null" } else { label };
    let mut out = format!(
        "--- {old_name}\n+++ {label}\n@@ -{} +{} @@\n",
        range(first, old_end - first),
        range(first, new_end - first)
    );
    let mut put = |mark: char, lines: &[&str]| {
        for line in lines {
            out.push(mark);
            out.push_str(line);
            if !line.ends_with('\n') {
                out.push_str("\n\\ No newline at end of file\n");
            }
        }
    };
    put(' ', old.get(first..head).unwrap_or_default());
    put('-', old.get(head..old.len() - tail).unwrap_or_default());
    put('+', new.get(head..new.len() - tail).unwrap_or_default());
    put(' ', old.get(old.len() - tail..old_end).unwrap_or_default());
    out
}

fn range(start: usize, length: usize) -> String {
    let from = if length == 0 { start } else { start + 1 };
    if length == 1 { from.to_string() } else { format!("{from},{length}") }
}

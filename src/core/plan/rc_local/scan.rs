//! Enough of the shell's grammar to tell where a script ends for sure. Where it loses the thread it says so.

/// The line, trimmed, does nothing but end the script: `exit`, `exit 0`, `exec COMMAND`.
pub(super) fn is_exit(line: &str) -> bool {
    let mut words = line.split([' ', '\t', ';']).filter(|word| !word.is_empty());
    match words.next() {
        Some("exit") => !line.contains("||") && !line.contains("&&"),
        // Without a command, `exec` only redirects.
        Some("exec") => words.next().is_some_and(|word| {
            !word.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['>', '<', '&'])
        }),
        _ => false,
    }
}

/// A line in front of the block's place may end the script under some condition.
pub(super) fn may_end_early(text: &str) -> bool {
    let before = text.get(..place(text)).unwrap_or_default();
    before
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .any(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == "exit"))
}

/// Where the block goes: byte offset of a line's start, or the text's end. The text begins with `#!`.
pub(super) fn place(text: &str) -> usize {
    let below_first = text.find('\n').map_or(text.len(), |at| at + 1);
    if may_stop(text) {
        return below_first;
    }
    match walk(text) {
        Walk { exit: Some(at), .. } => at.max(below_first),
        Walk { lost: true, .. } => below_first,
        Walk { .. } => text.len(),
    }
}

/// A command that fails ends the script, and there is one that may: `sh -e`, or `set -e`.
fn may_stop(text: &str) -> bool {
    let flag = |word: &str| {
        word == "errexit"
            || word.strip_prefix('-').is_some_and(|flags| !flags.starts_with('-') && flags.contains('e'))
    };
    let words = |line: &str| line.split_whitespace().skip(1).any(flag);
    let first = text.lines().next().filter(|line| line.starts_with("#!")).is_some_and(words);
    let mut code = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    if first {
        return code.any(|line| !is_exit(line));
    }
    code.any(|line| line.starts_with("set ") && words(line))
}

/// The script ends for sure before this offset.
pub(super) fn ends_before(text: &str, offset: usize) -> bool {
    walk(text).exit.is_some_and(|at| at < offset)
}

struct Walk {
    /// Start of the line with the first sure exit.
    exit: Option<usize>,
    /// The grammar was not followed to the end.
    lost: bool,
}

/// What has been opened and is not closed yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Compound,
    Case,
    Parenthesis,
}

/// State between lines.
#[derive(Default)]
struct State {
    open: Vec<Open>,
    quote: Option<char>,
    heredocs: Vec<(String, bool)>,
    continued: bool,
    lost: bool,
}

fn walk(text: &str) -> Walk {
    let mut state = State::default();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        let line = line.trim_end_matches('\n');
        if let Some((word, tabs)) = state.heredocs.first() {
            let candidate = if *tabs { line.trim_start_matches('\t') } else { line };
            if candidate == word {
                state.heredocs.remove(0);
            }
            continue;
        }
        let fresh = state.open.is_empty() && state.quote.is_none() && !state.continued && !state.lost;
        if fresh && is_exit(line.trim()) {
            return Walk { exit: Some(start), lost: false };
        }
        state.line(line);
    }
    let open = !state.open.is_empty() || state.quote.is_some() || !state.heredocs.is_empty();
    Walk { exit: None, lost: state.lost || open }
}

impl State {
    fn line(&mut self, line: &str) {
        self.continued = false;
        let mut chars = line.chars().peekable();
        let mut word = String::new();
        // A reserved word counts only where a command may begin.
        let mut command = true;
        let mut plain = true;
        while let Some(c) = chars.next() {
            if let Some(quote) = self.quote {
                if c == '\\' && quote != '\'' {
                    chars.next();
                } else if c == quote {
                    self.quote = None;
                }
                continue;
            }
            match c {
                '\\' => {
                    plain = false;
                    self.continued = chars.next().is_none();
                }
                '\'' | '"' | '`' => {
                    self.quote = Some(c);
                    plain = false;
                }
                '#' if word.is_empty() && plain => break,
                ' ' | '\t' | ';' | '&' | '|' | '(' | ')' => {
                    self.word(&word, plain, &mut command);
                    word.clear();
                    plain = true;
                    match c {
                        ';' | '&' | '|' => command = true,
                        '(' => {
                            command = true;
                            self.open.push(Open::Parenthesis);
                        }
                        // A pattern of `case` ends with one that nothing has opened.
                        ')' => {
                            command = true;
                            self.close_parenthesis();
                        }
                        _ => {}
                    }
                }
                '<' if chars.peek() == Some(&'<') => {
                    chars.next();
                    self.heredoc(&mut chars);
                }
                _ => word.push(c),
            }
        }
        self.word(&word, plain, &mut command);
        let tail = line.trim_end();
        self.continued |= tail.ends_with("&&") || tail.ends_with('|');
    }

    fn word(&mut self, word: &str, plain: bool, command: &mut bool) {
        if word.is_empty() {
            if !plain {
                *command = false;
            }
            return;
        }
        // `function name {` has its brace where no command begins; taking one too many for a brace only loses the thread.
        if !plain || (!*command && word != "{") {
            return;
        }
        match word {
            "if" | "for" | "while" | "until" | "select" | "{" => self.open.push(Open::Compound),
            "case" => self.open.push(Open::Case),
            "fi" | "done" | "}" => self.close(Open::Compound),
            "esac" => self.close(Open::Case),
            _ => {}
        }
        // Only after these does a command begin again.
        *command = ["if", "then", "else", "elif", "do", "while", "until", "{", "!", "time"].contains(&word);
    }

    fn close_parenthesis(&mut self) {
        if self.open.last() != Some(&Open::Case) {
            self.close(Open::Parenthesis);
        }
    }

    fn close(&mut self, what: Open) {
        if self.open.pop() != Some(what) {
            self.lost = true;
        }
    }

    fn heredoc(&mut self, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
        if chars.next_if_eq(&'<').is_some() {
            return;
        }
        let tabs = chars.next_if_eq(&'-').is_some();
        while chars.next_if(|c| *c == ' ' || *c == '\t').is_some() {}
        let mut word = String::new();
        while let Some(c) = chars.next_if(|c| !" \t;&|<>()".contains(*c)) {
            if !"'\"\\".contains(c) {
                word.push(c);
            }
        }
        if word.is_empty() || word.bytes().all(|b| b.is_ascii_digit()) {
            self.lost = true;
        } else {
            self.heredocs.push((word, tabs));
        }
    }
}

//! Whose inventory a text is, and how it is written: by the file's name and the keys at its left margin.

use super::Form;

/// Keys of our own inventories.
const OURS: [&str; 4] = ["cloud", "defaults", "groups", "hosts"];
/// Keys that only an inventory of Ansible's has at its left margin.
const THEIRS: [&str; 3] = ["all", "ungrouped", "plugin"];

/// The form of an inventory of Ansible's; `None` for one of our own.
pub(in super::super) fn form(file: &str, text: &str) -> Option<Form> {
    let name = file.rsplit('/').next().unwrap_or(file).to_ascii_lowercase();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    match extension {
        Some("ini" | "cfg") => return Some(Form::Ini),
        Some("yaml" | "yml" | "json") => {}
        _ if !looks_like_yaml(text) => return Some(Form::Ini),
        _ => {}
    }
    let keys: Vec<&str> = top_keys(text).collect();
    if keys.iter().any(|key| OURS.contains(key)) {
        return None;
    }
    let grouped = || {
        let inner = text.lines().filter(|line| line.starts_with([' ', '\t'])).map(str::trim_start);
        let mut inner =
            inner.flat_map(|line| ["hosts:", "children:", "vars:"].map(|key| line.starts_with(key)));
        inner.any(|found| found)
    };
    (keys.iter().any(|key| THEIRS.contains(key)) || (!keys.is_empty() && grouped())).then_some(Form::Yaml)
}

/// The first line that says anything is a mapping's, a document's or JSON's; `host:22` is a host.
fn looks_like_yaml(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    first.is_none_or(|line| {
        let key = line.split_once(':').filter(|(key, rest)| {
            !key.contains(char::is_whitespace) && (rest.is_empty() || rest.starts_with([' ', '\t']))
        });
        line.starts_with('{') || line.starts_with("---") || line.starts_with('%') || key.is_some()
    })
}

/// The keys at the left margin, or the first key of a document in braces.
fn top_keys(text: &str) -> impl Iterator<Item = &str> {
    let braces = text.trim_start().strip_prefix('{').map(str::trim_start);
    let first = braces.and_then(|rest| rest.split_once(':')).map(|(key, _)| key);
    let margin = text
        .lines()
        .filter(|line| line.starts_with(|c: char| !c.is_whitespace() && !"#-{}[]".contains(c)))
        .filter_map(|line| line.split_once(':'))
        .map(|(key, _)| key);
    first
        .into_iter()
        .chain(margin.filter(move |_| braces.is_none()))
        .map(|key| key.trim().trim_matches(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_told_apart() {
        let cases = [
            ("hosts", "web1\n", Some(Form::Ini)),
            ("hosts", "# c\nweb1:22 a=b: c\n", Some(Form::Ini)),
            ("hosts.ini", "cloud: x\n", Some(Form::Ini)),
            ("/etc/ansible/hosts", "[web]\nweb1\n", Some(Form::Ini)),
            ("fleet.yaml", "cloud: { provider: aliyun }\nhosts:\n  - name: a\n", None),
            ("fleet", "---\ncloud: {}\n", None),
            ("fleet.json", "{ \"hosts\": [] }", None),
            ("a.yml", "all:\n  hosts:\n    a:\n", Some(Form::Yaml)),
            ("a.yml", "---\n# c\nweb:\n  hosts:\n    a:\ndb:\n", Some(Form::Yaml)),
            ("a.yml", "plugin: x\n", Some(Form::Yaml)),
            ("a.json", "{\n  \"all\": {\"hosts\": {\"a\": {}}}\n}", Some(Form::Yaml)),
            ("fleet.yaml", "clouds: {}\nhost:\n  - name: a\n", None),
            ("fleet.yaml", "", None),
        ];
        for (file, text, expected) in cases {
            assert_eq!(form(file, text), expected, "{file}: {text}");
        }
    }
}

//! What templates must be refused for, and quoting through real shells.

use std::collections::BTreeMap;

use super::*;

fn load(name: &str, text: &str) -> Result<Templates, TemplateError> {
    let own = (format!("mine/{name}.hbs"), text.to_owned());
    Templates::with_overrides(BTreeMap::from([(name.to_owned(), own)]))
}

#[test]
fn builtin_templates_pass_their_own_checks() {
    let templates = Templates::builtin().unwrap();
    assert!(templates.facts_script().unwrap().contains("public='1.1.1.1'"));
}

#[test]
fn scripts_are_pure_functions_of_their_values() {
    let probe = ProbeParams { echo: vec!["http://a/$(x)'".to_owned()], address: None, seconds: 3 };
    let (a, b) = (Templates::builtin().unwrap(), Templates::builtin().unwrap());
    assert_eq!(a.probe_script(&probe).unwrap(), b.probe_script(&probe).unwrap());
    assert!(a.probe_script(&probe).unwrap().contains(r"frame 'default.0' ask '' 'http://a/$(x)'\'''"));
}

#[test]
fn a_nul_is_refused() {
    let probe = ProbeParams { echo: vec!["http://a/\0".to_owned()], address: None, seconds: 3 };
    let error = Templates::builtin().unwrap().probe_script(&probe).unwrap_err();
    assert!(error.problem.contains("NUL"), "{error}");
}

#[test]
fn what_would_not_be_one_word_is_refused_with_its_line() {
    let cases = [
        ("a\n{{{public}}}\n", 2, "not quoted"),
        ("{{&public}}", 1, "not quoted"),
        ("x\ny\necho \"{{public}}\"\n", 3, "inside quotes"),
        ("echo '{{public}}'\n", 1, "inside quotes"),
        ("echo `{{public}}`\n", 1, "inside quotes"),
        ("# {{public}}\n", 1, "inside quotes"),
        ("echo \"a\nb $(c \"{{public}}\")\"\n", 2, "inside quotes"),
        ("echo \"$(c '{{public}}')\"\n", 1, "inside quotes"),
        ("echo ${x:-{{public}}}\n", 1, "inside quotes"),
        ("cat <<EOF\n{{public}}\nEOF\n", 1, "here-documents"),
        ("{{> partial}}", 1, "partials"),
        ("{{#*inline \"x\"}}y{{/inline}}", 1, "decorators"),
        ("{{lookup this \"public\"}}", 1, "helpers"),
        ("{{#with this}}x{{/with}}", 1, "only the blocks"),
        ("{{#if public}}'{{/if}}'", 1, "crosses the end"),
        ("echo {{publik}}\n", 1, "publik"),
        ("a\nb {{#if}\n", 2, "syntax"),
    ];
    for (text, line, words) in cases {
        let error = load("facts.sh", text).expect_err(text);
        assert_eq!((error.path.as_str(), error.line), ("mine/facts.sh.hbs", Some(line)), "{text:?}: {error}");
        assert!(error.problem.contains(words), "{text:?}: {error}");
        assert!(!error.fix.is_empty());
    }
}

#[test]
fn values_outside_of_quotes_are_accepted() {
    let good = [
        "x={{public}}\necho \"$x\" # don't\ny={{public}}\n",
        "echo \"$(printf %s {{public}})\"\n",
        "case \"$x\" in *a) ;; esac\nx={{public}}\n",
        "echo \"${x#*/}\" $((1 << 2)) '#' a#b {{public}}\n",
        "{{#if public}}echo {{public}}{{else}}true{{/if}}\n",
    ];
    for text in good {
        load("facts", text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    }
}

#[test]
fn unknown_names_list_the_known_ones() {
    let error = load("aply", "true\n").unwrap_err().to_string();
    assert!(error.contains("there is no template \"aply\"") && error.contains("rc_local.sh.hbs"), "{error}");
}

#[test]
fn an_overridden_block_cannot_bring_its_own_markers() {
    for text in ["# BEGIN egressctl\n", "true", "# END egressctl\n"] {
        assert!(load("rc_local.sh", text).unwrap_err().problem.contains("marker"), "{text:?}");
    }
}

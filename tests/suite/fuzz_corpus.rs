//! Every file of the fuzz targets' corpus, held against the targets' own checks: neither can rot, and no nightly is needed.

#[path = "../../fuzz/checks.rs"]
#[allow(unreachable_pub, reason = "the targets use it as a crate of its own")]
mod checks;

use std::fs;
use std::path::Path;

type Check = fn(&[u8]);

const TARGETS: [(&str, Check); 13] = [
    ("apply", checks::apply),
    ("facts", checks::facts),
    ("guards", checks::guards),
    ("inventory", checks::inventory),
    ("known_hosts", checks::known_hosts),
    ("lease", checks::lease),
    ("owner_files", checks::owner_files),
    ("probe", checks::probe),
    ("push", checks::push),
    ("rc_local", checks::rc_local),
    ("saved", checks::saved),
    ("ssh_config", checks::ssh_config),
    ("surroundings", checks::surroundings),
];

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_file_of_the_corpus_passes_its_targets_checks() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let of_table = TARGETS.map(|(name, _)| name.to_owned());
    let programs: Vec<String> = TARGETS.iter().map(|(name, _)| format!("{name}.rs")).collect();
    assert_eq!(names(&fuzz.join("fuzz_targets")), programs, "a target is missing in TARGETS, or its program");
    assert_eq!(names(&fuzz.join("corpus")), of_table);
    for (name, check) in TARGETS {
        let corpus = fuzz.join("corpus").join(name);
        let files = names(&corpus);
        assert!(files.len() >= 3, "{name} has {} files", files.len());
        for file in files {
            let input = fs::read(corpus.join(&file)).unwrap();
            assert!(input.len() <= 64 * 1024, "{name}/{file} is large for a seed");
            if let Err(panic) = std::panic::catch_unwind(|| check(&input)) {
                let why = panic.downcast_ref::<String>().map_or("see above", String::as_str);
                panic!("{name}/{file}: {why}");
            }
            // Cut off and doubled, which no seed says by itself.
            check(&input[..input.len() / 2]);
            check(&input.repeat(2));
        }
    }
}

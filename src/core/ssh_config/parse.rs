//! Text to blocks. Values are read here, also those in blocks that will not apply, so that a mistake is found at once.

use super::algorithms::AlgorithmList;
use super::criteria::{Condition, criteria};
use super::keyword::{Class, all, classify};
use super::pattern::list_matches;
use super::settings::{Proxy, Setting, Text};
use super::token::{self, IN_HOST_NAME, IN_PATHS};
use super::{ConfigError, Note, Place, value, words};
use crate::core::near::nearest;
use crate::core::text::clean_line;

/// Files within files, at most; the limit is OpenSSH's.
const DEPTH: usize = 16;

/// A file that an `Include` line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// Its name, for messages.
    pub file: String,
    /// What it holds.
    pub text: String,
}

/// A configuration, parsed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshConfig {
    pub(super) lines: Vec<Line>,
    pub(super) wants_final: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// What follows depends on this.
    Block(Condition),
    Set(Setting),
    /// Not obeyed, and to be told if the block applies.
    Told(Note),
    /// Not obeyed, and dangerous to leave out: an error if the block applies.
    Refused(ConfigError),
    Include(Vec<SshConfig>),
}

impl SshConfig {
    /// Reads a text; `file` is how mistakes name it. `include` is asked for the files that a pattern of `Include` means, in
    /// their order; none is fine.
    ///
    /// # Errors
    /// All mistakes, in the order of the lines.
    pub fn parse(
        file: &str,
        text: &str,
        include: &mut dyn FnMut(&str) -> Result<Vec<Included>, String>,
    ) -> Result<Self, Vec<ConfigError>> {
        let mut reader = Reader { include, mistakes: Vec::new(), ignored: Vec::new(), wants_final: false };
        let mut config = reader.file(file, text, 0);
        config.wants_final = reader.wants_final;
        if reader.mistakes.is_empty() { Ok(config) } else { Err(reader.mistakes) }
    }

    /// Reads one `Key=Value` or `Key Value` of a command line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn option(name: &str, text: &str) -> Result<Self, ConfigError> {
        let no_files = &mut |_: &str| Err("Include is not possible here".to_owned());
        Self::parse(name, text, no_files).map_err(|mut mistakes| mistakes.swap_remove(0))
    }

    /// This configuration with `later` behind it.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        self.wants_final |= later.wants_final;
        self.lines.push(Line::Include(vec![later]));
        self
    }
}

struct Reader<'r> {
    include: &'r mut dyn FnMut(&str) -> Result<Vec<Included>, String>,
    mistakes: Vec<ConfigError>,
    /// Patterns of `IgnoreUnknown`.
    ignored: Vec<String>,
    wants_final: bool,
}

impl Reader<'_> {
    fn file(&mut self, file: &str, text: &str, depth: usize) -> SshConfig {
        let mut config = SshConfig::default();
        for (index, line) in text.lines().enumerate() {
            let place = Place { file: file.to_owned(), line: index + 1 };
            let read = words::split(line).map_err(str::to_owned).and_then(|split| match split {
                Some((keyword, arguments)) => self.line(&keyword, arguments, &place, depth),
                None => Ok(Vec::new()),
            });
            match read {
                Ok(lines) => config.lines.extend(lines),
                Err(message) => self.mistakes.push(ConfigError::new(place, &message)),
            }
        }
        config
    }

    fn line(
        &mut self,
        keyword: &str,
        arguments: Vec<String>,
        place: &Place,
        depth: usize,
    ) -> Result<Vec<Line>, String> {
        let Some((name, class)) = classify(keyword) else {
            let lower = keyword.to_lowercase();
            if list_matches(self.ignored.iter().map(String::as_str), &lower) {
                return Ok(Vec::new());
            }
            let hint = nearest(keyword, all()).first().map_or_else(
                || "see ssh_config(5), or name it in IgnoreUnknown".to_owned(),
                |near| format!("did you mean {near}?"),
            );
            return Err(format!("there is no keyword \"{}\"; {hint}", clean_line(keyword.as_bytes(), 40)));
        };
        if arguments.first().is_none_or(String::is_empty) {
            return Err(format!("{name} has no value"));
        }
        let note = |what: &str| Line::Told(Note { what: what.to_owned(), place: place.clone() });
        match class {
            Class::Meaningless => Ok(Vec::new()),
            // What switches something off asks for nothing that we do not do.
            Class::Told if is_off(&arguments) => Ok(Vec::new()),
            Class::Told => Ok(vec![note(name)]),
            Class::Refused => {
                let message =
                    format!("{name} is not supported, and leaving it out would not be safe; remove it here");
                Ok(vec![Line::Refused(ConfigError::new(place.clone(), &message))])
            }
            Class::Obeyed => match name {
                "Host" => Ok(vec![Line::Block(Condition::Host(arguments))]),
                "Match" => {
                    let found = criteria(&arguments)?;
                    self.wants_final |= found.wants_final;
                    let told = found.unsupported.iter().map(|what| note(&format!("Match {what}")));
                    let mut lines: Vec<_> = vec![Line::Block(Condition::Host(vec!["*".to_owned()]))];
                    // Told wherever it stands: whether the block would apply cannot be known.
                    lines.extend(told);
                    lines.push(Line::Block(Condition::Match(found.all)));
                    Ok(if lines.len() > 2 { lines } else { lines.split_off(1) })
                }
                "Include" => {
                    if depth >= DEPTH {
                        return Err(format!(
                            "Include goes deeper than {DEPTH} files; do files include each other?"
                        ));
                    }
                    let mut files = Vec::new();
                    for pattern in &arguments {
                        for included in (self.include)(pattern)? {
                            files.push(self.file(&included.file, &included.text, depth + 1));
                        }
                    }
                    Ok(vec![Line::Include(files)])
                }
                "IgnoreUnknown" => {
                    let patterns = arguments.iter().flat_map(|list| list.split(','));
                    self.ignored.extend(patterns.map(str::to_lowercase));
                    Ok(Vec::new())
                }
                _ => self::setting(name, &arguments, place).map(|setting| vec![Line::Set(setting)]),
            },
        }
    }
}

fn is_off(arguments: &[String]) -> bool {
    let off = ["no", "none", "false", "off"];
    arguments.first().is_some_and(|first| off.iter().any(|word| word.eq_ignore_ascii_case(first)))
}

fn setting(name: &str, arguments: &[String], place: &Place) -> Result<Setting, String> {
    let several = matches!(name, "UserKnownHostsFile" | "GlobalKnownHostsFile" | "ProxyCommand");
    if arguments.len() > 1 && !several {
        return Err(format!("{name} has more than one value; put a value with spaces into quotes"));
    }
    let wrong = |expected: &str| {
        let value = clean_line(arguments.join(" ").as_bytes(), 60);
        format!("{name} is \"{value}\"; expected {expected}")
    };
    let text = arguments[0].as_str();
    let placed = |text: &str, tokens: &str| {
        token::check(text, tokens).map_err(|why| format!("{name}: {why}"))?;
        Ok::<_, String>(Text { raw: text.to_owned(), place: place.clone() })
    };
    let files = || arguments.iter().map(|file| placed(file, IN_PATHS)).collect::<Result<Vec<_>, _>>();
    let algorithms = || {
        AlgorithmList::parse(text)
            .ok_or_else(|| wrong("names separated by commas, or such a list behind +, - or ^"))
    };
    Ok(match name {
        "HostName" => {
            value::host_name(text).map_err(wrong)?;
            Setting::HostName(placed(text, IN_HOST_NAME)?)
        }
        "Port" => Setting::Port(value::port(text).map_err(wrong)?),
        "User" => Setting::User(value::user(text).map_err(wrong)?),
        "IdentityFile" => Setting::IdentityFile(placed(text, IN_PATHS)?),
        "CertificateFile" => Setting::CertificateFile(placed(text, IN_PATHS)?),
        "IdentityAgent" => Setting::IdentityAgent(placed(text, IN_PATHS)?),
        "IdentitiesOnly" => Setting::IdentitiesOnly(value::yes_no(text).map_err(wrong)?),
        "UserKnownHostsFile" => Setting::UserKnownHostsFile(files()?),
        "GlobalKnownHostsFile" => Setting::GlobalKnownHostsFile(files()?),
        "HostKeyAlias" => Setting::HostKeyAlias(value::key_name(text).map_err(wrong)?),
        "HashKnownHosts" => Setting::HashKnownHosts(value::yes_no(text).map_err(wrong)?),
        "StrictHostKeyChecking" => {
            Setting::StrictHostKeyChecking(value::strictness(text, place).map_err(wrong)?)
        }
        "ProxyJump" => Setting::Proxy(Proxy::Jumps(value::jump_chain(text).map_err(wrong)?)),
        "ProxyCommand" if text.eq_ignore_ascii_case("none") => Setting::Proxy(Proxy::Jumps(Vec::new())),
        "ProxyCommand" => Setting::Proxy(Proxy::Command(place.clone())),
        "ConnectTimeout" => Setting::ConnectTimeout(value::time_or_none(text).map_err(wrong)?),
        "ServerAliveInterval" => Setting::ServerAliveInterval(value::time(text).map_err(wrong)?),
        "ServerAliveCountMax" => Setting::ServerAliveCountMax(value::count(text).map_err(wrong)?),
        "HostKeyAlgorithms" => Setting::HostKeyAlgorithms(algorithms()?),
        "Ciphers" => Setting::Ciphers(algorithms()?),
        "KexAlgorithms" => Setting::KexAlgorithms(algorithms()?),
        // The only one left: `classify` says what is obeyed.
        _ => Setting::Macs(algorithms()?),
    })
}

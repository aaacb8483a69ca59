//! What is offered in the key exchange: what is safe, restricted by what is on record and by what ssh_config says.
//!
//! Must never offer what is not in the lists here, whoever asks for it.

use std::borrow::Cow;

use russh::keys::Algorithm;
use russh::{Preferred, cipher, compression, kex, mac};

use super::super::failure::local;
use super::super::trust::Trust;
use crate::core::ssh_config::{AlgorithmList, Algorithms};
use crate::ports::SshError;

/// GCM first: it needs no strict key exchange to be safe from prefix truncation, and is the faster one here.
const CIPHERS: [cipher::Name; 6] = [
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// Everything to offer.
///
/// # Errors
/// A restriction leaves nothing that is possible.
pub(super) fn preferred(trust: &Trust, asked: &Algorithms) -> Result<Preferred, SshError> {
    let kex = Preferred::DEFAULT.kex;
    let is_signal = |name: &&kex::Name| {
        [
            kex::EXTENSION_SUPPORT_AS_CLIENT,
            kex::EXTENSION_SUPPORT_AS_SERVER,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
        ]
        .contains(name)
    };
    // Signals are no algorithms, and strict key exchange is not for anybody to leave out.
    let (signals, kex): (Vec<kex::Name>, Vec<kex::Name>) =
        kex.iter().copied().partition(|name| is_signal(&name));
    let mut kex = chosen("KexAlgorithms", &kex, |name| name.as_ref().to_owned(), asked.kex.as_ref())?;
    kex.extend(signals);
    let (plain, certificates) = host_keys(trust, asked.host_key.as_ref())?;
    let name_of_mac = |name: &mac::Name| name.as_ref().to_owned();
    let name_of_cipher = |name: &cipher::Name| name.as_ref().to_owned();
    Ok(Preferred {
        kex: Cow::Owned(kex),
        key: Cow::Owned(plain),
        host_key_certificates: Cow::Owned(certificates),
        cipher: Cow::Owned(chosen("Ciphers", &CIPHERS, name_of_cipher, asked.ciphers.as_ref())?),
        mac: Cow::Owned(chosen("MACs", &Preferred::DEFAULT.mac, name_of_mac, asked.macs.as_ref())?),
        compression: Cow::Borrowed(&[compression::NONE]),
    })
}

/// Types of plain keys and of certificates.
fn host_keys(
    trust: &Trust,
    asked: Option<&AlgorithmList>,
) -> Result<(Vec<Algorithm>, Vec<Algorithm>), SshError> {
    let certificates = trust.certificate_algorithms();
    let all: Vec<(bool, Algorithm)> = certificates
        .into_iter()
        .map(|algorithm| (true, algorithm))
        .chain(trust.algorithms().into_iter().map(|algorithm| (false, algorithm)))
        .collect();
    let name = |(certificate, algorithm): &(bool, Algorithm)| {
        if *certificate { algorithm.to_certificate_type() } else { algorithm.as_str().to_owned() }
    };
    let chosen = chosen("HostKeyAlgorithms", &all, name, asked)?;
    let (certificates, plain): (Vec<_>, Vec<_>) =
        chosen.into_iter().partition(|(certificate, _)| *certificate);
    let bare = |typed: Vec<(bool, Algorithm)>| typed.into_iter().map(|(_, algorithm)| algorithm).collect();
    Ok((bare(plain), bare(certificates)))
}

fn chosen<T: Clone>(
    what: &str,
    all: &[T],
    name: impl Fn(&T) -> String,
    asked: Option<&AlgorithmList>,
) -> Result<Vec<T>, SshError> {
    let Some(asked) = asked else { return Ok(all.to_vec()) };
    let names: Vec<String> = all.iter().map(&name).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let chosen = asked.choose(&names, &names).into_iter();
    let chosen: Vec<T> =
        chosen.filter_map(|wanted| all.iter().find(|one| name(one) == wanted)).cloned().collect();
    if chosen.is_empty() {
        let possible = names.join(", ");
        return Err(local(format!(
            "{what} of ssh_config leaves none of those possible for this host: {possible}"
        )));
    }
    Ok(chosen)
}

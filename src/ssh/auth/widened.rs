//! ECDSA keys of the curve P-256 whose number begins with eight zero bits or more. OpenSSH leaves such a byte out, which one key
//! in 512 has, and ssh-key 0.7.0-rc.11 takes what is left for a broken key. Here the byte is put back.
//!
//! Must never write a private key anywhere, nor hold one in memory that is not overwritten afterwards.

use data_encoding::BASE64;
use russh::keys::PrivateKey;
use zeroize::Zeroizing;

/// How an OpenSSH private key begins (`PROTOCOL.key` of OpenSSH).
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// Bytes of a number of this curve.
const WIDTH: usize = 32;
/// What the private part is filled up to a multiple of, where it is not encrypted.
const BLOCK: usize = 8;

type Bytes = Zeroizing<Vec<u8>>;

/// The key, if it is one of these and is not encrypted, or by this passphrase and a cipher without a tag, as is OpenSSH's default.
pub(super) fn widened(text: &str, passphrase: Option<&str>) -> Option<PrivateKey> {
    let file = unarmoured(text)?;
    let mut rest = file.strip_prefix(MAGIC)?;
    let cipher = string(&mut rest)?;
    let _kdf = string(&mut rest)?;
    let _options = string(&mut rest)?;
    let (count, mut rest) = rest.split_at_checked(4)?;
    let public = string(&mut rest)?;
    let private = if cipher == b"none" {
        Zeroizing::new(string(&mut rest)?.to_vec())
    } else {
        decrypted(&file, passphrase?)?
    };
    let private = filled(&private)?;

    let mut whole = Zeroizing::new(MAGIC.to_vec());
    for part in [b"none".as_slice(), b"none", b""] {
        push(&mut whole, part)?;
    }
    whole.extend_from_slice(count);
    push(&mut whole, public)?;
    push(&mut whole, &private)?;
    PrivateKey::from_bytes(&whole).ok()
}

/// What is between the two lines of an OpenSSH private key.
fn unarmoured(text: &str) -> Option<Bytes> {
    let (_, rest) = text.split_once("-----BEGIN OPENSSH PRIVATE KEY-----")?;
    let (body, _) = rest.split_once("-----END OPENSSH PRIVATE KEY-----")?;
    let body = Zeroizing::new(body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>());
    BASE64.decode(&body).ok().map(Zeroizing::new)
}

fn decrypted(file: &[u8], passphrase: &str) -> Option<Bytes> {
    let locked = PrivateKey::from_bytes(file).ok()?;
    let (key, iv) = locked.kdf().derive_key_and_iv(locked.cipher(), passphrase).ok()?;
    let mut private = Zeroizing::new(locked.key_data().encrypted()?.to_vec());
    locked.cipher().decrypt(&key, &iv, &mut private, None).ok()?;
    Some(private)
}

/// The private part with the number in its full width; nothing if it is another kind of key or has it already.
fn filled(private: &[u8]) -> Option<Bytes> {
    let (checks, mut rest) = private.split_at_checked(8)?;
    // Both are the same number, unless the passphrase is wrong.
    if checks[..4] != checks[4..] {
        return None;
    }
    let kind = string(&mut rest)?;
    let curve = string(&mut rest)?;
    let point = string(&mut rest)?;
    let number = string(&mut rest)?;
    let comment = string(&mut rest)?;
    if kind != b"ecdsa-sha2-nistp256" || number.is_empty() || number.len() >= WIDTH {
        return None;
    }
    let mut wide = Zeroizing::new(vec![0; WIDTH - number.len()]);
    wide.extend_from_slice(number);
    let mut out = Zeroizing::new(checks.to_vec());
    for part in [kind, curve, point, &wide, comment] {
        push(&mut out, part)?;
    }
    for byte in 1..=u8::try_from((BLOCK - out.len() % BLOCK) % BLOCK).ok()? {
        out.push(byte);
    }
    Some(out)
}

/// Takes a string off: its length in four bytes, and it.
fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_at_checked(4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let (string, tail) = tail.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = tail;
    Some(string)
}

fn push(out: &mut Bytes, part: &[u8]) -> Option<()> {
    out.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
    out.extend_from_slice(part);
    Some(())
}

#[cfg(test)]
mod tests {
    use russh::keys::{HashAlg, PublicKey};

    use super::super::keys::parse;
    use super::*;

    /// Made for this test by `ssh-keygen -t ecdsa`, tried until the number was short; nobody's.
    const PLAIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAaAAAABNlY2RzYS
1zaGEyLW5pc3RwMjU2AAAACG5pc3RwMjU2AAAAQQR3ESlnvEooO3QmkLuDFJcRW12w776a
lz1HiXmdIjL3i40bu91MIeeS8JEO3xPOyNkR9b6KnNl9+SVterFX0RobAAAAoEpCaC5KQm
guAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHcRKWe8Sig7dCaQ
u4MUlxFbXbDvvpqXPUeJeZ0iMveLjRu73Uwh55LwkQ7fE87I2RH1voqc2X35JW16sVfRGh
sAAAAfTwZ3h1c7l+jDF5/e7OaDNhiWRSXJoABKYubzOvJjjAAAAAVzaG9ydAECAwQ=
-----END OPENSSH PRIVATE KEY-----
";
    /// The same key with a passphrase (`ssh-keygen -p -N 'a word' -a 1`).
    const LOCKED: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABBWPijKrJ
P7ZvW5Bcao9R/lAAAAAQAAAAEAAABoAAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlz
dHAyNTYAAABBBHcRKWe8Sig7dCaQu4MUlxFbXbDvvpqXPUeJeZ0iMveLjRu73Uwh55LwkQ
7fE87I2RH1voqc2X35JW16sVfRGhsAAACgWc0DigeGrRO7PPSTulmTav7shFeo8TOgvkus
XIuf+i9QRjEsvpp6PKbpcT5NrByRoTZ9ZZ9iWIqS0ggRwkepgBtvB3OAy+vmf6KMol+yiy
LmDOoh81N28UhKmDNZ2BieNOVI4UPt+Y8skL7PxMMuD5zK9rq2VmFIeVHoBeFAD7AVXxA7
zER96pTzMEin7J1lNHUeeb9nIPguhySiI6mODg==
-----END OPENSSH PRIVATE KEY-----
";
    /// And with a cipher whose tag stands behind the key, where we do not look (`-Z aes256-gcm@openssh.com`).
    const SEALED: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAAFmFlczI1Ni1nY21Ab3BlbnNzaC5jb20AAAAGYmNyeXB0AA
AAGAAAABCtHnPdjiVa7siJ53iQIvdOAAAAAQAAAAEAAABoAAAAE2VjZHNhLXNoYTItbmlz
dHAyNTYAAAAIbmlzdHAyNTYAAABBBHcRKWe8Sig7dCaQu4MUlxFbXbDvvpqXPUeJeZ0iMv
eLjRu73Uwh55LwkQ7fE87I2RH1voqc2X35JW16sVfRGhsAAACgRExNW4A1NBa5NjlwUG2f
3UY1HG0O9jPMA9YvKcXA0plJL2EtZ67t6VYTQEzDd2wpf2Ecp7iY2uaBrIpWhjRmWVRxJ4
iLdUlMlm3g8EsoYv5NJHQEWVYIaMXMWvoqRoAmGC/igyP4cFBc+o//OiY94LMZ347eXQHh
3sTEimdz4BpSK8q7+E/XkXe7ywMpV3wO87xAL59ZrUvV1WV33aagPEEdcbcypWUF2Ez6xY
1XR5c=
-----END OPENSSH PRIVATE KEY-----
";
    const PUBLIC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBHcRKWe8Sig7dCaQu4MUlxFbXbDvvpqXPUeJeZ0iMveLjRu73Uwh55LwkQ7fE87I2RH1voqc2X35JW16sVfRGhs=";

    fn is_the_key(key: &PrivateKey) {
        let public = PublicKey::from_openssh(PUBLIC).unwrap();
        assert_eq!(key.public_key().key_data(), public.key_data());
        let signed = key.sign("test", HashAlg::Sha256, b"words").unwrap();
        public.verify("test", b"words", &signed).unwrap();
    }

    #[test]
    fn a_key_with_a_short_number_is_as_good_as_any() {
        assert!(
            PrivateKey::from_openssh(PLAIN).is_err(),
            "ssh-key reads it: this module is no longer needed"
        );
        is_the_key(&parse(PLAIN, None).unwrap().unwrap());
        assert!(parse(LOCKED, None).unwrap().is_none());
        is_the_key(&parse(LOCKED, Some("a word")).unwrap().unwrap());
        assert!(parse(LOCKED, Some("another")).unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_used_is_told_from_a_wrong_passphrase() {
        assert!(parse(SEALED, None).unwrap().is_none());
        assert!(parse(SEALED, Some("another")).unwrap().is_none());
        let why = parse(SEALED, Some("a word")).unwrap_err();
        assert!(why.starts_with("it is no private key that can be used"), "{why}");
    }

    #[test]
    fn a_damaged_key_is_no_key() {
        let whole = unarmoured(PLAIN).unwrap();
        for end in 0..whole.len() {
            let text = format!(
                "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n-----END OPENSSH PRIVATE KEY-----\n",
                BASE64.encode(&whole[..end])
            );
            assert!(widened(&text, None).is_none(), "{end} of {} bytes", whole.len());
        }
        assert!(widened("", None).is_none() && widened(PUBLIC, Some("x")).is_none());
    }
}

//! The keywords of ssh_config(5), OpenSSH 10, and what becomes of them here.

/// What becomes of a line with this keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It is obeyed.
    Obeyed,
    /// It is not obeyed, and that is told.
    Told,
    /// It has no meaning for a program that runs commands unattended.
    Meaningless,
    /// Not to obey it would be less safe than what the user asked for: it is an error.
    Refused,
}

/// Keywords that are obeyed, in the spelling for people.
const OBEYED: [&str; 25] = [
    "Host",
    "Match",
    "Include",
    "IgnoreUnknown",
    "HostName",
    "Port",
    "User",
    "IdentityFile",
    "CertificateFile",
    "IdentityAgent",
    "IdentitiesOnly",
    "UserKnownHostsFile",
    "GlobalKnownHostsFile",
    "HostKeyAlias",
    "HashKnownHosts",
    "StrictHostKeyChecking",
    "ProxyJump",
    "ProxyCommand",
    "ConnectTimeout",
    "ServerAliveInterval",
    "ServerAliveCountMax",
    "HostKeyAlgorithms",
    "Ciphers",
    "KexAlgorithms",
    "MACs",
];

/// Keywords that change something between us and the host, and are not supported.
const TOLD: [&str; 38] = [
    "AddressFamily",
    "BindAddress",
    "BindInterface",
    "CanonicalDomains",
    "CanonicalizeFallbackLocal",
    "CanonicalizeHostname",
    "CanonicalizeMaxDots",
    "CanonicalizePermittedCNAMEs",
    "CASignatureAlgorithms",
    "CheckHostIP",
    "ConnectionAttempts",
    "ControlMaster",
    "ControlPath",
    "ControlPersist",
    "DynamicForward",
    "ForwardAgent",
    "HostbasedAcceptedAlgorithms",
    "HostbasedAuthentication",
    "KbdInteractiveAuthentication",
    "KnownHostsCommand",
    "LocalCommand",
    "LocalForward",
    "NoHostAuthenticationForLocalhost",
    "PasswordAuthentication",
    "PKCS11Provider",
    "PreferredAuthentications",
    "PubkeyAcceptedAlgorithms",
    "PubkeyAuthentication",
    "RekeyLimit",
    "RemoteCommand",
    "RemoteForward",
    "RequiredRSASize",
    "SecurityKeyProvider",
    "SetEnv",
    "Tunnel",
    "TunnelDevice",
    "UpdateHostKeys",
    "VerifyHostKeyDNS",
];

/// Keywords about terminals, logging, the agent's contents and the like, and those that OpenSSH itself has given up.
const MEANINGLESS: [&str; 71] = [
    "AddKeysToAgent",
    "BatchMode",
    "ChallengeResponseAuthentication",
    "ChannelTimeout",
    "Cipher",
    "ClearAllForwardings",
    "Compression",
    "CompressionLevel",
    "DSAAuthentication",
    "EnableEscapeCommandline",
    "EnableSSHKeysign",
    "EscapeChar",
    "ExitOnForwardFailure",
    "FallBackToRsh",
    "FingerprintHash",
    "ForkAfterAuthentication",
    "ForwardX11",
    "ForwardX11Timeout",
    "ForwardX11Trusted",
    "GatewayPorts",
    "GSSAPIAuthentication",
    "GSSAPIClientIdentity",
    "GSSAPIDelegateCredentials",
    "GSSAPIKexAlgorithms",
    "GSSAPIKeyExchange",
    "GSSAPIRenewalForcesRekey",
    "GSSAPIServerIdentity",
    "GSSAPITrustDns",
    "HostbasedKeyTypes",
    "IPQoS",
    "KbdInteractiveDevices",
    "KeepAlive",
    "LogLevel",
    "LogVerbose",
    "NumberOfPasswordPrompts",
    "ObscureKeystrokeTiming",
    "PermitLocalCommand",
    "PermitRemoteOpen",
    "Protocol",
    "ProxyUseFdpass",
    "PubkeyAcceptedKeyTypes",
    "RefuseConnection",
    "RequestTTY",
    "RhostsAuthentication",
    "RhostsRSAAuthentication",
    "RSAAuthentication",
    "SendEnv",
    "SessionType",
    "SkeyAuthentication",
    "SmartcardDevice",
    "StdinNull",
    "StreamLocalBindMask",
    "StreamLocalBindUnlink",
    "SyslogFacility",
    "Tag",
    "TCPKeepAlive",
    "TISAuthentication",
    "UseKeychain",
    "UsePrivilegedPort",
    "UserKnownHostsFile2",
    "GlobalKnownHostsFile2",
    "UseRoaming",
    "UseRsh",
    "VersionAddendum",
    "VisualHostKey",
    "WarnWeakCrypto",
    "XAuthLocation",
    "AFSTokenPassing",
    "KerberosAuthentication",
    "KerberosTGTPassing",
    "IdentityFile2",
];

/// Keywords that take something away from what a host may do.
const REFUSED: [&str; 1] = ["RevokedHostKeys"];

/// A keyword in the spelling for people, and its class; `None` if OpenSSH does not know it.
pub(super) fn classify(keyword: &str) -> Option<(&'static str, Class)> {
    let lists: [(&[&'static str], Class); 4] = [
        (&OBEYED, Class::Obeyed),
        (&TOLD, Class::Told),
        (&MEANINGLESS, Class::Meaningless),
        (&REFUSED, Class::Refused),
    ];
    lists.into_iter().find_map(|(list, class)| {
        list.iter().find(|known| known.eq_ignore_ascii_case(keyword)).map(|known| (*known, class))
    })
}

/// All keywords, to find the one that was meant.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    OBEYED.into_iter().chain(TOLD).chain(MEANINGLESS).chain(REFUSED)
}

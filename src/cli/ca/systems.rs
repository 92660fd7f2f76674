//! How a certificate is trusted, and how that is ended: the commands for each system, to be read and run by a person.
//!
//! The certificate is in the command itself. A file could be another by the time that the command runs, perhaps as root: whatever runs as
//! the person can change it.

use std::path::Path;

use super::super::export::shell_quoted;
use super::Fingerprint;
use crate::encoding;
use crate::files;
use crate::sys::process;

/// Bytes of a file that says which system this is, at the most.
const MAX_OS_RELEASE: u64 = 64 * 1024;

/// Where systems say which they are (os-release(5)).
const OS_RELEASE: [&str; 2] = ["/etc/os-release", "/usr/lib/os-release"];

/// A place that has trusted certificates of its own. In its commands `{pem}` is the certificate as one word of a shell, `{base64}` the
/// same without a shell, `{name}` what it is called there, `{sudo}` what makes one root, `{sha1}` and `{sha256}` its fingerprints.
pub(super) struct System {
    /// How it is called on the command line.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) title: &'static str,
    /// The commands that have it trusted.
    trust: &'static [&'static str],
    /// The commands that end that.
    untrust: &'static [&'static str],
    /// What else there is to know.
    notes: &'static [&'static str],
    /// How systems call themselves that are like it (`ID` and `ID_LIKE`).
    ids: &'static [&'static str],
}

/// All of them.
pub(super) const SYSTEMS: [System; 9] = [
    System {
        name: "debian",
        title: "Debian, Ubuntu: what uses the system's certificates",
        trust: &[
            "printf '%s\\n' {pem} | {sudo}sh -c 'umask 022 && cat >/usr/local/share/ca-certificates/{name}.crt'",
            "{sudo}update-ca-certificates",
        ],
        untrust: &[
            "{sudo}rm -f /usr/local/share/ca-certificates/{name}.crt",
            "{sudo}update-ca-certificates --fresh",
            "! keytool -list -keystore /etc/ssl/certs/java/cacerts -storepass changeit -alias debian:{name}.pem >/dev/null 2>&1 || \
             {sudo}keytool -delete -keystore /etc/ssl/certs/java/cacerts -storepass changeit -alias debian:{name}.pem",
        ],
        notes: &[
            "it needs the package ca-certificates; where Java is installed it gets the certificate too, and keeps it until it is \
             taken out there",
        ],
        ids: &["debian", "ubuntu"],
    },
    System {
        name: "fedora",
        title: "Fedora, RHEL, CentOS: what uses the system's certificates",
        trust: &[
            "printf '%s\\n' {pem} | {sudo}sh -c 'umask 022 && cat >/etc/pki/ca-trust/source/anchors/{name}.pem'",
            "{sudo}update-ca-trust",
        ],
        untrust: &[
            "{sudo}rm -f /etc/pki/ca-trust/source/anchors/{name}.pem",
            "{sudo}update-ca-trust",
        ],
        notes: &[],
        ids: &["fedora", "rhel", "centos"],
    },
    System {
        name: "alpine",
        title: "Alpine: what uses the system's certificates",
        trust: &[
            "printf '%s\\n' {pem} | {sudo}sh -c 'umask 022 && cat >/usr/local/share/ca-certificates/{name}.crt'",
            "{sudo}update-ca-certificates",
        ],
        untrust: &[
            "{sudo}rm -f /usr/local/share/ca-certificates/{name}.crt",
            "{sudo}update-ca-certificates",
        ],
        notes: &["it needs the package ca-certificates"],
        ids: &["alpine"],
    },
    System {
        name: "arch",
        title: "Arch: what uses the system's certificates",
        trust: &[
            "printf '%s\\n' {pem} | {sudo}sh -c 'umask 022 && cat >/etc/ca-certificates/trust-source/anchors/{name}.crt'",
            "{sudo}update-ca-trust",
        ],
        untrust: &[
            "{sudo}rm -f /etc/ca-certificates/trust-source/anchors/{name}.crt",
            "{sudo}update-ca-trust",
        ],
        notes: &[],
        ids: &["arch", "archlinux"],
    },
    System {
        name: "macos",
        title: "macOS: what uses the keychain of this user",
        trust: &[
            "printf '%s\\n' {pem} | {sudo}sh -c 'umask 022 && cat >/etc/ssl/{name}.pem'",
            "security add-trusted-cert -r trustRoot -p ssl -k ~/Library/Keychains/login.keychain-db /etc/ssl/{name}.pem",
            "{sudo}rm -f /etc/ssl/{name}.pem",
        ],
        untrust: &[
            "security delete-certificate -t -Z {sha256} ~/Library/Keychains/login.keychain-db",
        ],
        notes: &[
            "macOS asks for the password of the keychain",
            "the tool reads a file only: this one is root's for as long as it is there, so that nothing else can change it",
        ],
        ids: &[],
    },
    System {
        name: "windows",
        title: "Windows: what uses the certificates of this user",
        trust: &[
            "$certificate = [Security.Cryptography.X509Certificates.X509Certificate2]::new([Convert]::FromBase64String('{base64}')); \
             $store = [Security.Cryptography.X509Certificates.X509Store]::new('Root', 'CurrentUser'); \
             $store.Open('ReadWrite'); $store.Add($certificate); $store.Close()",
        ],
        untrust: &["certutil -user -delstore Root {sha1}"],
        notes: &["to be run in PowerShell; Windows shows the certificate's SHA-1 and asks: {sha1}"],
        ids: &[],
    },
    System {
        name: "firefox",
        title: "Firefox: all profiles of this user, on Linux and macOS",
        trust: &["find ~ -path '*irefox*' -name cert9.db -execdir \
             sh -c 'printf \"%s\\n\" \"$0\" | certutil -A -d sql:. -t C,, -n {name}' {pem} ';'"],
        untrust: &[
            "find ~ -path '*irefox*' -name cert9.db -execdir certutil -D -d sql:. -n {name} ';'",
        ],
        notes: &[
            "certutil is in the package libnss3-tools (Debian) or nss-tools (Fedora, Alpine, Homebrew: nss)",
            "by hand: Settings, Privacy & Security, Certificates, View Certificates, Authorities",
            "Firefox sees it when it is started next",
        ],
        ids: &[],
    },
    System {
        name: "chromium",
        title: "Chromium, Chrome on Linux: the certificates of this user (NSS)",
        trust: &[
            "mkdir -p ~/.pki/nssdb",
            "test -e ~/.pki/nssdb/cert9.db || certutil -N -d \"sql:$HOME/.pki/nssdb\" --empty-password",
            "printf '%s\\n' {pem} | certutil -A -d \"sql:$HOME/.pki/nssdb\" -t C,, -n {name}",
        ],
        untrust: &["certutil -D -d \"sql:$HOME/.pki/nssdb\" -n {name}"],
        notes: &[
            "certutil is in the package libnss3-tools (Debian) or nss-tools (Fedora, Alpine)",
            "on macOS and Windows it uses the system's: macos, windows",
        ],
        ids: &[],
    },
    System {
        name: "java",
        title: "Java: the certificates of the Java whose keytool this is",
        trust: &[
            "printf '%s\\n' {pem} | {sudo}keytool -importcert -noprompt -cacerts -storepass changeit -alias {name}",
        ],
        untrust: &["{sudo}keytool -delete -cacerts -storepass changeit -alias {name}"],
        notes: &["the Java of Debian and Fedora uses the system's: debian, fedora"],
        ids: &[],
    },
];

/// The system of that name.
pub(super) fn named(name: &str) -> Option<&'static System> {
    SYSTEMS.iter().find(|system| system.name == name)
}

/// The system that this machine has, if it is among them.
pub(super) fn here() -> Option<&'static System> {
    if cfg!(target_os = "macos") {
        return named("macos");
    }
    let mut paths = OS_RELEASE.iter().map(Path::new);
    let text = paths.find_map(|path| files::read(path, MAX_OS_RELEASE).ok())?;
    system_of(&String::from_utf8_lossy(&text))
}

/// The system that an os-release file tells of: itself, else the nearest that it is like.
fn system_of(os_release: &str) -> Option<&'static System> {
    let value = |name: &str| {
        let mut lines = os_release.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_default().replace(['"', '\''], "")
    };
    let names = format!("{} {}", value("ID"), value("ID_LIKE"));
    let mut names = names.split_whitespace();
    names.find_map(|name| SYSTEMS.iter().find(|system| system.ids.contains(&name)))
}

/// What is to be trusted or not.
pub(super) struct Subject<'a> {
    /// The certificate.
    pub(super) der: &'a [u8],
    /// Which certificate it is.
    pub(super) fingerprint: Fingerprint,
}

impl Subject<'_> {
    /// The text with what this is in it.
    fn filled(&self, text: &str) -> String {
        let sudo = if process::user() == 0 { "" } else { "sudo " };
        let pem = encoding::pem("CERTIFICATE", self.der);
        let base64 = encoding::base64(self.der);
        text.replace("{sudo}", sudo)
            .replace("{name}", &self.name())
            .replace("{sha1}", &self.fingerprint.sha1)
            .replace("{sha256}", &self.fingerprint.sha256)
            .replace("{pem}", &word(pem.trim_end()))
            .replace("{base64}", &String::from_utf8_lossy(&base64))
    }

    /// What it is called where it is trusted: no two of ours are called the same.
    fn name(&self) -> String {
        format!("authsome-{}", self.fingerprint.short())
    }
}

impl System {
    /// The commands that have it trusted.
    pub(super) fn trust(&self, subject: &Subject<'_>) -> Vec<String> {
        let commands = self.trust.iter();
        commands.map(|command| subject.filled(command)).collect()
    }

    /// The commands that end that.
    pub(super) fn untrust(&self, subject: &Subject<'_>) -> Vec<String> {
        let commands = self.untrust.iter();
        commands.map(|command| subject.filled(command)).collect()
    }

    /// What else there is to know.
    pub(super) fn notes(&self, subject: &Subject<'_>) -> Vec<String> {
        let notes = self.notes.iter();
        notes.map(|note| subject.filled(note)).collect()
    }
}

/// A text as one word of a shell.
fn word(text: &str) -> String {
    String::from_utf8_lossy(&shell_quoted(text.as_bytes())).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_told_by_their_name_or_by_what_they_are_like() {
        for (text, name) in [
            ("NAME=x\nID=debian\n", Some("debian")),
            ("ID=ubuntu\nID_LIKE=debian\n", Some("debian")),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Some("debian")),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"",
                Some("fedora"),
            ),
            ("ID=alpine", Some("alpine")),
            ("ID=manjaro\nID_LIKE=arch", Some("arch")),
            ("ID=plan9\nVERSION_ID=debian", None),
            ("", None),
        ] {
            let found = system_of(text).map(|system| system.name);
            assert_eq!(found, name, "{text}");
        }
    }

    #[test]
    fn every_command_says_which_certificate_it_is_about_and_no_hole_is_left() {
        let subject = Subject {
            der: b"certificate",
            fingerprint: Fingerprint::of(b"certificate"),
        };
        for system in &SYSTEMS {
            let (trust, untrust) = (system.trust(&subject), system.untrust(&subject));
            for commands in [&trust, &untrust] {
                let text = commands.join("\n");
                let which = [
                    &subject.name(),
                    &subject.fingerprint.sha1,
                    &subject.fingerprint.sha256,
                ];
                let is_in = which.iter().any(|which| text.contains(*which));
                assert!(is_in || system.name == "windows", "{text}");
                assert!(!text.contains(['{', '}']), "{text}");
            }
            assert!(trust.join("\n").contains("Y2VydGlmaWNhdGU="), "{trust:?}");
        }
    }
}

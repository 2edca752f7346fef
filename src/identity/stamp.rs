//! Telling whether the files of an identity have changed, without opening the key.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::IdentityError;
use super::read::{self, Contents};
use crate::base::Explain;
use crate::config::{IdentityFiles, IdentitySpec};

/// What the files of an identity held at one moment: equal for equal content and passwords.
///
/// Opening an encrypted key costs tens of milliseconds by design, and a rescan looks at every
/// identity, so what is compared is a digest of what would be opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stamp([u8; 32]);

/// A password is part of it, so nothing is shown.
impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stamp(***)")
    }
}

/// Reads the files of an identity and stamps what is in them. A file that cannot be read counts with
/// the reason.
#[must_use]
pub fn stamp(spec: &IdentitySpec) -> Stamp {
    let mut stamper = Stamper::new(spec);
    match &spec.files {
        IdentityFiles::Pair {
            certificate,
            private_key,
        } => {
            stamper.add(&read::read(certificate, "certificate"));
            stamper.add(&read::read(private_key, "private key"));
        }
        IdentityFiles::Single(path) => stamper.add(&read::read(path, "identity file")),
        IdentityFiles::Variable(variable) => stamper.add(&Ok(read::of_variable(variable))),
    }
    stamper.finish()
}

/// Makes a stamp of what has been read in any case. The files come in the order of [`stamp`].
pub(super) struct Stamper(Sha256);

impl Stamper {
    pub(super) fn new(spec: &IdentitySpec) -> Self {
        let mut stamper = Self(Sha256::new());
        stamper.part(spec.owner.to_string().as_bytes());
        match &spec.files {
            IdentityFiles::Pair {
                certificate,
                private_key,
            } => {
                stamper.path(certificate);
                stamper.path(private_key);
            }
            IdentityFiles::Single(path) => stamper.path(path),
            IdentityFiles::Variable(variable) => stamper.path(Path::new(variable.name())),
        }
        for source in &spec.passwords {
            stamper.part(source.origin.to_string().as_bytes());
            stamper.part(source.password.expose());
        }
        stamper
    }

    pub(super) fn add(&mut self, read: &Result<Contents, IdentityError>) {
        match read {
            Ok(contents) => self.part(&contents.bytes),
            Err(error) => {
                self.0.update([0xff]);
                self.part(error.kind().as_bytes());
            }
        }
    }

    pub(super) fn finish(&self) -> Stamp {
        Stamp(self.0.clone().finalize().into())
    }

    fn path(&mut self, path: &Path) {
        self.part(path.as_os_str().as_bytes());
    }

    /// With its length in front, so that no two lists of parts look alike.
    fn part(&mut self, bytes: &[u8]) {
        self.0
            .update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Bin, Password, SystemClock};
    use crate::config::{PasswordOrigin, PasswordSource};

    #[test]
    fn changes_with_content_and_password_and_with_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, private_key) = (folder.path().join("a"), folder.path().join("b"));
        let password = |text: &str| {
            vec![PasswordSource {
                origin: PasswordOrigin::File("password".into()),
                password: Password::new(text.as_bytes().to_vec()),
            }]
        };
        let mut spec = IdentitySpec {
            owner: Bin::parse("891027350515").unwrap(),
            files: IdentityFiles::Pair {
                certificate: certificate.clone(),
                private_key: private_key.clone(),
            },
            passwords: password("one"),
        };
        let absent = stamp(&spec);
        std::fs::write(&certificate, "xy").unwrap();
        std::fs::write(&private_key, "z").unwrap();
        let first = stamp(&spec);
        assert_ne!(absent, first);
        std::fs::write(&certificate, "xy").unwrap();
        assert_eq!(first, stamp(&spec));
        assert_eq!(first, super::super::examine(&spec, &SystemClock).stamp);

        std::fs::write(&certificate, "x").unwrap();
        std::fs::write(&private_key, "yz").unwrap();
        assert_ne!(first, stamp(&spec));
        std::fs::write(&certificate, "xy").unwrap();
        std::fs::write(&private_key, "z").unwrap();
        spec.passwords = password("two");
        assert_ne!(first, stamp(&spec));
        spec.passwords = password("one");
        assert_eq!(first, stamp(&spec));
    }
}

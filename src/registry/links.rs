//! Which real folders decide what a path leads to.
//!
//! Kubernetes exchanges a mounted secret by renaming the link `..data`: no entry of the folder that
//! `tls.crt` finally lies in ever changes. So every folder is wanted that holds a link on the way.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::config::{IdentityFiles, IdentitySource, MerchantFolder, PasswordOrigin};

/// Links followed on the way to one file; as many as Linux follows.
const MOST_LINKS: usize = 40;

/// The folders to watch for everything that a scan looked at.
pub(super) fn folders_of(certs_dir: &Path, folders: &[MerchantFolder]) -> BTreeSet<PathBuf> {
    let mut trail = Trail::default();
    trail.follow_folder(certs_dir);
    for folder in folders.iter().filter(|folder| folder.bin.is_some()) {
        trail.follow(&folder.folder.join("merchant.toml"));
        let Ok(spec) = &folder.merchant else { continue };
        let token_files = spec
            .trade_points
            .iter()
            .filter_map(|point| point.device_token_file.as_deref());
        token_files.for_each(|file| trail.follow(file));
        let IdentitySource::Own(own) = &spec.identity else {
            continue;
        };
        match &own.files {
            IdentityFiles::Pair {
                certificate,
                private_key,
            } => {
                trail.follow(certificate);
                trail.follow(private_key);
            }
            IdentityFiles::Single(file) => trail.follow(file),
            IdentityFiles::Variable(_) => {}
        }
        for source in &own.passwords {
            if let PasswordOrigin::File(file) | PasswordOrigin::Credential(file) = &source.origin {
                trail.follow(file);
            }
        }
    }
    trail.folders
}

#[derive(Default)]
struct Trail {
    folders: BTreeSet<PathBuf>,
    /// Paths without a link in them, as far as they have been walked.
    plain: HashSet<PathBuf>,
}

impl Trail {
    /// Wants a folder itself, and the folders of the links on the way to it.
    fn follow_folder(&mut self, folder: &Path) {
        self.follow(&folder.join("any entry"));
    }

    /// Wants the folder that a file really lies in, and the folders of the links on the way.
    fn follow(&mut self, file: &Path) {
        let mut path = file.to_owned();
        for _ in 0..MOST_LINKS {
            let Some((link, rest)) = self.first_link(&path) else {
                break;
            };
            let (Some(holder), Ok(target)) = (link.parent(), fs::read_link(&link)) else {
                break;
            };
            self.folders.insert(holder.to_owned());
            path = holder.join(target).join(rest);
        }
        if let Some(Ok(real)) = path.parent().map(fs::canonicalize) {
            self.folders.insert(real);
        }
    }

    /// The first component of a path that is a link, and what stands behind it.
    fn first_link(&mut self, path: &Path) -> Option<(PathBuf, PathBuf)> {
        let mut walked = PathBuf::new();
        let mut components = path.components();
        while let Some(component) = components.next() {
            if component == Component::ParentDir {
                // what is walked has no link in it, so its parent is what it looks like
                walked.pop();
                continue;
            }
            walked.push(component);
            if self.plain.contains(&walked) {
                continue;
            }
            match fs::symlink_metadata(&walked) {
                Ok(metadata) if metadata.is_symlink() => {
                    return Some((walked, components.as_path().to_owned()));
                }
                Ok(metadata) if metadata.is_dir() => {
                    self.plain.insert(walked.clone());
                }
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn trail(file: &Path) -> BTreeSet<PathBuf> {
        let mut trail = Trail::default();
        trail.follow(file);
        trail.folders
    }

    #[test]
    fn every_folder_with_a_link_on_the_way_is_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(root.join("mount/..2026_01")).unwrap();
        fs::create_dir_all(root.join("certs")).unwrap();
        fs::write(root.join("mount/..2026_01/tls.crt"), "x").unwrap();
        symlink("..2026_01", root.join("mount/..data")).unwrap();
        symlink("..data/tls.crt", root.join("mount/tls.crt")).unwrap();
        symlink("../mount/tls.crt", root.join("certs/certificate.cer")).unwrap();

        let expected: BTreeSet<PathBuf> = ["certs", "mount", "mount/..2026_01"]
            .map(|name| root.join(name))
            .into();
        assert_eq!(trail(&root.join("certs/certificate.cer")), expected);
        let mut only = Trail::default();
        only.follow_folder(&root.join("certs"));
        assert_eq!(only.folders, [root.join("certs")].into());
    }

    #[test]
    fn loops_and_dead_ends_end() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        symlink("nowhere/at/all", root.join("dead")).unwrap();
        assert_eq!(trail(&root.join("a/file")), [root.clone()].into());
        assert_eq!(trail(&root.join("dead")), [root].into());
    }
}

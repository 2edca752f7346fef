//! Which configuration file is meant.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::read::{is_absence, permission_bits};
use super::{ConfigError, Environment};

const NAME: &str = "kaspi.toml";
const SYSTEM: &str = "/etc/kaspi/kaspi.toml";

/// Finds the configuration file: `explicit` (`--config`), `KASPI_CONFIG`, `./kaspi.toml`,
/// `$XDG_CONFIG_HOME/kaspi/kaspi.toml` (or `~/.config/kaspi/kaspi.toml`), `/etc/kaspi/kaspi.toml`.
///
/// # Errors
///
/// No file in any of these places; a named file that is not there; a `./kaspi.toml` that belongs to
/// another user or that others may write to. The last is not passed over in silence: with the next
/// file in the list, money could move where nobody meant it to.
pub fn find(explicit: Option<&Path>, environment: &Environment) -> Result<PathBuf, ConfigError> {
    search(explicit, environment, Path::new(SYSTEM))
}

fn search(explicit: Option<&Path>, environment: &Environment, system: &Path) -> Result<PathBuf, ConfigError> {
    let here = environment.working_dir();
    let variable = environment.get("KASPI_CONFIG").map(Path::new);
    let named = explicit
        .map(|file| ("--config", file))
        .or_else(|| variable.map(|file| ("KASPI_CONFIG", file)));
    if let Some((named_by, file)) = named {
        let file = here.join(file);
        return if exists(&file)? {
            Ok(file)
        } else {
            Err(ConfigError::NamedConfigMissing { named_by, file })
        };
    }

    let local = here.join(NAME);
    if exists(&local)? {
        check_trust(&local, user_id())?;
        return Ok(local);
    }
    let mut looked = vec![local];
    for place in [user_place(environment), Some(system.to_owned())]
        .into_iter()
        .flatten()
    {
        if exists(&place)? {
            return Ok(place);
        }
        looked.push(place);
    }
    Err(ConfigError::NotFound { looked })
}

/// A relative `XDG_CONFIG_HOME` does not count (XDG Base Directory Specification).
fn user_place(environment: &Environment) -> Option<PathBuf> {
    let absolute = |name: &str| {
        environment
            .get(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let base = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")))?;
    Some(base.join("kaspi").join(NAME))
}

fn exists(file: &Path) -> Result<bool, ConfigError> {
    match fs::metadata(file) {
        Ok(_) => Ok(true),
        Err(error) if is_absence(&error) => Ok(false),
        Err(source) => Err(unreadable(file, source)),
    }
}

/// A file that merely lies in the working directory must be the user's own, and so must a link to it.
fn check_trust(file: &Path, user: Option<u32>) -> Result<(), ConfigError> {
    let refuse = |reason| {
        Err(ConfigError::NotTrusted {
            file: file.to_owned(),
            reason,
        })
    };
    let Some(user) = user else {
        return refuse("this system does not say which user runs this program".to_owned());
    };
    let target = fs::metadata(file).map_err(|source| unreadable(file, source))?;
    let link = fs::symlink_metadata(file).map_err(|source| unreadable(file, source))?;
    for owner in [target.uid(), link.uid()] {
        if owner != user {
            return refuse(format!("it belongs to user {owner} and this is user {user}"));
        }
    }
    let mode = permission_bits(&target);
    if mode & 0o022 != 0 {
        return refuse(format!("others may write to it (mode {mode:04o})"));
    }
    Ok(())
}

/// Whom the kernel shows as the owner of this process; nothing where there is no `/proc`.
fn user_id() -> Option<u32> {
    Some(fs::metadata("/proc/self").ok()?.uid())
}

fn unreadable(file: &Path, source: std::io::Error) -> ConfigError {
    ConfigError::Unreadable {
        file: file.to_owned(),
        setting: None,
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::base::Explain;

    struct Places {
        root: tempfile::TempDir,
    }

    impl Places {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            for folder in ["here", "xdg/kaspi", "home/.config/kaspi"] {
                fs::create_dir_all(root.path().join(folder)).unwrap();
            }
            Self { root }
        }

        fn put(&self, file: &str) -> PathBuf {
            let file = self.root.path().join(file);
            fs::write(&file, "").unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            file
        }

        fn environment(&self, more: &[(&str, &Path)]) -> Environment {
            let mut pairs = vec![("HOME", self.root.path().join("home"))];
            pairs.extend(more.iter().map(|(name, value)| (*name, value.to_path_buf())));
            Environment::from_pairs(pairs).in_folder(self.root.path().join("here"))
        }

        fn plain(&self, error: &ConfigError) -> String {
            error
                .to_string()
                .replace(&self.root.path().display().to_string(), "/x")
        }
    }

    #[test]
    fn the_first_place_that_has_one_wins() {
        let places = Places::new();
        let xdg = places.root.path().join("xdg");
        let variables: &[(&str, &Path)] = &[("XDG_CONFIG_HOME", &xdg)];
        let home = places.put("home/.config/kaspi/kaspi.toml");
        assert_eq!(find(None, &places.environment(&[])).unwrap(), home);
        let of_xdg = places.put("xdg/kaspi/kaspi.toml");
        assert_eq!(find(None, &places.environment(variables)).unwrap(), of_xdg);
        let relative: &[(&str, &Path)] = &[("XDG_CONFIG_HOME", Path::new("xdg"))];
        assert_eq!(find(None, &places.environment(relative)).unwrap(), home);
        let local = places.put("here/kaspi.toml");
        assert_eq!(find(None, &places.environment(variables)).unwrap(), local);
        let other = places.put("other.toml");
        let variables: &[(&str, &Path)] = &[("XDG_CONFIG_HOME", &xdg), ("KASPI_CONFIG", &other)];
        assert_eq!(find(None, &places.environment(variables)).unwrap(), other);
        let explicit = find(
            Some(Path::new("../here/kaspi.toml")),
            &places.environment(variables),
        )
        .unwrap();
        assert!(
            explicit.ends_with("here/../here/kaspi.toml"),
            "{}",
            explicit.display()
        );
    }

    #[test]
    fn a_named_file_that_is_missing_is_not_replaced_by_another() {
        let places = Places::new();
        places.put("here/kaspi.toml");
        let error = find(Some(Path::new("absent.toml")), &places.environment(&[])).unwrap_err();
        insta::assert_snapshot!(places.plain(&error), @r"
        --config names /x/here/absent.toml, which does not exist
        ");
        let variables: &[(&str, &Path)] = &[("KASPI_CONFIG", Path::new("/x/absent.toml"))];
        let error = find(None, &places.environment(variables)).unwrap_err();
        insta::assert_snapshot!(places.plain(&error), @r"
        KASPI_CONFIG names /x/absent.toml, which does not exist
        ");
    }

    #[test]
    fn others_must_not_be_able_to_write_it() {
        let places = Places::new();
        let local = places.put("here/kaspi.toml");
        places.put("home/.config/kaspi/kaspi.toml");
        for mode in [0o646, 0o664] {
            fs::set_permissions(&local, fs::Permissions::from_mode(mode)).unwrap();
            let error = find(None, &places.environment(&[])).unwrap_err();
            assert_eq!(
                places.plain(&error),
                format!("/x/here/kaspi.toml is not used, because others may write to it (mode {mode:04o})")
            );
            assert_eq!(error.kind(), "config_not_trusted");
        }
        assert_eq!(find(Some(&local), &places.environment(&[])).unwrap(), local);
    }

    #[test]
    fn it_must_be_the_users_own() {
        let places = Places::new();
        let local = places.put("here/kaspi.toml");
        let owner = fs::metadata(&local).unwrap().uid();
        assert!(check_trust(&local, Some(owner)).is_ok());
        let error = check_trust(&local, Some(owner + 1)).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!(
                "because it belongs to user {owner} and this is user {}",
                owner + 1
            )),
            "{error}"
        );
        assert!(check_trust(&local, None).is_err());
    }

    #[test]
    fn the_system_wide_file_is_last_and_every_place_looked_at_is_named() {
        let places = Places::new();
        let system = places.root.path().join("etc/kaspi.toml");
        let error = search(None, &places.environment(&[]), &system).unwrap_err();
        insta::assert_snapshot!(places.plain(&error), @r"
        no configuration file found, looked at /x/here/kaspi.toml, /x/home/.config/kaspi/kaspi.toml, /x/etc/kaspi.toml
        ");
        let bare = Environment::from_pairs::<&str, &str>([]).in_folder(places.root.path().join("here"));
        let error = search(None, &bare, &system).unwrap_err();
        insta::assert_snapshot!(places.plain(&error), @r"
        no configuration file found, looked at /x/here/kaspi.toml, /x/etc/kaspi.toml
        ");
        fs::create_dir(places.root.path().join("etc")).unwrap();
        places.put("etc/kaspi.toml");
        assert_eq!(search(None, &bare, &system).unwrap(), system);
    }
}

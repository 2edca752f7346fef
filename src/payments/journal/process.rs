//! Who this process is: host, number, user.

use std::os::unix::fs::MetadataExt;

/// This process, as the journal names it.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) host: String,
    pub(super) pid: u32,
    /// Numeric; none where the system does not tell.
    pub(super) uid: Option<u32>,
    /// The user's name, or number.
    pub(super) user: String,
}

impl Process {
    pub(super) fn this() -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
            .or_else(|_| std::fs::read_to_string("/etc/hostname"))
            .map(|name| name.trim().to_owned())
            .ok()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "this host".to_owned());
        // the kernel gives the folder of a process to its effective user
        let uid = std::fs::metadata("/proc/self").ok().map(|folder| folder.uid());
        Self {
            host,
            pid: std::process::id(),
            uid,
            user: uid.map_or_else(|| "?".to_owned(), user_name),
        }
    }

    /// Who runs it.
    pub(super) fn person(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }

    /// As it stands in histories.
    pub(super) fn words(&self) -> String {
        format!("process {} of {} on {}", self.pid, self.user, self.host)
    }
}

fn user_name(uid: u32) -> String {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    accounts
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        })
        .unwrap_or_else(|| uid.to_string())
}

//! Names of users and groups -> the numbers the kernel knows.
//!
//! In: what the operator wrote, a name or a number; the files /etc/passwd and /etc/group. Out: an [`Identity`]. Guarantees:
//! a name that is not there is an error that says so. Does not: ask directory services over the network, which would
//! start threads and leave connections open; the number serves for their users.

use std::path::Path;

use rustix::fs::{Gid, Uid};

use super::Refusal;

/// Who the process is to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    user: Uid,
    group: Gid,
    /// The groups the user is in besides.
    supplementary: Vec<Gid>,
}

impl Identity {
    /// Looks a user up, with its groups; `group` replaces the group of the user's entry.
    ///
    /// # Errors
    ///
    /// There is no such user or group, or the files cannot be read.
    pub fn look_up(user: &str, group: Option<&str>) -> Result<Self, Refusal> {
        let read = |path: &str| {
            std::fs::read_to_string(Path::new(path))
                .map_err(|error| Refusal(format!("cannot read {path}: {error}")))
        };
        // A number needs no entry, and a container may have no files.
        let users = read("/etc/passwd");
        let groups = read("/etc/group");
        let lacks_files = users.is_err() || groups.is_err();
        let found = Self::find(
            user,
            group,
            users.as_deref().unwrap_or_default(),
            groups.as_deref().unwrap_or_default(),
        );
        match (found, users, groups) {
            (Err(_), Err(unread), _) | (Err(_), _, Err(unread)) if lacks_files => Err(unread),
            (found, _, _) => found,
        }
    }

    fn find(user: &str, group: Option<&str>, users: &str, groups: &str) -> Result<Self, Refusal> {
        let number = user.parse::<u32>().ok().filter(|number| *number != NO_ID);
        let entry = entries(users).find(|entry| {
            entry.first() == Some(&user)
                || number.is_some() && entry.get(2).and_then(|text| text.parse().ok()) == number
        });
        let of_entry = |index: usize| -> Option<u32> { entry.as_ref()?.get(index)?.parse().ok() };
        let Some(uid) = number.or_else(|| of_entry(2)) else {
            return Err(Refusal(format!(
                "user = \"{user}\": there is no such user in /etc/passwd; make it (useradd --system {user}) or give \
                 its number"
            )));
        };
        let gid = match group {
            Some(group) => Some(group_number(group, groups).ok_or_else(|| {
                Refusal(format!(
                    "group = \"{group}\": there is no such group in /etc/group; make it or give its number"
                ))
            })?),
            None => of_entry(3),
        };
        let Some(gid) = gid else {
            return Err(Refusal(format!(
                "user = \"{user}\" has no entry in /etc/passwd and so no group; set `group` too"
            )));
        };
        let name = entry.as_ref().and_then(|entry| entry.first().copied());
        let supplementary = name.map(|name| groups_of(name, gid, groups));
        Ok(Self {
            user: Uid::from_raw(uid),
            group: Gid::from_raw(gid),
            supplementary: supplementary.unwrap_or_default(),
        })
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> Uid {
        self.user
    }

    /// The group.
    #[must_use]
    pub fn group(&self) -> Gid {
        self.group
    }

    /// The group and the others the user is in.
    pub(super) fn groups(&self) -> Vec<Gid> {
        let mut groups = vec![self.group];
        groups.extend(&self.supplementary);
        groups
    }
}

/// The fields of each line.
fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

fn group_number(group: &str, groups: &str) -> Option<u32> {
    let number = group.parse().ok().filter(|number| *number != NO_ID);
    number.or_else(|| {
        let entry = entries(groups).find(|entry| entry.first() == Some(&group))?;
        entry.get(2)?.parse().ok()
    })
}

/// The groups that name `user` as a member, without `own`.
fn groups_of(user: &str, own: u32, groups: &str) -> Vec<Gid> {
    let of_user = entries(groups).filter_map(|entry| {
        let [_, _, number, members] = entry.as_slice() else {
            return None;
        };
        let is_member = members.split(',').any(|member| member == user);
        number.parse().ok().filter(|_| is_member)
    });
    let others = of_user.filter(|number| *number != own && *number != NO_ID);
    others.take(GROUPS_COUNT_MAX).map(Gid::from_raw).collect()
}

/// The number that means "no change" to the kernel.
const NO_ID: u32 = u32::MAX;

/// Supplementary groups the kernel takes are 65,536; nobody has as many.
const GROUPS_COUNT_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::Identity;

    const USERS: &str = "root:x:0:0:root:/:/bin/sh\npostern:x:120:125::/var/lib/postern:/usr/sbin/nologin\nbroken\n";
    const GROUPS: &str =
        "root:x:0:\nssl-cert:x:110:dovecot,postern\npostern:x:125:postern\nmail:x:8:\nbroken\n";

    fn find(user: &str, group: Option<&str>) -> Result<(u32, u32, Vec<u32>), String> {
        let found = Identity::find(user, group, USERS, GROUPS).map_err(|refusal| refusal.0)?;
        let supplementary = found.supplementary.iter().map(|group| group.as_raw());
        Ok((
            found.user.as_raw(),
            found.group.as_raw(),
            supplementary.collect(),
        ))
    }

    #[test]
    fn names_and_numbers_are_found() {
        assert_eq!(find("postern", None), Ok((120, 125, vec![110])));
        assert_eq!(find("120", None), Ok((120, 125, vec![110])));
        assert_eq!(find("postern", Some("mail")), Ok((120, 8, vec![110, 125])));
        assert_eq!(find("777", Some("778")), Ok((777, 778, vec![])));
        assert_eq!(find("root", None), Ok((0, 0, vec![])));
    }

    #[test]
    fn what_is_not_there_is_an_error_with_a_remedy() {
        for (user, group, said) in [
            ("nobody-here", None, "useradd --system nobody-here"),
            ("777", None, "set `group` too"),
            ("postern", Some("staff"), "no such group"),
            ("4294967295", Some("8"), "no such user"),
            ("broken", Some("8"), "no such user"),
        ] {
            let refusal = find(user, group).expect_err(user);
            assert!(refusal.contains(said), "{user}: {refusal}");
        }
    }
}

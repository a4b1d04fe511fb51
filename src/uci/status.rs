//! The answer to `ubus call keepalived status`, from the state dump of the daemon.
//!
//! OpenWrt's package answers with the last notification of each instance and group, and the time of
//! it. The state of the daemon says the same, and nothing of what is no longer configured.

/// An instance or a group.
#[derive(Debug)]
struct Object<'a> {
    name: &'a str,
    state: &'a str,
    /// Seconds since 1970.
    event: u64,
}

/// The JSON text; `dump` is the daemon's `keepalived.data`, empty if it does not run.
#[must_use]
pub fn status(dump: &str) -> String {
    let (instances, groups) = read(dump);
    let (instances, groups) = (list(&instances), list(&groups));
    [
        "{ \"instance\": [ ",
        &instances,
        " ], \"group\": [ ",
        &groups,
        " ] }\n",
    ]
    .concat()
}

/// The instances and groups. A title starts with one blank, what belongs to it with more.
fn read(dump: &str) -> (Vec<Object<'_>>, Vec<Object<'_>>) {
    let (mut instances, mut groups) = (Vec::<Object<'_>>::new(), Vec::<Object<'_>>::new());
    // Where the lines that follow belong to.
    let mut title = "";
    for line in dump.lines() {
        let text = line.trim_start();
        let depth = line.len().saturating_sub(text.len());
        if depth < 2 {
            title = text.split(" = ").next().unwrap_or("");
        }
        let value = text.split_once(" = ").map_or("", |(_, value)| value);
        match (title, depth) {
            ("VRRP Instance", 1) => instances.push(Object {
                name: value,
                state: "",
                event: 0,
            }),
            ("VRRP Instance", 3) => {
                if let Some(instance) = instances.last_mut() {
                    match text.split(" = ").next() {
                        Some("State") => instance.state = value,
                        Some("Last transition") => instance.event = seconds(value),
                        Some(_) | None => {}
                    }
                }
            }
            ("VRRP Sync Group", 1) => {
                let (name, state) = value.rsplit_once(", ").unwrap_or((value, ""));
                groups.push(Object {
                    name,
                    state,
                    event: 0,
                });
            }
            // Its members: the latest of them has changed the group.
            ("VRRP Sync Group", 5) => {
                let member = instances.iter().find(|instance| instance.name == text);
                if let (Some(member), Some(group)) = (member, groups.last_mut()) {
                    group.event = group.event.max(member.event);
                }
            }
            _ => {}
        }
    }
    (instances, groups)
}

/// `1795259472.000000 (Sat Nov 21 …)`
fn seconds(text: &str) -> u64 {
    let whole = text.split(['.', ' ']).next();
    whole.and_then(|whole| whole.parse().ok()).unwrap_or(0)
}

/// The elements of a JSON list. What has not had a transition yet is left out: nothing was notified.
fn list(objects: &[Object<'_>]) -> String {
    let states = ["MASTER", "BACKUP", "FAULT", "STOP"];
    let known = objects
        .iter()
        .filter(|one| states.contains(&one.state) && one.event != 0);
    let elements = known.map(|Object { name, state, event }| {
        let name = name.replace('\\', "\\\\").replace('"', "\\\"");
        let event = event.to_string();
        let parts = ["{ \"name\": \"", &name, "\", \"event\": ", &event];
        [&parts.concat(), ", \"status\": \"NOTIFY_", state, "\" }"].concat()
    });
    let elements: Vec<String> = elements.collect();
    elements.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_and_groups_are_read_from_a_state_dump() {
        let dump = include_str!("../../tests/golden/dumps/all.data");
        assert_eq!(
            status(dump),
            "{ \"instance\": [ \
             { \"name\": \"first\", \"event\": 1795259472, \"status\": \"NOTIFY_MASTER\" }, \
             { \"name\": \"second\", \"event\": 1795259473, \"status\": \"NOTIFY_BACKUP\" }, \
             { \"name\": \"six\", \"event\": 1795259475, \"status\": \"NOTIFY_MASTER\" }, \
             { \"name\": \"a=b\\\\x09é\", \"event\": 1795259476, \"status\": \"NOTIFY_FAULT\" } ], \
             \"group\": [ { \"name\": \"G\", \"event\": 1795259473, \"status\": \"NOTIFY_MASTER\" } ] }\n"
        );
    }

    #[test]
    fn what_is_not_an_instance_is_not_taken_for_one() {
        assert_eq!(status(""), "{ \"instance\": [  ], \"group\": [  ] }\n");
        let dump = "------< VRRP Topology >------\n VRRP Instance = a\"b\\\n   State = INIT\n \
                    VRRP Instance = e\n   State = FAULT\n \
                    VRRP Instance = c, d\n   State = FAULT\n     State = MASTER\n   \
                    Last transition = 7.5 (x)\n\
                    ------< Interfaces >------\n Name = eth0\n   State = UP, RUNNING\n";
        assert_eq!(
            status(dump),
            "{ \"instance\": [ { \"name\": \"c, d\", \"event\": 7, \"status\": \"NOTIFY_FAULT\" } ], \
             \"group\": [  ] }\n"
        );
        let dump = " VRRP Instance = a\"b\\\n   State = MASTER\n   Last transition = 7 (x)\n";
        assert!(status(dump).contains("\"a\\\"b\\\\\""), "{}", status(dump));
    }
}

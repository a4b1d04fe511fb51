use super::*;
use crate::config::model::{BlockingScript, Command, Fifo, Script, VrrpInstance};

const ROOT: User = User { uid: 0, gid: 0 };
const OTHER: User = User { uid: 7, gid: 7 };

fn command(user: User) -> Command {
    let argv = vec!["/bin/true".to_owned()];
    Command {
        argv,
        user,
        ..Command::default()
    }
}

fn names(needs: &Needs) -> Vec<&'static str> {
    needs.iter().map(|need| need.capability.name()).collect()
}

fn with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

const BASE: [&str; 2] = ["CAP_NET_ADMIN", "CAP_NET_RAW"];
const OTHERS: [&str; 3] = ["CAP_KILL", "CAP_SETGID", "CAP_SETUID"];

fn script(user: User) -> Config {
    with(|config| {
        config.scripts.push(Script {
            name: "chk".to_owned(),
            command: command(user),
            ..Script::default()
        });
    })
}

#[test]
fn each_setting_needs_its_capabilities_and_no_others() {
    let notify = |user| {
        with(|config| {
            let mut instance = VrrpInstance::default();
            instance.notify.master = Some(command(user));
            config.instances.push(instance);
        })
    };
    let shutdown = with(|config| {
        config.global.shutdown_script = Some(BlockingScript {
            command: command(OTHER),
            ..BlockingScript::default()
        });
    });
    let fifo = with(|config| {
        config.global.notify_fifo = Some(Fifo {
            path: "/run/fifo".to_owned(),
            user: OTHER,
            script: None,
        });
    });
    let locked = with(|config| config.global.process.no_swap = true);
    let raised = with(|config| config.global.process.max_auto_priority = Some(20));
    // Set once at the start, and not needed again.
    let nice = with(|config| config.global.process.nice = Some(-5));
    for (name, config, own, more) in [
        ("nothing", Config::default(), ROOT, &[][..]),
        ("a script of root", script(ROOT), ROOT, &["CAP_KILL"]),
        ("a script of another user", script(OTHER), ROOT, &OTHERS),
        ("not root: its own script", script(OTHER), OTHER, &[]),
        ("not root: a script of root", script(ROOT), OTHER, &OTHERS),
        ("notify_master", notify(OTHER), ROOT, &OTHERS),
        ("shutdown_script", shutdown, ROOT, &OTHERS),
        ("FIFO of another user", fifo, ROOT, &["CAP_CHOWN"]),
        ("vrrp_no_swap", locked, ROOT, &["CAP_IPC_LOCK"]),
        ("max_auto_priority", raised, ROOT, &["CAP_SYS_NICE"]),
        ("vrrp_priority", nice, ROOT, &[]),
    ] {
        let want = [&BASE[..], more].concat();
        assert_eq!(names(&Needs::to_run(&config, own)), want, "{name}");
    }
    let needs = Needs::to_run(&script(ROOT), ROOT);
    assert_eq!(needs.program_of_root.as_deref(), Some("vrrp_script chk"));
    let needs = Needs::to_run(&script(OTHER), ROOT);
    assert_eq!(needs.program_of_root, None);
    let last = needs.iter().last().map(ToString::to_string);
    assert_eq!(last.as_deref(), Some("CAP_SETUID (vrrp_script chk)"));
}

#[cfg(feature = "lvs")]
#[test]
fn a_check_from_a_low_port_needs_cap_net_bind_service() {
    use crate::config::model::lvs::{Check, CheckKind, RealServer, Target, VirtualServer};
    for (port, more) in [(0, &[][..]), (1023, &["CAP_NET_BIND_SERVICE"]), (1024, &[])] {
        let target = Target {
            bind_port: port,
            ..Target::default()
        };
        let server = RealServer {
            checks: vec![Check::new(CheckKind::Tcp(target))],
            ..RealServer::default()
        };
        let service = VirtualServer {
            real_servers: vec![server],
            ..VirtualServer::default()
        };
        let config = with(|config| config.lvs.virtual_servers.push(service));
        let needs = Needs::to_run(&config, ROOT);
        assert_eq!(names(&needs), [&BASE[..], more].concat(), "{port}");
    }
}

#[test]
fn changes_of_the_process_need_capabilities_only_upward() {
    let settings = |nice, rt_priority| ProcessSettings {
        nice,
        rt_priority,
        no_swap: true,
        ..ProcessSettings::default()
    };
    let nothing = settings(None, None);
    for (name, old, new, want) in [
        ("none", &nothing, settings(None, None), false),
        ("nicer", &nothing, settings(Some(5), None), false),
        ("less nice", &nothing, settings(Some(-5), None), true),
        ("back", &settings(Some(-5), None), nothing.clone(), false),
        ("real-time", &nothing, settings(None, Some(1)), true),
        (
            "lower real-time",
            &settings(None, Some(5)),
            settings(None, Some(4)),
            false,
        ),
    ] {
        let mut needs = Needs::default();
        needs.add_to_change(old, &new);
        assert_eq!(names(&needs) == ["CAP_SYS_NICE"], want, "{name}");
        let mut needs = Needs::default();
        needs.add_to_change(old, &new.without_more_rights(old));
        assert_eq!(names(&needs), [""; 0], "{name}");
    }
    let mut process = nothing;
    process.net_namespace = Some("blue".to_owned());
    let mut needs = Needs::default();
    needs.add_to_start(&process);
    assert_eq!(names(&needs), ["CAP_SYS_ADMIN"]);
}

#[test]
fn all_capabilities_are_listed_by_number() {
    let numbers: Vec<u8> = Capability::ALL.iter().map(|one| one.number()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

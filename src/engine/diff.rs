//! Changes that a reload would make.

use crate::config::model::{Address, Config, Track, Tracked, VrrpInstance};
use crate::ctl::{Both, ChangedLists, Changes, Escaped, Output};
use crate::engine::Engine;
use crate::engine::instance::router::Router;
use crate::engine::kernel::vmac_base;

impl Engine {
    /// The changes that a reload with `config` would make, in lines. Reloads match objects in the same way.
    #[must_use]
    pub fn diff(&self, mut config: Config) -> String {
        for conf in &mut config.instances {
            let addresses = [&mut *conf.vips, &mut *conf.excluded_vips];
            vmac_base::strip_vmacs(&mut conf.settings.vmacs, addresses, &self.shared.no_links);
        }
        let mut out = Output::default();
        let mut changes = Changes::default();
        self.diff_instances(&config, &mut changes, &mut out);
        self.diff_shared(&config, &mut changes, &mut out);
        if let Some(lvs) = &self.lvs {
            lvs.diff(&config.lvs, &mut changes, &mut out);
        }
        changes.summary(&mut out);
        out.text
    }

    fn diff_instances(&self, config: &Config, changes: &mut Changes, out: &mut Output) {
        let instances = &config.instances;
        let continued = self.continued(instances);
        for router in self.routers.iter() {
            let stays = continued.contains(&Some(router.id));
            let name = &router.conf.name;
            if !stays && instances.iter().all(|new| new.name != *name) {
                changes.removed(out, &Escaped(name));
            }
        }
        for (conf, old) in instances.iter().zip(&continued) {
            let old = old.and_then(|id| self.routers.get(id));
            let mut named = self.routers.iter();
            let named =
                named.find(|old| old.conf.name == conf.name && !continued.contains(&Some(old.id)));
            match (old, named) {
                (Some(old), _) => {
                    let (routes, rules) = (old.routes.routes(), old.routes.rules());
                    let addresses: Vec<Address> = old.addresses.iter().cloned().collect();
                    let lists = ChangedLists {
                        addresses: &addresses,
                        tracks: self.has_other_tracks(old, conf, config),
                        routes: !routes.map(|(route, _)| route).eq(&conf.routes),
                        rules: !rules.map(|(rule, _)| rule).eq(&conf.rules),
                    };
                    changes.continued(out, &old.conf, conf, &lists);
                }
                (None, Some(old)) => changes.replaced(out, &conf.name, old.difference(conf)),
                (None, None) => changes.added(out, &Escaped(&conf.name)),
            }
        }
    }

    /// Whether an instance tracks other objects, or with other weights. Their numbers are those of
    /// two configurations, so that names are compared.
    fn has_other_tracks(&self, old: &Router, new: &VrrpInstance, config: &Config) -> bool {
        let name = |track: &Track| match &track.object {
            Tracked::Interface(name) => Some(name.as_str().to_owned()),
            Tracked::Script(nth) => config.scripts.get(*nth).map(|one| one.name.clone()),
            Tracked::File(nth) => config.track_files.get(*nth).map(|one| one.name.clone()),
            Tracked::Process(nth) => config.track_processes.get(*nth).map(|one| one.name.clone()),
        };
        let (before, after) = (&old.conf.tracks, &new.tracks);
        let interfaces = &self.shared.interfaces;
        let is_same = |(old, new): (&Track, &Track)| {
            let kind = core::mem::discriminant(&old.object) == core::mem::discriminant(&new.object);
            let shown = self.shared.tracking.show(old, interfaces);
            let names = Some(shown.name) == name(new).as_deref();
            kind && names && old.weight == new.weight && old.reverse == new.reverse
        };
        before.len() != after.len() || !before.iter().zip(after).all(is_same)
    }

    /// Groups, tracked objects and global settings.
    fn diff_shared(&self, config: &Config, changes: &mut Changes, out: &mut Output) {
        let (old, new) = (&self.groups, &config.sync_groups);
        let before: Vec<&str> = old.iter().map(|one| &*one.conf.name).collect();
        let after: Vec<&str> = new.iter().map(|one| &*one.name).collect();
        let same = |a: usize, b: usize| {
            let (Some(old), Some(new)) = (old.get(a), new.get(b)) else {
                return false;
            };
            let members = old.conf.members.iter().map(|id| self.routers.get(*id));
            let before = members.map(|router| router.map(|router| &router.conf.name));
            let after = new.members.iter().map(|id| config.instances.get(id.0));
            before.eq(after.map(|conf| conf.map(|conf| &conf.name)))
                && old.conf.notify == new.notify
                && old.conf.tracking_weight == new.tracking_weight
        };
        changes.objects(out, "sync group", Both::new(&before, &after), &same);
        self.diff_tracked(config, changes, out);
        self.diff_settings(config, changes, out);
    }

    /// Scripts, files and processes.
    fn diff_tracked(&self, config: &Config, changes: &mut Changes, out: &mut Output) {
        let tracking = &self.shared.tracking;

        let old: Vec<_> = tracking.show_scripts().map(|one| one.conf).collect();
        let new = &config.scripts;
        let before: Vec<&str> = old.iter().map(|one| &*one.name).collect();
        let after: Vec<&str> = new.iter().map(|one| &*one.name).collect();
        let same = |a: usize, b: usize| old.get(a).copied() == new.get(b);
        changes.objects(out, "script", Both::new(&before, &after), &same);

        let old: Vec<_> = tracking.show_files().map(|(conf, _)| conf).collect();
        let new = &config.track_files;
        let before: Vec<&str> = old.iter().map(|one| &*one.name).collect();
        let after: Vec<&str> = new.iter().map(|one| &*one.name).collect();
        let same = |a: usize, b: usize| old.get(a).copied() == new.get(b);
        changes.objects(out, "track_file", Both::new(&before, &after), &same);

        let old: Vec<_> = tracking.show_processes().map(|one| one.conf).collect();
        let new = &config.track_processes;
        let before: Vec<&str> = old.iter().map(|one| &*one.name).collect();
        let after: Vec<&str> = new.iter().map(|one| &*one.name).collect();
        let same = |a: usize, b: usize| old.get(a).copied() == new.get(b);
        changes.objects(out, "track_process", Both::new(&before, &after), &same);
    }

    /// Settings without a name.
    fn diff_settings(&self, config: &Config, changes: &mut Changes, out: &mut Output) {
        changes.settings(out, "global_defs", self.shared.global == config.global);
        let statics = self.statics.iter().eq(config.static_addresses.iter());
        changes.settings(out, "static_ipaddress", statics);
        let routes = self.static_routes.routes().map(|(route, _)| route);
        changes.settings(out, "static_routes", routes.eq(config.static_routes.iter()));
        let rules = self.static_routes.rules().map(|(rule, _)| rule);
        changes.settings(out, "static_rules", rules.eq(config.static_rules.iter()));
    }
}

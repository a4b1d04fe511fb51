//! Matches a new configuration with the previous one at a reload.
//!
//! Virtual servers match by their group or service; real servers by address and port; checks by
//! what they check, whatever their intervals. State that is kept across a reload is looked up here,
//! so that all of it is kept alike.

use crate::config::model::lvs::{Check, Lvs, RealServer, VirtualServer};

/// The previous counterpart of a new virtual server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServiceMatch {
    /// Index of the old virtual server; `None`: it is new.
    pub service: Option<usize>,
    /// Its real servers, in their new order.
    pub servers: Vec<ServerMatch>,
}

/// The previous counterpart of a new real server.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServerMatch {
    /// Index in the old virtual server; `None`: it is new.
    pub server: Option<usize>,
    /// Its checks, in their new order: index in the old real server; `None`: it is new.
    pub checks: Vec<Option<usize>>,
}

/// For every new virtual server the old one that it matches. Nothing old is matched twice.
#[must_use]
pub fn match_previous(old: &Lvs, new: &Lvs) -> Vec<ServiceMatch> {
    let mut free = vec![true; old.virtual_servers.len()];
    let mut all = Vec::with_capacity(new.virtual_servers.len());
    for (index, server) in new.virtual_servers.iter().enumerate() {
        let service = find(&old.virtual_servers, &mut free, index, |old| {
            is_service(old, server)
        });
        let previous = service.and_then(|index| old.virtual_servers.get(index));
        let previous = previous.map_or(&[][..], |previous| &previous.real_servers);
        all.push(ServiceMatch {
            service,
            servers: match_servers(previous, &server.real_servers),
        });
    }
    all
}

fn match_servers(old: &[RealServer], new: &[RealServer]) -> Vec<ServerMatch> {
    let mut free = vec![true; old.len()];
    let mut all = Vec::with_capacity(new.len());
    for (index, new) in new.iter().enumerate() {
        let server = find(old, &mut free, index, |old| {
            (old.addr, old.port) == (new.addr, new.port)
        });
        let previous = server.and_then(|index| old.get(index));
        let previous = previous.map_or(&[][..], |previous| &previous.checks);
        all.push(ServerMatch {
            server,
            checks: match_checks(previous, &new.checks),
        });
    }
    all
}

fn match_checks(old: &[Check], new: &[Check]) -> Vec<Option<usize>> {
    let mut free = vec![true; old.len()];
    let mut all = Vec::with_capacity(new.len());
    for (index, new) in new.iter().enumerate() {
        all.push(find(old, &mut free, index, |old| old.kind == new.kind));
    }
    all
}

fn is_service(old: &VirtualServer, new: &VirtualServer) -> bool {
    if old.group.is_some() || new.group.is_some() {
        return (&old.group, old.protocol, old.family) == (&new.group, new.protocol, new.family);
    }
    old.services == new.services
}

/// The first match that is still free. The one at the same index is preferred: if the file has
/// changed little, nothing is searched.
fn find<T>(
    old: &[T],
    free: &mut [bool],
    preferred: usize,
    matches: impl Fn(&T) -> bool,
) -> Option<usize> {
    let fits = |index: usize, one: &T| free.get(index) == Some(&true) && matches(one);
    let same_index = old.get(preferred).filter(|one| fits(preferred, one));
    let index = match same_index {
        Some(_) => preferred,
        None => {
            let mut all = old.iter().enumerate();
            all.find_map(|(index, one)| fits(index, one).then_some(index))?
        }
    };
    if let Some(slot) = free.get_mut(index) {
        *slot = false;
    }
    Some(index)
}

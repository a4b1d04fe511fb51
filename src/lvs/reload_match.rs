//! What of another configuration has been there before (`semantics.md` §11).
//!
//! A virtual server is the same if its group, or else its service, is; a real server if address and port are; a
//! check if it asks the same question, however often. Whoever keeps something for a check across a reload asks here,
//! so that all keep the same.

use crate::config::model::lvs::{Check, Lvs, RealServer, VirtualServer};

/// What a new virtual server was.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServiceMatch {
    /// Place of the old virtual server; `None`: there was none.
    pub service: Option<usize>,
    /// Its real servers, in their new order.
    pub servers: Vec<ServerMatch>,
}

/// What a new real server was.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServerMatch {
    /// Place in the old virtual server; `None`: there was none.
    pub server: Option<usize>,
    /// Its checks, in their new order, with their places in the old real server.
    pub checks: Vec<Option<usize>>,
}

/// For every new virtual server what it was. Nothing old has two matches.
#[must_use]
pub fn match_previous(old: &Lvs, new: &Lvs) -> Vec<ServiceMatch> {
    let mut free = vec![true; old.virtual_servers.len()];
    let mut all = Vec::with_capacity(new.virtual_servers.len());
    for (nth, server) in new.virtual_servers.iter().enumerate() {
        let service = find(&old.virtual_servers, &mut free, nth, |old| {
            is_service(old, server)
        });
        let was = service.and_then(|place| old.virtual_servers.get(place));
        let was = was.map_or(&[][..], |was| &was.real_servers);
        all.push(ServiceMatch {
            service,
            servers: match_servers(was, &server.real_servers),
        });
    }
    all
}

fn match_servers(old: &[RealServer], new: &[RealServer]) -> Vec<ServerMatch> {
    let mut free = vec![true; old.len()];
    let mut all = Vec::with_capacity(new.len());
    for (nth, server) in new.iter().enumerate() {
        let place = find(old, &mut free, nth, |old| {
            (old.addr, old.port) == (server.addr, server.port)
        });
        let was = place.and_then(|place| old.get(place));
        let was = was.map_or(&[][..], |was| &was.checks);
        all.push(ServerMatch {
            server: place,
            checks: match_checks(was, &server.checks),
        });
    }
    all
}

fn match_checks(old: &[Check], new: &[Check]) -> Vec<Option<usize>> {
    let mut free = vec![true; old.len()];
    let mut all = Vec::with_capacity(new.len());
    for (nth, check) in new.iter().enumerate() {
        all.push(find(old, &mut free, nth, |old| old.kind == check.kind));
    }
    all
}

fn is_service(old: &VirtualServer, new: &VirtualServer) -> bool {
    if old.group.is_some() || new.group.is_some() {
        return (&old.group, old.protocol, old.family) == (&new.group, new.protocol, new.family);
    }
    old.services == new.services
}

/// The first that has no matched yet and is the same, the one in the same place before all others: in a file that has
/// changed little nothing is searched.
fn find<T>(old: &[T], free: &mut [bool], nth: usize, same: impl Fn(&T) -> bool) -> Option<usize> {
    let is = |place: usize, one: &T| free.get(place) == Some(&true) && same(one);
    let here = old.get(nth).is_some_and(|one| is(nth, one)).then_some(nth);
    let place = here.or_else(|| {
        let mut all = old.iter().enumerate();
        all.find_map(|(place, one)| is(place, one).then_some(place))
    })?;
    if let Some(slot) = free.get_mut(place) {
        *slot = false;
    }
    Some(place)
}

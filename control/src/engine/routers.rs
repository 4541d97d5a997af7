//! The routers that we are to hosts beside an access interface's own one: one for each anchor that a
//! host has come by (RFC 8885 section 3.7).

use super::Engine;
use dataplane::key::InterfaceId;
use roles::effect::LogicalRouter;
use roles::Role;

impl<R: Role> Engine<R> {
    /// Is this router too from now on: workers take frames for it, and it answers to its address.
    pub(super) fn show_router(&mut self, interface: u16, router: LogicalRouter) {
        let Some(link) = self.routing.links.get_mut(usize::from(interface)) else {
            return;
        };
        if !link.logical.contains(&router) {
            link.logical.push(router);
            self.stale = true;
        }
    }

    /// Is this router no longer.
    pub(super) fn hide_router(&mut self, interface: u16, router: LogicalRouter) {
        let Some(link) = self.routing.links.get_mut(usize::from(interface)) else {
            return;
        };
        let place = link.logical.iter().position(|shown| *shown == router);
        if let Some(place) = place.filter(|place| *place >= link.standing) {
            link.logical.remove(place);
            self.stale = true;
        }
    }

    /// Keeps the routers that are shown for hosts when the interfaces are exchanged for others of the same
    /// numbers; which are always shown, those say.
    pub(super) fn keep_routers(&self, routing: &mut crate::routing::Routing) {
        for (interface, link) in self.routing.interfaces() {
            let InterfaceId(index) = interface;
            if let Some(new) = routing.links.get_mut(usize::from(index)) {
                let shown = link.logical.iter().skip(link.standing);
                let shown = shown.filter(|it| !new.logical.contains(it)).copied();
                let shown: Vec<_> = shown.collect();
                new.logical.extend(shown);
            }
        }
    }
}

//! One `vrrp_instance` at run time: what it receives, sends, and does to the kernel.

pub(crate) mod actions;
pub(crate) mod auth;
pub(crate) mod garp_pacing;
#[cfg(feature = "sniff")]
pub mod judge;
pub(crate) mod messages;
mod params;
pub(crate) mod resume;
pub(crate) mod router;
pub mod rx;
pub mod state_record;
pub(crate) mod state_text;
pub(crate) mod tx;

#[cfg(test)]
mod tests {
    use super::router::{Router, Routers};
    use crate::config::model::{Garp, VrrpInstance};
    use crate::types::Family;

    /// 255 instances must not take more memory than keepalived's.
    #[test]
    fn an_instance_is_small() {
        let sizes = [size_of::<Router>(), size_of::<VrrpInstance>()];
        assert!(sizes[0] <= 968 && sizes[1] <= 344, "{sizes:?}");
    }

    #[test]
    fn equal_settings_are_stored_once() {
        let garp = Garp {
            repeat: 1,
            ..Garp::default()
        };
        let one = |family| {
            let mut conf = VrrpInstance {
                name: format!("{family}"),
                ..VrrpInstance::default()
            };
            conf.family = family;
            conf.garp = garp.into();
            conf
        };
        let (v4, v6) = (one(Family::V4), one(Family::V6));
        let routers = Routers::new(vec![v4.clone(), v6.clone(), v4, v6]);
        let settings = |nth: usize| &raw const *routers[nth].conf;
        assert_eq!(settings(0), settings(2));
        assert_eq!(settings(1), settings(3));
        assert_ne!(settings(0), settings(1));
        let params = |nth: usize| &raw const **routers[nth].garp.params();
        assert_eq!([params(0); 3], [params(1), params(2), params(3)]);
    }
}

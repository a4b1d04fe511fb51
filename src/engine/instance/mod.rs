//! One `vrrp_instance` at run time: what it receives, sends, and does to the kernel.

pub(crate) mod actions;
pub(crate) mod auth;
pub(crate) mod garp_pacing;
#[cfg(feature = "sniff")]
pub mod judge;
pub(crate) mod messages;
pub(crate) mod resume;
pub(crate) mod router;
pub mod rx;
pub mod state_record;
pub(crate) mod state_text;
pub(crate) mod tx;

#[cfg(test)]
mod tests {
    use super::router::Router;
    use crate::config::model::VrrpInstance;

    /// 255 instances must not take more memory than keepalived's.
    #[test]
    fn an_instance_is_small() {
        let sizes = [size_of::<Router>(), size_of::<VrrpInstance>()];
        assert!(sizes[0] <= 1248 && sizes[1] <= 336, "{sizes:?}");
    }
}

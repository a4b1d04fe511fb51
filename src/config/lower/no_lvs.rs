//! What a build without IPVS says to a configuration that has virtual servers.
//!
//! A balancer that balances nothing is worse than one that does not start quietly: each of them is named.

use super::Lowering;
use super::fields::Fields;
use crate::config::diag::Severity;
use crate::config::model::Lvs;

impl Lowering<'_> {
    /// Names all that belongs to IPVS.
    pub(super) fn no_lvs(&mut self, top: &Fields<'_>, global_defs: &Fields<'_>) -> Lvs {
        let settings = global_defs.every();
        let settings = settings.filter(|node| node.keyword.text.starts_with("lvs_"));
        for node in top.all("virtual_server").chain(settings) {
            let message = format!("`{}` is not in this build; ignored", node.keyword.text);
            let help = "install the full flavor, which has IPVS";
            self.diags
                .help(Severity::Unsupported, node.span(), message, help);
        }
        Lvs::default()
    }
}

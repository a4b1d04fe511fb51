//! `virtual_server`, `virtual_server_group` and the global settings of IPVS.

use super::super::model::{Lvs, VrrpInstance};
use super::Lowering;
use super::fields::Fields;

impl Lowering<'_> {
    /// Everything of IPVS.
    pub(super) fn lvs(
        &mut self,
        top: &Fields<'_>,
        global_defs: &Fields<'_>,
        instances: &[VrrpInstance],
    ) -> Lvs {
        let _ = (top, global_defs, instances, &self.diags);
        Lvs::default()
    }
}

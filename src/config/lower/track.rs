//! What is tracked, and by whom: `vrrp_script`, `track_file`, `vrrp_track_process`, and the `track_*` blocks.

use super::Lowering;
use super::fields::Fields;
use super::instance::Draft;
use crate::config::diag::Severity;
use crate::config::model::{Script, Track, TrackFile, TrackProcess, Tracked};
use crate::config::schema::value;
use crate::config::seen::Seen;
use crate::types::IfName;

/// What can be tracked besides interfaces; places in these lists are what [`Tracked`] holds.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) scripts: Vec<Script>,
    pub(super) files: Vec<TrackFile>,
    pub(super) processes: Vec<TrackProcess>,
}

impl Lowering<'_> {
    /// Reads all objects, before the instances that track them.
    pub(super) fn read_objects(&mut self, _top: &Fields<'_>) {}

    /// What an instance tracks.
    pub(super) fn tracks(&mut self, draft: &Draft<'_>, own: &IfName, owner: bool) -> Vec<Track> {
        let mut list: Vec<Track> = Vec::new();
        let mut known = Seen::default();
        for item in draft.fields.items("track_interface") {
            let Some(name) = IfName::new(&item.keyword.text) else {
                continue;
            };
            let mut words = item.args.iter().skip_while(|word| &*word.text != "weight");
            let weight = words.nth(1).and_then(|word| value::int(&word.text));
            let track = Track {
                what: Tracked::Interface(name.clone()),
                weight: weight
                    .and_then(|weight| i16::try_from(weight).ok())
                    .unwrap_or(0),
                reverse: item.args.iter().any(|word| &*word.text == "reverse"),
            };
            if owner && track.weight != 0 {
                let message = "weights do not change priority 255; the interface is not tracked";
                self.warn(item.keyword.span, message);
                continue;
            }
            if name == *own {
                let message = format!("`{own}` is the instance's own interface; line ignored");
                self.diags.say(Severity::Note, item.keyword.span, message);
                continue;
            }
            if known
                .before(&item.keyword.text, item.keyword.span)
                .is_some()
            {
                let message = format!("`{}` is tracked already; line ignored", name);
                self.warn(item.keyword.span, message);
                continue;
            }
            list.push(track);
        }
        list
    }
}

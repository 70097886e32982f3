//! [`Resumed`]: what is known of a target without a plan of it, after a start and after what somebody else wrote.
//!
//! The next scan of its scope plans what is not known. Until then this is what the brake counts, and what keeps a plan that
//! waits from looking as if nothing of it were held any more.

use std::collections::{BTreeSet, HashSet};

use muster_model::{HeldPlan, ResourceId, Timestamp};
use muster_plan::{Action, Hold, Index, Policy, Safety, Settings, Unconfigured};

use crate::pipeline::held;

/// What the held plans and the settings say of targets.
pub(super) struct Resumed<'a> {
    approved: BTreeSet<ResourceId>,
    /// What the current plan would remove.
    waiting: HashSet<&'a ResourceId>,
    /// Whether what is there may differ from what it should be, although nothing waits.
    behind: bool,
    policy: Policy,
    unconfigured: Unconfigured,
}

impl<'a> Resumed<'a> {
    pub(super) fn of(plans: &'a [HeldPlan], settings: &Settings, now: Timestamp) -> Self {
        let current = held::current(plans, &settings.group).into_iter();
        let open = current.flat_map(HeldPlan::open);
        Self {
            approved: held::approved(plans, &settings.group, now),
            waiting: open.map(|removal| &removal.id).collect(),
            behind: false,
            policy: settings.policy,
            unconfigured: settings.unconfigured,
        }
    }

    /// The same, for a store that says whether targets may differ from what they should be.
    pub(super) const fn behind(mut self, behind: bool) -> Self {
        self.behind = behind;
        self
    }

    /// Notes what a target waits for, or that it is as it should be. Its record, the name that it should have and the
    /// target itself have to be in the index.
    pub(super) fn stand(&self, index: &mut Index, id: &ResourceId) {
        // What a plan would say is known where the target has the name that it should; the rest is planned with the
        // first scan that sees it.
        let leaves = |safety| Hold {
            would: Action::Remove,
            safety,
        };
        if !index.is_own(id) || self.approved.contains(id) {
            index.unplan(id);
        } else if self.waiting.contains(id) {
            index.hold(id, leaves(Safety::Brake));
        } else if index.is_missing(id) {
            // The brake counts it, also before its scope is read again; but where nobody will read that, it stays.
            let stays = self.unconfigured == Unconfigured::Hold
                && index.scopes_known()
                && !index.is_asked_for(id);
            let safety = if stays {
                Safety::Coverage
            } else {
                Safety::Grace
            };
            index.hold(id, leaves(safety));
        } else if index.has_its_name(id) && self.policy != Policy::CreateOnly && !self.behind {
            index.keep(id);
        } else {
            index.unplan(id);
        }
    }

    /// What the current plan would remove.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &'a ResourceId> {
        self.waiting.iter().copied()
    }
}

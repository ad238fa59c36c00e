//! A server as the balancer keeps it: what the operator wants, what the checks find, what is in progress.

use canary_core::fleet::NodeId;
use canary_core::traits::{AdminState, Operational, Server, Weight};

use super::node::NodeState;
use super::{Checks, Load};

/// One server of the pool as it truly is.
#[derive(Debug, Clone)]
pub struct ServerState {
    /// The node behind it.
    pub node: NodeId,
    /// What the operator wants.
    pub admin: AdminState,
    /// What the checks find.
    pub up: bool,
    /// The weight in force.
    pub weight: Weight,
    /// Requests with an unusual duration: when each ends, in milliseconds since the clock's start.
    pub long_requests: Vec<u64>,
    /// Spans in which the pool does not have it, in milliseconds since the clock's start.
    pub away_ms: Vec<(u64, u64)>,
    /// Whether the pool does not have it now.
    pub(super) away: bool,
    /// What was acknowledged, and when it takes effect.
    pending: Option<(u64, AdminState)>,
    pub(super) served_milli: u64,
    /// What is left of a thousandth of a request, and of how many parts.
    rest: (u64, u64),
    /// Its running value in the smooth weighted round robin.
    pub(super) turn: i64,
    /// When it last took a new request.
    pub(super) last_request_ms: Option<u64>,
    next_check_ms: u64,
    /// Checks in a row that contradict `up`.
    contradictions: u32,
}

impl ServerState {
    /// The configured weight of every server.
    #[must_use]
    pub fn configured_weight() -> Weight {
        #[expect(clippy::expect_used, reason = "a constant in range")]
        Weight::new(100).expect("100 is a weight")
    }

    pub(super) fn new(node: NodeId) -> Self {
        Self {
            node,
            admin: AdminState::Ready,
            up: true,
            weight: Self::configured_weight(),
            long_requests: Vec::new(),
            away_ms: Vec::new(),
            away: false,
            pending: None,
            served_milli: 0,
            rest: (0, 1),
            turn: 0,
            last_request_ms: None,
            next_check_ms: 0,
            contradictions: 0,
        }
    }

    /// Whether it would take new requests, were it ready.
    #[must_use]
    pub fn could_serve(&self) -> bool {
        self.up && !self.away && self.weight.value() > 0
    }

    /// Takes `parts` of `all` parts of a thousandth of a request; what does not make a whole one is kept.
    pub(super) const fn take(&mut self, parts: u64, all: u64) {
        let rest = if self.rest.1 == all { self.rest.0 } else { 0 };
        self.served_milli += (parts + rest) / all;
        self.rest = ((parts + rest) % all, all);
    }

    /// Whether it takes new requests.
    #[must_use]
    pub fn serving(&self) -> bool {
        self.admin == AdminState::Ready && self.could_serve()
    }

    /// As after a start of the balancer: configured state, counters at zero, found up by its first check.
    pub(super) fn restart(&mut self, now_ms: u64, healthy: bool) {
        let (node, away_ms) = (self.node.clone(), std::mem::take(&mut self.away_ms));
        *self = Self { up: healthy, next_check_ms: now_ms, away_ms, away: self.away, ..Self::new(node) };
    }

    /// What the operator asked for last, in effect or not.
    pub(super) fn asked(&self) -> AdminState {
        self.pending.map_or(self.admin, |(_, state)| state)
    }

    /// Acknowledges an admin state, which takes effect `lag_ms` later.
    pub(super) fn ask(&mut self, now_ms: u64, state: AdminState, lag_ms: u64) {
        self.pending = None;
        match lag_ms {
            0 => self.set_admin(now_ms, state),
            _ if state != self.admin => self.pending = Some((now_ms + lag_ms, state)),
            _ => {}
        }
    }

    /// Lets what was due until `now_ms` take effect; true when that changed anything.
    pub(super) fn settle(&mut self, now_ms: u64) -> bool {
        let away = self.away_ms.iter().any(|(from, to)| (*from..*to).contains(&now_ms));
        let mut changed = std::mem::replace(&mut self.away, away) != away;
        if let Some((at_ms, state)) = self.pending.take_if(|(at_ms, _)| *at_ms <= now_ms) {
            self.set_admin(at_ms, state);
            changed = true;
        }
        changed
    }

    /// Sets an admin state; leaving maintenance begins down, as HAProxy has it with health checks.
    fn set_admin(&mut self, now_ms: u64, state: AdminState) {
        if self.admin == AdminState::Maint && state != AdminState::Maint {
            (self.up, self.contradictions, self.next_check_ms) = (false, 0, now_ms);
        }
        if state == AdminState::Maint {
            self.up = false;
        }
        self.admin = state;
        self.turn = 0;
    }

    /// Takes one check's answer in.
    fn check_once(&mut self, checks: &Checks, healthy: bool) {
        if healthy == self.up {
            self.contradictions = 0;
            return;
        }
        self.contradictions += 1;
        if self.contradictions >= if healthy { checks.rise } else { checks.fall } {
            (self.up, self.contradictions) = (healthy, 0);
        }
    }

    /// Makes the checks that were due until `now_ms`; true when one changed whether it is up.
    pub(super) fn check_until(&mut self, now_ms: u64, checks: &Checks, node: &NodeState) -> bool {
        if self.admin == AdminState::Maint {
            self.next_check_ms = self.next_check_ms.max(now_ms);
            return false;
        }
        let before = self.up;
        while self.next_check_ms <= now_ms {
            let healthy = node.healthy_at(self.next_check_ms);
            self.check_once(checks, healthy);
            self.next_check_ms += checks.interval_ms;
            let settled = healthy == self.up && self.contradictions == 0;
            let same_until = node.changes_after(self.next_check_ms - checks.interval_ms).min(now_ms);
            if settled && same_until > self.next_check_ms {
                let skipped = (same_until - self.next_check_ms) / checks.interval_ms;
                self.next_check_ms += skipped * checks.interval_ms;
            }
        }
        self.up != before
    }

    /// Requests in progress: those of unusual duration, and the usual ones until they have ended after the last came.
    pub(super) fn sessions(&self, now_ms: u64, load: &Load, serving: usize) -> u64 {
        let long = self.long_requests.iter().filter(|end| **end > now_ms).count() as u64;
        let usual = if self.serving() && serving > 0 {
            load.requests_per_s * load.duration_ms / 1000 / serving as u64
        } else {
            u64::from(self.last_request_ms.is_some_and(|last| now_ms < last + load.duration_ms))
        };
        long + usual
    }

    pub(super) fn view(&self, sessions: u64) -> Server {
        Server {
            node: self.node.clone(),
            address: None,
            admin: self.admin,
            operational: if self.up { Operational::Up } else { Operational::Down },
            checked: true,
            weight: self.weight,
            configured_weight: Self::configured_weight(),
            backup: false,
            sessions,
            queued: 0,
            served: self.served_milli / 1000,
        }
    }
}

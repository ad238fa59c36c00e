//! Code of routines: nothing until the set calls it, or a trigger does.

use std::collections::HashMap;

use super::judge::{At, Judge};
use crate::sql::name::Name;
use crate::sql::statement::{Body, Effect, EffectKind};

/// How deep routines that call each other are followed.
const MAX_DEPTH: usize = 8;

/// The routines that the set has made so far.
#[derive(Debug, Default)]
pub(crate) struct Routines {
    made: HashMap<Name, (Body, String)>,
    depth: usize,
}

impl Judge {
    /// Remembers a routine's code.
    pub(super) fn made_routine(&mut self, at: At<'_>, name: &Name, body: &Body) {
        let line = self.line_of(at);
        let name = self.new.resolved(name);
        self.routines.made.insert(name, (body.clone(), format!("{}:{line}", at.place.file)));
    }

    /// Judges what a routine of the set does, where it is called; `false` when the set made none of that name.
    pub(super) fn called(&mut self, at: At<'_>, function: &Name) -> bool {
        let name = self.new.resolved(function);
        let same = |made: &Name| {
            made.schema == name.schema && made.object.split('(').next() == name.object.split('(').next()
        };
        let bodies: Vec<(Body, String)> =
            self.routines.made.iter().filter(|(made, _)| same(made)).map(|(_, body)| body.clone()).collect();
        if bodies.is_empty() {
            return false;
        }
        if self.routines.depth >= MAX_DEPTH {
            self.found(at, "opaque-sql", &format!("calls {function}, which calls others too deep to follow"));
            return true;
        }
        self.routines.depth += 1;
        for (body, place) in bodies {
            let via = format!(" (in {}, {place})", name_of(function));
            if let Some(why) = &body.unreadable {
                self.found(at, "opaque-sql", &format!("calls {function}, whose code cannot be read: {why}"));
            }
            for inner in &body.effects {
                // The clause that is shown is the call: the code may stand in another file.
                let effect = Effect { span: at.effect.span, kind: inner.kind.clone() };
                self.effect(At { effect: &effect, in_code: true, via: &via, ..at });
            }
        }
        self.routines.depth -= 1;
        true
    }

    /// Judges a DO block.
    pub(super) fn code(&mut self, at: At<'_>, effects: &[Effect]) {
        for effect in effects {
            if !matches!(effect.kind, EffectKind::Begin | EffectKind::End) {
                self.effect(At { effect, in_code: true, ..at });
            }
        }
    }
}

fn name_of(function: &Name) -> String {
    format!("{}()", function.to_string().split('(').next().unwrap_or_default())
}

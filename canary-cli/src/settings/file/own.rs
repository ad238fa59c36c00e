//! The file's `[backend.NAME]` tables: whose they are. What stands in them is read by the kind of fleet itself.

use toml::Spanned;
use toml::de::DeValue;

use super::{Source, in_order};
use crate::backend::Registry;
use crate::error::Problem;
use crate::settings::raw::{Gathered, quoted};
use crate::settings::suggest::nearest;

/// Refuses tables that nobody would read.
pub(super) fn check(
    source: &Source<'_>,
    value: &Spanned<DeValue<'_>>,
    registry: &Registry,
    gathered: &mut Gathered,
) {
    let DeValue::Table(kinds) = value.get_ref() else {
        let place = source.origin(value.span().start);
        let hint =
            "write fleet.backend = \"NAME\" for the kind of fleet, and its own settings under [backend.NAME]";
        gathered.problems.push(Problem::new(format!("{place}: backend is no setting"), hint));
        return;
    };
    for (key, value) in in_order(kinds) {
        let name = key.get_ref().as_ref();
        let place = source.origin(key.span().start);
        let own: Vec<_> = registry.with_own_settings().collect();
        if own.contains(&name) {
            if !value.get_ref().is_table() {
                let message = format!("{place}: backend.{name} is a table, not a setting");
                gathered.problems.push(Problem::new(message, format!("write [backend.{name}]")));
            }
            continue;
        }
        let message =
            format!("{place}: backend.{}: nothing reads this table", quoted(name).trim_matches('"'));
        let hint = match (name, nearest(name, own.iter().copied())) {
            ("local", _) => "the settings of the local fleet stand under [local]".to_owned(),
            ("haproxy-incus", _) => "its settings stand under [haproxy] and [incus]".to_owned(),
            (_, Some(near)) => format!("did you mean [backend.{near}]?"),
            _ => "only a program that adds kinds of fleets has such tables".to_owned(),
        };
        gathered.problems.push(Problem::new(message, hint));
    }
}

//! Signals: the first asks to stop at a safe point, the second to go back, the third ends the process.

use canary_core::control::Control;
use canary_core::journal::{Request, Wish};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::error::{CommandError, ErrorKind};
use crate::render::{Screen, line};
use crate::telling::Telling;

/// Ends the listening when dropped.
#[derive(Debug)]
pub(super) struct Listening(JoinHandle<()>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Listens for the interrupt, the termination and the hangup signal.
pub(super) fn listen(
    control: Control,
    actor: String,
    screen: Screen,
    telling: Telling,
) -> Result<Listening, CommandError> {
    Ok(Listening(tokio::spawn(answer(all()?, control, actor, screen, telling))))
}

/// The interrupt, the termination and the hangup signal.
pub(super) fn all() -> Result<[Signal; 3], CommandError> {
    let install = |kind| {
        signal(kind).map_err(|error| {
            CommandError::new(ErrorKind::Refused, format!("cannot listen for signals: {error}"), "")
        })
    };
    let signals = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [interrupt, terminate, hangup] = signals.map(install);
    Ok([interrupt?, terminate?, hangup?])
}

async fn answer(
    [mut interrupt, mut terminate, mut hangup]: [Signal; 3],
    control: Control,
    actor: String,
    screen: Screen,
    telling: Telling,
) {
    let mut asked = 0;
    loop {
        let hung_up = tokio::select! {
            _ = interrupt.recv() => false,
            _ = terminate.recv() => false,
            _ = hangup.recv() => true,
        };
        // A terminal that goes away says so once or twice; only people escalate.
        if hung_up && asked > 0 {
            continue;
        }
        asked += 1;
        match asked {
            1 => {
                say(
                    &screen,
                    "stopping at the next safe point; once more to go back, twice more to end at once",
                );
                control.ask(Request::new(Wish::Stop, actor.as_str()));
            }
            2 => {
                say(&screen, "going back; once more to end at once and leave everything as it is");
                control.ask(Request::new(Wish::Abort, actor.as_str()));
            }
            _ => {
                say(
                    &screen,
                    "ended at once: `canary-cli status` shows what is where, `canary-cli resume` goes on, `canary-cli abort` goes back",
                );
                telling.cut_short(&screen).await;
                screen.close();
                std::process::exit(i32::from(ErrorKind::Interrupted.exit_code()));
            }
        }
    }
}

fn say(screen: &Screen, text: &str) {
    if screen.json() {
        screen.line(line("signal", serde_json::json!({ "message": text })));
    } else {
        screen.line(screen.paint.careful(text));
    }
}

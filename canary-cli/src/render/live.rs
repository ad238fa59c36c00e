//! The view on a terminal: redrawn in place, below lines that scroll.
//!
//! ```text
//! 14:32:10  backend-api-2  install   0.21s  …      lines: written once, never touched again
//! ▮                                                the cursor rests here, on an empty line
//! roll out 14258faa801d  step 4 of 14  12s         the view
//!   ▸ backend-api-2  restart  …
//! ```
//!
//! Between two drawings the cursor rests *above* the view. A terminal that gets another size may break lines anew or
//! drop some, but keeps the cursor where its text is: to clear from the cursor to the end takes the whole view away,
//! however many rows it has become. (To count the rows back up from its end cannot know that.) No row of the view reaches
//! the last column. The cursor stays visible and the terminal's settings are left alone, so that nothing has to be
//! restored, whatever ends the process.

use std::fmt::{self, Write as _};
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use super::paint::Paint;
use super::row::{Row, Tone};
use super::terminal::{Size, Terminal};
use super::view::{Glyphs, View};
use super::words;

/// How often is looked whether the view or the terminal's size has changed.
const TICK: Duration = Duration::from_millis(200);

/// The screen whose view has to be out of the way before a panic is told.
static ON_SCREEN: Mutex<Weak<Mutex<State>>> = Mutex::new(Weak::new());

/// A terminal with lines and a view below them; clones share it.
#[derive(Clone)]
pub(super) struct Live(Arc<Mutex<State>>);

struct State {
    out: Box<dyn Write + Send>,
    terminal: Terminal,
    paint: Paint,
    view: Option<View>,
    /// What is going on while there is no rollout, and since when.
    note: Option<(String, Instant)>,
    /// What is shown below the rollout, where there is room.
    beside: Option<String>,
    drawn: Option<Drawn>,
    ticking: bool,
}

/// What stands below the cursor.
struct Drawn {
    size: Size,
    rows: Vec<String>,
}

impl Live {
    pub(super) fn new(out: impl Write + Send + 'static, terminal: Terminal, paint: Paint) -> Self {
        let state = State {
            out: Box::new(out),
            terminal,
            paint,
            view: None,
            note: None,
            beside: None,
            drawn: None,
            ticking: false,
        };
        let live = Self(Arc::new(Mutex::new(state)));
        *ON_SCREEN.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&live.0);
        live
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines above the view, after changing what the view is of.
    pub(super) fn update(&self, lines: &[String], change: impl FnOnce(&mut Option<View>)) {
        let mut state = self.state();
        change(&mut state.view);
        if state.view.is_some() {
            state.note = None;
        }
        state.draw(lines);
        self.tick(state);
    }

    /// Says what is going on while there is no rollout; `None` for nothing.
    pub(super) fn note(&self, text: Option<&str>) {
        let mut state = self.state();
        state.note = text.map(|text| (text.to_owned(), Instant::now()));
        state.draw(&[]);
        self.tick(state);
    }

    /// Says how far that has come; for how long it goes on is counted from the first word about it.
    pub(super) fn progress(&self, text: &str) {
        let mut state = self.state();
        let since = state.note.as_ref().map_or_else(Instant::now, |(_, since)| *since);
        state.note = Some((text.to_owned(), since));
        state.draw(&[]);
        self.tick(state);
    }

    /// Says what else goes on during a rollout; shown with the next drawing.
    pub(super) fn beside(&self, text: String) {
        self.state().beside = Some(text);
    }

    /// Whether the view is of a rollout.
    pub(super) fn viewing(&self) -> bool {
        self.state().view.is_some()
    }

    /// Takes the view away.
    pub(super) fn close(&self) {
        let mut state = self.state();
        (state.view, state.note) = (None, None);
        state.draw(&[]);
    }

    /// Keeps the view up to date while there is one. Without a thread it is redrawn by events alone.
    fn tick(&self, mut state: MutexGuard<'_, State>) {
        if state.ticking || state.drawn.is_none() {
            return;
        }
        let shared = Arc::downgrade(&self.0);
        let tick = move || {
            loop {
                std::thread::sleep(TICK);
                let Some(shared) = shared.upgrade() else { return };
                shared.lock().unwrap_or_else(PoisonError::into_inner).draw(&[]);
            }
        };
        state.ticking = std::thread::Builder::new().name("view".to_owned()).spawn(tick).is_ok();
    }
}

impl Drop for State {
    fn drop(&mut self) {
        (self.view, self.note) = (None, None);
        self.draw(&[]);
    }
}

impl State {
    fn rows(&self, size: Size) -> Vec<String> {
        let glyphs = if self.terminal.unicode { &Glyphs::UNICODE } else { &Glyphs::ASCII };
        let row = |text: &str| {
            let row = Row::default().with(Tone::Plain, text);
            row.fit(size.width.saturating_sub(1), glyphs.mark, self.paint)
        };
        if let Some(view) = &self.view {
            let mut rows = view.rows(SystemTime::now().into(), size, glyphs, self.paint);
            let room = !rows.is_empty() && rows.len() + 2 < size.height;
            rows.extend(self.beside.as_ref().filter(|_| room).map(|text| row(&format!("  {text}"))));
            return rows;
        }
        let note = self.note.as_ref().filter(|_| size.height > 3);
        note.map_or_else(Vec::new, |(text, since)| {
            vec![row(&format!("{text}  {}", words::passing(since.elapsed())))]
        })
    }

    /// Writes lines and the view below them, in one piece. A reader that went away stops nothing.
    fn draw(&mut self, lines: &[String]) {
        let mut size = (self.terminal.size)();
        let mut rows = self.rows(size);
        // Another size while the rows were made: the nearer to the writing it is known, the smaller the chance that the
        // terminal has moved everything in between.
        let now = (self.terminal.size)();
        if now != size {
            size = now;
            rows = self.rows(size);
        }
        let same = self.drawn.as_ref().is_some_and(|drawn| drawn.size == size && drawn.rows == rows);
        if lines.is_empty() && (same || (self.drawn.is_none() && rows.is_empty())) {
            return;
        }
        let mut text = String::new();
        let in_place = self.clear(&mut text, size, lines.is_empty() && !rows.is_empty());
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        for row in &rows {
            text.push_str("\r\n");
            text.push_str(row);
            if in_place {
                text.push_str("\u{1b}[K");
            }
        }
        if in_place {
            text.push_str("\u{1b}[J");
        }
        if !rows.is_empty() {
            // proof: writing to a String cannot fail.
            let _ = write!(text, "\u{1b}[{}A\r\u{1b}7", rows.len());
        }
        self.drawn = (!rows.is_empty()).then_some(Drawn { size, rows });
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    /// Takes away what is below the cursor; with `over`, only on the cursor's own line where the rest will be written
    /// over, which flickers less. Whether it was so is told.
    fn clear(&self, text: &mut String, size: Size, over: bool) -> bool {
        let Some(drawn) = &self.drawn else { return false };
        let unmoved = drawn.size == size;
        if unmoved {
            // Whatever was typed meanwhile has moved the cursor.
            text.push_str("\u{1b}8");
        }
        let over = over && unmoved;
        // From the line below on: where the cursor's own is the terminal's first, some terminals (tmux) would keep all of
        // what is cleared in their history.
        text.push_str(if over { "\r\u{1b}[K" } else { "\r\u{1b}7\u{1b}[B\u{1b}[J\u{1b}8\u{1b}[K" });
        over
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

/// Makes panics take the view away before they are told, so that their words stay to be read.
pub fn clear_before_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // Not waited for: the thread that panics may be the one that draws.
        let shown = ON_SCREEN.try_lock().ok().and_then(|shown| shown.upgrade());
        if let Some(mut state) = shown.as_ref().and_then(|shared| shared.try_lock().ok()) {
            let mut text = String::new();
            let size = (state.terminal.size)();
            state.clear(&mut text, size, false);
            state.drawn = None;
            let _ = state.out.write_all(text.as_bytes()).and_then(|()| state.out.flush());
        }
        tell(panic);
    }));
}

//! The terminal while it is ours, and the promise to give it back: at the end, on an error, and when any thread panics.

use std::io::{Stdout, stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Size;

use crate::error::TuiError;
use crate::screens::Picture;

static OURS: AtomicBool = AtomicBool::new(false);
static PANICKED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

pub(super) struct Guard {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Guard {
    pub(super) fn enter() -> Result<Self, TuiError> {
        HOOK.call_once(install_hook);
        PANICKED.store(false, Ordering::Release);
        take()?;
        match fresh() {
            Ok(terminal) => Ok(Guard { terminal }),
            Err(error) => {
                give_back();
                Err(TuiError::Terminal(error))
            }
        }
    }

    pub(super) fn size(&self) -> Result<Size, TuiError> {
        self.terminal.size().map_err(TuiError::Terminal)
    }

    pub(super) fn show(&mut self, picture: &Picture) -> Result<(), TuiError> {
        let drawn = self.terminal.draw(|frame| {
            // Between two looks the size may have changed: then only what fits both is shown, and soon drawn anew.
            let buffer = frame.buffer_mut();
            if buffer.area == picture.buffer.area {
                buffer.clone_from(&picture.buffer);
                if let Some(cursor) = picture.cursor {
                    frame.set_cursor_position(cursor);
                }
            }
        });
        drawn.map(drop).map_err(TuiError::Terminal)
    }
}

impl Guard {
    /// Forgets what stands there: somebody else wrote on it. (ratatui's own way asks the terminal where its cursor is, and
    /// the answer would come as keys.)
    pub(super) fn clear(&mut self) -> Result<(), TuiError> {
        let cleared = execute!(stdout(), Clear(ClearType::All));
        self.terminal = cleared.and_then(|()| fresh()).map_err(TuiError::Terminal)?;
        Ok(())
    }

    /// Gives the terminal back and stops, as other programs do; goes on when it is continued.
    pub(super) fn suspend(&mut self) -> Result<(), TuiError> {
        give_back();
        // To this thread: a signal to the process may stop it a moment later, when the terminal is taken again already.
        let stopped = signal_hook::low_level::raise(signal_hook::consts::SIGTSTP);
        take()?;
        stopped.map_err(TuiError::Terminal)?;
        self.clear()
    }
}

fn fresh() -> std::io::Result<Terminal<CrosstermBackend<Stdout>>> {
    Terminal::new(CrosstermBackend::new(stdout()))
}

/// Raw, and a screen of our own; whatever fails, it is given back.
fn take() -> Result<(), TuiError> {
    enable_raw_mode().map_err(TuiError::Terminal)?;
    OURS.store(true, Ordering::Release);
    execute!(stdout(), EnterAlternateScreen).map_err(|error| {
        give_back();
        TuiError::Terminal(error)
    })
}

impl Drop for Guard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Another thread panicked and the terminal was given back for its message.
pub(super) fn panicked() -> bool {
    PANICKED.load(Ordering::Acquire)
}

fn give_back() {
    if OURS.swap(false, Ordering::AcqRel) {
        // Nothing better can be done where the terminal is already gone.
        execute!(stdout(), LeaveAlternateScreen, Show).ok();
        disable_raw_mode().ok();
    }
}

fn install_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if OURS.load(Ordering::Acquire) {
            PANICKED.store(true, Ordering::Release);
            give_back();
        }
        before(info);
    }));
}

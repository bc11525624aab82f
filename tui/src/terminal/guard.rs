//! The terminal while it is ours, and the promise to give it back: at the end, on an error, and when any thread panics.

use std::io::stdout;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::layout::Size;
use rustix::process::Signal;

use crate::error::TuiError;
use crate::screens::Picture;

static OURS: AtomicBool = AtomicBool::new(false);
static PANICKED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

pub(super) struct Guard {
    terminal: Terminal<CrosstermBackend<std::io::Stdout>>,
}

impl Guard {
    pub(super) fn enter() -> Result<Self, TuiError> {
        HOOK.call_once(install_hook);
        PANICKED.store(false, Ordering::Release);
        take()?;
        match Terminal::new(CrosstermBackend::new(stdout())) {
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
    /// Forgets what stands there: somebody else wrote on it.
    pub(super) fn clear(&mut self) -> Result<(), TuiError> {
        self.terminal.clear().map_err(TuiError::Terminal)
    }

    /// Gives the terminal back and stops, as other programs do; goes on when it is continued.
    pub(super) fn suspend(&mut self) -> Result<(), TuiError> {
        give_back();
        let stopped = rustix::process::kill_process(rustix::process::getpid(), Signal::TSTP);
        take()?;
        stopped.map_err(|error| TuiError::Terminal(error.into()))?;
        self.clear()
    }
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

//! Keys as the terminal sends them, in a thread of their own that looks up often enough to end soon.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::app::{Input, Key};
use crate::error::TuiError;
use crate::limits::KEYS_LOOK_MS;

pub(super) struct Keyboard {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Keyboard {
    /// The terminal's input is free again when this returns.
    pub(super) fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        // A panic in it was already shown by the hook.
        self.thread.join().ok();
    }
}

pub(super) fn start(inputs: SyncSender<Input>) -> Result<Keyboard, TuiError> {
    let stopping = Arc::new(AtomicBool::new(false));
    let seen = stopping.clone();
    let thread = std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || read(&inputs, &seen))
        .map_err(|why| TuiError::Thread {
            what: "the keys",
            why,
        })?;
    Ok(Keyboard { stopping, thread })
}

fn read(inputs: &SyncSender<Input>, stopping: &AtomicBool) {
    while !stopping.load(Ordering::Acquire) {
        let input = match event::poll(Duration::from_millis(KEYS_LOOK_MS)) {
            Ok(false) => continue,
            Ok(true) => event::read().ok().and_then(|event| input(&event)),
            // No terminal any more: whoever watches it has gone.
            Err(_) => Some(Input::Key(Key::Control('c'))),
        };
        if let Some(input) = input
            && inputs.send(input).is_err()
        {
            return;
        }
    }
}

fn input(event: &Event) -> Option<Input> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => pressed(key).map(Input::Key),
        Event::Resize(..) => Some(Input::Resized),
        _ => None,
    }
}

fn pressed(key: &KeyEvent) -> Option<Key> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char(letter) => Some(Key::Control(letter)),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Char(c) => Key::Char(c),
        _ => return None,
    })
}

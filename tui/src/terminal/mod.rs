//! The interactive dashboard: keys and answers in, pictures out. The only place that touches the terminal.
//!
//! Nothing is drawn unless the picture differs from the one that stands there; changes that come fast are drawn
//! together; once a second the ages are looked at. Whatever ends the dashboard, the terminal is given back.

mod guard;
mod keyboard;
mod snapshot;

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use ratatui::layout::Rect;

use crate::app::{App, Effect, Input};
use crate::client::{Since, Watch};
use crate::error::TuiError;
use crate::limits::{AGES_EVERY_MS, DRAW_EVERY_MS, INPUTS_MAX, INPUTS_PER_DRAW_MAX, STOP_LOOK_MS};
use crate::model::MonoMs;
use crate::model::{Section, Update};
use crate::screens::{Picture, picture};
use crate::theme::Theme;
use guard::Guard;
use snapshot::Snapshot;

pub(crate) fn run(
    mut app: App,
    theme: Theme,
    kept: Option<PathBuf>,
    stop: impl Fn() -> bool,
) -> Result<(), TuiError> {
    let since = Since::start();
    let snapshot = Snapshot::new(kept, &app.model.api);
    if let Some(round) = snapshot.read() {
        app.update(
            Input::Update(Update::Snapshot(Box::new(round))),
            since.now(),
        );
    }
    let (inputs, heard) = std::sync::mpsc::sync_channel(INPUTS_MAX);
    let mut guard = Guard::enter()?;
    let keyboard = keyboard::start(inputs.clone())?;
    let watch = watch(&app.model.api, since, inputs)?;
    let ended = Dashboard {
        app,
        theme,
        since,
        shown: None,
        drawn: 0,
        looked: 0,
        snapshot,
        watch,
    }
    .follow(&mut guard, &heard, stop);
    // Threads that wait to hand over an input see that nobody takes it any more.
    drop(heard);
    keyboard.stop();
    ended
}

fn watch(api: &str, since: Since, inputs: SyncSender<Input>) -> Result<Watch, TuiError> {
    let sink = move |update| inputs.send(Input::Update(update)).is_ok();
    Watch::start(api, since, std::sync::Arc::new(sink))
}

struct Dashboard {
    app: App,
    theme: Theme,
    since: Since,
    shown: Option<Picture>,
    drawn: MonoMs,
    looked: MonoMs,
    snapshot: Snapshot,
    watch: Watch,
}

impl Dashboard {
    fn follow(
        mut self,
        guard: &mut Guard,
        heard: &Receiver<Input>,
        stop: impl Fn() -> bool,
    ) -> Result<(), TuiError> {
        let mut due = true;
        let mut urgent = true;
        while !stop() {
            if guard::panicked() {
                return Err(TuiError::Panicked);
            }
            let now = self.since.now();
            if due && (urgent || now.saturating_sub(self.drawn) >= DRAW_EVERY_MS) {
                self.draw(guard)?;
                (due, urgent) = (false, false);
            }
            let wait = if due { DRAW_EVERY_MS } else { STOP_LOOK_MS };
            match heard.recv_timeout(Duration::from_millis(wait)) {
                Ok(input) => {
                    urgent |= !matches!(input, Input::Update(_));
                    due = true;
                    let first = std::iter::once(input);
                    for input in first.chain(heard.try_iter().take(INPUTS_PER_DRAW_MAX)) {
                        if !self.take(input, guard)? {
                            return Ok(());
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            due |= self.since.now().saturating_sub(self.looked) >= AGES_EVERY_MS;
        }
        Ok(())
    }

    /// `false` when it is over.
    fn take(&mut self, input: Input, guard: &mut Guard) -> Result<bool, TuiError> {
        if input == Input::Resized {
            self.shown = None;
        }
        if let Input::Update(Update::Round(round)) = &input
            && let Section::Got(_) = round.beds
        {
            self.snapshot.keep(round, self.since.now());
        }
        match self.app.update(input, self.since.now()) {
            Effect::None => {}
            Effect::Quit => return Ok(false),
            Effect::Explain(bed) => self.watch.explain(bed),
            Effect::Redraw => {
                guard.clear()?;
                self.shown = None;
            }
            Effect::Suspend => {
                guard.suspend()?;
                self.shown = None;
            }
        }
        Ok(true)
    }

    /// Nothing is written when nothing that is shown has changed.
    fn draw(&mut self, guard: &mut Guard) -> Result<(), TuiError> {
        self.drawn = self.since.now();
        self.looked = self.drawn;
        let size = guard.size()?;
        let new = picture(
            &self.app,
            self.theme,
            Rect::new(0, 0, size.width, size.height),
            self.drawn,
        );
        if self.shown.as_ref() != Some(&new) {
            guard.show(&new)?;
            self.shown = Some(new);
        }
        Ok(())
    }
}

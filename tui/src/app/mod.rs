//! What the person does and what is heard, turned into what is to be shown. Pure: `update(state, input, moment)`.
//!
//! Screens lie on a stack: enter opens what a line speaks of, esc goes back. A choice is remembered by name, so that it
//! stays on its row when rows come, go or move.

mod keys;
mod list;

pub(crate) use keys::{Key, all as all_keys, current};
pub(crate) use list::List;

use crate::limits::{FILTER_CHARS_MAX, SCREENS_MAX};
use crate::model::{Model, MonoMs, RowName, Topic, Update};
use crate::screens;
use keys::Meaning;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    Key(Key),
    Update(Update),
    /// The terminal changed its size: everything is to be drawn again.
    Resized,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    Quit,
    /// Everything anew: something else wrote on the terminal.
    Redraw,
    /// The terminal is given back until the program is continued.
    Suspend,
    /// This bed's explanation is wanted from now on, or none.
    Explain(Option<RowName>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Screen {
    House,
    Department(RowName),
    Bed(RowName),
    Devices,
    Feeds,
    Reasons(&'static str),
}

impl From<&Topic> for Screen {
    fn from(topic: &Topic) -> Self {
        match topic {
            Topic::Feeds => Screen::Feeds,
            Topic::Sidelined => Screen::Reasons("sidelined"),
            Topic::Department(place) => Screen::Department(place.clone()),
        }
    }
}

/// A screen with what is chosen on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub screen: Screen,
    pub list: List,
}

#[derive(Debug, Clone)]
pub(crate) struct App {
    pub model: Model,
    /// Below the open screen: where esc leads to.
    under: Vec<View>,
    pub view: View,
    pub help: bool,
    /// The filter is being typed.
    pub typing: bool,
}

fn fresh(screen: Screen) -> View {
    View {
        screen,
        list: List::default(),
    }
}

impl App {
    pub(crate) fn new(model: Model) -> Self {
        Self {
            model,
            under: Vec::new(),
            view: fresh(Screen::House),
            help: false,
            typing: false,
        }
    }

    pub(crate) fn update(&mut self, input: Input, now: MonoMs) -> Effect {
        match input {
            Input::Update(update) => self.model.apply(update, now),
            Input::Key(key) => return self.key(key, now),
            Input::Resized => {}
        }
        Effect::None
    }

    /// The screens that led here, the first one first.
    pub(crate) fn way(&self) -> impl Iterator<Item = &Screen> {
        self.under.iter().map(|view| &view.screen)
    }

    fn key(&mut self, key: Key, now: MonoMs) -> Effect {
        match keys::meaning(self, key) {
            Meaning::Quit => return Effect::Quit,
            Meaning::Redraw => return Effect::Redraw,
            Meaning::Suspend => return Effect::Suspend,
            Meaning::Help => self.help = !self.help,
            Meaning::Move(steps) => {
                let names: Vec<String> = screens::choices(self, now)
                    .into_iter()
                    .map(|c| c.0)
                    .collect();
                self.view.list.go(steps, &names);
            }
            Meaning::Open => return self.open(now),
            Meaning::Back => return self.back(),
            Meaning::Filter => self.typing = true,
            Meaning::Sort => self.view.list.sort_next(&screens::titles(self, now)),
            Meaning::Turn => self.view.list.turned = !self.view.list.turned,
            Meaning::Typed(c) => self.typed(c),
            Meaning::Erase => {
                self.view.list.filter.pop();
            }
            Meaning::Accept => self.typing = false,
            Meaning::Nothing => {}
        }
        Effect::None
    }

    fn typed(&mut self, c: char) {
        let filter = &mut self.view.list.filter;
        if !c.is_control() && filter.chars().count() < FILTER_CHARS_MAX {
            filter.push(c);
        }
    }

    /// Out of the innermost thing that is open.
    fn back(&mut self) -> Effect {
        if self.help {
            self.help = false;
        } else if self.typing || !self.view.list.filter.is_empty() {
            self.typing = false;
            self.view.list.filter.clear();
        } else if let Some(view) = self.under.pop() {
            self.view = view;
            return self.explain();
        }
        Effect::None
    }

    fn open(&mut self, now: MonoMs) -> Effect {
        let choices = screens::choices(self, now);
        let names: Vec<String> = choices.iter().map(|choice| choice.0.clone()).collect();
        let chosen = choices.into_iter().nth(self.view.list.place(&names));
        let Some((name, Some(screen))) = chosen else {
            return Effect::None;
        };
        self.view.list.chosen = Some(name);
        if self.under.len() < SCREENS_MAX {
            let under = std::mem::replace(&mut self.view, fresh(screen));
            self.under.push(under);
        }
        self.explain()
    }

    /// The model forgets another bed's explanation, and the right one is asked for.
    fn explain(&mut self) -> Effect {
        let bed = match &self.view.screen {
            Screen::Bed(bed) => Some(bed.clone()),
            _ => None,
        };
        self.model.explained = None;
        Effect::Explain(bed)
    }
}

#[cfg(test)]
#[path = "../tests/app.rs"]
mod tests;

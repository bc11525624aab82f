//! What the person does and what is heard, turned into what is to be shown. Pure: `update(state, input, moment)`.
//!
//! A choice is remembered by name, so that it stays on its department or bed when rows come, go or move.

mod keys;
mod list;

pub(crate) use keys::{Key, Meaning, current};
pub(crate) use list::List;

use crate::limits::FILTER_CHARS_MAX;
use crate::model::{Feed, Model, Moment};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    Key(Key),
    Feed(Feed),
    /// The terminal changed its size: everything is to be drawn again.
    Resized,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    Quit,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Screen {
    Departments,
    Beds { department: String },
}

#[derive(Debug, Clone)]
pub(crate) struct App {
    pub model: Model,
    pub screen: Screen,
    pub help: bool,
    /// The filter is being typed.
    pub typing: bool,
    pub departments: List,
    pub beds: List,
}

impl App {
    pub(crate) fn new(model: Model) -> Self {
        Self {
            model,
            screen: Screen::Departments,
            help: false,
            typing: false,
            departments: List::default(),
            beds: List::default(),
        }
    }

    pub(crate) fn update(&mut self, input: Input, now: Moment) -> Effect {
        match input {
            Input::Feed(feed) => self.model.apply(feed, now),
            Input::Key(key) => return self.key(key),
            Input::Resized => {}
        }
        Effect::None
    }

    fn key(&mut self, key: Key) -> Effect {
        match keys::meaning(self, key) {
            Meaning::Quit => return Effect::Quit,
            Meaning::Help => self.help = !self.help,
            Meaning::Move(steps) => self.go(steps),
            Meaning::Open => self.open(),
            Meaning::Back => self.back(),
            Meaning::Filter => self.typing = true,
            Meaning::Typed(c) => self.typed(c),
            Meaning::Erase => {
                self.list_mut().filter.pop();
            }
            Meaning::Accept => self.typing = false,
            Meaning::Nothing => {}
        }
        Effect::None
    }

    fn typed(&mut self, c: char) {
        let filter = &mut self.list_mut().filter;
        if !c.is_control() && filter.chars().count() < FILTER_CHARS_MAX {
            filter.push(c);
        }
    }

    /// Out of the innermost thing that is open.
    fn back(&mut self) {
        if self.help {
            self.help = false;
        } else if self.typing || !self.list().filter.is_empty() {
            self.typing = false;
            self.list_mut().filter.clear();
        } else {
            self.screen = Screen::Departments;
        }
    }

    fn open(&mut self) {
        if self.screen != Screen::Departments {
            return;
        }
        let names = self.names();
        if let Some(department) = names.get(self.departments.place(&names)) {
            self.screen = Screen::Beds {
                department: department.clone(),
            };
            self.beds = List::default();
        }
    }

    fn go(&mut self, steps: isize) {
        let names = self.names();
        self.list_mut().go(steps, &names);
    }

    pub(crate) fn list(&self) -> &List {
        match self.screen {
            Screen::Departments => &self.departments,
            Screen::Beds { .. } => &self.beds,
        }
    }

    fn list_mut(&mut self) -> &mut List {
        match self.screen {
            Screen::Departments => &mut self.departments,
            Screen::Beds { .. } => &mut self.beds,
        }
    }

    /// Names of the rows of this screen that pass the filter, in the order shown.
    pub(crate) fn names(&self) -> Vec<String> {
        match &self.screen {
            Screen::Departments => self
                .shown_departments()
                .map(|aged| aged.row.department.clone())
                .collect(),
            Screen::Beds { department } => self
                .shown_beds(department)
                .map(|aged| aged.row.bed.clone())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;

//! The first line, read from across the room: whose house it is, what there is, what can be believed, what time it is. The
//! second: what a person should look at.
//!
//! The free count is never cut: what matters least goes first where it is narrow.

use ratatui::text::{Line, Span};

use super::{Look, joined};
use crate::app::{App, Screen};
use crate::model::{Level, Model};
use crate::text;
use crate::theme::Role;

/// A piece of the first line; the highest rank goes first.
struct Piece {
    rank: u8,
    role: Role,
    text: String,
    /// Stands at the right end.
    right: bool,
}

impl Piece {
    fn left(rank: u8, role: Role, text: String) -> Self {
        Self {
            rank,
            role,
            text,
            right: false,
        }
    }

    fn right(rank: u8, role: Role, text: String) -> Self {
        Self {
            rank,
            role,
            text,
            right: true,
        }
    }
}

pub(super) fn lines(model: &Model, way: &str, look: &Look, second: bool) -> Vec<Line<'static>> {
    let mut lines = vec![first(model, way, look)];
    if second {
        lines.extend(attention(model, look));
    }
    lines
}

/// `ST-MARY > ICU > ICU^1^1`.
pub(super) fn way(app: &App) -> String {
    let site = site(&app.model);
    let screens = app.way().chain(std::iter::once(&app.view.screen));
    let names = screens.filter_map(|screen| match screen {
        Screen::House => None,
        Screen::Department(place) | Screen::Bed(place) => Some(place.name.as_str()),
        Screen::Devices => Some("DEVICES"),
        Screen::Feeds => Some("FEEDS"),
        Screen::Reasons("sidelined") => Some("SIDELINED"),
        Screen::Reasons(_) => Some("FILTERED"),
    });
    let names: Vec<&str> = std::iter::once(site.as_str()).chain(names).collect();
    names.join(" > ")
}

/// As it is written on a wall; the address where no site is named.
pub(super) fn site(model: &Model) -> String {
    let named = model.about.as_ref().and_then(|about| about.site.clone());
    let address = || {
        model
            .api
            .strip_prefix("http://")
            .unwrap_or(&model.api)
            .to_owned()
    };
    text::clean(&named.map_or_else(address, |site| site.to_uppercase()))
}

fn first(model: &Model, way: &str, look: &Look) -> Line<'static> {
    let mut pieces = pieces(model, way, look);
    let width = |pieces: &[Piece]| {
        pieces
            .iter()
            .map(|p| text::width(&p.text) + 1)
            .sum::<usize>()
    };
    while width(&pieces) > look.width {
        let last = pieces
            .iter()
            .enumerate()
            .max_by_key(|(_, piece)| piece.rank);
        match last.map(|(n, piece)| (n, piece.rank)) {
            Some((n, rank)) if rank > 0 => drop(pieces.remove(n)),
            _ => break,
        }
    }
    let spare = look.width.saturating_sub(width(&pieces));
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut gap = spare;
    for piece in pieces {
        if piece.right && gap > 0 {
            spans.push(look.span(Role::Normal, " ".repeat(std::mem::take(&mut gap))));
        }
        spans.push(look.span(Role::Normal, " "));
        spans.push(look.span(piece.role, piece.text));
    }
    Line::from(spans)
}

fn pieces(model: &Model, way: &str, look: &Look) -> Vec<Piece> {
    let data = model.data(look.now);
    let now = !matches!(data.level, Level::Stale);
    let strong = if now { Role::Strong } else { Role::Dim };
    let mut out = vec![Piece::left(
        3,
        Role::Strong,
        look.words(&text::fit(way, look.width / 3)),
    )];
    if let Some(house) = model.house() {
        let role = if now { Role::Free } else { Role::Dim };
        out.push(Piece::left(0, role, format!("FREE {}", house.free_words())));
        for (n, word) in house.class_words().into_iter().enumerate() {
            // The scarcest class goes last.
            let rank = u8::try_from(n)
                .unwrap_or(u8::MAX)
                .saturating_add(if n == 0 { 4 } else { 8 });
            out.push(Piece::left(rank, strong, word));
        }
        out.push(Piece::left(40, strong, look.words(&house.taken_words())));
        let flow = format!("in {} out {}", house.pending_in, house.pending_out);
        out.push(Piece::left(30, strong, flow));
    }
    let role = match data.level {
        Level::Live | Level::Starting => Role::Strong,
        Level::Partly => Role::Bad,
        Level::Stale | Level::None => Role::Stale,
    };
    // Two words, and each says which it is.
    out.push(Piece::right(20, Role::Dim, "DATA".to_owned()));
    out.push(Piece::right(
        1,
        role,
        look.words(&text::fit(&data.word, look.width / 2)),
    ));
    if let Some(as_of) = model.as_of() {
        let rank = if now { 50 } else { 6 };
        out.push(Piece::right(rank, Role::Dim, format!("as of {as_of}")));
    }
    if let Some(clock) = model.clock(look.now) {
        out.push(Piece::right(2, Role::Strong, clock));
    }
    out
}

fn attention(model: &Model, look: &Look) -> Option<Line<'static>> {
    let items: Vec<String> = model
        .attention(look.now)
        .into_iter()
        .map(|item| look.words(&format!("! {}", item.short)))
        .collect();
    if items.is_empty() {
        return None;
    }
    let words = joined(&items, "  ", look.width.saturating_sub(1));
    let words = if words.is_empty() {
        items.into_iter().next()?
    } else {
        words
    };
    Some(look.line(Role::Strong, &format!(" {words}")))
}

//! The first screen as text, with SGR sequences only where colour is wanted.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

use crate::model::{Model, MonoMs};
use crate::screens::{Look, document};
use crate::theme::{Palette, Theme, ascii_text};

pub(crate) fn table(model: &Model, theme: Theme, width: u16, now: MonoMs) -> String {
    let look = Look {
        theme,
        width: usize::from(width),
        now,
    };
    let mut out = String::new();
    for line in document(model, &look) {
        let line = painted(&line, theme.palette == Palette::Mono);
        out.push_str(&if theme.ascii { ascii_text(&line) } else { line });
        out.push('\n');
    }
    out
}

fn painted(line: &Line<'_>, plain: bool) -> String {
    let mut out = String::new();
    for span in &line.spans {
        let codes = if plain { Vec::new() } else { codes(span.style) };
        if codes.is_empty() {
            out.push_str(&span.content);
        } else {
            out.push_str(&format!(
                "\u{1b}[{}m{}\u{1b}[0m",
                codes.join(";"),
                span.content
            ));
        }
    }
    out.trim_end().to_owned()
}

fn codes(style: Style) -> Vec<String> {
    let modifiers = [
        (Modifier::BOLD, "1"),
        (Modifier::DIM, "2"),
        (Modifier::UNDERLINED, "4"),
        (Modifier::REVERSED, "7"),
    ];
    let mut codes: Vec<String> = modifiers
        .iter()
        .filter(|(m, _)| style.add_modifier.contains(*m))
        .map(|(_, code)| (*code).to_owned())
        .collect();
    codes.extend(style.fg.and_then(|color| code(color, 38)));
    codes.extend(style.bg.and_then(|color| code(color, 48)));
    codes
}

/// Of the 256; `ground` is 38 for the letters and 48 for what is behind them.
fn code(color: Color, ground: u8) -> Option<String> {
    match color {
        Color::Indexed(n) => Some(format!("{ground};5;{n}")),
        _ => None,
    }
}

//! The first screen as text, with SGR sequences only where colour is wanted.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;

use crate::model::{Model, Moment};
use crate::screens::{Look, document};
use crate::theme::Theme;

pub(crate) fn table(model: &Model, theme: Theme, width: u16, now: Moment) -> String {
    let look = Look {
        theme,
        width: usize::from(width),
        now,
    };
    let mut out = String::new();
    for line in document(model, &look) {
        if theme.color {
            out.push_str(&painted(&line));
        } else {
            let text: String = line
                .spans
                .iter()
                .map(|span| span.content.as_ref())
                .collect();
            out.push_str(text.trim_end());
        }
        out.push('\n');
    }
    out
}

fn painted(line: &Line<'_>) -> String {
    let mut out = String::new();
    for span in &line.spans {
        let codes = codes(span.style);
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
    codes.extend(style.fg.and_then(|color| code(color, 30)));
    codes.extend(style.bg.and_then(|color| code(color, 40)));
    codes
}

/// Of the 16; `base` is 30 for the letters and 40 for the ground.
fn code(color: Color, base: u32) -> Option<String> {
    let n = match color {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 60,
        Color::LightRed => 61,
        Color::LightGreen => 62,
        Color::LightYellow => 63,
        Color::LightBlue => 64,
        Color::LightMagenta => 65,
        Color::LightCyan => 66,
        Color::White => 67,
        _ => return None,
    };
    Some((base + n).to_string())
}

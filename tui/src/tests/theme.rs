use std::collections::BTreeSet;

use super::*;

const ROLES: [Role; 7] = [
    Role::Dim,
    Role::Bad,
    Role::Stale,
    Role::Chosen,
    Role::Heading,
    Role::Strong,
    Role::Free,
];

/// Of the 256, as xterm fixes them from 16 on.
fn rgb(index: u8) -> [f64; 3] {
    let step = |n: u8| {
        if n == 0 {
            0.0
        } else {
            f64::from(55 + 40 * u32::from(n))
        }
    };
    match index {
        16..=231 => {
            let n = index - 16;
            [n / 36, n / 6 % 6, n % 6].map(step)
        }
        232..=255 => [f64::from(8 + 10 * u32::from(index - 232)); 3],
        _ => panic!("{index} is the terminal's own"),
    }
}

fn luminance(rgb: [f64; 3]) -> f64 {
    let [r, g, b] = rgb.map(|c| {
        let c = c / 255.0;
        if c <= 0.03928 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// WCAG 2.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

const GROUNDS: [(Palette, &str, [f64; 3]); 4] = [
    (Palette::Dark, "black", [0.0, 0.0, 0.0]),
    (Palette::Dark, "Solarized dark", [0.0, 43.0, 54.0]),
    (Palette::Light, "white", [255.0, 255.0, 255.0]),
    (Palette::Light, "Solarized light", [253.0, 246.0, 227.0]),
];

fn shown(palette: Palette, role: Role, ground: [f64; 3]) -> Option<f64> {
    let style = Theme {
        palette,
        ascii: false,
    }
    .style(role);
    let color = |color| match color {
        Some(Color::Indexed(n)) => Some(rgb(n)),
        None => None,
        other => panic!("{other:?} is not one of the 256"),
    };
    Some(contrast(
        color(style.fg)?,
        color(style.bg).unwrap_or(ground),
    ))
}

#[test]
fn every_ink_is_readable_and_free_is_the_brightest_and_taken_the_dullest() {
    for (palette, name, ground) in GROUNDS {
        for role in ROLES
            .into_iter()
            .chain(BedStatus::ALL.iter().map(|s| Role::Bed(*s)))
        {
            let contrast = shown(palette, role, ground).unwrap_or(21.0);
            assert!(contrast >= 4.5, "{role:?} on {name}: {contrast:.2}");
        }
        let of = |status| shown(palette, Role::Bed(status), ground).unwrap();
        let others = BedStatus::ALL
            .iter()
            .filter(|s| **s != BedStatus::Available);
        let brightest = others.clone().map(|s| of(*s)).fold(0.0, f64::max);
        let dullest = BedStatus::ALL.iter().filter(|s| **s != BedStatus::Occupied);
        let dullest = dullest.map(|s| of(*s)).fold(99.0, f64::min);
        assert!(of(BedStatus::Available) > brightest, "free on {name}");
        assert!(of(BedStatus::Occupied) < dullest, "taken on {name}");
    }
}

#[test]
fn bed_states_are_distinct_without_colour_and_without_utf8() {
    let glyphs: BTreeSet<char> = BedStatus::ALL.iter().map(|s| glyph(*s)).collect();
    let plain: BTreeSet<char> = glyphs.iter().map(|c| ascii(*c)).collect();
    assert_eq!((glyphs.len(), plain.len()), (8, 8));
}

#[test]
fn no_color_means_no_color() {
    for role in ROLES
        .into_iter()
        .chain(BedStatus::ALL.iter().map(|s| Role::Bed(*s)))
    {
        let style = Theme::default().style(role);
        assert_eq!((style.fg, style.bg), (None, None), "{role:?}");
    }
}

#[test]
fn ascii_says_the_same() {
    assert_eq!(ascii_text("≥77 % · 4…"), ">=77 % | 4.");
}

#[test]
fn ascii_only_where_the_locale_says_so() {
    let locale = |text: &str| wants_ascii([None, Some(String::new()), Some(text.to_owned())]);
    assert!(locale("C") && locale("de_DE.ISO-8859-1"));
    assert!(!locale("C.UTF-8") && !locale("en_GB.utf8"));
    assert!(!wants_ascii([None, None, None]));
}

#[test]
fn the_palette_is_the_grounds() {
    let of = |choice, color, term: &'static str, ground: Option<&'static str>| {
        let variable = move |name: &str| match name {
            "TERM" => Some(term.to_owned()),
            "COLORFGBG" => ground.map(str::to_owned),
            _ => None,
        };
        Theme::of(choice, color, variable).palette
    };
    let auto = ThemeChoice::Auto;
    assert_eq!(of(auto, true, "xterm-256color", None), Palette::Dark);
    assert_eq!(of(auto, true, "xterm", Some("0;15")), Palette::Light);
    assert_eq!(of(auto, true, "rxvt", Some("15;default;0")), Palette::Dark);
    assert_eq!(of(auto, true, "linux", None), Palette::Mono);
    assert_eq!(of(auto, false, "xterm", None), Palette::Mono);
    assert_eq!(of(ThemeChoice::Light, true, "linux", None), Palette::Light);
}

//! One figure, one line.

use serde_json::json;

pub(super) fn say(bench: &str, what: &str, value: f64, unit: &str, more: &serde_json::Value) {
    let value = if value >= 100.0 {
        value.round()
    } else {
        (value * 1000.0).round() / 1000.0
    };
    let mut line = json!({"bench": bench, "what": what, "value": value, "unit": unit});
    if let (Some(line), Some(more)) = (line.as_object_mut(), more.as_object()) {
        line.extend(more.clone());
    }
    println!("{line}");
}

/// The q-th part of sorted microseconds, in milliseconds.
pub(super) fn percentile_ms(sorted_us: &[u32], q: f64) -> f64 {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index below the length"
    )]
    let index = (sorted_us.len().saturating_sub(1) as f64 * q) as usize;
    f64::from(sorted_us.get(index).copied().unwrap_or(0)) / 1000.0
}

pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

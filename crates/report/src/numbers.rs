//! Numbers as people read them.

/// `0.8431` as `84.31 %`.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// `1234567` as `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of bytes with a decimal unit.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 1000.0 {
            return if unit == "B" { format!("{n} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}

/// Seconds with the unit that suits them: `45.0 s`, `12.5 min`, `3.4 h`, `2.1 days`.
pub fn duration(seconds: f64) -> String {
    let units = [(60.0, 1.0, "s"), (3600.0, 60.0, "min"), (86_400.0, 3600.0, "h")];
    let unit = units.into_iter().find(|(below, ..)| seconds < *below);
    let (_, unit, name) = unit.unwrap_or((f64::INFINITY, 86_400.0, "days"));
    format!("{:.1} {name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [thousands(7), thousands(999), thousands(1000), thousands(1234567)].join(" "),
            "7 999 1,000 1,234,567"
        );
        assert_eq!([bytes(999), bytes(1500), bytes(2_340_000_000)].join(" "), "999 B 1.5 kB 2.3 GB");
        assert_eq!(percent(0.5), "50.00 %");
        let durations = [45.0, 750.0, 12_240.0, 181_440.0].map(duration);
        assert_eq!(durations.join(", "), "45.0 s, 12.5 min, 3.4 h, 2.1 days");
    }
}

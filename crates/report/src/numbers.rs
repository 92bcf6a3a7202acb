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
    }
}

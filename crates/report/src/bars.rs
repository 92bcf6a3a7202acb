//! Bar charts as SVG: panels side by side that share their names, each with a limit as a line.

use std::fmt::Write;

/// One panel: a bar for each name of its chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// Written above it.
    pub title: String,
    /// Values in the order of the chart's names, from 0; `None` where there is none.
    pub values: Vec<Option<f64>>,
    /// What no bar can pass, as a line with its value.
    pub limit: Option<f64>,
}

/// Panels in rows of `columns`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// Written above all.
    pub title: String,
    /// What the numbers and the line are, written below the title.
    pub caption: String,
    /// Written once beside each row of panels.
    pub names: Vec<String>,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
    /// Panels in a row.
    pub columns: usize,
}

const MARGIN: usize = 16;
const HEAD: usize = 64;
const PANEL_HEAD: usize = 40;
const PANEL: usize = 230;
/// Room right of the longest bar for its number.
const NUMBER: usize = 44;
const GAP: usize = 24;
const BAR: usize = 11;
const STEP: usize = 16;
/// Width of a letter of the names, generously.
const LETTER: usize = 7;

impl Bars {
    /// The chart as a whole SVG document. The same chart gives the same text.
    pub fn svg(&self) -> String {
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let rows = self.panels.len().div_ceil(columns);
        let names = LETTER * self.names.iter().map(|n| n.chars().count()).max().unwrap_or(0);
        let panel_height = PANEL_HEAD + STEP * self.names.len() + GAP;
        let width = 2 * MARGIN + names + columns * (PANEL + GAP);
        let height = HEAD + rows * panel_height + MARGIN;
        let mut svg = String::new();
        let _ = write!(
            svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="Helvetica, Arial, sans-serif" font-size="11" fill="#222">
<rect width="100%" height="100%" fill="#fff"/>
<text x="{MARGIN}" y="28" font-size="17" font-weight="bold">{}</text>
<text x="{MARGIN}" y="47" fill="#555">{}</text>
"##,
            escaped(&self.title),
            escaped(&self.caption)
        );
        for row in 0..rows {
            let top = HEAD + row * panel_height + PANEL_HEAD;
            for (i, name) in self.names.iter().enumerate() {
                let (x, y) = (MARGIN + names, top + STEP * i + BAR - 1);
                let _ = writeln!(svg, r#"<text x="{x}" y="{y}" text-anchor="end">{}</text>"#, escaped(name));
            }
        }
        for (i, panel) in self.panels.iter().enumerate() {
            let left = MARGIN + names + 8 + (i % columns) * (PANEL + GAP);
            panel.draw(&mut svg, left, HEAD + (i / columns) * panel_height + PANEL_HEAD, self.names.len());
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, left: usize, top: usize, bars: usize) {
        let all = self.values.iter().take(bars).flatten().chain(&self.limit);
        let largest = all.copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
        let scale = if largest > 0.0 { (PANEL - NUMBER) as f64 / largest } else { 0.0 };
        let length = |value: f64| value.max(0.0) * scale;
        let (title, bottom) = (escaped(&self.title), top + STEP * bars);
        let _ = writeln!(svg, r#"<text x="{left}" y="{}" font-weight="bold">{title}</text>"#, top - 22);
        let _ = writeln!(svg, r##"<path d="M{left} {}V{bottom}" stroke="#999" stroke-width="1"/>"##, top - 3);
        for (i, value) in self.values.iter().take(bars).enumerate() {
            let y = top + STEP * i;
            let (end, text) = match value.filter(|v| v.is_finite()) {
                None => (0.0, "–".to_owned()),
                Some(value) => {
                    let wide = length(value);
                    let _ = writeln!(
                        svg,
                        r##"<rect x="{left}" y="{y}" width="{wide:.1}" height="{BAR}" fill="#3b76af"/>"##
                    );
                    (wide, figure(value))
                }
            };
            let (x, y) = (left as f64 + end + 4.0, y + BAR - 1);
            // A white edge keeps the number apart from the line of the limit.
            let _ = writeln!(
                svg,
                r##"<text x="{x:.1}" y="{y}" stroke="#fff" stroke-width="3" paint-order="stroke">{text}</text>"##
            );
        }
        if let Some(limit) = self.limit.filter(|l| l.is_finite()) {
            let x = left as f64 + length(limit);
            let _ = writeln!(
                svg,
                r##"<path d="M{x:.1} {}V{bottom}" stroke="#c23b22" stroke-width="1.5" stroke-dasharray="4 3"/>
<text x="{x:.1}" y="{}" text-anchor="middle" fill="#c23b22">{}</text>"##,
                top - 3,
                top - 7,
                figure(limit)
            );
        }
    }
}

/// Three digits, and no more than are needed to tell small numbers apart.
fn figure(value: f64) -> String {
    match value {
        v if v >= 99.95 => format!("{v:.0}"),
        v if v >= 9.995 => format!("{v:.1}"),
        v if v >= 0.01 => format!("{v:.2}"),
        v => format!("{v:.4}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let panel = |values: Vec<Option<f64>>| Panel { title: "a < b".into(), values, limit: Some(20.0) };
        let chart = Bars {
            title: "R&D".into(),
            caption: String::new(),
            names: vec!["one".into(), "two".into()],
            panels: vec![panel(vec![Some(10.0), None]), panel(vec![Some(f64::NAN), Some(0.0)])],
            columns: 4,
        };
        let svg = chart.svg();
        let half = format!(r#"width="{:.1}""#, (PANEL - NUMBER) as f64 / 2.0);
        assert_eq!((svg.matches(&half).count(), svg.matches("<rect").count()), (1, 3), "{svg}");
        assert!(svg.contains("a &lt; b") && svg.contains("R&amp;D") && !svg.contains("NaN"), "{svg}");
        assert_eq!((svg.matches("20.0<").count(), svg.matches(">–<").count()), (2, 2), "{svg}");
        assert_eq!(chart.svg(), svg);
        let none = Bars { names: vec![], panels: vec![], ..chart };
        assert!(none.svg().ends_with("</svg>\n"));
    }
}

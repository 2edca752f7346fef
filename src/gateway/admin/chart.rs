//! Charts as SVG, drawn here: no script, no style of their own. Colours come from classes of the page's
//! stylesheet, so they follow light and dark; every figure also stands in a table below, for those who
//! read rather than look.

use std::fmt::Write as _;

/// How figures are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Bars of each moment, one series on top of the other.
    Bars,
    /// One line for each series.
    Lines,
}

/// One series of a chart: a BIN, an outcome, a median.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    /// Its class in the stylesheet, which gives the colour: `c0` to `c7`, or a word.
    pub(super) class: String,
    /// One for each moment; none where there is nothing to say.
    pub(super) values: Vec<Option<u64>>,
}

/// What is drawn.
pub(super) struct Chart<'a> {
    /// Unique on the page, for the parts that refer to each other.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    /// The same in a sentence, for those who do not see it.
    pub(super) summary: &'a str,
    pub(super) shape: Shape,
    /// The moments, short enough for an axis.
    pub(super) moments: &'a [String],
    /// What the first column of the table is called.
    pub(super) moment: &'a str,
    /// What opens the table.
    pub(super) figures: &'a str,
    /// What stands instead where there is nothing.
    pub(super) nothing: &'a str,
    pub(super) rows: &'a [Row],
    /// The least that ticks may be apart: 100 where values are tiyn and ticks whole tenge.
    pub(super) unit: u64,
    /// A figure in full, for the table and for what a pointer shows.
    pub(super) full: &'a dyn Fn(u64) -> String,
    /// A figure for the axis.
    pub(super) short: &'a dyn Fn(u64) -> String,
}

// in tenths of the drawing's own units, so that whole numbers do
const WIDTH: u64 = 4800;
const HEIGHT: u64 = 2400;
const LEFT: u64 = 560;
const RIGHT: u64 = 80;
const TOP: u64 = 120;
const BOTTOM: u64 = 300;
/// More labels than this run into each other.
const LABELS: usize = 7;

impl Chart<'_> {
    /// A figure with its title, drawing, legend and table.
    pub(super) fn html(&self) -> String {
        let mut html = format!(
            "<figure class=\"chart\" id=\"{}\">\n<figcaption>{}</figcaption>\n",
            escaped(self.id),
            escaped(self.title)
        );
        let something = self
            .rows
            .iter()
            .any(|row| row.values.iter().flatten().any(|value| *value > 0));
        if something {
            self.draw(&mut html);
            self.legend(&mut html);
            self.table(&mut html);
        } else {
            let _ = writeln!(html, "<p class=\"empty\">{}</p>", escaped(self.nothing));
        }
        html.push_str("</figure>\n");
        html
    }

    fn draw(&self, html: &mut String) {
        let id = escaped(self.id);
        let _ = writeln!(
            html,
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n\
             <title id=\"{id}-title\">{}</title>\n<desc id=\"{id}-desc\">{}</desc>",
            WIDTH / 10,
            HEIGHT / 10,
            escaped(self.title),
            escaped(self.summary)
        );
        let scale = Scale::of(self.greatest(), self.unit);
        self.axes(html, &scale);
        match self.shape {
            Shape::Bars => self.bars(html, &scale),
            Shape::Lines => self.lines(html, &scale),
        }
        html.push_str("</svg>\n");
    }

    fn greatest(&self) -> u64 {
        let at = |moment: usize| {
            let values = self
                .rows
                .iter()
                .filter_map(|row| row.values.get(moment).copied().flatten());
            match self.shape {
                Shape::Bars => values.fold(0, u64::saturating_add),
                Shape::Lines => values.max().unwrap_or_default(),
            }
        };
        (0..self.moments.len()).map(at).max().unwrap_or_default()
    }

    fn axes(&self, html: &mut String, scale: &Scale) {
        for tick in scale.ticks() {
            let y = scale.y(tick);
            let class = if tick == 0 { "axis" } else { "grid" };
            let _ = writeln!(
                html,
                "<line class=\"{class}\" x1=\"{}\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>\
                 <text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
                Tenths(LEFT),
                Tenths(WIDTH - RIGHT),
                Tenths(LEFT - 60),
                Tenths(y.0 + 38),
                escaped(&(self.short)(tick))
            );
        }
        let every = self.moments.len().div_ceil(LABELS).max(1);
        for (index, moment) in self.moments.iter().enumerate().step_by(every) {
            let _ = writeln!(
                html,
                "<text class=\"tick\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                self.middle(index),
                Tenths(HEIGHT - BOTTOM + 180),
                escaped(moment)
            );
        }
    }

    fn bars(&self, html: &mut String, scale: &Scale) {
        let slot = self.slot();
        let width = (slot * 7 / 10).clamp(6, 360);
        for (index, moment) in self.moments.iter().enumerate() {
            let left = self.middle(index).0.saturating_sub(width / 2);
            let mut below = 0_u64;
            for row in self.rows {
                let Some(value) = row
                    .values
                    .get(index)
                    .copied()
                    .flatten()
                    .filter(|value| *value > 0)
                else {
                    continue;
                };
                let foot = scale.y(below);
                below = below.saturating_add(value);
                let top = scale.y(below);
                let _ = writeln!(
                    html,
                    "<rect class=\"{}\" x=\"{}\" y=\"{top}\" width=\"{}\" height=\"{}\"><title>{}: {}, {}</title></rect>",
                    escaped(&row.class),
                    Tenths(left),
                    Tenths(width),
                    Tenths(foot.0.saturating_sub(top.0).max(4)),
                    escaped(moment),
                    escaped(&row.name),
                    escaped(&(self.full)(value))
                );
            }
        }
    }

    fn lines(&self, html: &mut String, scale: &Scale) {
        for row in self.rows {
            let class = escaped(&row.class);
            let mut path = String::new();
            let mut dots = String::new();
            let mut joined = false;
            for (index, moment) in self.moments.iter().enumerate() {
                let Some(value) = row.values.get(index).copied().flatten() else {
                    joined = false;
                    continue;
                };
                let (x, y) = (self.middle(index), scale.y(value));
                let _ = write!(path, "{}{x} {y} ", if joined { 'L' } else { 'M' });
                joined = true;
                let _ = writeln!(
                    dots,
                    "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"2.5\"><title>{}: {}, {}</title></circle>",
                    escaped(moment),
                    escaped(&row.name),
                    escaped(&(self.full)(value))
                );
            }
            let _ = writeln!(
                html,
                "<path class=\"{class}\" d=\"{}\" fill=\"none\"/>",
                path.trim_end()
            );
            html.push_str(&dots);
        }
    }

    fn legend(&self, html: &mut String) {
        html.push_str("<ul class=\"legend\">");
        for row in self.rows {
            let _ = write!(
                html,
                "<li><svg class=\"key\" viewBox=\"0 0 12 12\" aria-hidden=\"true\"><rect class=\"{}\" width=\"12\" height=\"12\"/></svg>{}</li>",
                escaped(&row.class),
                escaped(&row.name)
            );
        }
        html.push_str("</ul>\n");
    }

    fn table(&self, html: &mut String) {
        let _ = write!(
            html,
            "<details><summary>{}</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\
             <table><thead><tr><th scope=\"col\">{}</th>",
            escaped(self.figures),
            escaped(self.title),
            escaped(self.moment)
        );
        for row in self.rows {
            let _ = write!(
                html,
                "<th scope=\"col\" class=\"num\">{}</th>",
                escaped(&row.name)
            );
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for (index, moment) in self.moments.iter().enumerate() {
            let _ = write!(html, "<tr><th scope=\"row\">{}</th>", escaped(moment));
            for row in self.rows {
                let text = match row.values.get(index).copied().flatten() {
                    Some(value) => (self.full)(value),
                    None => "–".to_owned(),
                };
                let _ = write!(html, "<td class=\"num\">{}</td>", escaped(&text));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div></details>\n");
    }

    /// How much room each moment has.
    fn slot(&self) -> u64 {
        (WIDTH - LEFT - RIGHT) / count(self.moments.len()).max(1)
    }

    fn middle(&self, index: usize) -> Tenths {
        let all = count(self.moments.len()).max(1);
        let room = WIDTH - LEFT - RIGHT;
        Tenths(LEFT + (2 * count(index) + 1) * room / (2 * all))
    }
}

/// From a value to its height.
struct Scale {
    step: u64,
    top: u64,
}

impl Scale {
    /// Three to six ticks of a round number each.
    fn of(greatest: u64, unit: u64) -> Self {
        let unit = unit.max(1);
        let wanted = greatest.div_ceil(5).max(unit);
        let mut step = unit;
        'found: loop {
            for times in [1, 2, 5] {
                if step.saturating_mul(times) >= wanted {
                    step = step.saturating_mul(times);
                    break 'found;
                }
            }
            step = step.saturating_mul(10);
        }
        let top = greatest.div_ceil(step).max(1).saturating_mul(step);
        Self { step, top }
    }

    fn ticks(&self) -> impl Iterator<Item = u64> + use<> {
        let step = self.step;
        (0..=self.top / step).map(move |number| number * step)
    }

    fn y(&self, value: u64) -> Tenths {
        let room = HEIGHT - TOP - BOTTOM;
        let up = u128::from(room) * u128::from(value.min(self.top)) / u128::from(self.top);
        Tenths(HEIGHT - BOTTOM - u64::try_from(up).unwrap_or(room))
    }
}

/// A place in the drawing.
#[derive(Clone, Copy)]
struct Tenths(u64);

impl std::fmt::Display for Tenths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 % 10 {
            0 => write!(f, "{}", self.0 / 10),
            tenths => write!(f, "{}.{tenths}", self.0 / 10),
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Text as it may stand in markup, between tags and in quoted attributes.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(shape: Shape, rows: &[Row], moments: &[&str], unit: u64) -> String {
        let moments: Vec<String> = moments.iter().map(|&moment| moment.to_owned()).collect();
        Chart {
            id: "one",
            title: "Paid <b>",
            summary: "How much \"was\" paid",
            shape,
            moments: &moments,
            moment: "Day",
            figures: "Figures",
            nothing: "Nothing yet",
            rows,
            unit,
            full: &|value| format!("{value} in full"),
            short: &|value| value.to_string(),
        }
        .html()
    }

    fn row(name: &str, values: &[u64]) -> Row {
        Row {
            name: name.to_owned(),
            class: "c0".to_owned(),
            values: values.iter().map(|value| Some(*value)).collect(),
        }
    }

    #[test]
    fn what_others_wrote_is_no_markup() {
        let evil = "</svg><script>alert(1)</script>' onload=\"x";
        let html = drawn(
            Shape::Bars,
            &[row(evil, &[3])],
            &["<img src=x onerror=alert(1)>"],
            1,
        );
        for mark in ["<script", "<img", "<b>", "onload=\"", "' onload"] {
            assert!(!html.contains(mark), "{mark} in {html}");
        }
        assert!(html.contains("&lt;script&gt;"), "{html}");
        assert!(!html.contains("style="), "{html}");
    }

    #[test]
    fn bars_stand_on_each_other_and_fit() {
        let rows = [row("first", &[10, 0, 5]), row("second", &[20, 7, 0])];
        let html = drawn(Shape::Bars, &rows, &["1", "2", "3"], 1);
        assert_eq!(html.matches("<title>").count(), 4, "{html}");
        // thirty is the top of a scale of tens
        for label in [">0<", ">10<", ">20<", ">30<"] {
            assert!(html.contains(label), "{label} in {html}");
        }
        assert!(!html.contains(">40<"), "{html}");
        let tops: Vec<&str> = html
            .split("<rect class=\"c0\" x=")
            .skip(1)
            .map(|rest| rest.split("y=\"").nth(1).unwrap().split('"').next().unwrap())
            .collect();
        assert_eq!(tops, ["144", "12", "163.8", "177"]);
        for cell in ["10 in full", "20 in full", "0 in full"] {
            assert!(html.contains(&format!("<td class=\"num\">{cell}</td>")), "{cell}");
        }
    }

    #[test]
    fn a_line_breaks_where_nothing_is_known() {
        let mut gap = row("median", &[4, 0, 4, 8]);
        gap.values[1] = None;
        let html = drawn(Shape::Lines, &[gap], &["1", "2", "3", "4"], 1);
        let path = html.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(
            (path.matches('M').count(), path.matches('L').count()),
            (2, 1),
            "{path}"
        );
        assert!(html.contains("<td class=\"num\">–</td>"), "{html}");
    }

    #[test]
    fn ticks_are_round_for_any_greatest_value() {
        for greatest in [
            0,
            1,
            2,
            3,
            7,
            9,
            10,
            11,
            99,
            100,
            101,
            12_345,
            999_999_999_999_999,
            u64::MAX / 2,
        ] {
            for unit in [1, 100] {
                let scale = Scale::of(greatest, unit);
                let ticks: Vec<u64> = scale.ticks().collect();
                assert!((2..=6).contains(&ticks.len()), "{greatest}: {ticks:?}");
                assert!(*ticks.last().unwrap() >= greatest, "{greatest}: {ticks:?}");
                assert_eq!(ticks[1] % unit, 0);
                let mut digits = ticks[1];
                while digits.is_multiple_of(10) {
                    digits /= 10;
                }
                assert!([1, 2, 5].contains(&digits), "{greatest}: {ticks:?}");
                assert_eq!(scale.y(0).0, HEIGHT - BOTTOM);
                assert!(scale.y(greatest).0 >= TOP);
            }
        }
    }

    #[test]
    fn nothing_is_said_in_words() {
        let html = drawn(Shape::Bars, &[row("first", &[0])], &["1"], 1);
        assert!(html.contains("Nothing yet") && !html.contains("<svg"), "{html}");
        let html = drawn(Shape::Lines, &[], &[], 1);
        assert!(html.contains("Nothing yet"), "{html}");
    }
}

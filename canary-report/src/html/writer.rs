//! HTML that is escaped and balanced by construction: tags are this crate's own words, text is whatever it is.

use crate::plot::Drawing;
use crate::text::plain;

/// A piece of a page.
#[derive(Debug, Default)]
pub(crate) struct Html(String);

impl Html {
    /// Adds an element around what `inner` adds.
    pub(crate) fn tag(
        &mut self,
        name: &'static str,
        attributes: &[(&'static str, &str)],
        inner: impl FnOnce(&mut Self),
    ) {
        self.open(name, attributes);
        inner(self);
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// Adds an element that has no end.
    pub(crate) fn void(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.open(name, attributes);
    }

    /// Adds an element with text alone.
    pub(crate) fn leaf(&mut self, name: &'static str, text: &str) {
        self.tag(name, &[], |html| html.text(text));
    }

    /// Adds an element of a class with text alone.
    pub(crate) fn classed(&mut self, name: &'static str, class: &'static str, text: &str) {
        self.tag(name, &[("class", class)], |html| html.text(text));
    }

    /// Adds text, escaped.
    pub(crate) fn text(&mut self, text: &str) {
        escape(&mut self.0, text);
    }

    /// Adds what is drawn.
    pub(crate) fn drawing(&mut self, drawing: &Drawing) {
        self.0.push_str(&drawing.0);
    }

    /// Adds a style sheet of this crate.
    pub(crate) fn style(&mut self, css: &'static str) {
        self.0.push_str("<style>");
        self.0.push_str(css);
        self.0.push_str("</style>");
    }

    /// Ends a line of the source, for those who read that.
    pub(crate) fn line(&mut self) {
        self.0.push('\n');
    }

    /// The document of this one element.
    pub(crate) fn document(self) -> String {
        format!("<!DOCTYPE html>\n{}\n", self.0)
    }

    fn open(&mut self, name: &'static str, attributes: &[(&'static str, &str)]) {
        self.0.push('<');
        self.0.push_str(name);
        for (key, value) in attributes {
            self.0.push(' ');
            self.0.push_str(key);
            self.0.push_str("=\"");
            escape(&mut self.0, value);
            self.0.push('"');
        }
        self.0.push('>');
    }
}

fn escape(out: &mut String, text: &str) {
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

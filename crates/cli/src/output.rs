//! Where words go: the answer to standard output, everything else to standard error.
//! JSON is one document a line. A reader that has gone away is no error; a full disk is.

use std::io::{ErrorKind, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::Failure;
use crate::words::clean;

/// Whether somebody still reads standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    There,
    Gone,
}

#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

#[derive(Serialize)]
struct ErrorDocument<'a> {
    error: ErrorBody<'a>,
    /// How many users are overdue, if a tick of the timer signed out nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    overdue: Option<u32>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    code: &'a str,
    message: &'a str,
}

impl Output {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    pub fn is_json(self) -> bool {
        self.json
    }

    /// One JSON document on a line of its own.
    pub fn document(self, value: &impl Serialize) -> Result<Reader, Failure> {
        let mut text =
            serde_json::to_string(value).map_err(|e| Failure::internal(e.to_string()))?;
        text.push('\n');
        self.text(&text)
    }

    /// As [`Output::document`], for a document that is too large to be held: written as it is made.
    pub fn stream(self, value: &impl Serialize) -> Result<Reader, Failure> {
        let mut out = std::io::BufWriter::new(std::io::stdout().lock());
        let written = serde_json::to_writer(&mut out, value)
            .map_err(std::io::Error::from)
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush());
        match written {
            Ok(()) => Ok(Reader::There),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(Failure::output(&error)),
        }
    }

    /// Text for people, with its colours: they stay on a terminal alone, and not with `NO_COLOR`.
    pub fn text(self, text: &str) -> Result<Reader, Failure> {
        let mut stdout = anstream::stdout().lock();
        match stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
        {
            Ok(()) => Ok(Reader::There),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(Failure::output(&error)),
        }
    }

    /// A remark for people, on standard error. With `--json` there are none.
    pub fn remark(self, text: &str) {
        if !self.json {
            self.aside(&format!("{}\n", clean(text)));
        }
    }

    /// The one line on standard error that goes with every exit status but 0.
    pub fn shortfall(self, text: &str) {
        let red = AnsiColor::Red.on_default();
        self.aside(&format!("{red}curfew:{red:#} {}\n", clean(text)));
    }

    /// Text as it is, to standard error. Where nobody can be told, there is nothing to be done about it.
    pub fn aside(self, text: &str) {
        let _nobody = anstream::stderr().lock().write_all(text.as_bytes());
    }

    /// The one line of an error, and with `--json` its document as well.
    pub fn failure(self, failure: &Failure) -> Reader {
        let reader = match self.json {
            true => self.error_document(failure, None),
            false => Reader::There,
        };
        self.shortfall(&failure.message);
        reader
    }

    /// An error's document alone.
    pub fn error_document(self, failure: &Failure, overdue: Option<u32>) -> Reader {
        let document = ErrorDocument {
            error: ErrorBody {
                code: &failure.code,
                message: &failure.message,
            },
            overdue,
        };
        self.document(&document).unwrap_or(Reader::Gone)
    }

    /// The terminal's width in cells, where standard output is one.
    pub fn width(self) -> Option<u16> {
        if !std::io::stdout().is_terminal() {
            return None;
        }
        terminal_size::terminal_size().map(|(width, _)| width.0)
    }
}

/// Quiet text beside the answer.
pub fn quiet(text: &str) -> String {
    let style = Style::new().dimmed();
    format!("{style}{text}{style:#}")
}

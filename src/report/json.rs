//! The JSON report: [`schema::Report`](super::schema::Report), written row by row.

use std::io;

use muster_plan::Plan;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter};

use super::{Options, escape::is_hidden, schema, view};

pub(super) fn write(plan: &Plan, options: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    pretty(&Streamed { plan, options }, out)
}

/// Writes any value as indented JSON with a line feed at its end. Characters that a terminal or an eye would
/// not take for what they are stand as `\u` escapes: the text is harmless, and read back it is unchanged.
pub(crate) fn pretty(value: &impl Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    let mut json = serde_json::Serializer::with_formatter(&mut *out, Plain(PrettyFormatter::new()));
    value.serialize(&mut json)?;
    out.write_all(b"\n")
}

/// A plan in the shape of `schema::Report`, of which only one row is in memory at a time.
struct Streamed<'a> {
    plan: &'a Plan,
    options: &'a Options,
}

impl Serialize for Streamed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 7)?;
        report.serialize_field("version", &schema::VERSION)?;
        report.serialize_field("summary", &schema::Summary::from(&self.plan.summary))?;
        report.serialize_field(
            "scopes",
            &Rows(|| self.plan.scopes.iter().map(schema::Scope::from)),
        )?;
        report.serialize_field(
            "changes",
            &Rows(|| view::visible(self.plan, self.options).map(schema::Change::from)),
        )?;
        report.serialize_field(
            "skipped",
            &Rows(|| self.plan.skipped.iter().map(schema::Skipped::from)),
        )?;
        report.serialize_field("notes", &self.plan.notes)?;
        report.serialize_field("at", &self.plan.at)?;
        report.end()
    }
}

/// A list that is made while it is written.
struct Rows<F>(F);

impl<F, I> Serialize for Rows<F>
where
    F: Fn() -> I,
    I: Iterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// Indented JSON in which hidden characters are escaped.
struct Plain(PrettyFormatter<'static>);

/// Passes calls on to the formatter within.
macro_rules! pass_on {
    ($($name:ident($($arg:ident: $type:ty),*);)+) => {
        $(fn $name<W: ?Sized + io::Write>(&mut self, writer: &mut W, $($arg: $type),*) -> io::Result<()> {
            self.0.$name(writer, $($arg),*)
        })+
    };
}

impl Formatter for Plain {
    pass_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        begin_object_value();
        end_object_value();
        write_char_escape(escape: CharEscape);
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, found)) = rest.char_indices().find(|(_, c)| is_hidden(*c)) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            for unit in found.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = tail.get(found.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }
}

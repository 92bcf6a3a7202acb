//! Files of binary formats, made where they are needed.

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::io::{Cursor, Write};
use std::sync::Arc;

/// A column of Parquet: values, definition levels, repetition levels.
pub(crate) enum Column<'a> {
    Text(&'a [&'a str], Option<&'a [i16]>, Option<&'a [i16]>),
    Whole(&'a [i64], Option<&'a [i16]>),
}

/// A Parquet file of one group of rows, with what Hugging Face keeps beside the columns.
pub(crate) fn parquet(
    schema: &str,
    compression: Compression,
    about: &str,
    columns: &[Column<'_>],
) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let beside = KeyValue::new("huggingface".to_owned(), about.to_owned());
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_key_value_metadata(Some(vec![beside]))
        .build();
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for column in columns {
        let mut open = group.next_column().unwrap().unwrap();
        match column {
            Column::Text(values, definition, repetition) => {
                let values: Vec<ByteArray> = values.iter().map(|v| ByteArray::from(*v)).collect();
                open.typed::<ByteArrayType>().write_batch(&values, *definition, *repetition).unwrap();
            }
            Column::Whole(values, definition) => {
                open.typed::<Int64Type>().write_batch(values, *definition, None).unwrap();
            }
        }
        open.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

/// Texts and numbers of classes, which have names.
pub(crate) fn labelled(compression: Compression) -> Vec<u8> {
    let about = r#"{"info": {"features": {"text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["login", "refund"], "_type": "ClassLabel"}}}}"#;
    let schema = "message m { required binary text (UTF8); required int64 label; }";
    let texts = &["please refund my order", "我要退款", "let me in"];
    parquet(schema, compression, about, &[Column::Text(texts, None, None), Column::Whole(&[1, 1, 0], None)])
}

/// Two chats with their intents; the first has a time in nanoseconds.
pub(crate) fn chats() -> Vec<u8> {
    let schema = "message m {
        optional group messages (LIST) { repeated group list { optional group element {
            optional binary role (UTF8); optional binary content (UTF8); } } }
        optional binary intent (UTF8);
        optional int64 timestamp; }";
    let (deep, turns): (&[i16], &[i16]) = (&[4, 4, 4], &[0, 1, 0]);
    let columns = [
        Column::Text(&["user", "assistant", "user"], Some(deep), Some(turns)),
        Column::Text(&["hi", "hello", "bye"], Some(deep), Some(turns)),
        Column::Text(&["greet", "leave"], Some(&[1, 1]), None),
        Column::Whole(&[1_772_359_200_000_000_000], Some(&[1, 0])),
    ];
    parquet(schema, Compression::SNAPPY, "{}", &columns)
}

/// A workbook of sheets, each a name and its rows as XML; style 1 is a date with time.
pub(crate) fn workbook(sheets: &[(&str, &str)]) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const RELATIONS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let each = |f: &dyn Fn(usize, &str) -> String| -> String {
        sheets.iter().enumerate().map(|(i, (name, _))| f(i + 1, name)).collect()
    };
    let names = each(&|i, name| format!("<sheet name=\"{name}\" sheetId=\"{i}\" r:id=\"r{i}\"/>"));
    let targets = each(&|i, _| {
        format!(
            "<Relationship Id=\"r{i}\" Type=\"{RELATIONS}/worksheet\" Target=\"worksheets/sheet{i}.xml\"/>"
        )
    });
    let relations = "http://schemas.openxmlformats.org/package/2006/relationships";
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut file = |name: &str, content: &str| {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content.as_bytes()).unwrap();
    };
    file(
        "[Content_Types].xml",
        "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>",
    );
    let root =
        format!("<Relationship Id=\"r\" Type=\"{RELATIONS}/officeDocument\" Target=\"xl/workbook.xml\"/>");
    file("_rels/.rels", &format!("<Relationships xmlns=\"{relations}\">{root}</Relationships>"));
    file(
        "xl/workbook.xml",
        &format!("<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATIONS}\"><sheets>{names}</sheets></workbook>"),
    );
    file(
        "xl/_rels/workbook.xml.rels",
        &format!("<Relationships xmlns=\"{relations}\">{targets}</Relationships>"),
    );
    file(
        "xl/styles.xml",
        &format!(
            "<styleSheet xmlns=\"{MAIN}\"><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"22\"/></cellXfs></styleSheet>"
        ),
    );
    for (i, (_, rows)) in sheets.iter().enumerate() {
        let sheet = format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{rows}</sheetData></worksheet>");
        file(&format!("xl/worksheets/sheet{}.xml", i + 1), &sheet);
    }
    archive.finish().unwrap().into_inner()
}

/// A row of texts at its place, from 1.
pub(crate) fn texts(row: u32, cells: &[&str]) -> String {
    let cell = |(i, text): (usize, &&str)| {
        let column = char::from(b'A' + i as u8);
        format!("<c r=\"{column}{row}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
    };
    let cells: String = cells.iter().enumerate().map(cell).collect();
    format!("<row r=\"{row}\">{cells}</row>")
}

//! The columns of each table, in the order they are sealed, and the statements over them.

use std::sync::LazyLock;

/// The statements over one table.
pub(super) struct Table {
    pub(super) name: &'static str,
    /// How many columns are under the seal.
    pub(super) sealed: usize,
    /// The columns to select, the number first and the seal last.
    pub(super) columns: String,
    /// Inserts a row; the seal is the last parameter.
    pub(super) insert: String,
    /// Replaces the values of the row whose number follows the seal.
    pub(super) update: String,
}

pub(super) static PATIENT: LazyLock<Table> =
    LazyLock::new(|| Table::new("patient", &["patient_id", "issuer", "sole_study", "attributes"]));

pub(super) static STUDY: LazyLock<Table> = LazyLock::new(|| {
    let grown = ["series", "instances", "identities", "contents", "date", "accession"];
    let columns = ["uid", "patient", "attributes", "modalities", "sop_classes"];
    Table::new("study", &[&columns[..], &grown[..]].concat())
});

pub(super) static PERSON_NAME: LazyLock<Table> =
    LazyLock::new(|| Table::new("person_name", &["key", "study"]));

pub(super) static SERIES: LazyLock<Table> = LazyLock::new(|| {
    Table::new("series", &["uid", "study", "attributes", "instances", "identities", "contents"])
});

pub(super) static INSTANCE: LazyLock<Table> = LazyLock::new(|| {
    let own = ["uid", "series", "sop_class", "other_versions", "attributes"];
    let version = ["transfer_syntax", "sha256", "length", "stored_at", "place"];
    Table::new("instance", &[&own[..], &version[..]].concat())
});

pub(super) static VERSION: LazyLock<Table> = LazyLock::new(|| {
    Table::new("version", &["instance", "transfer_syntax", "sha256", "length", "stored_at", "place"])
});

/// Has no numbers of its own: the kind stands in their place.
pub(super) static RECORD: LazyLock<Table> = LazyLock::new(|| {
    let table = Table::new("record", &["kind", "key", "value"]);
    let columns = table.columns.replace("record.id", "record.kind");
    let insert = format!(
        "{} ON CONFLICT (kind, key) DO UPDATE SET (value, seal) = (excluded.value, excluded.seal)",
        table.insert
    );
    Table { columns, insert, ..table }
});

impl Table {
    fn new(name: &'static str, columns: &[&str]) -> Self {
        let with_seal = [columns, &["seal"]].concat();
        let names = with_seal.join(", ");
        let places = (1..=with_seal.len()).map(|place| format!("?{place}")).collect::<Vec<_>>().join(", ");
        let qualified =
            with_seal.iter().map(|column| format!("{name}.{column}")).collect::<Vec<_>>().join(", ");
        Self {
            name,
            sealed: columns.len(),
            columns: format!("{name}.id, {qualified}"),
            insert: format!("INSERT INTO {name} ({names}) VALUES ({places})"),
            update: format!("UPDATE {name} SET ({names}) = ({places}) WHERE id = ?{}", with_seal.len() + 1),
        }
    }
}

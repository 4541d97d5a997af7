//! A store in one file, by redb: a copy-on-write tree whose commits are whole or not there.
//!
//! ```text
//!   meta      schema, owner (role and address), restarts, restart counter, boot (of the machine),
//!             interfaces (names in the order of their indices)
//!   records   key ─► record, as the module on forms has it
//!             00 session                the LMA's bindings
//!             01 interface, mac         the MAG's visitors
//!             02 session                the CMD's hosts
//! ```
//!
//! A file that was left in the middle of a commit is as it was after the one before. Every page has a
//! checksum, and all are verified when the file is opened: damage is told, never worked around.

use super::file::Backing;
use super::form;
use super::{Change, Durability, RestartCounter, Size, Store, StoreError};
use redb::{
    Database, DatabaseError, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageError,
    TableDefinition, WriteTransaction,
};
use roles::store::{Key, Record};
use std::fmt::Display;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// What is kept beside the records.
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// The records.
const RECORDS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("records");

/// The schema that this version writes. A version that adds fields with defaults keeps it.
const SCHEMA: u64 = 3;

/// The oldest that it reads: in the first, bindings had no form of their own, in the second visitors had none.
const OLDEST: u64 = 1;

/// Octets of the file that are kept in memory: its upper levels. The rest the kernel keeps, as it may; what
/// is here is beside it.
const CACHE: usize = 8 << 20;

/// Records that are handed over at once.
const CHUNK: usize = 1_024;

/// Which file, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// What a commit survives.
    pub durability: Durability,
    /// The gateway's role: `lma`, `mag` or `cmd`.
    pub role: &'static str,
    /// The role's address: our end of all that is bound.
    pub address: Ipv6Addr,
    /// Names of the interfaces, in the order of their indices: records name them by index, and the
    /// order in the configuration may change.
    pub interfaces: Vec<String>,
}

impl Place {
    fn owner(&self) -> String {
        format!("{} {}", self.role, self.address)
    }

    fn damaged(&self, why: impl Display) -> StoreError {
        StoreError::Damaged {
            path: self.path.clone(),
            why: why.to_string(),
        }
    }
}

/// A store in a file.
#[derive(Debug)]
pub struct Embedded {
    place: Place,
    /// Gone after a failure, to be opened anew.
    database: Option<Database>,
    restarts: u32,
    restart_counter: RestartCounter,
    size: Size,
}

impl Embedded {
    /// Opens the store at `place`, or makes it, and counts the start.
    ///
    /// # Errors
    /// See [`StoreError`]. The file is as it was then.
    pub fn open(place: Place) -> Result<Self, StoreError> {
        let mut store = Self {
            database: Some(database(&place)?),
            place,
            restarts: 0,
            restart_counter: RestartCounter::default(),
            size: Size::default(),
        };
        (store.restarts, store.restart_counter) = store.write(begin)?;
        Ok(store)
    }

    /// Does `what` in a transaction and commits it. After a failure of the file, the database is opened
    /// anew with the next one.
    fn write<T>(
        &mut self,
        what: impl FnOnce(&Place, &WriteTransaction) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let place = &self.place;
        let database = match self.database.take() {
            Some(database) => database,
            None => database(place)?,
        };
        let known = |error: redb::Error| of(place, error);
        let transaction = database.begin_write().map_err(|it| known(it.into()))?;
        let done = what(place, &transaction)?;
        let records = {
            let table = transaction.open_table(RECORDS);
            let table = table.map_err(|it| known(it.into()))?;
            table.len().map_err(|it| known(it.into()))?
        };
        transaction.commit().map_err(|it| known(it.into()))?;
        let octets = std::fs::metadata(&place.path).map_or(0, |it| it.len());
        self.size = Size { records, octets };
        self.database = Some(database);
        Ok(done)
    }
}

/// Opens the database, all of it verified.
fn database(place: &Place) -> Result<Database, StoreError> {
    let backing = Backing::open(&place.path, place.durability)?;
    let opened = Database::builder()
        .set_cache_size(CACHE)
        .set_check_integrity_on_open(true)
        .create_with_backend(backing);
    opened.map_err(|error| match error {
        DatabaseError::Storage(StorageError::Io(error))
            if error.kind() != std::io::ErrorKind::InvalidData =>
        {
            StoreError::Io {
                path: place.path.clone(),
                error,
            }
        }
        error => place.damaged(error),
    })
}

/// What an error of the database means.
fn of(place: &Place, error: redb::Error) -> StoreError {
    match error {
        redb::Error::Io(error) => StoreError::Io {
            path: place.path.clone(),
            error,
        },
        error => place.damaged(error),
    }
}

/// Sees that the file is this gateway's and counts the start: how many there were, and the Restart
/// Counter.
fn begin(
    place: &Place,
    transaction: &WriteTransaction,
) -> Result<(u32, RestartCounter), StoreError> {
    let known = |error: redb::StorageError| of(place, error.into());
    let mut meta = transaction
        .open_table(META)
        .map_err(|error| of(place, error.into()))?;
    let mut records = transaction
        .open_table(RECORDS)
        .map_err(|error| of(place, error.into()))?;
    let said = |name: &str| -> Result<Option<Vec<u8>>, StoreError> {
        let value = meta.get(name).map_err(known)?;
        Ok(value.map(|value| value.value().to_vec()))
    };
    let number = |name: &str| -> Result<Option<u64>, StoreError> {
        let octets = said(name)?;
        let octets = octets.map(<[u8; 8]>::try_from).transpose();
        let octets = octets.map_err(|_| place.damaged(format!("`{name}` is no number")))?;
        Ok(octets.map(u64::from_be_bytes))
    };
    let (schema, restarts) = (number("schema")?, number("restarts")?);
    let (counter, boot) = (number("restart counter")?, said("boot")?);
    let (owner, interfaces) = (said("owner")?, said("interfaces")?);
    let names = place.interfaces.join("\n");
    let empty = records.is_empty().map_err(known)?;
    let mut lost = false;
    match schema {
        None if !empty => return Err(place.damaged("records without a schema")),
        None => {}
        Some(OLDEST..=SCHEMA) => {
            let wanted = place.owner();
            let owner = owner.unwrap_or_default();
            // An empty store can change hands. What its sessions were before is not known.
            lost |= owner != wanted.as_bytes();
            if owner != wanted.as_bytes() && !empty {
                let found = String::from_utf8_lossy(&owner).into_owned();
                let path = place.path.clone();
                return Err(StoreError::Foreign {
                    path,
                    found,
                    wanted,
                });
            }
            let before = String::from_utf8_lossy(&interfaces.unwrap_or_default()).into_owned();
            if before != names {
                lost |= renumber(place, &mut records, &before)? > 0;
            }
        }
        Some(found) => {
            return Err(StoreError::Schema {
                path: place.path.clone(),
                found,
                known: SCHEMA,
            });
        }
    }
    // The first start is no restart.
    let restarts = restarts.map_or(0, |before| before + 1);
    // What the kernel had not written by the end of the machine is gone.
    let this_boot = boot_identity();
    lost |= place.durability == Durability::Process && boot.as_deref() != Some(&this_boot);
    // A gateway may have had another store before, or none: whose counter was a time, too.
    let counter = match counter {
        Some(counter) => counter + u64::from(lost),
        None => now(),
    };
    lost |= schema.is_none();
    let owner = place.owner();
    for (name, value) in [
        ("schema", SCHEMA.to_be_bytes().as_slice()),
        ("restarts", restarts.to_be_bytes().as_slice()),
        ("restart counter", counter.to_be_bytes().as_slice()),
        ("boot", this_boot.as_slice()),
        ("owner", owner.as_bytes()),
        ("interfaces", names.as_bytes()),
    ] {
        meta.insert(name, value).map_err(known)?;
    }
    let counter = RestartCounter {
        value: u32::try_from(counter).unwrap_or(u32::MAX),
        lost,
    };
    Ok((u32::try_from(restarts).unwrap_or(u32::MAX), counter))
}

/// What tells this run of the machine from others; nothing where the kernel does not say.
fn boot_identity() -> Vec<u8> {
    std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Gives visitors the numbers that their interfaces have now; those on interfaces that are gone are
/// forgotten. Returns how many are.
fn renumber(
    place: &Place,
    records: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
    before: &str,
) -> Result<usize, StoreError> {
    let known = |error: redb::StorageError| of(place, error.into());
    let mut forgotten = 0;
    let before: Vec<&str> = before.lines().collect();
    let mut moved = Vec::new();
    for entry in records.iter().map_err(known)? {
        let (key, value) = entry.map_err(known)?;
        if let Record::Visitor(visitor) = decode(place, value.value())? {
            moved.push((key.value().to_vec(), visitor));
        }
    }
    for (key, _) in &moved {
        records.remove(key.as_slice()).map_err(known)?;
    }
    let mut value = Vec::new();
    for (_, mut visitor) in moved {
        let name = before.get(usize::from(visitor.link.interface));
        let index = name.and_then(|name| place.interfaces.iter().position(|it| it == name));
        let Some(index) = index.and_then(|index| u16::try_from(index).ok()) else {
            tracing::warn!(mac = %visitor.link.mac, "a visitor's interface is no longer configured");
            forgotten += 1;
            continue;
        };
        visitor.link.interface = index;
        let record = Record::Visitor(visitor);
        let key = key(&record.key());
        encode(&record, &mut value)?;
        records
            .insert(key.as_slice(), value.as_slice())
            .map_err(known)?;
    }
    Ok(forgotten)
}

/// A key's octets; they sort by kind, then by number.
fn key(key: &Key) -> Vec<u8> {
    let mut octets = Vec::with_capacity(9);
    match key {
        Key::Binding { session } => {
            octets.push(0);
            octets.extend(session.to_be_bytes());
        }
        Key::Visitor { link } => {
            octets.push(1);
            octets.extend(link.interface.to_be_bytes());
            octets.extend(link.mac.0);
        }
        Key::Session { session } => {
            octets.push(2);
            octets.extend(session.to_be_bytes());
        }
        Key::Node { session } => {
            octets.push(3);
            octets.extend(session.to_be_bytes());
        }
    }
    octets
}

fn encode(record: &Record, octets: &mut Vec<u8>) -> Result<(), StoreError> {
    form::encode(record, octets).map_err(StoreError::Record)
}

fn decode(place: &Place, octets: &[u8]) -> Result<Record, StoreError> {
    form::decode(octets).map_err(|why| place.damaged(why))
}

impl Store for Embedded {
    fn load(&mut self, each: &mut dyn FnMut(Vec<Record>)) -> Result<(), StoreError> {
        let place = &self.place;
        let Some(database) = &self.database else {
            return Ok(());
        };
        let transaction = database.begin_read();
        let transaction = transaction.map_err(|error| of(place, error.into()))?;
        let table = transaction.open_table(RECORDS);
        let table = table.map_err(|error| of(place, error.into()))?;
        let mut chunk = Vec::with_capacity(CHUNK);
        for entry in table.iter().map_err(|error| of(place, error.into()))? {
            let (_, value) = entry.map_err(|error| of(place, error.into()))?;
            chunk.push(decode(place, value.value())?);
            if chunk.len() == CHUNK {
                each(std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK)));
            }
        }
        if !chunk.is_empty() {
            each(chunk);
        }
        Ok(())
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.write(|place, transaction| {
            let known = |error: redb::StorageError| of(place, error.into());
            let mut records = transaction
                .open_table(RECORDS)
                .map_err(|error| of(place, error.into()))?;
            let mut value = Vec::new();
            for change in changes {
                match change {
                    Change::Put(record) => {
                        let key = key(&record.key());
                        encode(record, &mut value)?;
                        let put = records.insert(key.as_slice(), value.as_slice());
                        put.map_err(known)?;
                    }
                    Change::Remove(removed) => {
                        records.remove(key(removed).as_slice()).map_err(known)?;
                    }
                }
            }
            Ok(())
        })
    }

    fn size(&self) -> Size {
        self.size
    }

    fn restarts(&self) -> u32 {
        self.restarts
    }

    fn restart_counter(&self) -> RestartCounter {
        self.restart_counter
    }
}

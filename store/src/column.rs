//! Values of columns, read back through the parsers that let them in. What does not parse is
//! [`StoreError::Corrupt`] and names its column.

use std::error::Error;
use std::str::FromStr;

use jiff::Timestamp;

use crate::StoreError;

pub(crate) fn parsed<T>(column: &'static str, text: &str) -> Result<T, StoreError>
where
    T: FromStr<Err: Error + Send + Sync + 'static>,
{
    text.parse().map_err(|source: T::Err| StoreError::Corrupt { column, source: source.into() })
}

pub(crate) fn instant(column: &'static str, milliseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_millisecond(milliseconds)
        .map_err(|source| StoreError::Corrupt { column, source: source.into() })
}

pub(crate) fn unsigned(column: &'static str, number: i64) -> Result<u32, StoreError> {
    u32::try_from(number).map_err(|source| StoreError::Corrupt { column, source: source.into() })
}

pub(crate) fn long(column: &'static str, number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|source| StoreError::Corrupt { column, source: source.into() })
}

/// A word that the column's enum does not have.
#[derive(Debug, thiserror::Error)]
#[error("no such word")]
pub struct UnknownWord;

/// An enum that is kept as one word a variant.
macro_rules! words {
    ($(#[$about:meta])* $visibility:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $name {
            $($(#[$doc])* $variant,)+
        }

        impl $name {
            /// Its word, as the database keeps it and people read it.
            #[must_use]
            $visibility fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::column::UnknownWord;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::column::UnknownWord),
                }
            }
        }
    };
}
pub(crate) use words;

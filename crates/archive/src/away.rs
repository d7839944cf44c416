//! What is wrong with the catalogue's database and passes by itself, for whoever asks.

use std::sync::{Arc, Mutex, PoisonError};

use outrigger_catalogue::CatalogueError;
use outrigger_model::with_causes;

/// The last trouble with the database, in words, until it is over; clones share it. A leaf lock, held for a copy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Away(Arc<Mutex<Option<String>>>);

impl Away {
    /// Notes how the last use of the database went.
    pub(crate) fn note(&self, error: Option<&CatalogueError>) {
        let words = error.map(|error| with_causes(error as &dyn std::error::Error));
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*place, &words) {
            (None, Some(words)) => tracing::error!(
                error = words,
                "the catalogue takes nothing; stores are refused until it does"
            ),
            (Some(_), None) => tracing::info!("the catalogue takes what is stored again"),
            _ => {}
        }
        *place = words;
    }

    /// Whether there is any.
    pub(crate) fn is_some(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// In words, while there is any.
    pub(crate) fn words(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

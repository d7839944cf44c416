//! Listeners and handlers that modalities, workstations and the RIS connect to.

//! Data sets turned from one transfer syntax into another, and their pixels compared.

mod dcmtk;
mod files;
mod images;
mod native;
mod samples;
mod streams;

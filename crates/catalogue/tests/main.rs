//! One contract for every catalogue.

#[cfg(test)]
mod contract;
#[cfg(test)]
mod made;

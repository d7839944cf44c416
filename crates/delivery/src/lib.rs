//! The only writer of members: takes open postings and closes them.

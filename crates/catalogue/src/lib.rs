//! Index of patients, studies, series and instances, over unlike databases.

//! Values: what PostgreSQL sends and reads, and what guests have.
//!
//! Results come in PostgreSQL's binary form ([`read`]). Parameters are sent as the text that stands for
//! them in SQL ([`write`]): so a value fits wherever PostgreSQL can read its text, whatever the exact
//! type of the column is.

mod binary;
mod calendar;
mod float;
pub mod read;
pub mod write;

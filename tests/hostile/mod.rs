//! Models, files and machines that mean no good: each is carried out within its limits, or refused with the limit.

mod budgets;
mod machine;
mod models;

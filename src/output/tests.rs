//! What the forms have in common when they are tested.

#![allow(dead_code)]

mod fixture;

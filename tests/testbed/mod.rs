//! The measured stack: the hand-off of its pool, the hand-over of its rows, and a few of its rows predicted.

mod hand_off;
mod rows;

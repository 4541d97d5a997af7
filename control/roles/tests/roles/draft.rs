//! Updates in the draft's form (S1-03 to S1-05, S1-07, S1-12, S1-13, S1-22).

//! What roles count. Each role declares its counters once, as an enum with a name and a
//! description each; everything that shows counters derives from that declaration.

use serde::Serialize;
use std::marker::PhantomData;

/// An enum of counters, declared with `counters!`.
pub trait Counter: Copy + 'static {
    /// Every counter, in the order of declaration.
    const ALL: &'static [Self];

    /// Place in [`ALL`](Self::ALL).
    fn index(self) -> usize;

    /// Stable name in snake case.
    fn name(self) -> &'static str;

    /// What is counted, one sentence without a full stop.
    fn description(self) -> &'static str;
}

/// One counter, as an operator sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CounterView {
    /// Stable name in snake case.
    pub name: &'static str,
    /// What is counted.
    pub description: &'static str,
    /// How often it happened.
    pub value: u64,
}

/// The values of the counters of `C`.
#[derive(Clone, Debug)]
pub struct Counters<C> {
    values: Vec<u64>,
    declared: PhantomData<C>,
}

impl<C: Counter> Counters<C> {
    /// All zero.
    pub fn new() -> Self {
        Self {
            values: vec![0; C::ALL.len()],
            declared: PhantomData,
        }
    }

    /// Counts one.
    pub fn add(&mut self, counter: C) {
        if let Some(value) = self.values.get_mut(counter.index()) {
            *value += 1;
        }
    }

    /// The value of one counter.
    pub fn get(&self, counter: C) -> u64 {
        self.values.get(counter.index()).copied().unwrap_or(0)
    }

    /// Every counter in the order of declaration.
    pub fn views(&self) -> impl Iterator<Item = CounterView> + '_ {
        C::ALL.iter().map(|&counter| CounterView {
            name: counter.name(),
            description: counter.description(),
            value: self.get(counter),
        })
    }
}

impl<C: Counter> Default for Counters<C> {
    fn default() -> Self {
        Self::new()
    }
}

/// Declares an enum of counters and its [`Counter`] implementation.
macro_rules! counters {
    ($(#[$doc:meta])* pub enum $name:ident { $($variant:ident = $text:literal: $what:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $(#[doc = $what] $variant,)+ }

        impl $crate::counters::Counter for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn index(self) -> usize {
                self as usize
            }

            fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => $what,)+
                }
            }
        }
    };
}

pub(crate) use counters;

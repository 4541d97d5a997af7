//! Stable names of error kinds, from which counters are made.

/// Gives an error enum `name` and `all_names` from one list, so that a variant without a counter
/// name does not compile.
macro_rules! error_names {
    ($error:ident { $($variant:pat => $name:literal,)+ }) => {
        impl $error {
            /// The stable snake_case name of this kind of error, for counters.
            pub const fn name(&self) -> &'static str {
                match self {
                    $($variant => $name,)+
                }
            }

            /// Every name that `name` can answer with.
            pub const fn all_names() -> &'static [&'static str] {
                &[$($name),+]
            }
        }
    };
}

pub(crate) use error_names;

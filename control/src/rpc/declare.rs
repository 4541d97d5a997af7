//! Structs that can say what their fields mean, so that documentation is made of the declaration.

/// A field of a request or a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// Its Rust type.
    pub kind: &'static str,
    /// What it means.
    pub description: &'static str,
}

/// Declares structs of JSON objects and lists their fields in `FIELDS`.
macro_rules! objects {
    ($(
        $(#[doc = $doc:literal])+
        $(#[derive($($derive:ident),+)])?
        pub struct $name:ident {
            $($(#[doc = $field_doc:literal])+ pub $field:ident: $kind:ty,)*
        }
    )+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        $(#[derive($($derive),+)])?
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $field_doc])+ pub $field: $kind,)*
        }

        impl $name {
            /// Its fields, in order.
            pub const FIELDS: &'static [$crate::rpc::Field] = &[$($crate::rpc::Field {
                name: stringify!($field),
                kind: stringify!($kind),
                description: concat!($($field_doc),+),
            },)*];

            /// What it is.
            pub const DESCRIPTION: &'static str = concat!($($doc),+);
        }
    )+};
}
pub(crate) use objects;

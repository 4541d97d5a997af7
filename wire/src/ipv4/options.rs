//! Header options (RFC 791 section 3.1), one by one.

/// Option types.
pub mod kind {
    /// End of the list.
    pub const END: u8 = 0;
    /// One octet of nothing.
    pub const NOP: u8 = 1;
    /// Record route.
    pub const RECORD_ROUTE: u8 = 7;
    /// Loose source route.
    pub const LOOSE_SOURCE_ROUTE: u8 = 131;
    /// Strict source route.
    pub const STRICT_SOURCE_ROUTE: u8 = 137;
    /// Router alert (RFC 2113).
    pub const ROUTER_ALERT: u8 = 148;
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderOption<'a> {
    /// Its type, one of [`kind`] where it is known here.
    pub kind: u8,
    /// What follows type and length.
    pub data: &'a [u8],
}

/// An option's length is below two octets or goes beyond the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an IPv4 option whose length is wrong")]
pub struct OptionError;

/// The options of a header, end of list and padding left out. Ends after the first error.
#[derive(Clone, Debug)]
pub struct HeaderOptions<'a> {
    rest: &'a [u8],
}

impl<'a> HeaderOptions<'a> {
    /// Of these octets, which follow the fixed header.
    pub const fn new(options: &'a [u8]) -> Self {
        Self { rest: options }
    }

    fn take(&mut self) -> Option<Result<HeaderOption<'a>, OptionError>> {
        loop {
            let (&kind, rest) = self.rest.split_first()?;
            match kind {
                kind::END => return None,
                kind::NOP => self.rest = rest,
                _ => {
                    let length = rest.first().map(|&length| usize::from(length));
                    let body = length.and_then(|length| self.rest.get(2..length));
                    let Some((length, data)) = length.zip(body) else {
                        self.rest = &[];
                        return Some(Err(OptionError));
                    };
                    self.rest = self.rest.get(length..).unwrap_or_default();
                    return Some(Ok(HeaderOption { kind, data }));
                }
            }
        }
    }
}

impl<'a> Iterator for HeaderOptions<'a> {
    type Item = Result<HeaderOption<'a>, OptionError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.take();
        if next.is_none() {
            self.rest = &[];
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[u8]) -> Vec<Result<HeaderOption<'_>, OptionError>> {
        HeaderOptions::new(options).collect()
    }

    #[test]
    fn options_come_one_by_one_until_the_list_ends() {
        let alert = HeaderOption {
            kind: kind::ROUTER_ALERT,
            data: &[0, 0],
        };
        let route = HeaderOption {
            kind: kind::LOOSE_SOURCE_ROUTE,
            data: &[4, 10, 0, 0, 1],
        };
        let both = [148, 4, 0, 0, 1, 131, 7, 4, 10, 0, 0, 1, 0, 148, 4, 0];
        assert_eq!(read(&both), [Ok(alert), Ok(route)]);
        assert_eq!(read(&[1, 1, 1, 1]), []);
        assert_eq!(read(&[]), []);
    }

    #[test]
    fn a_length_that_cannot_be_ends_the_list() {
        for wrong in [
            &[7, 0, 0, 0][..],
            &[7, 1, 4, 0],
            &[7, 5, 4, 0],
            &[1, 1, 1, 7],
        ] {
            assert_eq!(read(wrong), [Err(OptionError)], "{wrong:?}");
        }
    }
}

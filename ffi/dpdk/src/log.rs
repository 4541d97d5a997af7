//! DPDK's log, caught line by line.
//!
//! While an operation is watched its lines are kept: if it fails, the last of them goes into the
//! error; if it succeeds, those that matter go to the caller or to standard error. Lines outside an operation (a
//! driver that complains while packets flow) go to standard error at once.

use std::io::Write;

use dpdk_sys as sys;
use parking_lot::Mutex;

/// Lines kept for one operation; more push the oldest out.
const KEPT: usize = 64;

/// A line and its level.
type Line = (u32, String);

/// The lines of the operation under way, if one is.
static WATCHED: Mutex<Option<Vec<Line>>> = Mutex::new(None);

/// One operation at a time is watched.
static TURN: Mutex<()> = Mutex::new(());

/// Takes over DPDK's log. Before `rte_eal_init`, once.
pub(crate) fn take_over() -> bool {
    // SAFETY: `sink` may be called from any thread for as long as the process lives.
    unsafe { sys::shim_log_to(Some(sink)) == 0 }
}

/// Called by the C library's stream for each message.
unsafe extern "C" fn sink(level: u32, text: *const std::ffi::c_char, length: usize) {
    if text.is_null() {
        return;
    }
    // SAFETY: the stream passes `length` octets that stay put during this call.
    let octets = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    let text = String::from_utf8_lossy(octets);
    let mut watched = WATCHED.lock();
    for line in text
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
    {
        match watched.as_mut() {
            Some(lines) => {
                if lines.len() == KEPT {
                    lines.remove(0);
                }
                lines.push((level, line.to_owned()));
            }
            None => print(line),
        }
    }
}

/// Writes one line to standard error; nobody can be told when that fails.
fn print(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "dpdk: {line}");
}

/// Runs `operation`. Returns its result and the lines of `show` or graver that came with it, or
/// DPDK's own words for why it failed.
pub(crate) fn watch<T>(
    show: u32,
    operation: impl FnOnce() -> Result<T, i32>,
) -> Result<(T, Vec<String>), String> {
    let _turn = TURN.lock();
    *WATCHED.lock() = Some(Vec::new());
    let result = operation();
    let lines = WATCHED.lock().take().unwrap_or_default();
    match result {
        Ok(value) => {
            let shown = lines.into_iter().filter(|(level, _)| *level <= show);
            Ok((value, shown.map(|(_, line)| line).collect()))
        }
        Err(code) => Err(explain(&lines, code)),
    }
}

/// As [`watch`], with the lines on standard error when all went well.
pub(crate) fn watch_aloud<T>(
    show: u32,
    operation: impl FnOnce() -> Result<T, i32>,
) -> Result<T, String> {
    let (value, lines) = watch(show, operation)?;
    for line in &lines {
        print(line);
    }
    Ok(value)
}

/// The first complaint in the log (those after it are its consequences), or else what the code
/// means.
fn explain(lines: &[Line], code: i32) -> String {
    lines
        .iter()
        .find(|(level, _)| *level <= sys::RTE_LOG_ERR)
        .or_else(|| {
            lines
                .iter()
                .find(|(level, _)| *level == sys::RTE_LOG_WARNING)
        })
        .map(|(_, line)| line.trim().trim_end_matches('.').to_owned())
        .unwrap_or_else(|| errno_text(code))
}

/// What an errno says, positive or negative as DPDK returns them.
pub(crate) fn errno_text(code: i32) -> String {
    match code.saturating_abs() {
        // Many drivers return -1 for anything at all.
        0 | 1 => "its driver does not say why".to_owned(),
        // Codes of DPDK's own.
        own if own > 1000 => format!("DPDK error {own}"),
        errno => {
            let text = std::io::Error::from_raw_os_error(errno).to_string();
            match text.split_once(" (os error") {
                Some((words, _)) => words.to_lowercase(),
                None => text,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_complaint_is_the_cause() {
        let lines = [
            (sys::RTE_LOG_INFO, "EAL: hello".to_owned()),
            (sys::RTE_LOG_ERR, "PMD: no such interface.".to_owned()),
            (sys::RTE_LOG_ERR, "EAL: probe failed".to_owned()),
        ];
        assert_eq!(explain(&lines, -19), "PMD: no such interface");
        assert_eq!(explain(&[], -12), "cannot allocate memory");
    }
}
